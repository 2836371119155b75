//! `daemon status`.

use qmd_proto::v1::StatusRequest;

use crate::{
    cli::Format,
    client::{Home, not_running},
    commands::incomplete,
    error::Result,
    render::{self, Screen},
};

pub(in crate::commands) async fn run(home: &Home, screen: Screen) -> Result<()> {
    let Some(client) = home.connect_running().await? else {
        return Err(not_running().into());
    };
    let request = StatusRequest {
        index: home.named_index(),
    };
    let reply = client.control().status(request).await?.into_inner();
    let Some(daemon) = reply.daemon else {
        return Err(incomplete("the daemon did not say how it is").into());
    };
    match screen.format() {
        Format::Cli => Screen::print(&render::daemon_status(&daemon)),
        Format::Json => Screen::print(&render::daemon_status_json(&daemon)?),
    }
}
