//! `InferenceService`.

use std::{sync::Arc, time::Duration};

use futures::StreamExt;
use qmd_proto::v1::{
    self, DetokenizeReply, DetokenizeRequest, EmbedKind, EmbedReply, EmbedRequest, ExpandReply,
    ExpandRequest, GenerateEvent, GenerateRequest, Priority, RerankReply, RerankRequest, TokenIds,
    TokenizeReply, TokenizeRequest, inference_service_server::InferenceService,
};
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::{Request, Response, Status, Streaming};

use super::{
    App, generate, role,
    status::{self, status},
    stream::{Events, events, stream},
};
use crate::{
    domain::Role,
    infer::{
        backend::{Call, Lane},
        expand::{self, ExpansionKind},
        prompts::{self, EmbedFormat},
    },
    text::chunk,
};

/// Time that an expansion may take unless the request says otherwise.
const EXPAND_LIMIT: Duration = Duration::from_secs(10);

/// Batches of one stream that are worked on at the same time, so that no thread of the model waits
/// for the client.
const BATCHES_IN_FLIGHT: usize = 4;

/// `InferenceService` over the daemon's state.
pub struct Inference(pub Arc<App>);

#[tonic::async_trait]
impl InferenceService for Inference {
    type EmbedStreamStream = Events<EmbedReply>;
    type GenerateStream = Events<GenerateEvent>;

    async fn embed(&self, request: Request<EmbedRequest>) -> Result<Response<EmbedReply>, Status> {
        let request = request.into_inner();
        let (call, _guard) = call(request.priority());
        let reply = embed(&self.0, request, call).await?;
        Ok(Response::new(reply))
    }

    async fn embed_stream(
        &self,
        request: Request<Streaming<EmbedRequest>>,
    ) -> Result<Response<Self::EmbedStreamStream>, Status> {
        let batches = request.into_inner();
        let app = Arc::clone(&self.0);
        Ok(events(move |replies, cancel| async move {
            let answers = batches.map(|batch| {
                let (app, cancel) = (&app, cancel.clone());
                async move {
                    let batch = batch?;
                    let call = Call {
                        lane: lane(batch.priority()),
                        deadline: None,
                        cancel,
                    };
                    embed(app, batch, call).await
                }
            });
            let mut answers = std::pin::pin!(answers.buffered(BATCHES_IN_FLIGHT));
            let mut answered = false;
            while let Some(reply) = answers.next().await {
                replies.deliver(reply?).await;
                answered = true;
            }
            if answered {
                Ok(())
            } else {
                Err(status::invalid("the stream has no request"))
            }
        }))
    }

    async fn rerank(
        &self,
        request: Request<RerankRequest>,
    ) -> Result<Response<RerankReply>, Status> {
        let request = request.into_inner();
        let (call, _guard) = call(request.priority());
        let backend = self.0.backend();
        let model = backend.described(Role::Rerank, &call).await;
        let model = model.map_err(|error| status(&error))?;
        let scored = backend
            .rerank(request.query, request.documents, call)
            .await
            .map_err(|error| status(&error))?;
        Ok(Response::new(RerankReply {
            cut: scored.iter().filter(|scored| scored.cut).count() as u32,
            scores: scored
                .into_iter()
                .map(|scored| f64::from(scored.score))
                .collect(),
            fingerprint: model.sha256,
        }))
    }

    async fn expand(
        &self,
        request: Request<ExpandRequest>,
    ) -> Result<Response<ExpandReply>, Status> {
        let request = request.into_inner();
        if request.query.trim().is_empty() {
            return Err(status::invalid("the query is empty"));
        }
        let limit = match request.limit_ms {
            0 => EXPAND_LIMIT,
            limit => Duration::from_millis(limit.into()),
        };
        let (call, _guard) = call(request.priority());
        let backend = self.0.backend();
        let model = backend
            .described(Role::Generate, &call.clone().within(limit))
            .await
            .map_err(|error| status(&error))?;
        let expansions = expand::expand(&**backend, &request.query, limit, call)
            .await
            .map_err(|error| status(&error))?;
        let expansions = expansions.into_iter().map(|expansion| v1::Expansion {
            kind: match expansion.kind {
                ExpansionKind::Lex => v1::ExpansionKind::Lex,
                ExpansionKind::Vec => v1::ExpansionKind::Vec,
                ExpansionKind::Hyde => v1::ExpansionKind::Hyde,
            }
            .into(),
            text: expansion.text,
        });
        Ok(Response::new(ExpandReply {
            expansions: expansions.collect(),
            fingerprint: model.sha256,
        }))
    }

    async fn generate(
        &self,
        request: Request<GenerateRequest>,
    ) -> Result<Response<Self::GenerateStream>, Status> {
        let request = request.into_inner();
        let sampling = generate::sampling(&request)?;
        let lane = lane(request.priority());
        let app = Arc::clone(&self.0);
        Ok(stream(move |progress, cancel| async move {
            let call = Call {
                lane,
                deadline: None,
                cancel,
            }
            .within(generate::limit(&request));
            generate::run(&app, request.prompt, sampling, call, &progress).await
        }))
    }

    async fn tokenize(
        &self,
        request: Request<TokenizeRequest>,
    ) -> Result<Response<TokenizeReply>, Status> {
        let request = request.into_inner();
        let role = role::from_proto(request.role()).unwrap_or(Role::Embed);
        let (call, _guard) = call(Priority::Unspecified);
        let items = self
            .0
            .backend()
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
        let role = role::from_proto(request.role()).unwrap_or(Role::Embed);
        let (call, _guard) = call(Priority::Unspecified);
        let items = request.items.into_iter().map(|item| item.ids).collect();
        let texts = self.0.backend().detokenize(role, items, call).await;
        Ok(Response::new(DetokenizeReply {
            texts: texts.map_err(|error| status(&error))?,
        }))
    }
}

async fn embed(app: &App, request: EmbedRequest, call: Call) -> Result<EmbedReply, Status> {
    let backend = app.backend();
    let model = backend.described(Role::Embed, &call).await;
    let model = model.map_err(|error| status(&error))?;
    let format = EmbedFormat::of(&model);
    let as_document = request.kind() == EmbedKind::Document;
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
    Ok(EmbedReply {
        embeddings: embeddings
            .into_iter()
            .map(|embedding| v1::Embedding {
                values: embedding.values,
                tokens: embedding.tokens,
            })
            .collect(),
        fingerprint: prompts::fingerprint(&model, chunk::VERSION),
        dimensions: model.dimensions,
    })
}

/// A call that is cancelled when its guard is dropped.
fn call(priority: Priority) -> (Call, DropGuard) {
    let cancel = CancellationToken::new();
    (
        Call {
            lane: lane(priority),
            deadline: None,
            cancel: cancel.clone(),
        },
        cancel.drop_guard(),
    )
}

fn lane(priority: Priority) -> Lane {
    match priority {
        Priority::Bulk => Lane::Bulk,
        Priority::Interactive | Priority::Unspecified => Lane::Interactive,
    }
}
