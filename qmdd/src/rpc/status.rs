//! Errors as they leave the daemon: a gRPC code, a stable reason, a hint.

use std::{collections::HashMap, time::Duration};

use qmd_proto::{ERROR_DOMAIN, ERROR_HINT, ERROR_SUGGESTIONS};
use tonic::Status;
use tonic_types::{ErrorDetails, StatusExt};

use crate::domain::{CollectionNameError, Failure, Reason};

/// Bytes that the suggestions of an error may have together: details travel in a header.
const SUGGESTED_BYTES: usize = 2 << 10;

/// Builds the status of a failure. Internal ones are logged whole.
pub(super) fn status(failure: &dyn Failure) -> Status {
    let reason = failure.reason();
    if reason == Reason::Internal {
        tracing::error!(error = %failure, "internal error");
    }
    of(reason, failure.to_string(), failure.hint())
}

/// Builds a status from its parts.
pub(super) fn of(reason: Reason, message: impl Into<String>, hint: Option<String>) -> Status {
    let metadata = hint.map(|hint| (ERROR_HINT.to_owned(), hint));
    with(reason, message, metadata.into_iter().collect())
}

/// Builds the status of a name that is not there, with those that may have been meant, best first.
pub(super) fn suggesting(
    reason: Reason,
    message: impl Into<String>,
    hint: String,
    suggestions: &[String],
) -> Status {
    let mut metadata = HashMap::from([(ERROR_HINT.to_owned(), hint)]);
    let mut room = SUGGESTED_BYTES;
    let fitting = suggestions.iter().take_while(|name| {
        let left = room.checked_sub(name.len());
        room = left.unwrap_or(0);
        left.is_some()
    });
    let suggestions: Vec<&String> = fitting.collect();
    // Texts always have a JSON form.
    if let Ok(list) = serde_json::to_string(&suggestions)
        && !suggestions.is_empty()
    {
        metadata.insert(ERROR_SUGGESTIONS.to_owned(), list);
    }
    with(reason, message, metadata)
}

fn with(reason: Reason, message: impl Into<String>, metadata: HashMap<String, String>) -> Status {
    let details = ErrorDetails::with_error_info(reason.as_str(), ERROR_DOMAIN, metadata);
    Status::with_error_details(reason.grpc_code(), message, details)
}

/// Builds the status of what there is no room for now, and may be asked again after some time.
pub(super) fn later(reason: Reason, message: impl Into<String>, after: Duration) -> Status {
    let hint = format!("ask again in {}, or for less at a time", spoken(after));
    let metadata = HashMap::from([(ERROR_HINT.to_owned(), hint)]);
    let mut details = ErrorDetails::with_error_info(reason.as_str(), ERROR_DOMAIN, metadata);
    details.set_retry_info(Some(after));
    Status::with_error_details(reason.grpc_code(), message, details)
}

/// A time as a person says it, rounded up.
fn spoken(time: Duration) -> String {
    match time.as_millis() {
        millis @ 0..1_000 => format!("{} ms", millis.next_multiple_of(10).max(10)),
        millis => format!("{} s", millis.div_ceil(1_000)),
    }
}

/// A malformed request field.
pub(super) fn invalid(message: impl Into<String>) -> Status {
    of(Reason::InvalidArgument, message, None)
}

/// A name that no collection can have.
pub(super) fn collection_name(error: &CollectionNameError) -> Status {
    of(
        Reason::CollectionNameInvalid,
        error.to_string(),
        Some(
            "use up to 128 characters, without `/`, line ends, and white space at the ends".into(),
        ),
    )
}
