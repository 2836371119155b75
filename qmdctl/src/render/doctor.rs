//! What `doctor` found.

use std::fmt::Write as _;

use qmd_proto::v1::{Check, CheckState};
use serde::Serialize;

use super::{
    json::{pretty, unless_empty},
    text::{ERROR, GOOD, HINT, WARNING, clean_line},
};
use crate::error::Result;

/// A line for each check, and its hint below.
pub(crate) fn checks(checks: &[Check]) -> String {
    let mut text = String::new();
    for check in checks {
        let (style, mark) = match check.state() {
            CheckState::Ok => (GOOD, "ok"),
            CheckState::Warning => (WARNING, "warn"),
            CheckState::Failed => (ERROR, "fail"),
            CheckState::Info | CheckState::Unspecified => (HINT, "-"),
        };
        let _ = writeln!(
            text,
            "  {style}{mark:<6}{style:#}{:<18}{}",
            clean_line(&check.name),
            clean_line(&check.detail)
        );
        if !check.hint.is_empty() {
            let _ = writeln!(
                text,
                "{:26}{HINT}hint{HINT:#}: {}",
                "",
                clean_line(&check.hint)
            );
        }
    }
    text
}

#[derive(Debug, Serialize)]
struct CheckJson<'a> {
    name: &'a str,
    state: &'static str,
    detail: &'a str,
    reason: Option<&'a str>,
    hint: Option<&'a str>,
}

/// The checks as a JSON list.
pub(crate) fn checks_json(checks: &[Check]) -> Result<String> {
    let checks: Vec<CheckJson<'_>> = checks
        .iter()
        .map(|check| CheckJson {
            name: &check.name,
            state: match check.state() {
                CheckState::Ok => "ok",
                CheckState::Warning => "warning",
                CheckState::Failed => "failed",
                CheckState::Info | CheckState::Unspecified => "info",
            },
            detail: &check.detail,
            reason: unless_empty(&check.reason),
            hint: unless_empty(&check.hint),
        })
        .collect();
    pretty(&checks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_both_formats() {
        let check = |name: &str, state: CheckState, detail: &str, hint: &str| Check {
            name: name.into(),
            state: state.into(),
            detail: detail.into(),
            hint: hint.into(),
            ..Check::default()
        };
        let found = [
            check("processor", CheckState::Ok, "built for AVX2 FMA", ""),
            check("rerank model", CheckState::Info, "none", ""),
            check(
                "index",
                CheckState::Warning,
                "3 without vectors",
                "run `qmdctl embed`",
            ),
            Check {
                reason: "MODEL_MISSING".into(),
                ..check(
                    "embed model",
                    CheckState::Failed,
                    "it is not on this machine",
                    "run `qmdctl models pull starter`",
                )
            },
        ];
        insta::assert_snapshot!("doctor", anstream::adapter::strip_str(&checks(&found)));
        insta::assert_snapshot!("doctor_json", checks_json(&found).unwrap());
    }
}
