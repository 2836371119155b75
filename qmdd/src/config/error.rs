//! Why the configuration cannot be used.

use std::{io, path::PathBuf};

use qmd_proto::socket::SocketPathError;

use crate::domain::{CollectionName, Failure, Reason};

/// An error of the configuration.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file does not parse, or says something impossible.
    #[error("{}:{line}:{column}: {message}", .file.display())]
    Invalid {
        /// The file.
        file: PathBuf,
        /// Line, from 1.
        line: u64,
        /// Column, in characters from 1.
        column: u64,
        /// What is wrong there.
        message: String,
    },
    /// The file cannot be read or written.
    #[error("{}: {source}", .file.display())]
    Unavailable {
        /// The file.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Others can read a secret.
    #[error("{} can be read or written by others, and holds a secret", .file.display())]
    SecretExposed {
        /// The file.
        file: PathBuf,
    },
    /// No secret is in its file.
    #[error("{} holds no usable secret: {what}", .file.display())]
    SecretInvalid {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        what: &'static str,
    },
    /// Somebody else changed the file meanwhile.
    #[error("{} changed while it was being edited", .file.display())]
    Conflict {
        /// The file.
        file: PathBuf,
    },
    /// The edit would have touched more than it should.
    #[error("{} is written in a way that cannot be edited safely", .file.display())]
    NotEditable {
        /// The file.
        file: PathBuf,
        /// What to do to the file instead.
        remedy: String,
    },
    /// A collection of that name is there already.
    #[error("there is a collection {:?} already", .0.as_str())]
    CollectionExists(CollectionName),
    /// No collection of that name is there.
    #[error("there is no collection {:?}", .0.as_str())]
    CollectionUnknown(CollectionName),
    /// YAML is text, and the path is not.
    #[error("the path {0:?} is not valid UTF-8")]
    PathNotText(PathBuf),
    /// No home folder.
    #[error("there is no home folder")]
    HomeMissing,
    /// No usable socket path.
    #[error(transparent)]
    Socket(#[from] SocketPathError),
    /// An environment variable makes no sense.
    #[error("{name} is {value:?}, expected {expected}")]
    Variable {
        /// Its name.
        name: &'static str,
        /// Its value.
        value: String,
        /// What it should be.
        expected: &'static str,
    },
}

impl Failure for ConfigError {
    fn reason(&self) -> Reason {
        match self {
            Self::Invalid { .. } | Self::SecretExposed { .. } | Self::SecretInvalid { .. } => {
                Reason::ConfigInvalid
            }
            Self::Unavailable { source, .. } if source.kind() == io::ErrorKind::StorageFull => {
                Reason::DiskFull
            }
            Self::Unavailable { .. } | Self::NotEditable { .. } | Self::HomeMissing => {
                Reason::ConfigUnavailable
            }
            Self::Conflict { .. } => Reason::ConfigConflict,
            Self::CollectionExists(_) => Reason::CollectionExists,
            Self::CollectionUnknown(_) => Reason::CollectionUnknown,
            Self::Socket(SocketPathError::TooLong { .. }) => Reason::SocketPathTooLong,
            Self::PathNotText(_) | Self::Socket(_) | Self::Variable { .. } => {
                Reason::InvalidArgument
            }
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Invalid { .. } => {
                "mend that line in an editor, then run the command again".into()
            }
            Self::Unavailable { file, .. } => {
                format!("see that {} can be read and written by you", file.display())
            }
            Self::SecretExposed { file } => format!("run `chmod 600 {}`", file.display()),
            Self::SecretInvalid { .. } => "run `qmdctl modal deploy`, which writes it anew".into(),
            Self::Conflict { .. } => "run the command again".into(),
            Self::NotEditable { remedy, .. } => remedy.clone(),
            Self::CollectionExists(name) => format!(
                "choose another name with `--name`, or run `qmdctl collection remove {name}` first"
            ),
            Self::CollectionUnknown(_) => "run `qmdctl collection list`".into(),
            Self::PathNotText(_) => "rename the folder".into(),
            Self::HomeMissing => "set HOME".into(),
            Self::Socket(SocketPathError::TooLong { .. }) => {
                "set QMDD_SOCKET to a shorter absolute path".into()
            }
            Self::Socket(_) => "set QMDD_SOCKET to an absolute path".into(),
            Self::Variable { name, .. } => format!("unset {name}, or set it right"),
        })
    }
}
