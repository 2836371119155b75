//! `models load` and `models unload`.

use qmd_proto::v1::{LoadModelsReply, LoadModelsRequest, UnloadModelsRequest};
use tonic::Status;

use super::{role, show};
use crate::{
    cli::RolesArgs,
    client::{Client, Home},
    error::Result,
    render::{Screen, Step},
};

pub(in crate::commands) async fn load(home: &Home, screen: Screen, args: &RolesArgs) -> Result<()> {
    let client = home.connect().await?;
    let loaded = load_roles(&client, screen, roles(args)).await?;
    show(screen, &loaded.models)
}

/// Loads the models of roles, all of them when none is named, and shows that it goes on.
pub(in crate::commands) async fn load_roles(
    client: &Client,
    screen: Screen,
    roles: Vec<i32>,
) -> Result<LoadModelsReply, Status> {
    let mut progress = screen.progress();
    progress.show(&Step {
        label: "loading models".into(),
        done: 0,
        total: 0,
        detail: String::new(),
        bytes: false,
    });
    let request = LoadModelsRequest { roles };
    let loaded = client.control().load_models(request).await;
    progress.finish();
    Ok(loaded?.into_inner())
}

pub(in crate::commands) async fn unload(
    home: &Home,
    screen: Screen,
    args: &RolesArgs,
) -> Result<()> {
    let client = home.connect().await?;
    let request = UnloadModelsRequest { roles: roles(args) };
    let unloaded = client.control().unload_models(request).await?;
    show(screen, &unloaded.into_inner().models)
}

fn roles(args: &RolesArgs) -> Vec<i32> {
    args.roles.iter().map(|name| role(*name).into()).collect()
}
