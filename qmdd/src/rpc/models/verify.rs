//! Reads models anew and checks them against what they should be.

use std::sync::Arc;

use qmd_proto::v1::{ModelEvent, VerifyModelsRequest};
use tokio::task::spawn_blocking;
use tonic::{Response, Status};

use super::{done, reporter};
use crate::{
    domain::{Failure, Reason},
    models::{ModelError, ModelSpec},
    rpc::{
        App,
        roles::configured,
        status::{self, status},
        stream::{Events, stream},
    },
};

/// Hashes models against what they should be. The first that is not ends it.
pub(in crate::rpc) fn verify(
    app: &Arc<App>,
    request: VerifyModelsRequest,
) -> Result<Response<Events<ModelEvent>>, Status> {
    let VerifyModelsRequest { models } = request;
    let models = if models.is_empty() {
        known(app)?
    } else {
        let home = app.settings.home.as_deref();
        let models = models.iter().map(|model| ModelSpec::parse(model, home));
        models
            .collect::<Result<_, _>>()
            .map_err(|error| status(&error))?
    };
    let app = Arc::clone(app);
    Ok(stream(move |progress, cancel| async move {
        let progress = Arc::new(progress);
        let mut last = None;
        for spec in models {
            if let Some(event) = last.take() {
                progress.deliver(event).await;
            }
            if cancel.is_cancelled() {
                return Err(status::of(
                    Reason::Cancelled,
                    "the call was cancelled",
                    None,
                ));
            }
            let name = spec.to_string();
            let report = reporter(Arc::clone(&progress), name.clone());
            let store = app.roles.store.clone();
            let installed = spawn_blocking(move || {
                let verified = store.verify(&spec, &report);
                verified.map_err(|error| unsound(&error, store.remedy(&spec)))
            })
            .await
            .map_err(|panic| status::of(Reason::Internal, panic.to_string(), None))?;
            last = Some(done(name, installed?));
        }
        last.ok_or_else(|| status::of(Reason::Internal, "no model was verified", None))
    }))
}

/// Every model of the catalogue that is here, then what else the roles are to have.
fn known(app: &App) -> Result<Vec<ModelSpec>, Status> {
    let roles = &app.roles;
    let here = roles.store.list().into_iter();
    let here = here.filter(|listing| listing.path.is_some());
    let mut models: Vec<_> = here
        .map(|listing| ModelSpec::Catalogue(listing.entry))
        .collect();
    let choices = configured(&app.settings).map_err(|error| status(&error))?;
    for choice in roles.choices(&choices).map_err(|error| status(&error))? {
        let Some(model) = choice.model else {
            continue;
        };
        let spec = ModelSpec::parse(&model, app.settings.home.as_deref())
            .map_err(|error| status(&error))?;
        let place = roles.store.place(&spec);
        if models.iter().all(|known| roles.store.place(known) != place) {
            models.push(spec);
        }
    }
    Ok(models)
}

/// A damaged model is mended as a missing one is.
fn unsound(error: &ModelError, remedy: String) -> Status {
    match error.reason() {
        reason @ (Reason::HashMismatch | Reason::ModelCorrupt) => {
            status::of(reason, error.to_string(), Some(remedy))
        }
        _ => status(error),
    }
}
