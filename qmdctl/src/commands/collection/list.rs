//! `collection list`.

use qmd_proto::v1::ListCollectionsRequest;

use crate::{
    cli::Format,
    client::Home,
    commands::now,
    error::Result,
    render::{self, Notice, Screen},
};

pub(in crate::commands) async fn run(home: &Home, screen: Screen) -> Result<()> {
    let client = home.connect().await?;
    let request = ListCollectionsRequest {
        index: home.index(),
    };
    let listed = client.index().list_collections(request).await?.into_inner();
    for notice in &listed.notices {
        Screen::warn(&Notice::of_reply(notice));
    }
    let collections = listed.collections;
    match screen.format() {
        Format::Json => Screen::print(&render::collection_list_json(&collections)?),
        Format::Cli if collections.is_empty() => {
            screen.note("no collections: add one with `qmdctl collection add DIR --name NAME`");
            Ok(())
        }
        Format::Cli => Screen::print(&render::collection_list(&collections, now())),
    }
}
