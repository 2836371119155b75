//! What a project's configuration asks for beyond the project.

use std::fmt::Write as _;

use qmd_proto::v1::{DescribeTrustReply, TrustPart, TrustPartKind, TrustState, TrustedConfig};
use serde::Serialize;

use super::{
    json::pretty,
    text::{GOOD, HINT, WARNING, clean_line},
};
use crate::error::Result;

/// What needs trust, and whether it has it.
pub(crate) fn trust(found: &DescribeTrustReply) -> String {
    let hint = match found.state() {
        TrustState::Untrusted => {
            format!("{HINT}hint{HINT:#}: run `qmdctl trust` if you want that\n")
        }
        _ => String::new(),
    };
    format!("{}{}\n{hint}", trust_parts(found), trust_state(found))
}

/// What needs trust.
pub(crate) fn trust_parts(found: &DescribeTrustReply) -> String {
    let mut text = String::new();
    for (kind, title) in [
        (
            TrustPartKind::Command,
            "Commands that `qmdctl update` runs:",
        ),
        (TrustPartKind::Folder, "Folders outside of the project:"),
    ] {
        let mut parts = found
            .parts
            .iter()
            .filter(|part| part.kind() == kind)
            .peekable();
        if parts.peek().is_some() {
            let _ = writeln!(text, "{title}");
        }
        for part in parts {
            let (collection, value) = (clean_line(&part.collection), whole(&part.value));
            let _ = writeln!(text, "  {collection}: {value}");
        }
    }
    text
}

/// A command as it is, on one line: nothing of it may be hidden.
fn whole(value: &str) -> String {
    value
        .trim_end()
        .chars()
        .flat_map(|c| {
            let shown = if c.is_control() {
                c.escape_default().to_string()
            } else {
                c.to_string()
            };
            shown.chars().collect::<Vec<_>>()
        })
        .collect()
}

/// Whether a configuration is trusted, in one line.
pub(crate) fn trust_state(found: &DescribeTrustReply) -> String {
    let file = clean_line(&found.config_file);
    match found.state() {
        TrustState::NotNeeded => format!("nothing in {file} needs trust"),
        TrustState::Trusted => format!("{file} is {GOOD}trusted{GOOD:#}"),
        TrustState::Untrusted | TrustState::Unspecified => {
            format!("{file} is {WARNING}not trusted{WARNING:#}: these are not in force")
        }
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Json<'a> {
    config_file: &'a str,
    state: &'static str,
    parts: Vec<Part<'a>>,
}

#[derive(Debug, Serialize)]
struct Part<'a> {
    kind: &'static str,
    collection: &'a str,
    value: &'a str,
}

/// The same as a JSON object.
pub(crate) fn trust_json(found: &DescribeTrustReply) -> Result<String> {
    let part = |part: &'_ TrustPart| match part.kind() {
        TrustPartKind::Command => "command",
        TrustPartKind::Folder => "folder",
        TrustPartKind::Unspecified => "unknown",
    };
    pretty(&Json {
        config_file: &found.config_file,
        state: match found.state() {
            TrustState::NotNeeded => "not_needed",
            TrustState::Trusted => "trusted",
            TrustState::Untrusted | TrustState::Unspecified => "untrusted",
        },
        parts: (found.parts.iter())
            .map(|it| Part {
                kind: part(it),
                collection: &it.collection,
                value: &it.value,
            })
            .collect(),
    })
}

/// The configurations that are trusted, one a line.
pub(crate) fn trusted(configs: &[TrustedConfig]) -> String {
    let lines = configs.iter().map(|it| clean_line(&it.config_file) + "\n");
    lines.collect()
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Row<'a> {
    config_file: &'a str,
    /// Seconds since the Unix epoch.
    trusted_at: i64,
}

/// The same as a JSON array.
pub(crate) fn trusted_json(configs: &[TrustedConfig]) -> Result<String> {
    let rows = configs.iter().map(|it| Row {
        config_file: &it.config_file,
        trusted_at: it.trusted_at,
    });
    pretty(&rows.collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> DescribeTrustReply {
        let part = |kind: TrustPartKind, collection: &str, value: &str| TrustPart {
            kind: kind.into(),
            collection: collection.into(),
            value: value.into(),
        };
        DescribeTrustReply {
            config_file: "/src/p/.qmd/index.yml".into(),
            state: TrustState::Untrusted.into(),
            parts: vec![
                part(TrustPartKind::Folder, "etc", "/etc"),
                part(TrustPartKind::Command, "docs", "make docs\n"),
                part(TrustPartKind::Command, "odd", "true\x1b[2K\nrm -rf x"),
            ],
            digest: "ab".into(),
        }
    }

    #[test]
    fn in_both_formats() {
        let text = trust(&sample());
        insta::assert_snapshot!("trust", anstream::adapter::strip_str(&text));
        insta::assert_snapshot!("trust_json", trust_json(&sample()).unwrap());
    }

    #[test]
    fn a_state_is_one_line() {
        let state = |state: TrustState| {
            let found = DescribeTrustReply {
                state: state.into(),
                ..sample()
            };
            anstream::adapter::strip_str(&trust_state(&found)).to_string()
        };
        let file = "/src/p/.qmd/index.yml";
        assert_eq!(
            state(TrustState::NotNeeded),
            format!("nothing in {file} needs trust")
        );
        assert_eq!(state(TrustState::Trusted), format!("{file} is trusted"));
    }
}
