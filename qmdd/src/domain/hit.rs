//! What a search yields.

use std::{sync::Arc, time::Duration};

use super::{CollectionName, DocId, Failure, Metadata, Reason};

/// How to search.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// BM25 alone.
    Lexical,
    /// Nearest chunks alone.
    Vector,
    /// Both, fused.
    Hybrid,
}

/// A step of the search pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stage {
    /// BM25 retrieval.
    Lexical,
    /// Nearest-chunk retrieval.
    Vector,
    /// Retrieval by what a generator makes of the query.
    Expand,
    /// Candidates read by a reranker.
    Rerank,
}

/// What became of a stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StageState {
    /// Ran to its end.
    Done,
    /// Ran over part of what it should have.
    Partial(Trouble),
    /// Was asked for and could not run.
    Missing(Trouble),
    /// Was not needed.
    Skipped,
    /// Is under way, in rankings that are not final.
    Running,
}

/// Why a stage is partial or missing, or something else is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// Stable reason.
    pub reason: Reason,
    /// One line.
    pub message: String,
    /// The mending command.
    pub hint: Option<String>,
}

impl Trouble {
    /// What a failure tells.
    pub fn of(failure: &dyn Failure) -> Self {
        Self {
            reason: failure.reason(),
            message: failure.to_string(),
            hint: failure.hint(),
        }
    }
}

/// A stage with its outcome and time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageReport {
    /// Which.
    pub stage: Stage,
    /// Its outcome.
    pub state: StageState,
    /// Wall time.
    pub elapsed: Duration,
    /// How many candidates a reranker has scored, of how many.
    pub scored: (usize, usize),
}

/// One list's part in a score, or the reranker's.
#[derive(Debug, Clone, PartialEq)]
pub struct Contribution {
    /// The list.
    pub source: Stage,
    /// Rank in it, from 1; 0 of what a reranker adds.
    pub rank: u32,
    /// The list's own score.
    pub raw_score: f64,
    /// What it added to the final score.
    pub contribution: f64,
    /// What the list was searched for.
    pub query: Arc<str>,
    /// How much the list counts, of 1 for all of them.
    pub weight: f64,
    /// Whether a generator, not the user, asked for it.
    pub expanded: bool,
}

/// Where a score comes from:
/// `score = (1 − rerank_weight) · confidence · fused + rerank_weight · rerank`.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    /// Together the score.
    pub parts: Vec<Contribution>,
    /// What the retrievals make of the document, in [0, 1].
    pub fused: f64,
    /// What the reranker says, in [0, 1]; `None` where it was not asked.
    pub rerank: Option<f64>,
    /// How much it says, in [0, 1]; 0 where it was not asked.
    pub rerank_weight: f64,
    /// How sure the retrievals are of their best document, in [0, 1].
    pub confidence: f64,
}

/// A passage of a document that matched.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Passage {
    /// First and last line, from 1.
    pub lines: (u32, u32),
    /// Cosine of its vector and the query's.
    pub similarity: f64,
}

/// A document that answers a query.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
    /// Short content hash.
    pub docid: DocId,
    /// In [0, 1].
    pub score: f64,
    /// Its collection.
    pub collection: CollectionName,
    /// Path inside the collection.
    pub path: String,
    /// Its title.
    pub title: String,
    /// Best passage, whole lines.
    pub snippet: String,
    /// First and last line of the snippet, from 1.
    pub lines: (u32, u32),
    /// Lines in the whole document.
    pub total_lines: u32,
    /// The headings above the snippet's first line, outermost first, joined by ` > `.
    pub heading: String,
    /// The page of that line, from 1, of a document with pages.
    pub page: Option<u32>,
    /// What the document says of itself.
    pub metadata: Metadata,
    /// The whole text, when asked for.
    pub body: Option<String>,
    /// Context descriptions that apply, general first, joined by blank lines.
    pub context: String,
    /// Where the score came from.
    pub explanation: Explanation,
    /// Where else it matched, best first.
    pub places: Vec<Passage>,
}
