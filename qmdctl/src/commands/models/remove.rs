//! `models remove`.

use qmd_proto::v1::RemoveModelRequest;

use super::spelt_out;
use crate::{
    cli::ModelArgs,
    client::Home,
    error::Result,
    render::{self, Screen},
};

pub(in crate::commands) async fn run(home: &Home, screen: Screen, args: &ModelArgs) -> Result<()> {
    let request = RemoveModelRequest {
        model: spelt_out(&args.model)?,
    };
    let client = home.connect().await?;
    let removed = client.control().remove_model(request).await?.into_inner();
    screen.done(&format!(
        "removed {}: {} freed",
        render::clean(&removed.path),
        render::size(removed.bytes_freed)
    ))
}
