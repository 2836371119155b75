//! `collection rename`.

use qmd_proto::v1::RenameCollectionRequest;

use crate::{
    cli::RenameArgs,
    client::Home,
    error::Result,
    render::{self, Screen},
};

pub(in crate::commands) async fn run(home: &Home, screen: Screen, args: RenameArgs) -> Result<()> {
    let names = [&args.name, &args.new_name].map(|name| render::clean(name).into_owned());
    let request = RenameCollectionRequest {
        index: home.index(),
        name: args.name,
        new_name: args.new_name,
    };
    let client = home.connect().await?;
    client.index().rename_collection(request).await?;
    screen.done(&format!("renamed {} to {}", names[0], names[1]))
}
