//! Why a search gave nothing at all.

use crate::{
    domain::{Failure, Reason},
    infer::backend::InferError,
    store::StoreError,
    text::query::QueryError,
};

/// A search that failed as a whole.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SearchError {
    /// The query.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// The index.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The model, where nothing can be answered without it.
    #[error(transparent)]
    Infer(#[from] InferError),
}

impl SearchError {
    fn inner(&self) -> &dyn Failure {
        match self {
            Self::Query(error) => error,
            Self::Store(error) => error,
            Self::Infer(error) => error,
        }
    }
}

impl Failure for SearchError {
    fn reason(&self) -> Reason {
        self.inner().reason()
    }

    fn hint(&self) -> Option<String> {
        self.inner().hint()
    }
}
