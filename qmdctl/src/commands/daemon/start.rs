//! `daemon start`.

use qmd_proto::v1::StatusRequest;

use crate::{client::Home, error::Result, render::Screen};

pub(in crate::commands) async fn run(home: &Home, screen: Screen) -> Result<()> {
    let started = home.start().await?;
    tell(
        home,
        screen,
        if started { "started" } else { "runs already" },
    )
    .await
}

/// Says which daemon it is, once it serves requests for this configuration.
pub(super) async fn tell(home: &Home, screen: Screen, how: &str) -> Result<()> {
    let client = home.connect().await?;
    let request = StatusRequest {
        index: home.named_index(),
    };
    let reply = client.control().status(request).await?.into_inner();
    let daemon = reply.daemon.unwrap_or_default();
    screen.done(&format!(
        "qmdd {} {how}, process {}",
        daemon.version, daemon.pid
    ))
}
