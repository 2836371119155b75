//! What the user configures: `index.yml` in QMD's format, and the daemon's environment.

pub mod edit;
mod error;
mod index;
mod settings;
mod surroundings;

pub use self::{
    error::ConfigError,
    index::{DEFAULT_PATTERN, IndexConfig, ModelChoices},
    settings::{HubSettings, Settings},
    surroundings::Surroundings,
};
