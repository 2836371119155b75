//! Errors, warnings and hints.

use std::fmt::Write as _;

use qmd_proto::v1::{self, Stage, StageReport, StageState};
use serde::Serialize;

use super::text::{ERROR, HINT, WARNING, clean_line};
use crate::error::Failure;

/// Something that went less well than asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Notice {
    /// One line.
    pub(crate) message: String,
    /// Stable reason code; may be empty.
    pub(crate) reason: String,
    /// What mends it.
    pub(crate) hint: Option<String>,
}

impl Notice {
    /// What is to be said of a stage; `None` when it did what it was asked for.
    pub(crate) fn of_stage(report: &StageReport) -> Option<Self> {
        let stage = match report.stage() {
            Stage::Lexical => "search by words",
            Stage::Vector => "vector search",
            Stage::Expand => "query expansion",
            Stage::Rerank => "reranking",
            Stage::Unspecified => "a part of the search",
        };
        let what = match report.state() {
            StageState::Missing => "did not run",
            StageState::Partial => "ran in part",
            StageState::Done
            | StageState::Skipped
            | StageState::Running
            | StageState::Unspecified => return None,
        };
        let why = if report.message.is_empty() { "" } else { ": " };
        Some(Self {
            message: format!("{stage} {what}{why}{}", report.message),
            reason: report.reason.clone(),
            hint: Some(report.hint.clone()).filter(|hint| !hint.is_empty()),
        })
    }

    /// What a reply says beside its content.
    pub(crate) fn of_reply(notice: &v1::Notice) -> Self {
        Self {
            message: notice.message.clone(),
            reason: notice.reason.clone(),
            hint: Some(notice.hint.clone()).filter(|hint| !hint.is_empty()),
        }
    }

    /// As it is shown.
    pub(super) fn warning(&self) -> String {
        let hint = self.hint.as_deref();
        lines(
            &format!("{WARNING}warning{WARNING:#}"),
            &self.message,
            &self.reason,
            hint,
        )
    }
}

/// An error for people.
pub(super) fn error(failure: &Failure) -> String {
    let hint = failure.hint.as_deref();
    lines(
        &format!("{ERROR}error{ERROR:#}"),
        &failure.message,
        &failure.reason,
        hint,
    )
}

#[derive(Debug, Serialize)]
struct ErrorJson<'a> {
    error: ErrorBody<'a>,
}

#[derive(Debug, Serialize)]
struct ErrorBody<'a> {
    reason: &'a str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'a str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    suggestions: &'a [String],
}

/// An error for programs.
pub(super) fn error_json(failure: &Failure) -> String {
    let error = ErrorJson {
        error: ErrorBody {
            reason: &failure.reason,
            message: &failure.message,
            hint: failure.hint.as_deref(),
            suggestions: &failure.suggestions,
        },
    };
    // Strings always have a JSON form.
    serde_json::to_string(&error)
        .map(|line| line + "\n")
        .unwrap_or_default()
}

fn lines(label: &str, message: &str, reason: &str, hint: Option<&str>) -> String {
    let message = clean_line(message);
    let reason = if reason.is_empty() {
        String::new()
    } else {
        format!(" ({reason})")
    };
    let mut text = format!("{label}: {message}{reason}\n");
    if let Some(hint) = hint {
        let _ = writeln!(text, "{HINT}hint{HINT:#}: {}", clean_line(hint));
    }
    text
}

#[cfg(test)]
mod tests {
    use qmd_proto::Reason;

    use super::*;

    fn plain(text: &str) -> String {
        anstream::adapter::strip_str(text).to_string()
    }

    #[test]
    fn every_kind_of_error() {
        let hinted = Failure::new(Reason::CollectionUnknown, "no collection \"x\"")
            .hint("configured are: notes");
        let bare = Failure::internal("a\nb\x1b[2J");
        let newer = Failure::of_text("MOON_FULL", "no luck".into(), None);
        let near = Failure {
            suggestions: vec!["qmd://n/a.md".into()],
            ..Failure::new(Reason::DocumentNotFound, "no document \"b.md\"")
                .hint("did you mean qmd://n/a.md?")
        };
        let all = [hinted, bare, newer, near]
            .map(|failure| format!("{}{}", plain(&error(&failure)), error_json(&failure)));
        insta::assert_snapshot!(all.concat());
    }

    #[test]
    fn stages_that_did_less_than_asked() {
        let report = |state: StageState, message: &str, hint: &str| StageReport {
            stage: Stage::Vector.into(),
            state: state.into(),
            reason: if message.is_empty() {
                ""
            } else {
                "MODEL_LOADING"
            }
            .into(),
            message: message.into(),
            hint: hint.into(),
            ..StageReport::default()
        };
        let all: String = [
            report(
                StageState::Missing,
                "the embed model is still loading",
                "try again",
            ),
            report(StageState::Partial, "the time ran out", ""),
            report(StageState::Missing, "", ""),
            report(StageState::Done, "", ""),
        ]
        .iter()
        .filter_map(Notice::of_stage)
        .map(|notice| plain(&notice.warning()))
        .collect();
        insta::assert_snapshot!(all);
    }
}
