//! The model catalogue over the API.

mod choose;
mod transfer;
mod verify;

use std::sync::Arc;

use qmd_proto::v1::{
    CatalogueEntry, ListModelsReply, ModelDone, ModelEvent, ModelProgress, model_event,
};
use tonic::Status;

pub(super) use self::{
    choose::{choose, remove},
    transfer::{import, pull},
    verify::verify,
};
use super::{
    App, role,
    roles::{Choice, configured},
    status::status,
    stream::Progress,
};
use crate::models::{Installed, OnProgress};

/// The catalogue, with what is here and what is in use.
pub(super) fn list(app: &App) -> Result<ListModelsReply, Status> {
    let roles = &app.roles;
    let choices = configured(&app.settings).map_err(|error| status(&error))?;
    let profile = roles.profile(&choices).map_err(|error| status(&error))?;
    let chosen = roles.choices(&choices).map_err(|error| status(&error))?;
    let entries = roles
        .store
        .list()
        .into_iter()
        .map(|listing| CatalogueEntry {
            profile: listing.entry.profile.as_str().into(),
            role: role::to_proto(listing.entry.role).into(),
            name: listing.entry.name.into(),
            source: listing.entry.source.to_string(),
            present: listing.path.is_some(),
            path: listing
                .path
                .map(|path| path.to_string_lossy().into_owned())
                .unwrap_or_default(),
            bytes: listing.bytes,
            active: chosen
                .iter()
                .any(|choice| choice.model.as_deref() == Some(listing.entry.name)),
            sha256: listing.entry.sha256.unwrap_or_default().into(),
        });
    let entries = entries.collect();
    Ok(ListModelsReply {
        entries,
        profile: profile.as_str().into(),
    })
}

/// What each role is configured to have now.
pub(super) fn choices(app: &App) -> Result<Vec<Choice>, Status> {
    let configured = configured(&app.settings).map_err(|error| status(&error))?;
    app.roles
        .choices(&configured)
        .map_err(|error| status(&error))
}

/// Sends a model's progress to the client.
fn reporter(progress: Arc<Progress<ModelEvent>>, name: String) -> OnProgress {
    Arc::new(move |step| {
        progress.send(ModelEvent {
            event: Some(model_event::Event::Progress(ModelProgress {
                name: name.clone(),
                step: step.step.as_str().into(),
                bytes_done: step.bytes_done,
                bytes_total: step.bytes_total,
            })),
        });
    })
}

fn done(name: String, installed: Installed) -> ModelEvent {
    ModelEvent {
        event: Some(model_event::Event::Done(ModelDone {
            name,
            path: installed.path.to_string_lossy().into_owned(),
            sha256: installed.sha256,
            bytes: installed.bytes,
            already_present: installed.already_present,
        })),
    }
}
