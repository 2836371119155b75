//! `context list`.

use qmd_proto::v1::ListContextsRequest;

use crate::{
    cli::Format,
    client::Home,
    error::Result,
    render::{self, Screen},
};

pub(in crate::commands) async fn run(home: &Home, screen: Screen) -> Result<()> {
    let client = home.connect().await?;
    let request = ListContextsRequest {
        index: home.index(),
    };
    let contexts = client
        .index()
        .list_contexts(request)
        .await?
        .into_inner()
        .contexts;
    match screen.format() {
        Format::Json => Screen::print(&render::contexts_json(&contexts)?),
        Format::Cli if contexts.is_empty() => {
            screen.note("no descriptions: add one with `qmdctl context add PLACE TEXT`");
            Ok(())
        }
        Format::Cli => Screen::print(&render::contexts(&contexts)),
    }
}
