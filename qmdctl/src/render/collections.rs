//! The collections of an index.

use std::{collections::BTreeMap, fmt::Write as _};

use qmd_proto::v1::{Collection, Context};
use serde::Serialize;

use super::{
    json::pretty,
    table::table,
    text::{BOLD, HINT, WARNING, ago, clean_line, count},
};
use crate::error::Result;

/// The collections as a table. `now` is in seconds since the Unix epoch.
pub(crate) fn collection_list(collections: &[Collection], now: i64) -> String {
    let rows: Vec<_> = collections
        .iter()
        .map(|collection| {
            [
                clean_line(&collection.name),
                collection.documents.to_string(),
                updated(collection.updated_at, now),
                if collection.include_by_default {
                    "always"
                } else {
                    "by name"
                }
                .to_owned(),
                clean_line(&collection.pattern),
                clean_line(&collection.path),
            ]
        })
        .collect();
    table(
        [
            "NAME",
            "DOCUMENTS",
            "UPDATED",
            "SEARCHED",
            "FILES",
            "FOLDER",
        ],
        &rows,
    )
}

/// How long ago that was; both in seconds since the Unix epoch.
pub(super) fn updated(at: i64, now: i64) -> String {
    if at == 0 {
        "never".to_owned()
    } else {
        ago(at, now)
    }
}

/// All that is known of a collection. `now` is in seconds since the Unix epoch.
pub(crate) fn collection(collection: &Collection, contexts: &[Context], now: i64) -> String {
    let mut text = format!("{BOLD}{}{BOLD:#}\n", clean_line(&collection.name));
    let searched = if collection.include_by_default {
        "whenever no collection is named"
    } else {
        "only when it is named"
    };
    let ignored: Vec<String> = collection
        .ignore
        .iter()
        .map(|glob| clean_line(glob))
        .collect();
    for (name, value) in [
        ("folder", clean_line(&collection.path)),
        ("files", clean_line(&collection.pattern)),
        ("ignored", ignored.join(", ")),
        ("searched", searched.to_owned()),
        ("content", count(collection.documents, "document")),
        ("updated", updated(collection.updated_at, now)),
    ] {
        if !value.is_empty() {
            let _ = writeln!(text, "  {name:<10}{value}");
        }
    }
    for context in contexts {
        let (path, said) = (clean_line(&context.path), clean_line(&context.text));
        let _ = writeln!(text, "  {:<10}{path}: {said}", "context");
    }
    if collection.skipped_files > 0 {
        let files = count(collection.skipped_files, "file");
        let name = clean_line(&collection.name);
        let _ = writeln!(
            text,
            "  {WARNING}{files} left out{WARNING:#}: {HINT}`qmdctl ls --skipped {name}`{HINT:#}"
        );
    }
    text
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Row<'a> {
    name: &'a str,
    path: &'a str,
    pattern: &'a str,
    ignore: &'a [String],
    include_by_default: bool,
    documents: u64,
    /// Seconds since the Unix epoch.
    updated_at: Option<i64>,
    skipped_files: u64,
}

impl<'a> Row<'a> {
    fn new(collection: &'a Collection) -> Self {
        Self {
            name: &collection.name,
            path: &collection.path,
            pattern: &collection.pattern,
            ignore: &collection.ignore,
            include_by_default: collection.include_by_default,
            documents: collection.documents,
            updated_at: Some(collection.updated_at).filter(|at| *at != 0),
            skipped_files: collection.skipped_files,
        }
    }
}

#[derive(Debug, Serialize)]
struct Whole<'a> {
    #[serde(flatten)]
    row: Row<'a>,
    context: BTreeMap<&'a str, &'a str>,
}

/// A collection as a JSON object.
pub(crate) fn collection_json(collection: &Collection, contexts: &[Context]) -> Result<String> {
    let pairs = contexts.iter();
    pretty(&Whole {
        row: Row::new(collection),
        context: pairs
            .map(|context| (context.path.as_str(), context.text.as_str()))
            .collect(),
    })
}

/// The collections as a JSON array.
pub(crate) fn collection_list_json(collections: &[Collection]) -> Result<String> {
    pretty(&collections.iter().map(Row::new).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_both_formats() {
        let notes = Collection {
            name: "notes".into(),
            path: "/home/me/notes".into(),
            pattern: "**/*.md".into(),
            ignore: vec!["drafts/**".into()],
            include_by_default: true,
            documents: 1400,
            updated_at: 1_000,
            update_command: String::new(),
            skipped_files: 2,
        };
        let archive = Collection {
            name: "archive".into(),
            path: "/mnt/old".into(),
            pattern: "**/*.{md,txt}".into(),
            ..Collection::default()
        };
        let list = [notes, archive];
        let table = collection_list(&list, 1_000 + 7_260);
        insta::assert_snapshot!("collections", anstream::adapter::strip_str(&table));
        insta::assert_snapshot!("collections_json", collection_list_json(&list).unwrap());
        assert_eq!(updated(50, 40), "just now");
        let contexts = [Context {
            collection: "notes".into(),
            path: "/work".into(),
            text: "Meetings".into(),
        }];
        let shown = collection(&list[0], &contexts, 1_000 + 7_260);
        insta::assert_snapshot!("collection", anstream::adapter::strip_str(&shown));
        insta::assert_snapshot!(
            "collection_json",
            collection_json(&list[0], &contexts).unwrap()
        );
    }
}
