//! `context add`.

use qmd_proto::v1::SetContextRequest;

use super::address;
use crate::{
    cli::ContextAddArgs,
    client::Home,
    commands::incomplete,
    error::Result,
    render::{self, Screen},
};

pub(in crate::commands) async fn run(
    home: &Home,
    screen: Screen,
    args: &ContextAddArgs,
) -> Result<()> {
    let (place, text) = args.parts();
    let request = SetContextRequest {
        index: home.index(),
        address: address(place)?,
        text: text.to_owned(),
    };
    let client = home.connect().await?;
    let reply = client.index().set_context(request).await?.into_inner();
    let Some(context) = reply.context else {
        return Err(incomplete("the daemon did not say what it described").into());
    };
    screen.done(&format!("described {}", render::place(&context)))
}
