//! The collections of an index.

use qmd_proto::v1::Collection;
use serde::Serialize;

use super::{
    json::pretty,
    table::table,
    text::{clean_line, duration},
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
    match u64::try_from(now.saturating_sub(at)) {
        _ if at == 0 => "never".to_owned(),
        Ok(0) | Err(_) => "just now".to_owned(),
        Ok(seconds) => format!("{} ago", duration(std::time::Duration::from_secs(seconds))),
    }
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
}

/// The collections as a JSON array.
pub(crate) fn collection_list_json(collections: &[Collection]) -> Result<String> {
    let rows = collections.iter().map(|collection| Row {
        name: &collection.name,
        path: &collection.path,
        pattern: &collection.pattern,
        ignore: &collection.ignore,
        include_by_default: collection.include_by_default,
        documents: collection.documents,
        updated_at: Some(collection.updated_at).filter(|at| *at != 0),
    });
    pretty(&rows.collect::<Vec<_>>())
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
    }
}
