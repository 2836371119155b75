//! `status`.

use qmd_proto::v1::StatusRequest;

use super::now;
use crate::{
    cli::Format,
    client::Home,
    error::Result,
    render::{self, Screen},
};

pub(super) async fn run(home: &Home, screen: Screen) -> Result<()> {
    let client = home.connect().await?;
    let request = StatusRequest {
        index: home.index(),
    };
    let reply = client.control().status(request).await?.into_inner();
    match screen.format() {
        Format::Cli => Screen::print(&render::status(&reply, now())),
        Format::Json => Screen::print(&render::status_json(&reply)?),
    }
}
