//! The `modal:` section of `index.yml`: QMD's keys, and ours beside them.

mod raw;

use std::path::PathBuf;

use super::{ConfigError, Secret, Settings};

pub(super) use raw::RawModal;

/// Inference on a GPU at Modal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModalConfig {
    /// Whether all inference goes there.
    pub inference: bool,
    /// The GPU of a container.
    pub gpu: String,
    /// Idle seconds until a container ends.
    pub scaledown_window: u32,
    /// Where requests enter, one of Modal's routing regions; `None` leaves it to detection.
    pub region: Option<String>,
    /// Where containers run; `None` is anywhere, which costs least.
    pub compute_region: Option<String>,
    /// Where the deployment answers.
    pub url: Option<String>,
    /// A file with the proxy token, in place of the usual one.
    pub token_file: Option<PathBuf>,
    /// Most containers.
    pub max_containers: u32,
    /// Containers that are kept running, idle or not.
    pub min_containers: u32,
    /// Whether containers start from a snapshot of GPU memory.
    pub snapshot: bool,
    /// Another image with llama-server.
    pub image: Option<String>,
    /// Seconds that a container may take to start, and a call waits for it.
    pub timeout: u32,
    /// Minutes after the last question for which a container is kept from ending; 0 is not at all.
    pub keep_warm: u32,
    /// Most cents that this may cost within a day.
    pub keep_warm_cents: u32,
}

impl Default for ModalConfig {
    fn default() -> Self {
        Self {
            inference: false,
            gpu: "T4".into(),
            scaledown_window: 15,
            region: None,
            compute_region: None,
            url: None,
            token_file: None,
            max_containers: 1,
            min_containers: 0,
            snapshot: false,
            image: None,
            timeout: 600,
            keep_warm: 0,
            keep_warm_cents: 100,
        }
    }
}

impl ModalConfig {
    /// The proxy token: of the environment, else of the file named here, else of the one that a
    /// deployment wrote. `None` when there is none of them.
    ///
    /// # Errors
    /// When others can read the file, or the file named here is not there.
    pub fn token(&self, settings: &Settings) -> Result<Option<Secret>, ConfigError> {
        if let Some(token) = &settings.modal_token {
            return Ok(Some(token.clone()));
        }
        let Some(file) = &self.token_file else {
            return Secret::read(&settings.dirs.modal_token());
        };
        match Secret::read(file)? {
            Some(token) => Ok(Some(token)),
            None => Err(ConfigError::Unavailable {
                file: file.clone(),
                source: std::io::ErrorKind::NotFound.into(),
            }),
        }
    }
}
