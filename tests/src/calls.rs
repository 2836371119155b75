//! The calls that tests and benches make, over the socket as any client makes them.

use anyhow::{Context, Result};
use futures::{StreamExt, stream};
use qmd_proto::v1::{
    EmbedInput, EmbedKind, EmbedReply, EmbedRequest, Embedding, ModelRole, ModelStatus, Priority,
    RerankRequest, SearchMode, SearchReply, SearchRequest, StatusRequest,
    control_service_client::ControlServiceClient, inference_service_client::InferenceServiceClient,
    search_service_client::SearchServiceClient,
};
use tonic::{Status, transport::Channel};

/// Texts of one message of a bulk stream.
const BATCH: usize = 32;

/// The request for vectors of texts without titles.
pub fn embed_request<T: AsRef<str>>(
    texts: &[T],
    kind: EmbedKind,
    priority: Priority,
) -> EmbedRequest {
    let input = |text: &T| EmbedInput {
        text: text.as_ref().to_owned(),
        title: String::new(),
    };
    EmbedRequest {
        inputs: texts.iter().map(input).collect(),
        kind: kind.into(),
        priority: priority.into(),
    }
}

/// Embeds a query, as a person waits for it.
///
/// # Errors
/// The daemon's.
pub async fn query(channel: &Channel, text: &str) -> Result<EmbedReply, Status> {
    let request = embed_request(&[text], EmbedKind::Query, Priority::Interactive);
    let mut client = InferenceServiceClient::new(channel.clone());
    Ok(client.embed(request).await?.into_inner())
}

/// Embeds documents as one call.
///
/// # Errors
/// The daemon's.
pub async fn documents(
    channel: &Channel,
    texts: &[String],
    priority: Priority,
) -> Result<EmbedReply, Status> {
    let request = embed_request(texts, EmbedKind::Document, priority);
    let mut client = InferenceServiceClient::new(channel.clone());
    Ok(client.embed(request).await?.into_inner())
}

/// Embeds documents as a bulk stream; the number of tokens.
///
/// # Errors
/// The daemon's.
pub async fn bulk(channel: &Channel, texts: &[String]) -> Result<u64> {
    let embeddings = vectors(channel, texts, EmbedKind::Document).await?;
    Ok(embeddings.iter().map(|one| u64::from(one.tokens)).sum())
}

/// Embeds texts as a bulk stream.
///
/// # Errors
/// The daemon's.
pub async fn vectors(
    channel: &Channel,
    texts: &[String],
    kind: EmbedKind,
) -> Result<Vec<Embedding>> {
    let requests: Vec<EmbedRequest> = texts
        .chunks(BATCH)
        .map(|texts| embed_request(texts, kind, Priority::Bulk))
        .collect();
    let mut client = InferenceServiceClient::new(channel.clone());
    let mut replies = client
        .embed_stream(stream::iter(requests))
        .await?
        .into_inner();
    let mut embeddings = Vec::with_capacity(texts.len());
    while let Some(reply) = replies.next().await {
        embeddings.extend(reply?.embeddings);
    }
    Ok(embeddings)
}

/// Scores documents.
///
/// # Errors
/// The daemon's.
pub async fn rerank(
    channel: &Channel,
    query: &str,
    documents: &[String],
) -> Result<Vec<f64>, Status> {
    let request = RerankRequest {
        query: query.to_owned(),
        documents: documents.to_vec(),
        priority: Priority::Interactive.into(),
    };
    let mut client = InferenceServiceClient::new(channel.clone());
    Ok(client.rerank(request).await?.into_inner().scores)
}

/// Searches the default index.
///
/// # Errors
/// The daemon's.
pub async fn search(
    channel: &Channel,
    query: &str,
    mode: SearchMode,
    limit: u32,
) -> Result<SearchReply, Status> {
    let request = SearchRequest {
        query: query.to_owned(),
        mode: mode.into(),
        limit,
        ..SearchRequest::default()
    };
    let mut client = SearchServiceClient::new(channel.clone());
    Ok(client.search(request).await?.into_inner())
}

/// What `status` says of a role's model.
///
/// # Errors
/// The daemon's, or that it leaves out the role.
pub async fn model(channel: &Channel, role: ModelRole) -> Result<ModelStatus> {
    let mut control = ControlServiceClient::new(channel.clone());
    let status = control.status(StatusRequest::default()).await?.into_inner();
    let mut models = status.models.into_iter();
    models
        .find(|model| model.role() == role)
        .with_context(|| format!("the status has no {role:?}"))
}
