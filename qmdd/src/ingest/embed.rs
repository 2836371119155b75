//! Cuts stored documents into chunks and gives each a vector.

use std::{path::PathBuf, pin::pin, sync::Arc};

use futures::{Stream, StreamExt, TryStreamExt, stream, stream::TryChunksError};
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

use super::{IngestError, grammars::Grammars};
use crate::{
    domain::{ChunkSpan, CollectionName, Role},
    infer::{
        backend::{Backend, Call, Embedding, InferError, ModelInfo},
        prompts::{self, EmbedFormat},
    },
    store::{EmbeddedChunk, EmbeddedContent, Pending, Scope, Store},
    text::{
        chunk::{self, Limits},
        segment::{Kind, Segments, layout, segment},
    },
};

/// Documents fetched, and stored, in one go.
const GROUP: i64 = 32;

/// Chunks sent in one call: small enough to cancel soon, large enough to keep the worker fed.
const CHUNKS_A_CALL: usize = 32;

/// Bytes of text whose tokens are counted in one call: queries wait for it.
const BYTES_A_COUNT: usize = 64 << 10;

/// How an embedding run goes about its work.
#[derive(Debug, Clone)]
pub struct EmbedOptions {
    /// Embed what has vectors too.
    pub force: bool,
    /// Cut code where its grammar tells, not at blank lines alone.
    pub grammars: bool,
    /// The daemon's executable, which parses code in processes of its own.
    pub program: PathBuf,
}

/// How far an embedding run is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EmbedProgress {
    /// Documents done in this run.
    pub documents: u64,
    /// Documents this run has to do.
    pub documents_total: u64,
    /// Chunks embedded in this run.
    pub chunks: u64,
    /// Tokens embedded in this run.
    pub tokens: u64,
}

/// What an embedding run did.
pub type EmbedSummary = EmbedProgress;

/// Embeds every document of the scope that lacks vectors of the current model, or with
/// [`EmbedOptions::force`] every one, waiting for the model when it is still loading. What is done is
/// stored group by group: a later run goes on from there.
///
/// # Errors
/// When the model cannot be had, or is a remote end's and not the one the rest of the index was
/// embedded with, the store cannot be written, or the run is cancelled.
pub async fn embed(
    store: &Store,
    backend: &dyn Backend,
    scope: &[CollectionName],
    options: &EmbedOptions,
    progress: impl Fn(EmbedProgress),
    cancel: &CancellationToken,
) -> Result<EmbedSummary, IngestError> {
    let call = Call {
        cancel: cancel.clone(),
        ..Call::bulk()
    };
    let model = backend.ready(Role::Embed, call.clone()).await?;
    let forced = options.force.then(|| Scope::of(scope.to_vec()));
    if backend.is_remote() {
        let known = prompts::fingerprints(&model, chunk::VERSION);
        if store.is_of_other_models(known, forced.clone()).await? {
            return Err(InferError::other_index(&model).into());
        }
    }
    // Not before the model is there: else nothing would be left to search.
    if let Some(scope) = forced {
        store.clear_vectors(scope).await?;
    }
    let embedder = Embedder {
        backend,
        format: EmbedFormat::of(&model),
        fingerprint: prompts::fingerprint(&model, chunk::VERSION),
        model,
        call,
        grammars: options
            .grammars
            .then(|| Arc::new(Grammars::new(options.program.clone()))),
    };
    let mut done = EmbedProgress {
        documents_total: store
            .pending_count(&embedder.fingerprint, Scope::of(scope.to_vec()))
            .await?,
        ..EmbedProgress::default()
    };
    progress(done);
    let embedded = pending(store, &embedder.fingerprint, scope)
        .map_ok(|pending| embedder.content(pending))
        .try_buffered(backend.width())
        .try_chunks(GROUP as usize);
    let mut embedded = pin!(embedded);
    while let Some(group) = embedded.next().await {
        // What was embedded before an error is kept all the same.
        let (group, failed) = match group {
            Ok(group) => (group, None),
            Err(TryChunksError(group, error)) => (group, Some(error)),
        };
        for content in &group {
            done.documents += 1;
            done.chunks += content.chunks.len() as u64;
            done.tokens += content
                .chunks
                .iter()
                .map(|chunk| u64::from(chunk.tokens))
                .sum::<u64>();
        }
        let dimensions = embedder.model.dimensions as usize;
        store
            .put_chunks(&embedder.fingerprint, dimensions, group)
            .await?;
        progress(done);
        if let Some(error) = failed {
            return Err(error);
        }
        if cancel.is_cancelled() {
            return Err(IngestError::Cancelled);
        }
    }
    Ok(done)
}

/// The documents that lack vectors, fetched group by group.
fn pending<'a>(
    store: &'a Store,
    fingerprint: &'a str,
    scope: &'a [CollectionName],
) -> impl Stream<Item = Result<Pending, IngestError>> + 'a {
    stream::try_unfold(0, move |after| async move {
        let group = store
            .pending(fingerprint, scope.to_vec(), after, GROUP)
            .await?;
        let next = group.last().map(|last| last.content_id);
        Ok::<_, IngestError>(next.map(|next| (stream::iter(group.into_iter().map(Ok)), next)))
    })
    .try_flatten()
}

struct Embedder<'a> {
    backend: &'a dyn Backend,
    model: ModelInfo,
    format: EmbedFormat,
    fingerprint: String,
    call: Call,
    grammars: Option<Arc<Grammars>>,
}

impl Embedder<'_> {
    /// Chunks and embeds one document.
    async fn content(&self, pending: Pending) -> Result<EmbeddedContent, IngestError> {
        let (pending, segments) = self.segments(pending).await;
        let wrapping = self.format.document(&pending.title, "");
        let (tokens, wrapping) = tokio::try_join!(
            self.count(&pending.text, &segments),
            self.tokenize(vec![wrapping], true)
        )?;
        let mut limit = self.limit(wrapping[0]);
        loop {
            let spans = chunk::pack(&pending.text, &segments, &tokens, Limits::of(limit));
            match self.chunks(&pending, &spans).await {
                // Counts add up exactly for WordPiece, nearly so for others: cut a little shorter.
                Err(InferError::InputTooLong { .. }) if limit > 16 => limit = limit * 9 / 10,
                Err(error) => return Err(error.into()),
                Ok(chunks) => {
                    return Ok(EmbeddedContent {
                        content_id: pending.content_id,
                        chunks,
                    });
                }
            }
        }
    }

    /// Tokens a chunk's own text may have beside `wrapping` tokens of prompt.
    fn limit(&self, wrapping: u32) -> u32 {
        let whole = self.format.chunk_tokens(&self.model);
        // A title that fills the window leaves a quarter of it to the text.
        whole.saturating_sub(wrapping).max(whole / 4)
    }

    async fn chunks(
        &self,
        pending: &Pending,
        spans: &[ChunkSpan],
    ) -> Result<Vec<EmbeddedChunk>, InferError> {
        let mut chunks = Vec::with_capacity(spans.len());
        for spans in spans.chunks(CHUNKS_A_CALL) {
            let texts = spans
                .iter()
                .map(|span| {
                    let text = &pending.text[span.span.bytes.clone()];
                    self.format.document(&pending.title, text)
                })
                .collect();
            let embeddings = self.backend.embed(texts, self.call.clone()).await?;
            if embeddings.len() != spans.len() {
                let detail = format!("{} vectors for {} texts", embeddings.len(), spans.len());
                return Err(InferError::Internal(detail));
            }
            chunks.extend(spans.iter().zip(embeddings).map(
                |(span, Embedding { values, tokens })| EmbeddedChunk {
                    span: span.clone(),
                    tokens,
                    vector: values,
                },
            ));
        }
        Ok(chunks)
    }

    /// Segments a document, off the runtime's threads.
    async fn segments(&self, pending: Pending) -> (Pending, Segments) {
        let grammars = self.grammars.clone();
        let cut = move || {
            let segments = cut(&pending, grammars.as_deref());
            (pending, segments)
        };
        spawn_blocking(cut)
            .await
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
    }

    async fn count(&self, text: &str, segments: &Segments) -> Result<Vec<u32>, InferError> {
        let mut counts = Vec::with_capacity(segments.pieces.len());
        let mut pieces = segments.pieces.iter().peekable();
        while let Some(first) = pieces.peek() {
            let end = first.bytes.start + BYTES_A_COUNT;
            let batch = std::iter::from_fn(|| pieces.next_if(|piece| piece.bytes.end <= end));
            let texts = batch
                .map(|piece| text[piece.bytes.clone()].to_owned())
                .collect();
            counts.extend(self.tokenize(texts, false).await?);
        }
        Ok(counts)
    }

    /// The token count of each text; exactly one a text.
    async fn tokenize(
        &self,
        texts: Vec<String>,
        add_special: bool,
    ) -> Result<Vec<u32>, InferError> {
        let asked = texts.len();
        let items = self
            .backend
            .tokenize(Role::Embed, texts, add_special, self.call.clone())
            .await?;
        if items.len() != asked {
            let detail = format!("{} token lists for {asked} texts", items.len());
            return Err(InferError::Internal(detail));
        }
        Ok(items.iter().map(|ids| ids.len() as u32).collect())
    }
}

/// Segments a document, along the grammar of its code where that can be had.
fn cut(pending: &Pending, grammars: Option<&Grammars>) -> Segments {
    let text = &pending.text;
    let mut layout = layout(text, Kind::of(&pending.path));
    if let Some(grammars) = grammars {
        for code in layout.code().to_vec() {
            match grammars.parse(&text[code.bytes.clone()], code.language) {
                Ok(Some(syntax)) => layout.refine(text, &code, syntax),
                Ok(None) => {
                    tracing::debug!(path = pending.path, "code is cut without its grammar");
                }
                Err(lost) => {
                    tracing::warn!(path = pending.path, %lost, "code is cut without its grammar");
                }
            }
        }
    }
    segment(text, layout)
}
