//! What was deployed last, remembered: image and models by their hashes.

use std::{fs, io, path::Path};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::keep::keep;

/// A deployment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Record {
    /// The app's name.
    pub(crate) app: String,
    /// Where it answers.
    pub(crate) url: String,
    /// Where requests enter.
    pub(crate) region: String,
    /// Where containers run; empty: anywhere.
    pub(crate) compute_region: String,
    /// The GPU.
    pub(crate) gpu: String,
    /// The image, by its digest.
    pub(crate) image: String,
    /// The models, pinned.
    pub(crate) models: Value,
}

/// The last deployment, if there is one that can be read.
pub(super) fn read(file: &Path) -> Option<Record> {
    serde_json::from_slice(&fs::read(file).ok()?).ok()
}

/// Remembers a deployment.
pub(super) fn write(file: &Path, record: &Record) -> io::Result<()> {
    keep(file, &serde_json::to_string_pretty(record)?)
}

/// Forgets it.
pub(super) fn remove(file: &Path) -> io::Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}
