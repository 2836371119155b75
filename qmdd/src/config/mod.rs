//! What the user configures: `index.yml` in QMD's format, and the daemon's environment.

pub mod edit;
mod error;
mod index;
mod modal;
mod secret;
mod settings;
mod surroundings;
mod watch;

pub use self::{
    error::ConfigError,
    index::{DEFAULT_PATTERN, IndexConfig, ModelChoices},
    modal::ModalConfig,
    secret::Secret,
    settings::{HubSettings, Settings},
    surroundings::Surroundings,
    watch::WatchConfig,
};
