//! `context remove`.

use qmd_proto::v1::RemoveContextRequest;

use super::address;
use crate::{
    cli::PlaceArgs,
    client::Home,
    commands::incomplete,
    error::Result,
    render::{self, Screen},
};

pub(in crate::commands) async fn run(home: &Home, screen: Screen, args: &PlaceArgs) -> Result<()> {
    let request = RemoveContextRequest {
        index: home.index(),
        address: address(&args.place)?,
    };
    let client = home.connect().await?;
    let reply = client.index().remove_context(request).await?.into_inner();
    let Some(context) = reply.context else {
        return Err(incomplete("the daemon did not say what it removed").into());
    };
    screen.done(&format!(
        "{} has no description of its own now",
        render::place(&context)
    ))
}
