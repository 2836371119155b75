//! What is indexed, and what is not.

use qmd_proto::v1::{DocumentEntry, SkippedFile};
use serde::Serialize;

use super::{
    json::pretty,
    table::table,
    text::{ago, clean_line, size},
};
use crate::error::Result;

/// Documents as a table. `now` is in seconds since the Unix epoch.
pub(crate) fn documents(documents: &[DocumentEntry], now: i64) -> String {
    let rows: Vec<_> = documents
        .iter()
        .map(|document| {
            [
                format!("#{}", clean_line(&document.docid)),
                size(document.bytes),
                ago(document.modified_at, now),
                format!(
                    "{}/{}",
                    clean_line(&document.collection),
                    clean_line(&document.path)
                ),
                clean_line(&document.title),
            ]
        })
        .collect();
    table(["DOCID", "SIZE", "CHANGED", "DOCUMENT", "TITLE"], &rows)
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    docid: String,
    file: String,
    title: &'a str,
    bytes: u64,
    /// Seconds since the Unix epoch.
    modified_at: i64,
}

/// Documents as a JSON array.
pub(crate) fn documents_json(documents: &[DocumentEntry]) -> Result<String> {
    let rows = documents.iter().map(|document| Document {
        docid: format!("#{}", document.docid),
        file: format!("qmd://{}/{}", document.collection, document.path),
        title: &document.title,
        bytes: document.bytes,
        modified_at: document.modified_at,
    });
    pretty(&rows.collect::<Vec<_>>())
}

/// Files that were left out, as a table.
pub(crate) fn skipped_files(files: &[SkippedFile]) -> String {
    let rows: Vec<_> = files
        .iter()
        .map(|file| {
            [
                clean_line(&file.reason),
                format!(
                    "{}/{}",
                    clean_line(&file.collection),
                    clean_line(&file.path)
                ),
                clean_line(&file.message),
            ]
        })
        .collect();
    table(["REASON", "FILE", "WHY"], &rows)
}

#[derive(Debug, Serialize)]
struct Skipped<'a> {
    collection: &'a str,
    path: &'a str,
    reason: &'a str,
    message: &'a str,
}

/// Files that were left out, as a JSON array.
pub(crate) fn skipped_files_json(files: &[SkippedFile]) -> Result<String> {
    let rows = files.iter().map(|file| Skipped {
        collection: &file.collection,
        path: &file.path,
        reason: &file.reason,
        message: &file.message,
    });
    pretty(&rows.collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_both_formats() {
        let list = [DocumentEntry {
            docid: "a1b2c3".into(),
            collection: "notes".into(),
            path: "wing/heat.md".into(),
            title: "Heat\x1b on wings".into(),
            bytes: 1_400,
            modified_at: 1_000,
        }];
        let table = documents(&list, 8_260);
        insta::assert_snapshot!("documents", anstream::adapter::strip_str(&table));
        insta::assert_snapshot!("documents_json", documents_json(&list).unwrap());
        let files = [SkippedFile {
            collection: "notes".into(),
            path: "scan.pdf".into(),
            reason: "FILE_EMPTY".into(),
            message: "no text in it".into(),
        }];
        let table = skipped_files(&files);
        insta::assert_snapshot!("skipped", anstream::adapter::strip_str(&table));
        insta::assert_snapshot!("skipped_json", skipped_files_json(&files).unwrap());
    }
}
