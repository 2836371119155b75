//! Where a score comes from, in QMD's terms.

use std::fmt::Write as _;

use qmd_proto::v1::{Contribution, Explain, Stage};
use serde::Serialize;

use super::text::DIM;

/// QMD's `explain` object, as far as its fields exist here.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ExplainJson {
    fts_scores: Vec<f64>,
    vector_scores: Vec<f64>,
    rrf: Fused,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Fused {
    total_score: f64,
    contributions: Vec<Part>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Part {
    source: &'static str,
    rank: u32,
    backend_score: f64,
    rrf_contribution: f64,
}

impl From<&Explain> for ExplainJson {
    fn from(explain: &Explain) -> Self {
        let scores = |stage: Stage| {
            let parts = explain
                .contributions
                .iter()
                .filter(|part| part.source() == stage);
            parts.map(|part| part.raw_score).collect()
        };
        Self {
            fts_scores: scores(Stage::Lexical),
            vector_scores: scores(Stage::Vector),
            rrf: Fused {
                total_score: explain
                    .contributions
                    .iter()
                    .map(|part| part.contribution)
                    .sum(),
                contributions: explain
                    .contributions
                    .iter()
                    .map(|part| Part {
                        source: source(part),
                        rank: part.rank,
                        backend_score: part.raw_score,
                        rrf_contribution: part.contribution,
                    })
                    .collect(),
            },
        }
    }
}

/// One line for each list a hit was in.
pub(super) fn lines(explain: &Explain) -> String {
    let mut text = String::new();
    for part in &explain.contributions {
        let _ = writeln!(
            text,
            "{DIM}  {}: rank {}, own score {:.3}, adds {:.1}%{DIM:#}",
            source(part),
            part.rank,
            part.raw_score,
            part.contribution * 100.0,
        );
    }
    text
}

fn source(part: &Contribution) -> &'static str {
    match part.source() {
        Stage::Lexical => "fts",
        Stage::Vector => "vec",
        Stage::Expand => "expand",
        Stage::Rerank => "rerank",
        Stage::Unspecified => "other",
    }
}
