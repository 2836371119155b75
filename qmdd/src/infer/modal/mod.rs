//! The same models on a GPU at Modal, behind the gateway of `modal/`: a session that waits for a
//! container when there is none, and never falls back to this machine.

mod contract;
mod error;
mod fanout;
mod http;
mod identity;
mod keep_warm;
mod limit;
mod options;
mod pace;
pub mod ping;
pub mod region;
mod report;
mod retry;
mod session;
mod stack;
mod warmth;

use std::{sync::Arc, time::Instant};

use async_trait::async_trait;

use self::{
    contract::{
        DetokenizeRequest, EmbedRequest, GenerateRequest, Info, RemoteModel, RerankRequest,
        TokenizeRequest,
    },
    error::nonsense,
    fanout::{Size, batches, spread},
    session::Session,
};
use super::{
    backend::{
        Assignment, Backend, Call, Embedding, Generation, InferError, Lane, ModelInfo, ModelReport,
        Pieces, Sampling, Scored,
    },
    prompts,
};
use crate::domain::Role;

pub use options::ModalOptions;

/// Texts of a batch of bulk embedding: enough to fill a GPU, and soon to be had.
const BULK_TEXTS: usize = 32;

/// The backend.
pub struct Modal {
    session: Arc<Session>,
    /// `GPU, region`, for `status`.
    place: String,
}

impl Modal {
    /// A backend that has not connected yet. To be called inside a tokio runtime.
    ///
    /// # Errors
    /// When the address or the token cannot be used.
    pub fn new(options: ModalOptions) -> Result<Self, InferError> {
        let place = options.place();
        Ok(Self {
            session: Session::new(options.setup()?)?,
            place,
        })
    }

    /// What the remote end is, for a call to one of its models.
    async fn remote(&self, role: Role, call: &Call) -> Result<Arc<Info>, InferError> {
        self.session.info(role, call).await
    }
}

/// The model of a role.
fn model(info: &Info, role: Role) -> Result<&RemoteModel, InferError> {
    info.models
        .of(role)
        .ok_or(InferError::NotConfigured { role })
}

/// A batch of as many texts as the gateway takes. JSON may take up to twice a text's length.
fn largest(info: &Info) -> Size {
    Size {
        items: info.limits.items.max(1),
        bytes: info.limits.body_bytes / 2,
    }
}

fn senseless(detail: String) -> InferError {
    nonsense(detail).into_error(Role::Embed)
}

#[async_trait]
impl Backend for Modal {
    async fn embed(&self, texts: Vec<String>, call: Call) -> Result<Vec<Embedding>, InferError> {
        let info = self.remote(Role::Embed, &call).await?;
        let model = model(&info, Role::Embed)?;
        let mut size = largest(&info);
        if call.lane == Lane::Bulk {
            size.items = size.items.min(BULK_TEXTS);
        }
        let send = |texts: Vec<String>| {
            let call = &call;
            async move {
                let request = EmbedRequest { texts: &texts };
                let reply = self
                    .session
                    .call(Role::Embed, model, &request, call)
                    .await?;
                reply.decode(texts.len()).map_err(senseless)
            }
        };
        spread(batches(texts, size, String::len), self.width(), send).await
    }

    async fn rerank(
        &self,
        query: String,
        documents: Vec<String>,
        call: Call,
    ) -> Result<Vec<Scored>, InferError> {
        let info = self.remote(Role::Rerank, &call).await?;
        let model = model(&info, Role::Rerank)?;
        let frame = model
            .wants_frame()
            .then(|| prompts::rerank(&model.architecture, &query));
        let send = |documents: Vec<String>| {
            let (call, query, frame) = (&call, query.as_str(), frame.as_ref());
            async move {
                let request = RerankRequest {
                    query,
                    documents: &documents,
                    frame: frame.map(Into::into),
                };
                let reply = self
                    .session
                    .call(Role::Rerank, model, &request, call)
                    .await?;
                reply.decode(documents.len()).map_err(senseless)
            }
        };
        let batches = batches(documents, largest(&info), String::len);
        spread(batches, self.width(), send).await
    }

    async fn generate(
        &self,
        prompt: String,
        sampling: Sampling,
        pieces: Option<Pieces>,
        call: Call,
    ) -> Result<Generation, InferError> {
        let info = self.remote(Role::Generate, &call).await?;
        let model = model(&info, Role::Generate)?;
        // A tenth of the time is for the way back of what there is by then.
        let left = call
            .deadline
            .map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let deadline_ms = left.map(|left| left.mul_f64(0.9).as_millis() as u64);
        let request = GenerateRequest::new(&prompt, &sampling, deadline_ms);
        let reply = self.session.call(Role::Generate, model, &request, &call);
        let generation = Generation::from(reply.await?);
        if let Some(pieces) = pieces {
            // Nobody listens any more when this fails.
            let _ = pieces.send(generation.text.clone());
        }
        Ok(generation)
    }

    async fn tokenize(
        &self,
        role: Role,
        texts: Vec<String>,
        add_special: bool,
        call: Call,
    ) -> Result<Vec<Vec<i32>>, InferError> {
        let info = self.remote(role, &call).await?;
        let model = model(&info, role)?;
        let send = |texts: Vec<String>| {
            let call = &call;
            async move {
                let request = TokenizeRequest {
                    role: role.as_str(),
                    texts: &texts,
                    add_special,
                };
                let reply = self.session.call(role, model, &request, call).await?;
                reply.decode(texts.len()).map_err(senseless)
            }
        };
        let batches = batches(texts, largest(&info), String::len);
        spread(batches, self.width(), send).await
    }

    async fn detokenize(
        &self,
        role: Role,
        items: Vec<Vec<i32>>,
        call: Call,
    ) -> Result<Vec<String>, InferError> {
        let info = self.remote(role, &call).await?;
        let model = model(&info, role)?;
        let send = |items: Vec<Vec<i32>>| {
            let call = &call;
            async move {
                let request = DetokenizeRequest {
                    role: role.as_str(),
                    items: &items,
                };
                let reply = self.session.call(role, model, &request, call).await?;
                reply.decode(items.len()).map_err(senseless)
            }
        };
        // No id has more than six digits and a comma.
        let batches = batches(items, largest(&info), |ids| ids.len() * 7);
        spread(batches, self.width(), send).await
    }

    /// The remote end has its own models.
    fn assign(&self, _: Role, _: Assignment) {}

    async fn ready(&self, role: Role, call: Call) -> Result<ModelInfo, InferError> {
        self.session.up(role, &call).await?;
        self.info(role)
    }

    async fn unload(&self, _: Role) -> Result<(), InferError> {
        Err(InferError::Invalid(
            "the models at Modal leave memory by themselves, when their container has been idle"
                .into(),
        ))
    }

    fn info(&self, role: Role) -> Result<ModelInfo, InferError> {
        let known = self.session.known().ok_or(InferError::Loading {
            role,
            name: error::UNNAMED.into(),
        })?;
        Ok(model(&known, role)?.info())
    }

    async fn described(&self, role: Role, call: &Call) -> Result<ModelInfo, InferError> {
        let info = self.remote(role, call).await?;
        Ok(model(&info, role)?.info())
    }

    fn is_remote(&self) -> bool {
        true
    }

    fn width(&self) -> usize {
        self.session.width()
    }

    fn report(&self) -> Vec<ModelReport> {
        Role::ALL.map(|role| self.line(role)).into()
    }

    fn name(&self) -> &'static str {
        "modal"
    }

    async fn shutdown(&self) {
        self.session.end();
    }
}

#[cfg(test)]
mod tests;
