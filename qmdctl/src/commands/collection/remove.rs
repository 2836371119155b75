//! `collection remove`.

use qmd_proto::v1::RemoveCollectionRequest;

use crate::{
    cli::CollectionArgs,
    client::Home,
    error::Result,
    render::{self, Screen},
};

pub(in crate::commands) async fn run(
    home: &Home,
    screen: Screen,
    args: CollectionArgs,
) -> Result<()> {
    let client = home.connect().await?;
    let request = RemoveCollectionRequest {
        index: home.index(),
        name: args.name.clone(),
    };
    let removed = client
        .index()
        .remove_collection(request)
        .await?
        .into_inner();
    screen.done(&format!(
        "removed {}: {} left the index",
        render::clean(&args.name),
        render::count(removed.documents_removed, "document"),
    ))
}
