//! Why an index of QMD's cannot be read.

use std::{
    io,
    path::{Path, PathBuf},
};

use crate::{
    domain::{Failure, Reason},
    store::{StoreError, error::Fault},
};

/// An error with an index of QMD's.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QmdError {
    /// There is no such file.
    #[error("there is no index of QMD at {path:?}")]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// It is something else.
    #[error("{path:?} is no index of QMD: {detail}")]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What tells.
        detail: String,
    },
    /// Somebody wrote it while it was being read.
    #[error("{path:?} is being written")]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// It cannot be read, or not be copied.
    #[error("{path:?} cannot be read: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// SQLite failed.
    #[error(transparent)]
    Database(#[from] StoreError),
    /// A defect.
    #[error("reading the index of QMD failed: {0}")]
    Internal(String),
}

impl QmdError {
    /// Names the file that something happened to. What SQLite finds wrong in it is the file's fault.
    pub(super) fn at(path: &Path, fault: Fault) -> Self {
        match fault.at(path) {
            StoreError::Corrupt { detail, .. } | StoreError::Internal(detail) => Self::Foreign {
                path: path.to_owned(),
                detail,
            },
            error => Self::Database(error),
        }
    }
}

impl Failure for QmdError {
    fn reason(&self) -> Reason {
        match self {
            Self::Missing { .. } | Self::Foreign { .. } => Reason::NotQmdIndex,
            Self::InUse { .. } => Reason::Busy,
            Self::Unreadable { source, .. } if source.kind() == io::ErrorKind::StorageFull => {
                Reason::DiskFull
            }
            Self::Unreadable { .. } => Reason::FileUnreadable,
            Self::Database(error) => error.reason(),
            Self::Internal(_) => Reason::Internal,
        }
    }

    fn hint(&self) -> Option<String> {
        match self.reason() {
            Reason::NotQmdIndex => Some(
                "name the file, as `qmdctl import-qmd ~/.cache/qmd/index.sqlite`; without it, \
                 `qmdctl update` and `qmdctl embed` make everything anew"
                    .into(),
            ),
            Reason::Busy => Some("let QMD finish, then run the command again".into()),
            Reason::DiskFull => Some("free some space, then run the command again".into()),
            Reason::FileUnreadable => Some("see that you may read it".into()),
            _ => None,
        }
    }
}
