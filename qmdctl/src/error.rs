//! What can go wrong, as the user is told: a message, a stable reason, a hint and an exit code.

use std::{borrow::Cow, error::Error as _, io};

use qmd_proto::{ERROR_DOMAIN, ERROR_HINT, ERROR_SUGGESTIONS, Reason, socket::SocketPathError};
use tonic::{Code, Status};
use tonic_types::StatusExt;

/// The result of everything here that can fail.
pub(crate) type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a command ended early.
#[derive(Debug)]
pub(crate) enum Error {
    /// It failed; the user is told.
    Failed(Box<Failure>),
    /// Who read the output has seen enough.
    BrokenPipe,
    /// Ctrl-C.
    Interrupted,
}

/// A failure as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    /// Stable reason code; one that this version does not know is shown all the same.
    pub(crate) reason: Cow<'static, str>,
    /// The exit code that belongs to the reason.
    pub(crate) exit_code: u8,
    /// One line.
    pub(crate) message: String,
    /// What mends it, usually a command.
    pub(crate) hint: Option<String>,
    /// Names that may have been meant, best first.
    pub(crate) suggestions: Vec<String>,
}

impl Failure {
    /// A failure of a known reason.
    pub(crate) fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            reason: reason.as_str().into(),
            exit_code: reason.exit_code(),
            message: message.into(),
            hint: None,
            suggestions: Vec::new(),
        }
    }

    /// A defect.
    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::new(Reason::Internal, message)
    }

    /// The same failure, with what mends it.
    pub(crate) fn hint(self, hint: impl Into<String>) -> Self {
        Self {
            hint: Some(hint.into()),
            ..self
        }
    }

    /// A failure of a reason in its text form.
    pub(crate) fn of_text(reason: &str, message: String, hint: Option<String>) -> Self {
        match reason.parse::<Reason>() {
            Ok(reason) => Self {
                hint,
                ..Self::new(reason, message)
            },
            Err(_) => Self {
                reason: reason.to_owned().into(),
                hint,
                ..Self::internal(message)
            },
        }
    }

    /// A path that cannot be read, written or found.
    pub(crate) fn of_path(path: &std::path::Path, error: &io::Error, absent: Reason) -> Self {
        let reason = match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => absent,
            io::ErrorKind::StorageFull => Reason::DiskFull,
            _ => Reason::FileUnreadable,
        };
        let hint = match reason {
            Reason::FolderMissing => "give an existing folder",
            Reason::DiskFull => "free some space",
            _ => "check that you may read it",
        };
        Self::new(reason, format!("{}: {error}", path.display())).hint(hint)
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        Self::Failed(Box::new(failure))
    }
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        let info = status
            .get_details_error_info()
            .filter(|info| info.domain == ERROR_DOMAIN);
        if let Some(mut info) = info {
            let hint = info.metadata.remove(ERROR_HINT);
            let suggestions = info.metadata.remove(ERROR_SUGGESTIONS);
            // What cannot be read suggests nothing.
            let suggestions = suggestions.and_then(|list| serde_json::from_str(&list).ok());
            return Self {
                suggestions: suggestions.unwrap_or_default(),
                ..Self::of_text(&info.reason, status.message().to_owned(), hint)
            };
        }
        // Only what the client's own transport raises has a source.
        if let Some(mut cause) = status.source() {
            while let Some(deeper) = cause.source() {
                cause = deeper;
            }
            return Self::new(
                Reason::DaemonUnreachable,
                format!("the connection to the daemon broke: {cause}"),
            )
            .hint("see `qmdctl daemon status` and `qmdctl daemon logs`");
        }
        match status.code() {
            Code::Unimplemented => Self::new(
                Reason::ProtocolMismatch,
                "the running daemon does not know this request",
            )
            .hint("install qmdd and qmdctl of one version, then run `qmdctl daemon restart`"),
            code => Self::internal(format!(
                "the daemon answered {code:?}: {}",
                status.message()
            ))
            .hint("see `qmdctl daemon logs`"),
        }
    }
}

impl From<Status> for Error {
    fn from(status: Status) -> Self {
        Failure::from(status).into()
    }
}

impl From<SocketPathError> for Failure {
    fn from(error: SocketPathError) -> Self {
        match error {
            SocketPathError::TooLong { .. } => {
                Self::new(Reason::SocketPathTooLong, error.to_string())
                    .hint("set QMDD_SOCKET or XDG_RUNTIME_DIR to a shorter path")
            }
            SocketPathError::Relative(_) => Self::new(Reason::InvalidArgument, error.to_string())
                .hint("set QMDD_SOCKET to an absolute path"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use tonic_types::ErrorDetails;

    use super::*;

    fn answered(reason: &str, hint: Option<&str>) -> Failure {
        let metadata: HashMap<_, _> = hint
            .map(|hint| (ERROR_HINT.to_owned(), hint.to_owned()))
            .into_iter()
            .collect();
        let details = ErrorDetails::with_error_info(reason, ERROR_DOMAIN, metadata);
        Status::with_error_details(Code::NotFound, "no collection \"x\"", details).into()
    }

    #[test]
    fn reason_hint_and_exit_code_come_from_the_daemon() {
        let failure = answered("COLLECTION_UNKNOWN", Some("add it"));
        assert_eq!(failure.reason, "COLLECTION_UNKNOWN");
        assert_eq!(failure.exit_code, Reason::CollectionUnknown.exit_code());
        assert_eq!(failure.message, "no collection \"x\"");
        assert_eq!(failure.hint.as_deref(), Some("add it"));
        assert_eq!(answered("COLLECTION_UNKNOWN", None).hint, None);
    }

    #[test]
    fn names_that_may_have_been_meant_come_from_the_daemon() {
        let suggested = |list: &str| {
            let metadata = HashMap::from([(ERROR_SUGGESTIONS.to_owned(), list.to_owned())]);
            let reason = Reason::DocumentNotFound.as_str();
            let details = ErrorDetails::with_error_info(reason, ERROR_DOMAIN, metadata);
            Failure::from(Status::with_error_details(Code::NotFound, "no", details)).suggestions
        };
        assert_eq!(suggested("[\"a, b\",\"c\"]"), ["a, b", "c"]);
        assert_eq!(suggested("{}"), [] as [&str; 0]);
    }

    #[test]
    fn a_reason_of_a_newer_daemon_is_kept() {
        let failure = answered("MOON_FULL", None);
        assert_eq!(
            (failure.reason.as_ref(), failure.exit_code),
            ("MOON_FULL", 1)
        );
    }

    #[test]
    fn a_status_without_details_still_gets_a_reason() {
        let of = |status: Status| Failure::from(status).reason;
        assert_eq!(of(Status::unimplemented("")), "PROTOCOL_MISMATCH");
        assert_eq!(of(Status::unknown("boom")), "INTERNAL");
        let broken = io::Error::from(io::ErrorKind::BrokenPipe);
        assert_eq!(
            of(Status::from_error(Box::new(broken))),
            "DAEMON_UNREACHABLE"
        );
    }
}
