//! Which model each role has: from the configuration to a checked file in the backend's hands.

use std::{path::PathBuf, sync::Arc};

use tokio::sync::Mutex;

use super::{App, DEFAULT_INDEX};
use crate::{
    config::{ConfigError, IndexConfig, ModalConfig, ModelChoices, Settings},
    domain::{Failure, Reason, Role},
    infer::backend::{Assignment, InferError, ModelShape, ModelSource},
    models::{Installed, ModelError, ModelSpec, ModelStore, Profile, blocking, gguf::GgufInfo},
};

/// The models of the daemon. All indexes share them; the default index's configuration names them.
pub struct Roles {
    /// Model files.
    pub store: ModelStore,
    home: Option<PathBuf>,
    /// Held while roles are assigned: one change at a time.
    assigning: Mutex<()>,
}

/// What a role is configured to have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// The role.
    pub role: Role,
    /// The model as configured, else the profile's; `None` when the profile has none.
    pub model: Option<String>,
}

impl Roles {
    /// No role has its model yet.
    pub fn new(settings: &Settings) -> Self {
        Self {
            store: ModelStore::new(settings.dirs.models(), &settings.dirs.qmd_cache),
            home: settings.home.clone(),
            assigning: Mutex::default(),
        }
    }

    /// Inference at Modal, as it is configured now; nothing of it where that cannot be read.
    pub fn modal(settings: &Settings) -> ModalConfig {
        load(settings).unwrap_or_default().1
    }

    /// The profile that fills roles without a model of their own: the configured one, else the
    /// larger one whose embedding model is on this machine, else the starter.
    pub fn profile(&self, choices: &ModelChoices) -> Result<Profile, ModelError> {
        if let Some(profile) = &choices.profile {
            return profile.parse();
        }
        let here = |profile: &Profile| {
            let model = profile.model(Role::Embed).map(ModelSpec::Catalogue);
            model.is_some_and(|model| self.store.resolve(&model).is_ok())
        };
        Ok(Some(Profile::Standard)
            .filter(here)
            .unwrap_or(Profile::Starter))
    }

    /// Each role's model by name.
    pub fn choices(&self, choices: &ModelChoices) -> Result<Vec<Choice>, ModelError> {
        let profile = self.profile(choices)?;
        let choice = |role| Choice {
            role,
            model: choices
                .role(role)
                .map(str::to_owned)
                .or_else(|| profile.model(role).map(|entry| entry.name.to_owned())),
        };
        Ok(Role::ALL.into_iter().map(choice).collect())
    }

    /// Takes up the backend that the configuration asks for now, and hands each role its model. Files are checked and hashed
    /// first, which takes a moment for one that is new. A configuration that cannot be read leaves
    /// everything as it is.
    pub async fn assign(&self, app: &App) {
        self.hand_out(app).await;
        app.indexes.models_changed();
    }

    async fn hand_out(&self, app: &App) {
        let _assigning = self.assigning.lock().await;
        let (choices, modal) = match load(&app.settings) {
            Ok(configured) => configured,
            Err(error) => return tracing::error!(%error, "models are left as they are"),
        };
        app.backends.take_up(&app.settings, &modal);
        if modal.inference {
            // The remote end has its own.
            return;
        }
        let backend = app.backend();
        let choices = match self.choices(&choices) {
            Ok(choices) => choices,
            Err(error) => return tracing::error!(%error, "models are left as they are"),
        };
        // All at once, before the first file is read: a role that waits for its turn is no role
        // without a model.
        for Choice { role, model } in &choices {
            // One that is ready, or on its way, may turn out to be the same.
            let kept = matches!(backend.info(*role), Ok(_) | Err(InferError::Loading { .. }));
            if let Some(name) = model
                && !kept
            {
                let (role, name) = (*role, name.clone());
                let error = InferError::Loading {
                    role,
                    name: name.clone(),
                };
                backend.assign(role, Assignment::Withheld { name, error });
            }
        }
        for Choice { role, model } in choices {
            let Some(name) = model else {
                backend.assign(role, Assignment::None);
                continue;
            };
            let assignment = match self.find(&name).await {
                Ok((installed, info)) => Assignment::Model(ModelSource {
                    name,
                    path: installed.path,
                    sha256: installed.sha256,
                    shape: shape(&info),
                }),
                Err(error) => {
                    tracing::warn!(%role, %error, "no model");
                    Assignment::Withheld {
                        error: withheld(role, &name, &error),
                        name,
                    }
                }
            };
            backend.assign(role, assignment);
        }
    }

    async fn find(&self, name: &str) -> Result<(Installed, GgufInfo), ModelError> {
        let spec = ModelSpec::parse(name, self.home.as_deref())?;
        let store = self.store.clone();
        blocking(move || store.describe(&spec, &(Arc::new(|_| ()) as _))).await
    }
}

/// What the file says of the model's size.
fn shape(info: &GgufInfo) -> ModelShape {
    let heads = info.head_count.unwrap_or(1).max(1);
    let head = info.embedding_length / heads;
    let pairs = info.head_count_kv.unwrap_or(heads);
    let keys = info.key_length.unwrap_or(head);
    let values = info.value_length.unwrap_or(head);
    ModelShape {
        weight_bytes: info.weight_bytes,
        layers: info.block_count,
        embedding_length: info.embedding_length,
        key_value_length: pairs.saturating_mul(keys.saturating_add(values)),
        vocabulary: info.vocabulary,
        context_tokens: info.context_length,
        encoder: info.architecture.contains("bert"),
    }
}

/// The models that configuration and environment name, and whether Modal's count instead.
fn load(settings: &Settings) -> Result<(ModelChoices, ModalConfig), ConfigError> {
    let config = IndexConfig::load(&settings.dirs.index_config(DEFAULT_INDEX))?;
    Ok((config.models.or(settings.models.clone()), config.modal))
}

/// The models that configuration and environment name.
pub(super) fn configured(settings: &Settings) -> Result<ModelChoices, ConfigError> {
    Ok(load(settings)?.0)
}

fn withheld(role: Role, name: &str, error: &ModelError) -> InferError {
    let name = name.to_owned();
    match error.reason() {
        Reason::ModelMissing => InferError::Missing {
            role,
            name,
            hint: error
                .hint()
                .unwrap_or_else(|| "run `qmdctl models pull`".into()),
        },
        _ => InferError::Corrupt {
            role,
            name,
            detail: error.to_string(),
        },
    }
}
