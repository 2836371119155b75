//! `collection show`.

use std::time::{SystemTime, UNIX_EPOCH};

use qmd_proto::{
    Reason,
    v1::{ListCollectionsRequest, ListContextsRequest},
};

use crate::{
    cli::{Format, ShowArgs},
    client::Home,
    error::{Failure, Result},
    render::{self, Screen},
};

pub(in crate::commands) async fn run(home: &Home, screen: Screen, args: &ShowArgs) -> Result<()> {
    let client = home.connect().await?;
    let collections = client
        .index()
        .list_collections(ListCollectionsRequest {
            index: home.index(),
        })
        .await?
        .into_inner()
        .collections;
    let mut found = collections
        .into_iter()
        .filter(|known| known.name == args.name);
    let Some(collection) = found.next() else {
        let message = format!("no collection {:?}", args.name);
        let failure = Failure::new(Reason::CollectionUnknown, message);
        return Err(failure
            .hint("`qmdctl collection list` shows those there are")
            .into());
    };
    let mut contexts = client
        .index()
        .list_contexts(ListContextsRequest {
            index: home.index(),
        })
        .await?
        .into_inner()
        .contexts;
    contexts.retain(|context| context.collection == collection.name);
    match screen.format() {
        Format::Json => Screen::print(&render::collection_json(&collection, &contexts)?),
        Format::Cli => {
            let now = SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default();
            Screen::print(&render::collection(
                &collection,
                &contexts,
                now.as_secs() as i64,
            ))
        }
    }
}
