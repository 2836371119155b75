//! `cleanup`.

use qmd_proto::v1::CleanupRequest;

use crate::{
    cli::{CleanupArgs, Format},
    client::Home,
    error::Result,
    render::{self, Screen},
};

pub(super) async fn run(home: &Home, screen: Screen, args: &CleanupArgs) -> Result<()> {
    let client = home.connect().await?;
    let request = CleanupRequest {
        index: home.index(),
        dry_run: args.dry_run,
    };
    let reply = client.index().cleanup(request).await?.into_inner();
    match screen.format() {
        Format::Cli => screen.done(&render::cleaned(&reply, args.dry_run)),
        Format::Json => Screen::print(&render::cleaned_json(&reply, args.dry_run)?),
    }
}
