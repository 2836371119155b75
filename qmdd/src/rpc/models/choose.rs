//! Which model a role is to have, and the end of one that no role has.

use std::sync::Arc;

use qmd_proto::v1::{
    RemoveModelReply, RemoveModelRequest, RoleModel, UseModelReply, UseModelRequest,
    use_model_request::Choice as Wanted,
};
use tonic::Status;

use super::choices;
use crate::{
    config::edit,
    domain::{Reason, Role},
    models::{ModelSpec, Profile, blocking},
    rpc::{
        App, DEFAULT_INDEX, role,
        status::{self, status},
    },
};

/// Writes the choice of models into the configuration.
pub(in crate::rpc) async fn choose(
    app: &Arc<App>,
    request: UseModelRequest,
) -> Result<UseModelReply, Status> {
    let index = app.indexes.get(request.index.as_ref()).await?;
    if index.name != DEFAULT_INDEX {
        return Err(status::of(
            Reason::InvalidArgument,
            "all indexes share the models, which the default index's file names",
            Some("leave `--index` out".into()),
        ));
    }
    let file = &index.config_file();
    {
        let _writing = index.writing.lock().await;
        match &request.choice {
            Some(Wanted::Profile(profile)) => {
                let profile: Profile = profile.parse().map_err(|error| status(&error))?;
                edit::choose_profile(file, profile.as_str())
            }
            Some(Wanted::RoleModel(wanted)) => {
                let role = role::from_proto(wanted.role())
                    .ok_or_else(|| status::invalid("name the role: embed, rerank or generate"))?;
                let model = Some(wanted.model.trim()).filter(|model| !model.is_empty());
                if let Some(model) = model {
                    ModelSpec::parse(model, app.settings.home.as_deref())
                        .map_err(|error| status(&error))?;
                }
                edit::choose_model(file, role, model)
            }
            None => return Err(status::invalid("name a profile, or a role and its model")),
        }
        .map_err(|error| status(&error))?;
    }
    app.roles.assign(app).await;
    let roles = choices(app)?.into_iter().map(|choice| RoleModel {
        role: role::to_proto(choice.role).into(),
        model: choice.model.unwrap_or_default(),
    });
    Ok(UseModelReply {
        config_file: file.to_string_lossy().into_owned(),
        roles: roles.collect(),
    })
}

/// Deletes a model's file, unless a role is to have it.
pub(in crate::rpc) async fn remove(
    app: &Arc<App>,
    request: RemoveModelRequest,
) -> Result<RemoveModelReply, Status> {
    let home = app.settings.home.as_deref();
    let spec = ModelSpec::parse(&request.model, home).map_err(|error| status(&error))?;
    let store = app.roles.store.clone();
    for choice in choices(app)? {
        let Some(model) = choice.model else {
            continue;
        };
        // One that does not parse is no file to lose.
        let same = ModelSpec::parse(&model, home)
            .is_ok_and(|chosen| store.place(&chosen) == store.place(&spec));
        if same {
            return Err(in_use(choice.role, &spec));
        }
    }
    let removed = blocking(move || store.remove(&spec))
        .await
        .map_err(|error| status(&error))?;
    // Where none is configured, what is here decides on the profile.
    app.roles.assign(app).await;
    Ok(RemoveModelReply {
        path: removed.path.to_string_lossy().into_owned(),
        bytes_freed: removed.bytes,
    })
}

fn in_use(role: Role, spec: &ModelSpec) -> Status {
    let others = match spec {
        ModelSpec::Catalogue(entry) => Profile::ALL.into_iter().find(|it| *it != entry.profile),
        ModelSpec::Hub(_) | ModelSpec::Path(_) => None,
    };
    let instead = match others {
        Some(profile) => format!("qmdctl models use {profile}"),
        None => format!("qmdctl models use {role} --default"),
    };
    status::of(
        Reason::Busy,
        format!("{spec} is the {role} model"),
        Some(format!("choose another first, as with `{instead}`")),
    )
}
