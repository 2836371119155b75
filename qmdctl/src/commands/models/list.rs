//! `models list`.

use qmd_proto::v1::ListModelsRequest;

use crate::{
    cli::Format,
    client::Home,
    error::Result,
    render::{self, Screen},
};

pub(in crate::commands) async fn run(home: &Home, screen: Screen) -> Result<()> {
    let client = home.connect().await?;
    let request = ListModelsRequest {
        index: home.named_index(),
    };
    let reply = client.control().list_models(request).await?.into_inner();
    match screen.format() {
        Format::Cli => Screen::print(&render::model_list(&reply)),
        Format::Json => Screen::print(&render::model_list_json(&reply)?),
    }
}
