//! What a search yields.

use std::time::Duration;

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
}

/// One list's part in a score.
#[derive(Debug, Clone, PartialEq)]
pub struct Contribution {
    /// The list.
    pub source: Stage,
    /// Rank in it, from 1.
    pub rank: u32,
    /// The list's own score.
    pub raw_score: f64,
    /// What it added to the final score.
    pub contribution: f64,
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
    pub contributions: Vec<Contribution>,
}
