//! Why a model cannot be found, fetched or used.

use std::{
    io,
    path::{Path, PathBuf},
};

use crate::domain::{Failure, Reason};

/// An error of the model catalogue, the store or a download.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// No such profile, or no such name in the catalogue.
    #[error("the catalogue has no model or profile {0:?}")]
    Unknown(String),
    /// The text names no model in any of the known forms.
    #[error("{text:?} names no model: {detail}")]
    Spec {
        /// As written.
        text: String,
        /// What is wrong with it.
        detail: &'static str,
    },
    /// The file is not on this machine.
    #[error("the model {name} is not on this machine")]
    Missing {
        /// As configured.
        name: String,
        /// The command that brings it.
        hint: String,
    },
    /// The file cannot be used.
    #[error("{} cannot be used as a model: {detail}", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// What was to be imported or downloaded is no model; nothing was installed.
    #[error("{what} is no usable model: {detail}")]
    Unusable {
        /// The file or the address.
        what: String,
        /// What is wrong with it.
        detail: String,
    },
    /// The file is not the one it should be.
    #[error("{what} has the SHA-256 {actual}, expected {expected}")]
    HashMismatch {
        /// The file or the address.
        what: String,
        /// The pinned or announced hash, hex.
        expected: String,
        /// The hash found, hex.
        actual: String,
    },
    /// The file is not the store's to delete.
    #[error("{} is not in qmdd's model store and stays as it is", .0.display())]
    Foreign(PathBuf),
    /// Somebody is writing the model's file.
    #[error("the model {0} is being fetched")]
    Busy(String),
    /// The hub does not answer, or the connection keeps breaking.
    #[error("cannot reach the model hub {endpoint}: {detail}")]
    Unreachable {
        /// The hub's address.
        endpoint: String,
        /// What happened.
        detail: String,
    },
    /// The hub will not serve the file.
    #[error("the hub refused {what}: {detail}")]
    Refused {
        /// The model's address.
        what: String,
        /// Status and meaning.
        detail: String,
        /// What to do about it.
        hint: String,
    },
    /// The file does not fit on the disk.
    #[error("{} needs {needed_mib} MiB, the disk has {free_mib} MiB free", path.display())]
    DiskFull {
        /// The file to be written.
        path: PathBuf,
        /// What is still to be written.
        needed_mib: u64,
        /// What the file system has left for this user.
        free_mib: u64,
    },
    /// The system refuses to read or write a file.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// `read` or `write`.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The work ended before it was done: a defect.
    #[error("the model work broke off: {0}")]
    Internal(String),
}

impl ModelError {
    pub(super) fn corrupt(path: &Path, detail: impl Into<String>) -> Self {
        Self::Corrupt {
            path: path.to_owned(),
            detail: detail.into(),
        }
    }

    pub(super) fn unusable(what: &impl ToString, detail: impl Into<String>) -> Self {
        Self::Unusable {
            what: what.to_string(),
            detail: detail.into(),
        }
    }

    /// For a file that was checked before it was installed: names where it came from instead.
    pub(super) fn of_source(self, what: &impl ToString) -> Self {
        match self {
            Self::Corrupt { detail, .. } => Self::unusable(what, detail),
            other => other,
        }
    }

    /// For use in `map_err`.
    pub(super) fn reading(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io {
            action: "read",
            path: path.to_owned(),
            source,
        }
    }

    /// For use in `map_err`.
    pub(super) fn writing(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io {
            action: "write",
            path: path.to_owned(),
            source,
        }
    }
}

impl Failure for ModelError {
    fn reason(&self) -> Reason {
        match self {
            Self::Unknown(_) => Reason::ModelUnknown,
            Self::Spec { .. } | Self::Foreign(_) => Reason::InvalidArgument,
            Self::Missing { .. } => Reason::ModelMissing,
            Self::Corrupt { .. } | Self::Unusable { .. } => Reason::ModelCorrupt,
            Self::HashMismatch { .. } => Reason::HashMismatch,
            Self::Busy(_) => Reason::Busy,
            Self::Unreachable { .. } => Reason::HubUnreachable,
            Self::Refused { .. } => Reason::HubRefused,
            Self::DiskFull { .. } => Reason::DiskFull,
            Self::Io { source, .. } => match source.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Reason::DiskFull,
                _ => Reason::FileUnreadable,
            },
            Self::Internal(_) => Reason::Internal,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Unknown(_) => "run `qmdctl models list` for the names".to_owned(),
            Self::Spec { .. } => {
                "write a catalogue name, hf:OWNER/REPO/FILE.gguf, or the path of a .gguf file"
                    .to_owned()
            }
            Self::Missing { hint, .. } | Self::Refused { hint, .. } => hint.clone(),
            Self::Corrupt { path, .. } => {
                format!("remove {} and run `qmdctl models pull` for its profile", path.display())
            }
            Self::Unusable { .. } => "choose a complete GGUF model file".to_owned(),
            Self::HashMismatch { .. } => {
                "run `qmdctl models pull` again; if it happens twice, distrust the source".to_owned()
            }
            Self::Foreign(_) => "delete the file yourself, if nothing else uses it".to_owned(),
            Self::Busy(_) => "run the command again when the pull has ended".to_owned(),
            Self::Unreachable { .. } => {
                "check the connection (HF_ENDPOINT names a mirror), or run `qmdctl models pull starter`"
                    .to_owned()
            }
            Self::DiskFull { .. } => "free some space and pull again: it resumes".to_owned(),
            Self::Io { path, .. } => format!("check the permissions of {}", path.display()),
            Self::Internal(_) => return None,
        })
    }
}
