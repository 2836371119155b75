//! `models load` and `models unload`.

use qmd_proto::v1::{LoadModelsRequest, UnloadModelsRequest};

use super::{role, show};
use crate::{
    cli::RolesArgs,
    client::Home,
    error::Result,
    render::{Screen, Step},
};

pub(in crate::commands) async fn load(home: &Home, screen: Screen, args: &RolesArgs) -> Result<()> {
    let client = home.connect().await?;
    let request = LoadModelsRequest { roles: roles(args) };
    let mut progress = screen.progress();
    progress.show(&Step {
        label: "loading models".into(),
        done: 0,
        total: 0,
        detail: String::new(),
        bytes: false,
    });
    let loaded = client.control().load_models(request).await;
    progress.finish();
    show(screen, &loaded?.into_inner().models)
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
