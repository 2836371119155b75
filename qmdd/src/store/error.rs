//! Why the store could not do it.

use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

use crate::domain::{CollectionName, Failure, Reason};

/// An error of the store.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The file is damaged.
    #[error("the index {path:?} is damaged: {detail}")]
    Corrupt {
        /// The database file.
        path: PathBuf,
        /// What SQLite said.
        detail: String,
    },
    /// The file is something else.
    #[error("{path:?} is a database of another program")]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// Written by a later version.
    #[error("the index {path:?} has format {found}, this program knows formats up to {known}")]
    TooNew {
        /// The database file.
        path: PathBuf,
        /// Its format.
        found: i64,
        /// The newest format known here.
        known: i64,
    },
    /// No room.
    #[error("the disk that holds {path:?} is full")]
    DiskFull {
        /// The database file.
        path: PathBuf,
    },
    /// The system refuses to open, read or write it.
    #[error("the index {path:?} cannot be used: {detail}")]
    Unavailable {
        /// The database file.
        path: PathBuf,
        /// What the system or SQLite said.
        detail: String,
    },
    /// The store has no such collection.
    #[error("the index has no collection {:?}", .0.as_str())]
    CollectionUnknown(CollectionName),
    /// A vector that cannot be stored or compared.
    #[error("unusable vector: {0}")]
    Vector(String),
    /// Whoever asked has gone.
    #[error("the call was cancelled")]
    Cancelled,
    /// The store is closed.
    #[error("the index is closed")]
    ShuttingDown,
    /// A defect.
    #[error("the index failed: {0}")]
    Internal(String),
}

impl Failure for StoreError {
    fn reason(&self) -> Reason {
        match self {
            Self::Corrupt { .. } | Self::Foreign { .. } => Reason::StoreCorrupt,
            Self::TooNew { .. } => Reason::StoreTooNew,
            Self::DiskFull { .. } => Reason::DiskFull,
            Self::Unavailable { .. } => Reason::StoreUnavailable,
            Self::CollectionUnknown(_) => Reason::CollectionUnknown,
            Self::Cancelled => Reason::Cancelled,
            Self::ShuttingDown => Reason::ShuttingDown,
            Self::Vector(_) | Self::Internal(_) => Reason::Internal,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Corrupt { path, .. } | Self::Foreign { path } => Some(format!(
                "stop the daemon, move {} away, then run `qmdctl update` and `qmdctl embed` to \
                 build the index anew",
                path.display()
            )),
            Self::TooNew { .. } => Some("install the newest qmdd".into()),
            Self::DiskFull { .. } => Some("free some space, then run the command again".into()),
            Self::Unavailable { path, .. } => Some(format!(
                "see that {} can be read and written by you",
                path.display()
            )),
            Self::CollectionUnknown(_) => Some("run `qmdctl collection list`".into()),
            Self::Vector(_) | Self::Cancelled | Self::ShuttingDown | Self::Internal(_) => None,
        }
    }
}

/// An error inside the store, before it is known which file it is about.
#[derive(Debug)]
pub(super) enum Fault {
    /// SQLite failed.
    Sqlite(rusqlite::Error),
    /// Anything else, complete.
    Store(StoreError),
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl Fault {
    /// Names the database it happened to.
    pub(super) fn at(self, path: &Path) -> StoreError {
        let error = match self {
            Self::Store(error) => return error,
            Self::Sqlite(error) => error,
        };
        let path = path.to_owned();
        let detail = one_line(&error.to_string());
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                StoreError::Corrupt { path, detail }
            }
            Some(ErrorCode::DiskFull) => StoreError::DiskFull { path },
            Some(ErrorCode::OperationInterrupted) => StoreError::Cancelled,
            Some(
                ErrorCode::CannotOpen
                | ErrorCode::ReadOnly
                | ErrorCode::PermissionDenied
                | ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::FileLockingProtocolFailed
                | ErrorCode::SystemIoFailure,
            ) => StoreError::Unavailable { path, detail },
            _ => StoreError::Internal(detail),
        }
    }
}

/// SQLite's messages may quote a statement over several lines.
fn one_line(message: &str) -> String {
    message.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use rusqlite::ffi;

    use super::*;

    #[test]
    fn sqlite_codes_become_reasons() {
        let reason = |code| {
            let fault = Fault::from(rusqlite::Error::SqliteFailure(ffi::Error::new(code), None));
            fault.at(Path::new("/x.sqlite")).reason()
        };
        assert_eq!(reason(ffi::SQLITE_FULL), Reason::DiskFull);
        assert_eq!(reason(ffi::SQLITE_CORRUPT), Reason::StoreCorrupt);
        assert_eq!(reason(ffi::SQLITE_CORRUPT_VTAB), Reason::StoreCorrupt);
        assert_eq!(reason(ffi::SQLITE_NOTADB), Reason::StoreCorrupt);
        assert_eq!(reason(ffi::SQLITE_INTERRUPT), Reason::Cancelled);
        for code in [
            ffi::SQLITE_BUSY,
            ffi::SQLITE_CANTOPEN,
            ffi::SQLITE_IOERR,
            ffi::SQLITE_IOERR_FSYNC,
            ffi::SQLITE_PERM,
            ffi::SQLITE_READONLY,
        ] {
            assert_eq!(reason(code), Reason::StoreUnavailable, "code {code}");
        }
        assert_eq!(reason(ffi::SQLITE_ERROR), Reason::Internal);
    }

    #[test]
    fn messages_are_one_line() {
        let fault = Fault::Sqlite(rusqlite::Error::SqliteFailure(
            ffi::Error::new(ffi::SQLITE_ERROR),
            Some("near\n  \"x\":\nsyntax error".into()),
        ));
        assert!(!fault.at(Path::new("x")).to_string().contains('\n'));
    }
}
