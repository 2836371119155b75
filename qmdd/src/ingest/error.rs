//! Why ingestion stopped.

use crate::{
    domain::{Failure, Reason},
    infer::backend::InferError,
    store::{QmdError, StoreError},
};

/// An error that ends an update or an embedding run. Single files never do: they are reported as
/// skipped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IngestError {
    /// A glob in the configuration.
    #[error("collection {collection}: the pattern {pattern:?} is no glob: {detail}")]
    Pattern {
        /// The collection's name.
        collection: String,
        /// The pattern.
        pattern: String,
        /// What the parser says.
        detail: String,
    },
    /// The index.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An index of QMD's.
    #[error(transparent)]
    Qmd(#[from] QmdError),
    /// The model.
    #[error(transparent)]
    Infer(#[from] InferError),
    /// The caller has gone.
    #[error("the call was cancelled")]
    Cancelled,
}

impl Failure for IngestError {
    fn reason(&self) -> Reason {
        match self {
            Self::Pattern { .. } => Reason::ConfigInvalid,
            Self::Store(error) => error.reason(),
            Self::Qmd(error) => error.reason(),
            Self::Infer(error) => error.reason(),
            Self::Cancelled => Reason::Cancelled,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Pattern { .. } => Some("mend `pattern` or `ignore` in index.yml".into()),
            Self::Store(error) => error.hint(),
            Self::Qmd(error) => error.hint(),
            Self::Infer(error) => error.hint(),
            Self::Cancelled => None,
        }
    }
}
