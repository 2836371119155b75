//! Why the daemon did not start.

use std::{io, path::PathBuf};

use qmd_proto::instance::InstanceRecord;

use crate::{
    config::ConfigError,
    domain::{Failure, Reason},
};

/// An error of start-up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DaemonError {
    /// Another daemon holds the lock.
    #[error("another daemon serves this user already{}", describe(.record.as_ref()))]
    Running {
        /// What it recorded, if it has come that far.
        record: Option<InstanceRecord>,
    },
    /// The socket's folder is not safe.
    #[error("the socket's folder {folder:?} cannot be used: {why}")]
    SocketFolder {
        /// The folder.
        folder: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// Something is in the socket's place.
    #[error("the socket {path:?} cannot be bound: {why}")]
    SocketTaken {
        /// The path.
        path: PathBuf,
        /// What is there.
        why: String,
    },
    /// The system refused something.
    #[error("{path:?}: {source}")]
    Io {
        /// What it was about.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// The settings.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The server ended on its own.
    #[error("the server failed: {0}")]
    Serve(String),
}

fn describe(record: Option<&InstanceRecord>) -> String {
    record.map_or_else(String::new, |record| {
        format!(
            " (process {}, socket {})",
            record.pid,
            record.socket.display()
        )
    })
}

impl Failure for DaemonError {
    fn reason(&self) -> Reason {
        match self {
            Self::Running { .. } => Reason::DaemonRunning,
            Self::SocketFolder { .. } | Self::SocketTaken { .. } => Reason::SocketRefused,
            Self::Io { source, .. } => match source.kind() {
                io::ErrorKind::StorageFull => Reason::DiskFull,
                io::ErrorKind::PermissionDenied => Reason::SocketRefused,
                _ => Reason::DaemonStartFailed,
            },
            Self::Config(error) => error.reason(),
            Self::Serve(_) => Reason::Internal,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Running { .. } => {
                Some("use it as it is, or end it with `qmdctl daemon stop`".into())
            }
            Self::SocketFolder { folder, .. } => Some(format!(
                "make it yours alone with `chmod 700 {0}`, or set XDG_RUNTIME_DIR",
                folder.display()
            )),
            Self::SocketTaken { path, .. } => Some(format!(
                "move {} away, or choose another place with QMDD_SOCKET",
                path.display()
            )),
            Self::Config(error) => error.hint(),
            Self::Io { .. } | Self::Serve(_) => None,
        }
    }
}
