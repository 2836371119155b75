//! Where a model file came from: `FILE.json` beside it.

use std::{fs, path::Path};

use serde::{Deserialize, Serialize};

use super::{ModelError, install};

/// Written with every file of the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// `pypi:PACKAGE==VERSION`, an `hf:` address, or `file:PATH`.
    pub source: String,
    /// The commit, where the hub told it.
    pub revision: Option<String>,
    /// SHA-256 of the file, hex.
    pub sha256: String,
    /// Whether that hash was known beforehand, rather than only computed here.
    pub verified: bool,
}

impl Origin {
    /// What was written down for a file, if anything was.
    pub fn of(path: &Path) -> Option<Self> {
        serde_json::from_slice(&fs::read(install::beside(path, ".json")).ok()?).ok()
    }

    pub(super) fn write(&self, path: &Path) -> Result<(), ModelError> {
        let text = serde_json::to_vec_pretty(self)
            .map_err(|error| ModelError::Internal(error.to_string()))?;
        install::write_atomically(&install::beside(path, ".json"), &text)
    }
}
