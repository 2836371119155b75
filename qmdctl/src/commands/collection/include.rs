//! `collection include` and `collection exclude`.

use qmd_proto::v1::IncludeCollectionRequest;

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
    included: bool,
) -> Result<()> {
    let name = render::clean(&args.name).into_owned();
    let request = IncludeCollectionRequest {
        index: home.index(),
        name: args.name,
        include_by_default: included,
    };
    let client = home.connect().await?;
    client.index().include_collection(request).await?;
    screen.done(&if included {
        format!("{name} is searched whenever no collection is named")
    } else {
        format!("{name} is searched only when it is named: `-c {name}`")
    })
}
