//! `get`.

use qmd_proto::v1::GetRequest;

use super::{address::Asked, on_disk::OnDisk};
use crate::{
    cli::{DocumentFormat, GetArgs},
    client::Home,
    error::Result,
    render::{self, Notice, Screen},
};

pub(super) async fn run(home: &Home, args: &GetArgs) -> Result<()> {
    let asked = Asked::one(&args.address)?;
    let request = GetRequest {
        index: asked.index(home),
        address: asked.address,
        from_line: args.from,
        max_lines: args.lines,
    };
    let client = home.connect().await?;
    let reply = client.documents().get(request).await?.into_inner();
    if reply.from_line > reply.total_lines && reply.from_line > 1 {
        let message = format!("the document has {} lines", reply.total_lines);
        Screen::warn(&Notice {
            message,
            reason: String::new(),
            hint: None,
        });
    }
    let on_disk = args.full_path.then(OnDisk::new);
    let file = on_disk.and_then(|on_disk| on_disk.name(&reply.uri, &reply.file_path));
    let file = file.as_deref();
    match args.document_format() {
        DocumentFormat::Json => Screen::print(&render::document_json(&reply, file)?),
        DocumentFormat::Md => Screen::print_data(&render::document_md(&reply, file)),
        DocumentFormat::Xml => Screen::print_data(&render::document_xml(&reply, file)),
        DocumentFormat::Cli => {
            let heading = file.map(render::file_heading).unwrap_or_default();
            Screen::print(&heading)?;
            let terminal = Screen::is_terminal();
            let text = render::document(&reply, !args.no_line_numbers, terminal);
            // Colour codes are kept out of what is not for a terminal; a document's own are not.
            if args.no_line_numbers {
                Screen::print_raw(text.as_bytes())
            } else {
                Screen::print(&text)
            }
        }
    }
}
