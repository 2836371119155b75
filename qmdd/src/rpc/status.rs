//! Errors as they leave the daemon: a gRPC code, a stable reason, a hint.

use std::collections::HashMap;

use qmd_proto::{ERROR_DOMAIN, ERROR_HINT};
use tonic::Status;
use tonic_types::{ErrorDetails, StatusExt};

use crate::domain::{AddressError, CollectionNameError, Failure, Reason};

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
    let metadata: HashMap<String, String> = hint
        .into_iter()
        .map(|hint| (ERROR_HINT.to_owned(), hint))
        .collect();
    let details = ErrorDetails::with_error_info(reason.as_str(), ERROR_DOMAIN, metadata);
    Status::with_error_details(reason.grpc_code(), message, details)
}

/// A malformed request field.
pub(super) fn invalid(message: impl Into<String>) -> Status {
    of(Reason::InvalidArgument, message, None)
}

/// An address that does not parse.
pub(super) fn address(error: &AddressError) -> Status {
    of(
        Reason::InvalidArgument,
        error.to_string(),
        Some("an address is qmd://COLLECTION/PATH, #DOCID or the end of a path".into()),
    )
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
