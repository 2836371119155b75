//! The two retrievals.

use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::{SearchError, report};
use crate::{
    domain::{Mode, Reason, Role, Stage, StageReport, StageState, Trouble},
    infer::{
        backend::{Backend, Call, InferError, ModelInfo},
        prompts::{self, EmbedFormat},
    },
    store::{LexicalHit, Scope, Store, VectorHit},
    text::{chunk, query::LexicalQuery},
};

/// How long a query may wait for its vector.
const EMBED_LIMIT: Duration = Duration::from_secs(10);

/// What BM25 found.
pub(super) struct LexicalRun {
    pub hits: Vec<LexicalHit>,
    elapsed: Duration,
}

impl LexicalRun {
    pub(super) fn report(&self) -> StageReport {
        report(Stage::Lexical, self.elapsed, StageState::Done)
    }
}

/// What the vectors found.
pub(super) struct VectorRun {
    pub hits: Vec<VectorHit>,
    /// Why there are no hits.
    pub error: Option<InferError>,
    /// Documents of the scope without vectors of this model.
    unembedded: u64,
    elapsed: Duration,
}

impl VectorRun {
    pub(super) fn report(&self) -> StageReport {
        let state = if let Some(error) = &self.error {
            StageState::Missing(Trouble::of(error))
        } else if self.unembedded > 0 {
            StageState::Partial(Trouble {
                reason: Reason::VectorsPending,
                message: match self.unembedded {
                    1 => "1 document has no vectors yet".into(),
                    count => format!("{count} documents have no vectors yet"),
                },
                hint: Some("run `qmdctl embed`".into()),
            })
        } else {
            StageState::Done
        };
        report(Stage::Vector, self.elapsed, state)
    }
}

pub(super) async fn lexical(
    store: &Store,
    query: &LexicalQuery,
    scope: &Scope,
    depth: usize,
    mode: Mode,
    exhaustive: bool,
) -> Result<Option<LexicalRun>, SearchError> {
    if mode == Mode::Vector {
        return Ok(None);
    }
    let started = Instant::now();
    let hits = store
        .lexical(query.clone(), scope.clone(), depth, exhaustive)
        .await?;
    Ok(Some(LexicalRun {
        hits,
        elapsed: started.elapsed(),
    }))
}

pub(super) async fn vector(
    store: &Store,
    backend: &dyn Backend,
    text: &str,
    scope: &Scope,
    depth: usize,
    mode: Mode,
    cancel: &CancellationToken,
) -> Result<Option<VectorRun>, SearchError> {
    if mode == Mode::Lexical {
        return Ok(None);
    }
    let started = Instant::now();
    let missing = |error| VectorRun {
        hits: Vec::new(),
        error: Some(error),
        unembedded: 0,
        elapsed: started.elapsed(),
    };
    let (model, vector) = match embed(backend, text, cancel).await {
        Ok(embedded) => embedded,
        Err(error) => return Ok(Some(missing(error))),
    };
    let known = prompts::fingerprints(&model, chunk::VERSION);
    if backend.is_remote() && store.is_of_other_models(known, None).await? {
        return Ok(Some(missing(InferError::other_index(&model))));
    }
    let fingerprint = prompts::fingerprint(&model, chunk::VERSION);
    let (hits, unembedded) = tokio::try_join!(
        store.nearest(&fingerprint, vector, scope.clone(), depth),
        store.pending_count(&fingerprint, scope.clone()),
    )?;
    Ok(Some(VectorRun {
        hits,
        error: None,
        unembedded,
        elapsed: started.elapsed(),
    }))
}

/// The query's vector, and the model it is of.
async fn embed(
    backend: &dyn Backend,
    text: &str,
    cancel: &CancellationToken,
) -> Result<(ModelInfo, Vec<f32>), InferError> {
    let call = Call {
        cancel: cancel.clone(),
        ..Call::interactive()
    }
    .within(EMBED_LIMIT);
    let model = backend.described(Role::Embed, &call).await?;
    let text = EmbedFormat::of(&model).query(text);
    let mut embeddings = backend.embed(vec![text], call).await?;
    let embedding = embeddings
        .pop()
        .ok_or_else(|| InferError::Internal("the model gave no vector".into()))?;
    Ok((model, embedding.values))
}
