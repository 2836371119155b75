//! The backend of a build that has none: every call says so.

use async_trait::async_trait;

use super::backend::{
    Assignment, Backend, Call, Embedding, Generation, InferError, ModelInfo, ModelReport,
    ModelState, Pieces, Sampling, Scored,
};
use crate::domain::Role;

/// Answers [`InferError::BackendMissing`] to everything. Lexical search needs no more.
#[derive(Debug, Default)]
pub struct NoBackend;

#[async_trait]
impl Backend for NoBackend {
    async fn embed(&self, _: Vec<String>, _: Call) -> Result<Vec<Embedding>, InferError> {
        Err(InferError::BackendMissing)
    }

    async fn rerank(&self, _: String, _: Vec<String>, _: Call) -> Result<Vec<Scored>, InferError> {
        Err(InferError::BackendMissing)
    }

    async fn generate(
        &self,
        _: String,
        _: Sampling,
        _: Option<Pieces>,
        _: Call,
    ) -> Result<Generation, InferError> {
        Err(InferError::BackendMissing)
    }

    async fn tokenize(
        &self,
        _: Role,
        _: Vec<String>,
        _: bool,
        _: Call,
    ) -> Result<Vec<Vec<i32>>, InferError> {
        Err(InferError::BackendMissing)
    }

    async fn detokenize(
        &self,
        _: Role,
        _: Vec<Vec<i32>>,
        _: Call,
    ) -> Result<Vec<String>, InferError> {
        Err(InferError::BackendMissing)
    }

    fn assign(&self, _: Role, _: Assignment) {}

    async fn ready(&self, _: Role, _: Call) -> Result<ModelInfo, InferError> {
        Err(InferError::BackendMissing)
    }

    async fn unload(&self, _: Role) -> Result<(), InferError> {
        Err(InferError::BackendMissing)
    }

    fn info(&self, _: Role) -> Result<ModelInfo, InferError> {
        Err(InferError::BackendMissing)
    }

    fn report(&self) -> Vec<ModelReport> {
        Role::ALL
            .map(|role| ModelReport {
                state: ModelState::Failed(InferError::BackendMissing),
                ..ModelReport::unconfigured(role)
            })
            .into()
    }

    fn name(&self) -> &'static str {
        "none"
    }

    async fn shutdown(&self) {}
}
