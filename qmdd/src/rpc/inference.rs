//! `InferenceService`.

use std::sync::Arc;

use qmd_proto::v1::{
    self, DetokenizeReply, DetokenizeRequest, EmbedKind, EmbedReply, EmbedRequest, ModelRole,
    Priority, TokenIds, TokenizeReply, TokenizeRequest, inference_service_server::InferenceService,
};
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::{Request, Response, Status};

use super::{App, status::status};
use crate::{
    domain::Role,
    infer::{
        backend::{Call, Lane},
        prompts::{self, EmbedFormat},
    },
    text::chunk,
};

/// `InferenceService` over the daemon's state.
pub struct Inference(pub Arc<App>);

#[tonic::async_trait]
impl InferenceService for Inference {
    async fn embed(&self, request: Request<EmbedRequest>) -> Result<Response<EmbedReply>, Status> {
        let request = request.into_inner();
        let backend = &self.0.backend;
        let model = backend.info(Role::Embed).map_err(|error| status(&error))?;
        let format = EmbedFormat::of(&model);
        let as_document = request.kind() == EmbedKind::Document;
        let (call, _guard) = call(request.priority());
        let texts = request.inputs.iter().map(|input| {
            if as_document {
                format.document(&input.title, &input.text)
            } else {
                format.query(&input.text)
            }
        });
        let embeddings = backend
            .embed(texts.collect(), call)
            .await
            .map_err(|error| status(&error))?;
        Ok(Response::new(EmbedReply {
            embeddings: embeddings
                .into_iter()
                .map(|embedding| v1::Embedding {
                    values: embedding.values,
                    tokens: embedding.tokens,
                })
                .collect(),
            fingerprint: prompts::fingerprint(&model, chunk::VERSION),
            dimensions: model.dimensions,
        }))
    }

    async fn tokenize(
        &self,
        request: Request<TokenizeRequest>,
    ) -> Result<Response<TokenizeReply>, Status> {
        let request = request.into_inner();
        let role = role(request.role());
        let (call, _guard) = call(Priority::Unspecified);
        let items = self
            .0
            .backend
            .tokenize(role, request.texts, request.add_special, call)
            .await;
        let items = items.map_err(|error| status(&error))?;
        let items = items.into_iter().map(|ids| TokenIds { ids }).collect();
        Ok(Response::new(TokenizeReply { items }))
    }

    async fn detokenize(
        &self,
        request: Request<DetokenizeRequest>,
    ) -> Result<Response<DetokenizeReply>, Status> {
        let request = request.into_inner();
        let role = role(request.role());
        let (call, _guard) = call(Priority::Unspecified);
        let items = request.items.into_iter().map(|item| item.ids).collect();
        let texts = self.0.backend.detokenize(role, items, call).await;
        Ok(Response::new(DetokenizeReply {
            texts: texts.map_err(|error| status(&error))?,
        }))
    }
}

/// A call that is cancelled when its guard is dropped.
fn call(priority: Priority) -> (Call, DropGuard) {
    let cancel = CancellationToken::new();
    let lane = match priority {
        Priority::Bulk => Lane::Bulk,
        Priority::Interactive | Priority::Unspecified => Lane::Interactive,
    };
    (
        Call {
            lane,
            deadline: None,
            cancel: cancel.clone(),
        },
        cancel.drop_guard(),
    )
}

fn role(role: ModelRole) -> Role {
    match role {
        ModelRole::Embed | ModelRole::Unspecified => Role::Embed,
        ModelRole::Rerank => Role::Rerank,
        ModelRole::Generate => Role::Generate,
    }
}
