//! What the user configures: `index.yml` in QMD's format, and the daemon's environment.

pub mod edit;
mod error;
mod index;
mod modal;
pub mod project;
mod secret;
mod settings;
mod surroundings;
mod trust;
mod watch;

pub use self::{
    error::ConfigError,
    index::{DEFAULT_PATTERN, IndexConfig, ModelChoices, project_of},
    modal::ModalConfig,
    secret::Secret,
    settings::{HubSettings, Settings},
    surroundings::Surroundings,
    trust::{TrustFile, Trusted},
    watch::WatchConfig,
};
