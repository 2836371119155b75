//! `collection list`.

use std::time::{SystemTime, UNIX_EPOCH};

use qmd_proto::v1::ListCollectionsRequest;

use crate::{
    cli::Format,
    client::Home,
    error::Result,
    render::{self, Screen},
};

pub(in crate::commands) async fn run(home: &Home, screen: Screen) -> Result<()> {
    let client = home.connect().await?;
    let request = ListCollectionsRequest {
        index: home.index(),
    };
    let collections = client
        .index()
        .list_collections(request)
        .await?
        .into_inner()
        .collections;
    match screen.format() {
        Format::Json => Screen::print(&render::collection_list_json(&collections)?),
        Format::Cli if collections.is_empty() => {
            screen.note("no collections: add one with `qmdctl collection add DIR --name NAME`");
            Ok(())
        }
        Format::Cli => {
            let now = SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default();
            Screen::print(&render::collection_list(&collections, now.as_secs() as i64))
        }
    }
}
