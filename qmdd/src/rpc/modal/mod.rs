//! The remote end over the API: what is configured of it, where it is nearest, and how it does.

mod ping;
mod region;
mod save;

use std::{path::Path, sync::Arc};

use qmd_proto::v1::{DescribeModalReply, IndexRef, ModalModel};
use tonic::Status;

pub(super) use self::{ping::ping, region::detect, save::save};
use super::{
    App, DEFAULT_INDEX, Index, models, role,
    roles::Choice,
    status::{self, status},
};
use crate::{
    config::ModalConfig,
    domain::Reason,
    models::{HubFile, ModelSpec, Source},
};

/// What the configuration says of the remote end, and what a deployment of it needs.
pub(super) async fn describe(
    app: &Arc<App>,
    index: Option<&IndexRef>,
) -> Result<DescribeModalReply, Status> {
    let index = the_index(app, index).await?;
    let modal = configured(&index)?;
    let mut wanted = Vec::new();
    for choice in models::choices(app)? {
        wanted.extend(model(app, choice)?);
    }
    Ok(DescribeModalReply {
        config_file: text(&index.config_file()),
        inference: modal.inference,
        url: url(app, &modal).unwrap_or_default(),
        // A token that cannot be used is one that a deployment has to write.
        has_token: matches!(modal.token(&app.settings), Ok(Some(_))),
        token_file: text(
            &modal
                .token_file
                .unwrap_or_else(|| app.settings.dirs.modal_token()),
        ),
        gpu: modal.gpu,
        region: modal.region.unwrap_or_default(),
        compute_region: modal.compute_region.unwrap_or_default(),
        scaledown_window_s: modal.scaledown_window,
        min_containers: modal.min_containers,
        max_containers: modal.max_containers,
        snapshot: modal.snapshot,
        image: modal.image.unwrap_or_default(),
        models: wanted,
        startup_timeout_s: modal.timeout,
    })
}

/// The index whose file has the `modal:` section.
async fn the_index(app: &Arc<App>, index: Option<&IndexRef>) -> Result<Arc<Index>, Status> {
    let index = app.indexes.get(index).await?;
    if index.name == DEFAULT_INDEX {
        return Ok(index);
    }
    Err(status::of(
        Reason::InvalidArgument,
        "all indexes share the remote end, which the default index's file describes",
        Some("leave `--index` out".into()),
    ))
}

fn configured(index: &Index) -> Result<ModalConfig, Status> {
    let config = index.config().map_err(|error| status(&error))?;
    Ok(config.modal.clone())
}

/// Where the remote end is.
fn url(app: &App, modal: &ModalConfig) -> Option<String> {
    app.settings.modal_url.clone().or_else(|| modal.url.clone())
}

/// A role's model, and where a deployment gets it from.
fn model(app: &App, choice: Choice) -> Result<Option<ModalModel>, Status> {
    let Some(name) = choice.model else {
        return Ok(None);
    };
    let home = app.settings.home.as_deref();
    let spec = ModelSpec::parse(&name, home).map_err(|error| status(&error))?;
    let store = &app.roles.store;
    let file = store.resolve(&spec);
    let source = match hub_file(&spec) {
        Some(hub) => hub.to_string(),
        None => text(file.as_ref().map_err(|error| status(error))?),
    };
    let sha256 = file.ok().and_then(|file| store.known_sha256(&file));
    Ok(Some(ModalModel {
        role: role::to_proto(choice.role).into(),
        name,
        source,
        sha256: sha256.unwrap_or_default(),
    }))
}

/// Where a hub has the model, if one has it.
fn hub_file(spec: &ModelSpec) -> Option<&HubFile> {
    match spec {
        ModelSpec::Catalogue(entry) => match &entry.source {
            Source::Hub(file) => Some(file),
            Source::Pypi(_) => None,
        },
        ModelSpec::Hub(file) => Some(file),
        ModelSpec::Path(_) => None,
    }
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
