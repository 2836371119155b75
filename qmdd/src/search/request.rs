//! What a search is asked for, and what it answers.

use std::time::{Duration, Instant};

use crate::{
    domain::{Hit, Mode, StageReport},
    store::Scope,
    text::query::Query,
};

/// A search, checked.
#[derive(Debug, Clone)]
pub struct Request {
    /// What to look for.
    pub query: Query,
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
    /// Whether to have the best candidates read by the reranker.
    pub rerank: Wish,
    /// Whether to search what the generator makes of the query, too.
    pub expand: Wish,
    /// How many candidates may be reranked.
    pub candidates: usize,
    /// When the request came.
    pub started: Instant,
    /// When it must be answered, with what there is by then.
    pub deadline: Option<Instant>,
}

/// Whether a model is to help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// Where there is one, and it is worth its time.
    Auto,
    /// It is asked for: that it is missing is said.
    Yes,
    /// Never.
    No,
}

impl From<Option<bool>> for Wish {
    fn from(asked: Option<bool>) -> Self {
        match asked {
            None => Self::Auto,
            Some(true) => Self::Yes,
            Some(false) => Self::No,
        }
    }
}

/// What a search found, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// Best first. Contexts are left empty: they belong to the configuration.
    pub hits: Vec<Hit>,
    /// The stages that were considered.
    pub stages: Vec<StageReport>,
    /// Time it took.
    pub elapsed: Duration,
}

/// Which ranking it is of a search in progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// The retrievals, fused; where meaning takes its time, what words find comes before.
    Preliminary,
    /// A better one.
    Refined,
}

/// Hears how a search goes.
pub trait Listener: Send + Sync {
    /// Whether rankings before the last one are of use: they take time to make.
    fn wants_rankings(&self) -> bool;

    /// A stage has ended.
    fn stage(&self, report: &StageReport);

    /// There is a ranking.
    fn ranking(&self, progress: Progress, outcome: Outcome);
}

/// Hears nothing.
pub struct Silent;

impl Listener for Silent {
    fn wants_rankings(&self) -> bool {
        false
    }

    fn stage(&self, _: &StageReport) {}

    fn ranking(&self, _: Progress, _: Outcome) {}
}
