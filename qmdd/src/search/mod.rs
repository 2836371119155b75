//! The search pipeline: parse, retrieve, fuse, and say what was missing.

mod error;
mod present;
mod retrieve;

use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use self::{
    present::Ranked,
    retrieve::{LexicalRun, VectorRun},
};
use crate::{
    domain::{Contribution, Hit, Mode, Stage, StageReport, StageState},
    infer::backend::Backend,
    rank::{rrf, score},
    store::{Scope, Store},
    text::query::LexicalQuery,
};

pub use error::SearchError;

/// Hits each list contributes to a fusion at least, however few are asked for: a document that is
/// tenth in both lists may be first in the fusion.
const MIN_CANDIDATES: usize = 100;

/// A search, checked.
#[derive(Debug, Clone)]
pub struct Request {
    /// The user's words.
    pub text: String,
    /// How to search.
    pub mode: Mode,
    /// Where.
    pub scope: Scope,
    /// At most this many hits.
    pub limit: usize,
    /// Drop hits below this score.
    pub min_score: f64,
    /// Carry whole documents.
    pub full: bool,
    /// Rank every document that has one of the words, however frequent that is.
    pub exhaustive: bool,
}

/// What a search found, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// Best first. Contexts are left empty: they belong to the configuration.
    pub hits: Vec<Hit>,
    /// The stages that were asked for.
    pub stages: Vec<StageReport>,
    /// Time it took.
    pub elapsed: Duration,
}

/// Runs a search. When a model is not to be had, hybrid search answers from the words alone and
/// reports the missing stage; vector search has nothing else to offer and fails.
///
/// # Errors
/// On an unusable query, a store that cannot be read, or, for [`Mode::Vector`], no model.
pub async fn search(
    store: &Store,
    backend: &dyn Backend,
    request: &Request,
    cancel: &CancellationToken,
) -> Result<Outcome, SearchError> {
    let started = Instant::now();
    let query = LexicalQuery::parse(&request.text)?;
    let depth = match request.mode {
        Mode::Lexical => request.limit,
        Mode::Vector | Mode::Hybrid => request.limit.max(MIN_CANDIDATES),
    };
    let (lexical, vector) = tokio::join!(
        retrieve::lexical(
            store,
            &query,
            &request.scope,
            depth,
            request.mode,
            request.exhaustive
        ),
        retrieve::vector(
            store,
            backend,
            &request.text,
            &request.scope,
            depth,
            request.mode,
            cancel
        ),
    );
    let lexical = lexical?;
    let vector = vector?;
    let mut stages = Vec::new();
    stages.extend(lexical.as_ref().map(LexicalRun::report));
    stages.extend(vector.as_ref().map(VectorRun::report));
    if let Some(VectorRun {
        error: Some(error), ..
    }) = vector.as_ref()
        && request.mode == Mode::Vector
    {
        return Err(SearchError::Infer(error.clone()));
    }
    let ranked = rank(lexical.as_ref(), vector.as_ref(), request);
    let hits = present::hits(store, ranked, vector.as_ref(), &query, request.full).await?;
    Ok(Outcome {
        hits,
        stages,
        elapsed: started.elapsed(),
    })
}

/// Fuses two lists, or scores the only one.
fn rank(
    lexical: Option<&LexicalRun>,
    vector: Option<&VectorRun>,
    request: &Request,
) -> Vec<Ranked> {
    let lexical = lexical.map_or(&[][..], |run| &run.hits[..]);
    let vector = vector.map_or(&[][..], |run| &run.hits[..]);
    let single = |source, raw_score, score, place: usize, document| Ranked {
        document,
        score,
        contributions: vec![Contribution {
            source,
            rank: place as u32 + 1,
            raw_score,
            contribution: score,
        }],
    };
    let mut ranked: Vec<Ranked> = match request.mode {
        Mode::Lexical => (lexical.iter().enumerate())
            .map(|(place, hit)| {
                single(
                    Stage::Lexical,
                    hit.score,
                    score::lexical(hit.score),
                    place,
                    hit.document,
                )
            })
            .collect(),
        Mode::Vector => (vector.iter().enumerate())
            .map(|(place, hit)| {
                let cosine = score::cosine(hit.similarity);
                single(Stage::Vector, hit.similarity, cosine, place, hit.document)
            })
            .collect(),
        Mode::Hybrid => {
            let words: Vec<i64> = lexical.iter().map(|hit| hit.document).collect();
            let meaning: Vec<i64> = vector.iter().map(|hit| hit.document).collect();
            let raw = |list: usize, rank: u32| {
                let place = rank as usize - 1;
                if list == 0 {
                    lexical[place].score
                } else {
                    vector[place].similarity
                }
            };
            rrf::fuse(&[
                rrf::List {
                    ids: &words,
                    weight: 1.0,
                },
                rrf::List {
                    ids: &meaning,
                    weight: 1.0,
                },
            ])
            .into_iter()
            .map(|fused| Ranked {
                document: fused.id,
                score: fused.score,
                contributions: (fused.parts.iter())
                    .map(|part| Contribution {
                        source: if part.list == 0 {
                            Stage::Lexical
                        } else {
                            Stage::Vector
                        },
                        rank: part.rank,
                        raw_score: raw(part.list, part.rank),
                        contribution: part.contribution,
                    })
                    .collect(),
            })
            .collect()
        }
    };
    ranked.retain(|ranked| ranked.score >= request.min_score);
    ranked.truncate(request.limit);
    ranked
}

/// A stage's report from its error, if any.
fn report(stage: Stage, elapsed: Duration, state: StageState) -> StageReport {
    StageReport {
        stage,
        state,
        elapsed,
    }
}
