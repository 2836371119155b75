//! What the stages of a search did: how long it took, what was left out, what is under way.

use std::time::Duration;

use qmd_proto::v1::{SearchReply, Stage, StageReport, StageState};

use super::super::text::{count, duration};

/// How long the search took, and its stages.
pub(crate) fn timing(reply: &SearchReply) -> String {
    let stages: Vec<String> = reply
        .stages
        .iter()
        .filter(|report| matches!(report.state(), StageState::Done | StageState::Partial))
        .map(|report| {
            let name = match report.stage() {
                Stage::Lexical => "words",
                Stage::Vector => "vectors",
                Stage::Expand => "expansion",
                Stage::Rerank => "reranking",
                Stage::Unspecified => "other",
            };
            let span = duration(Duration::from_micros(report.elapsed_us));
            match report.candidates {
                0 => format!("{name} {span}"),
                of => format!("{name} {span} ({} of {of})", report.scored),
            }
        })
        .collect();
    format!(
        "{} in {}{}{}",
        count(reply.hits.len() as u64, "hit"),
        duration(Duration::from_micros(reply.elapsed_us)),
        if stages.is_empty() { "" } else { ": " },
        stages.join(", "),
    )
}

/// What a ranking is made without, a few words for each stage.
pub(super) fn shortfalls(stages: &[StageReport]) -> Vec<String> {
    stages.iter().filter_map(shortfall).collect()
}

fn shortfall(report: &StageReport) -> Option<String> {
    let missing = match report.state() {
        StageState::Missing => true,
        StageState::Partial => false,
        StageState::Done | StageState::Skipped | StageState::Running | StageState::Unspecified => {
            return None;
        }
    };
    let (without, part) = match report.stage() {
        Stage::Lexical => ("not searched by words", "words searched in part"),
        Stage::Vector => ("not searched by meaning", "meaning searched in part"),
        Stage::Expand => ("not expanded", "expanded in part"),
        Stage::Rerank => ("not reranked", "reranked in part"),
        Stage::Unspecified => ("a part is missing", "searched in part"),
    };
    Some(match (missing, report.candidates) {
        (true, _) => without.to_owned(),
        (false, 0) => part.to_owned(),
        (false, of) => format!("{part} ({} of {of})", report.scored),
    })
}

/// What a search in progress is at, as far as `stages` have told. `ranked`: there is a ranking.
pub(crate) fn status(stages: &[StageReport], ranked: bool) -> String {
    let told = |stage: Stage| stages.iter().rev().find(|report| report.stage() == stage);
    if let Some(reranking) = told(Stage::Rerank).filter(|report| report.candidates > 0) {
        return format!(
            "reranking {} of {}\u{2026}",
            reranking.scored, reranking.candidates
        );
    }
    if ranked {
        "refining\u{2026}"
    } else {
        "searching\u{2026}"
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use super::{
        super::samples::{reply, stage},
        *,
    };

    #[test]
    fn the_timing_line() {
        assert_eq!(
            timing(&reply()),
            "3 hits in 183.4 ms: words 1.2 ms, reranking 180.0 ms (12 of 40)"
        );
        assert_eq!(timing(&SearchReply::default()), "0 hits in 0.0 ms");
    }

    #[test]
    fn what_is_lacking_is_named() {
        assert_eq!(
            shortfalls(&reply().stages),
            ["not searched by meaning", "reranked in part (12 of 40)"]
        );
        let fine = [
            stage(Stage::Lexical, StageState::Done, 1),
            stage(Stage::Rerank, StageState::Skipped, 0),
        ];
        assert!(shortfalls(&fine).is_empty());
    }

    #[test]
    fn a_search_says_what_it_is_at() {
        assert_eq!(status(&[], false), "searching…");
        let words = stage(Stage::Lexical, StageState::Done, 1);
        assert_eq!(status(&[words], true), "refining…");
        let reranked = |scored| StageReport {
            scored,
            candidates: 40,
            ..stage(Stage::Rerank, StageState::Running, 1)
        };
        assert_eq!(
            status(&[reranked(8), reranked(12)], true),
            "reranking 12 of 40…"
        );
    }
}
