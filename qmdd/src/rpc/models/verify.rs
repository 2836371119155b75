//! Reads models anew and checks them against what they should be.

use std::sync::Arc;

use qmd_proto::v1::{ModelEvent, VerifyModelsRequest};
use tonic::{Response, Status};

use super::{choices, done, reporter};
use crate::{
    domain::{Failure, Reason},
    models::{ModelError, ModelSpec, blocking},
    rpc::{
        App,
        status::{self, status},
        stream::{Events, events},
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
    if models.is_empty() {
        let message = "no model was verified";
        return Err(status::of(Reason::Internal, message, None));
    }
    let app = Arc::clone(app);
    Ok(events(move |progress, cancel| async move {
        let progress = Arc::new(progress);
        for spec in models {
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
            let remedy = store.remedy(&spec);
            let installed = blocking(move || store.verify(&spec, &report))
                .await
                .map_err(|error| unsound(&error, remedy))?;
            progress.deliver(done(name, installed)).await;
        }
        Ok(())
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
    for choice in choices(app)? {
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
