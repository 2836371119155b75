//! The backend where there is none to be had: every call says why.

use async_trait::async_trait;

use super::backend::{
    Assignment, Backend, Call, Embedding, Generation, InferError, ModelInfo, ModelReport,
    ModelState, Pieces, Sampling, Scored,
};
use crate::domain::Role;

/// Answers the same error to everything. Lexical search needs no more.
#[derive(Debug)]
pub struct NoBackend(pub InferError);

#[async_trait]
impl Backend for NoBackend {
    async fn embed(&self, _: Vec<String>, _: Call) -> Result<Vec<Embedding>, InferError> {
        Err(self.0.clone())
    }

    async fn rerank(&self, _: String, _: Vec<String>, _: Call) -> Result<Vec<Scored>, InferError> {
        Err(self.0.clone())
    }

    async fn generate(
        &self,
        _: String,
        _: Sampling,
        _: Option<Pieces>,
        _: Call,
    ) -> Result<Generation, InferError> {
        Err(self.0.clone())
    }

    async fn tokenize(
        &self,
        _: Role,
        _: Vec<String>,
        _: bool,
        _: Call,
    ) -> Result<Vec<Vec<i32>>, InferError> {
        Err(self.0.clone())
    }

    async fn detokenize(
        &self,
        _: Role,
        _: Vec<Vec<i32>>,
        _: Call,
    ) -> Result<Vec<String>, InferError> {
        Err(self.0.clone())
    }

    fn assign(&self, _: Role, _: Assignment) {}

    async fn ready(&self, _: Role, _: Call) -> Result<ModelInfo, InferError> {
        Err(self.0.clone())
    }

    async fn unload(&self, _: Role) -> Result<(), InferError> {
        Err(self.0.clone())
    }

    fn info(&self, _: Role) -> Result<ModelInfo, InferError> {
        Err(self.0.clone())
    }

    fn report(&self) -> Vec<ModelReport> {
        Role::ALL
            .map(|role| ModelReport {
                state: ModelState::Failed(self.0.clone()),
                ..ModelReport::unconfigured(role)
            })
            .into()
    }

    fn name(&self) -> &'static str {
        "none"
    }

    async fn shutdown(&self) {}
}
