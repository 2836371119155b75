//! `import-qmd`.

use std::path::Path;

use qmd_proto::{
    Reason,
    v1::{ImportQmdRequest, import_qmd_event::Event},
};

use super::{next, note_pending, updating, utf8, warn_of};
use crate::{
    cli::{Format, ImportQmdArgs},
    client::Home,
    error::{Failure, Result},
    render::{self, Screen, Step},
};

pub(super) async fn run(home: &Home, screen: Screen, args: &ImportQmdArgs) -> Result<()> {
    let path = match &args.path {
        Some(path) => absolute(path)?,
        None => String::new(),
    };
    let client = home.connect().await?;
    let request = ImportQmdRequest {
        index: home.index(),
        path,
    };
    let mut events = client.index().import_qmd(request).await?.into_inner();
    let mut progress = screen.progress();
    let summary = loop {
        match next(&mut events).await?.event {
            Some(Event::Updating(step)) => progress.show(&updating(step)),
            Some(Event::Vectors(step)) => progress.show(&Step {
                label: "taking vectors".into(),
                done: step.documents_done,
                total: step.documents_total,
                detail: String::new(),
                bytes: false,
            }),
            Some(Event::Summary(summary)) => break summary,
            // An event of a newer daemon.
            None => {}
        }
    };
    progress.finish();
    warn_of(&summary.notices);
    match screen.format() {
        Format::Cli => screen.done(&render::imported(&summary))?,
        Format::Json => Screen::print(&render::imported_json(&summary)?)?,
    }
    note_pending(screen, summary.pending_embedding);
    Ok(())
}

/// A path as the daemon can understand it, which works in another folder.
fn absolute(path: &Path) -> Result<String> {
    let path = path
        .canonicalize()
        .map_err(|error| Failure::of_path(path, &error, Reason::NotQmdIndex))?;
    Ok(utf8(&path)?.to_owned())
}
