//! Why the store could not do it.

use std::path::{Path, PathBuf};

use rusqlite::{Error as SqliteError, ErrorCode, ffi};

use crate::domain::{CollectionName, Failure, Reason};

/// An error of the store.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The file is damaged.
    #[error("the index {path:?} is damaged: {detail}")]
    Corrupt {
        /// The database file.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// A document's text is not the one that was stored.
    #[error("the stored text of {document} is damaged: it does not match its SHA-256")]
    ContentCorrupt {
        /// The database file.
        path: PathBuf,
        /// `collection/path` of the document.
        document: String,
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
    /// Less room than the work needs.
    #[error("the disk that holds {path:?} has {} MiB free, and {} are needed", .free >> 20, .needed.div_ceil(1 << 20))]
    NoRoom {
        /// The database file.
        path: PathBuf,
        /// Bytes.
        needed: u64,
        /// Bytes.
        free: u64,
    },
    /// It can be read, and not written.
    #[error("the index {path:?} is read-only: {detail}")]
    ReadOnly {
        /// The database file.
        path: PathBuf,
        /// What the system or SQLite said.
        detail: String,
    },
    /// Another program is in the way.
    #[error("another program has locked the index {path:?}")]
    Locked {
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
    /// It is built anew, and closed meanwhile.
    #[error("the index is being repaired")]
    UnderRepair,
    /// The store is closed.
    #[error("the index is closed")]
    ShuttingDown,
    /// A defect.
    #[error("the index failed: {0}")]
    Internal(String),
}

impl StoreError {
    /// Whether the system refused to write: reading may go on.
    pub(super) fn is_refusal(&self) -> bool {
        matches!(
            self,
            Self::ReadOnly { .. }
                | Self::Unavailable { .. }
                | Self::DiskFull { .. }
                | Self::NoRoom { .. }
        )
    }
}

impl Failure for StoreError {
    fn reason(&self) -> Reason {
        match self {
            Self::Corrupt { .. } | Self::Foreign { .. } => Reason::StoreCorrupt,
            Self::ContentCorrupt { .. } => Reason::ContentCorrupt,
            Self::TooNew { .. } => Reason::StoreTooNew,
            Self::DiskFull { .. } | Self::NoRoom { .. } => Reason::DiskFull,
            Self::ReadOnly { .. } => Reason::StoreReadOnly,
            Self::Locked { .. } => Reason::StoreLocked,
            Self::Unavailable { .. } => Reason::StoreUnavailable,
            Self::CollectionUnknown(_) => Reason::CollectionUnknown,
            Self::Cancelled => Reason::Cancelled,
            Self::UnderRepair => Reason::Busy,
            Self::ShuttingDown => Reason::ShuttingDown,
            Self::Vector(_) | Self::Internal(_) => Reason::Internal,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Corrupt { path, .. } | Self::ContentCorrupt { path, .. } => Some(format!(
                "run `{}`: it builds the index anew from your files and keeps the vectors that \
                 are whole",
                repair_command(path)
            )),
            Self::Foreign { path } => Some(format!(
                "move {} away; the next command makes a new index",
                path.display()
            )),
            Self::TooNew { .. } => Some("install the newest qmdd".into()),
            Self::DiskFull { .. } | Self::NoRoom { .. } => {
                Some("free some space, then run the command again".into())
            }
            Self::ReadOnly { path, .. } => Some(format!(
                "searches go on; to change the index, see that {} and its folder can be written \
                 by you, on a disk that is not mounted read-only",
                path.display()
            )),
            Self::Locked { path } => Some(format!(
                "end the program that has it open, which `fuser -v {}` names, then run the \
                 command again",
                path.display()
            )),
            Self::Unavailable { path, .. } => Some(format!(
                "see that {} can be read and written by you",
                path.display()
            )),
            Self::CollectionUnknown(_) => Some("run `qmdctl collection list`".into()),
            Self::UnderRepair => Some("run the command again when the repair is done".into()),
            Self::Vector(_) | Self::Cancelled | Self::ShuttingDown | Self::Internal(_) => None,
        }
    }
}

/// What repairs the index of a database file. The file of a named index has its name; that of a
/// project, in a folder of such, is asked for from inside the project.
fn repair_command(path: &Path) -> String {
    let name = |path: &Path| path.file_stem()?.to_str().map(str::to_owned);
    let of_project = path.parent().and_then(name).as_deref() == Some("projects");
    match name(path) {
        Some(index) if index != "index" && !of_project => {
            format!("qmdctl --index {index} doctor --repair")
        }
        _ => "qmdctl doctor --repair".into(),
    }
}

/// An error inside the store, before it is known which file it is about.
#[derive(Debug)]
pub(super) enum Fault {
    /// SQLite failed.
    Sqlite(SqliteError),
    /// What the file holds cannot be.
    Damage(String),
    /// Anything else, complete.
    Store(StoreError),
}

impl From<SqliteError> for Fault {
    fn from(error: SqliteError) -> Self {
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
        let path = path.to_owned();
        match self {
            Self::Store(error) => error,
            Self::Damage(detail) => StoreError::Corrupt { path, detail },
            Self::Sqlite(error) => of_sqlite(&error, path),
        }
    }
}

fn of_sqlite(error: &SqliteError, path: PathBuf) -> StoreError {
    let detail = one_line(&error.to_string());
    let code = match error {
        SqliteError::SqliteFailure(code, _) | SqliteError::SqlInputError { error: code, .. } => {
            code
        }
        // Every statement is written for values that the tables' own rules allow. Another type, a
        // text that is no UTF-8, or a row that must be there and is not: the file was changed from
        // outside.
        SqliteError::FromSqlConversionFailure(..)
        | SqliteError::IntegralValueOutOfRange(..)
        | SqliteError::InvalidColumnType(..)
        | SqliteError::QueryReturnedNoRows
        | SqliteError::Utf8Error(..) => return StoreError::Corrupt { path, detail },
        _ => return StoreError::Internal(detail),
    };
    match code.extended_code {
        ffi::SQLITE_IOERR_CORRUPTFS | ffi::SQLITE_IOERR_DATA => {
            return StoreError::Corrupt { path, detail };
        }
        // The log's index could not be made larger.
        ffi::SQLITE_IOERR_SHMSIZE => return StoreError::DiskFull { path },
        _ => {}
    }
    match code.code {
        // The statements keep the tables' rules; what breaks them was there before.
        ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::ConstraintViolation => {
            StoreError::Corrupt { path, detail }
        }
        ErrorCode::DiskFull => StoreError::DiskFull { path },
        ErrorCode::OperationInterrupted => StoreError::Cancelled,
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => StoreError::Locked { path },
        ErrorCode::ReadOnly => StoreError::ReadOnly { path, detail },
        ErrorCode::CannotOpen
        | ErrorCode::PermissionDenied
        | ErrorCode::FileLockingProtocolFailed
        | ErrorCode::SystemIoFailure => StoreError::Unavailable { path, detail },
        _ => StoreError::Internal(detail),
    }
}

/// SQLite's messages may quote a statement over several lines.
pub(super) fn one_line(message: &str) -> String {
    message.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sqlite_codes_become_reasons() {
        let reason = |code| {
            let fault = Fault::from(SqliteError::SqliteFailure(ffi::Error::new(code), None));
            fault.at(Path::new("/x.sqlite")).reason()
        };
        for (code, expected) in [
            (ffi::SQLITE_FULL, Reason::DiskFull),
            (ffi::SQLITE_IOERR_SHMSIZE, Reason::DiskFull),
            (ffi::SQLITE_CORRUPT, Reason::StoreCorrupt),
            (ffi::SQLITE_CORRUPT_VTAB, Reason::StoreCorrupt),
            (ffi::SQLITE_NOTADB, Reason::StoreCorrupt),
            (ffi::SQLITE_IOERR_CORRUPTFS, Reason::StoreCorrupt),
            (ffi::SQLITE_CONSTRAINT_UNIQUE, Reason::StoreCorrupt),
            (ffi::SQLITE_INTERRUPT, Reason::Cancelled),
            (ffi::SQLITE_BUSY, Reason::StoreLocked),
            (ffi::SQLITE_READONLY, Reason::StoreReadOnly),
            (ffi::SQLITE_READONLY_DIRECTORY, Reason::StoreReadOnly),
            (ffi::SQLITE_CANTOPEN, Reason::StoreUnavailable),
            (ffi::SQLITE_IOERR, Reason::StoreUnavailable),
            (ffi::SQLITE_IOERR_FSYNC, Reason::StoreUnavailable),
            (ffi::SQLITE_PERM, Reason::StoreUnavailable),
            (ffi::SQLITE_ERROR, Reason::Internal),
        ] {
            assert_eq!(reason(code), expected, "code {code}");
        }
    }

    #[test]
    fn values_that_cannot_be_are_damage() {
        let fault = Fault::from(SqliteError::QueryReturnedNoRows);
        assert_eq!(fault.at(Path::new("x")).reason(), Reason::StoreCorrupt);
    }

    #[test]
    fn messages_are_one_line() {
        let fault = Fault::Sqlite(SqliteError::SqliteFailure(
            ffi::Error::new(ffi::SQLITE_ERROR),
            Some("near\n  \"x\":\nsyntax error".into()),
        ));
        assert!(!fault.at(Path::new("x")).to_string().contains('\n'));
    }

    #[test]
    fn the_repair_is_of_the_index_that_is_damaged() {
        let hint = |path: &str| {
            let path = path.into();
            let detail = String::new();
            StoreError::Corrupt { path, detail }.hint().unwrap()
        };
        assert!(hint("/d/index.sqlite").contains("`qmdctl doctor --repair`"));
        assert!(hint("/d/work.sqlite").contains("`qmdctl --index work doctor --repair`"));
        assert!(hint("/d/projects/notes-1f.sqlite").contains("`qmdctl doctor --repair`"));
    }
}
