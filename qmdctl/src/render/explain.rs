//! Where a score comes from, in QMD's terms as far as they are the same.

use std::fmt::Write as _;

use qmd_proto::v1::{Contribution, Explain, Stage, StageReport, StageState};
use serde::Serialize;

/// QMD's `explain` object, as far as its fields exist here, and more.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ExplainJson<'a> {
    fts_scores: Vec<f64>,
    vector_scores: Vec<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rerank_score: Option<f64>,
    blended_score: f64,
    fused_score: f64,
    rerank_weight: f64,
    confidence: f64,
    rrf: Fused<'a>,
    stages: Vec<StageJson>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Fused<'a> {
    total_score: f64,
    contributions: Vec<Part<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Part<'a> {
    source: &'static str,
    query_type: &'static str,
    query: &'a str,
    rank: u32,
    weight: f64,
    backend_score: f64,
    rrf_contribution: f64,
}

/// A stage of the search that the hit came from.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct StageJson {
    stage: &'static str,
    state: &'static str,
    elapsed_ms: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    scored: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    candidates: Option<u32>,
}

impl<'a> ExplainJson<'a> {
    /// Of a hit, and of the search that found it.
    pub(super) fn new(explain: &'a Explain, stages: &[StageReport]) -> Self {
        let scores = |stage: Stage| {
            let parts = explain
                .contributions
                .iter()
                .filter(|part| part.source() == stage);
            parts.map(|part| part.raw_score).collect()
        };
        let total: f64 = explain
            .contributions
            .iter()
            .map(|part| part.contribution)
            .sum();
        Self {
            fts_scores: scores(Stage::Lexical),
            vector_scores: scores(Stage::Vector),
            rerank_score: explain.rerank_score,
            blended_score: total,
            fused_score: explain.fused_score,
            rerank_weight: explain.rerank_weight,
            confidence: explain.confidence,
            rrf: Fused {
                total_score: total,
                contributions: explain.contributions.iter().map(part).collect(),
            },
            stages: stages.iter().filter_map(stage).collect(),
        }
    }
}

fn part(part: &Contribution) -> Part<'_> {
    Part {
        source: source(part),
        query_type: match (part.expanded, part.source()) {
            (true, Stage::Lexical) => "lex",
            (true, Stage::Vector) => "vec",
            _ => "original",
        },
        query: &part.query,
        rank: part.rank,
        weight: part.weight,
        backend_score: part.raw_score,
        rrf_contribution: part.contribution,
    }
}

fn stage(report: &StageReport) -> Option<StageJson> {
    let state = match report.state() {
        StageState::Done => "done",
        StageState::Partial => "partial",
        StageState::Missing => "missing",
        StageState::Skipped => "skipped",
        StageState::Running => "running",
        StageState::Unspecified => return None,
    };
    let counted = report.candidates > 0;
    Some(StageJson {
        stage: match report.stage() {
            Stage::Lexical => "lexical",
            Stage::Vector => "vector",
            Stage::Expand => "expand",
            Stage::Rerank => "rerank",
            Stage::Unspecified => return None,
        },
        state,
        elapsed_ms: report.elapsed_us as f64 / 1e3,
        scored: counted.then_some(report.scored),
        candidates: counted.then_some(report.candidates),
    })
}

/// A line for each part of the score, and one for what they were made of.
pub(super) fn lines(explain: &Explain) -> Vec<String> {
    let mut lines: Vec<String> = explain.contributions.iter().map(line).collect();
    // A daemon that tells no confidence tells nothing of the blend.
    if explain.confidence > 0.0 {
        let rerank = explain.rerank_score.map(|score| {
            let weight = explain.rerank_weight * 100.0;
            format!("reranker {score:.3} at {weight:.0}%, ")
        });
        lines.push(format!(
            "fused {:.3}, {}confidence {:.3}",
            explain.fused_score,
            rerank.unwrap_or_default(),
            explain.confidence,
        ));
    }
    lines
}

fn line(part: &Contribution) -> String {
    let mut text = source(part).to_owned();
    if part.expanded && !part.query.is_empty() {
        let _ = write!(text, " (expanded to \"{}\")", part.query);
    }
    text.push(':');
    if part.rank > 0 {
        let _ = write!(text, " rank {},", part.rank);
    }
    let _ = write!(text, " own score {:.3},", part.raw_score);
    // 0 is of a daemon that tells no weights.
    if part.rank > 0 && part.weight > 0.0 {
        let _ = write!(text, " weight {},", part.weight);
    }
    format!("{text} adds {:.1}%", part.contribution * 100.0)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_and_blend_in_words() {
        let explain = Explain {
            contributions: vec![
                Contribution {
                    source: Stage::Lexical.into(),
                    rank: 1,
                    raw_score: 7.25,
                    contribution: 0.25,
                    query: "wing heat".into(),
                    weight: 2.0,
                    expanded: false,
                },
                Contribution {
                    source: Stage::Vector.into(),
                    rank: 12,
                    raw_score: 0.625,
                    contribution: 0.125,
                    query: "thermal load".into(),
                    weight: 0.5,
                    expanded: true,
                },
                Contribution {
                    source: Stage::Rerank.into(),
                    raw_score: 0.75,
                    contribution: 0.25,
                    ..Contribution::default()
                },
            ],
            fused_score: 0.9,
            rerank_score: Some(0.75),
            rerank_weight: 0.4,
            confidence: 0.8,
        };
        assert_eq!(
            lines(&explain),
            [
                "fts: rank 1, own score 7.250, weight 2, adds 25.0%",
                "vec (expanded to \"thermal load\"): rank 12, own score 0.625, weight 0.5, adds 12.5%",
                "rerank: own score 0.750, adds 25.0%",
                "fused 0.900, reranker 0.750 at 40%, confidence 0.800",
            ]
        );
        let json = ExplainJson::new(&explain, &[]);
        assert!((json.blended_score - 0.625).abs() < 1e-12);
        assert_eq!(json.rrf.contributions[1].query_type, "vec");
    }

    #[test]
    fn a_daemon_that_tells_less_is_understood() {
        let explain = Explain {
            contributions: vec![Contribution {
                source: Stage::Lexical.into(),
                rank: 3,
                raw_score: 1.5,
                contribution: 0.5,
                ..Contribution::default()
            }],
            ..Explain::default()
        };
        assert_eq!(
            lines(&explain),
            ["fts: rank 3, own score 1.500, adds 50.0%"]
        );
    }
}
