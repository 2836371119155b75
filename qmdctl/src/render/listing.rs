//! What is indexed, and what is not.

use qmd_proto::v1::{DocumentEntry, SkippedFile};
use serde::Serialize;

use super::{
    json::pretty,
    table::{aligned, table},
    text::{ago, clean_line, size},
};
use crate::error::Result;

/// Documents as a table; `files` are their paths on disk, where those are to be named. `now` is in
/// seconds since the Unix epoch.
pub(crate) fn documents(
    documents: &[DocumentEntry],
    files: Option<&[Option<String>]>,
    now: i64,
) -> String {
    let rows: Vec<_> = documents
        .iter()
        .enumerate()
        .map(|(at, document)| {
            let file = file_of(files, at);
            [
                match file {
                    Some(_) => String::new(),
                    None => format!("#{}", clean_line(&document.docid)),
                },
                size(document.bytes),
                ago(document.modified_at, now),
                match file {
                    Some(file) => clean_line(file),
                    None => format!(
                        "{}/{}",
                        clean_line(&document.collection),
                        clean_line(&document.path)
                    ),
                },
                clean_line(&document.title),
            ]
        })
        .collect();
    let right = [false, true, true, false, false];
    let heading = ["DOCID", "SIZE", "CHANGED", "DOCUMENT", "TITLE"];
    aligned(heading, right, &rows)
}

fn file_of(files: Option<&[Option<String>]>, at: usize) -> Option<&str> {
    files?.get(at)?.as_deref()
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    docid: Option<String>,
    file: String,
    title: &'a str,
    bytes: u64,
    /// Seconds since the Unix epoch.
    modified_at: i64,
}

/// Documents as a JSON array; `files` as in [`documents`].
pub(crate) fn documents_json(
    documents: &[DocumentEntry],
    files: Option<&[Option<String>]>,
) -> Result<String> {
    let rows = documents.iter().enumerate().map(|(at, document)| {
        let file = file_of(files, at);
        Document {
            docid: file.is_none().then(|| format!("#{}", document.docid)),
            file: match file {
                Some(file) => file.to_owned(),
                None => format!("qmd://{}/{}", document.collection, document.path),
            },
            title: &document.title,
            bytes: document.bytes,
            modified_at: document.modified_at,
        }
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
        let list = [
            DocumentEntry {
                docid: "a1b2c3".into(),
                collection: "notes".into(),
                path: "wing/heat.md".into(),
                title: "Heat\x1b on wings".into(),
                bytes: 1_400,
                modified_at: 1_000,
                file_path: "/home/me/notes/wing/heat.md".into(),
            },
            DocumentEntry {
                docid: "0f0f0f".into(),
                collection: "メモ".into(),
                path: "旅行.md".into(),
                title: "旅行 🚆".into(),
                bytes: 25 << 20,
                modified_at: -90_000,
                file_path: "/home/me/memo/旅行.md".into(),
            },
        ];
        let table = documents(&list, None, 8_260);
        insta::assert_snapshot!("documents", anstream::adapter::strip_str(&table));
        insta::assert_snapshot!("documents_json", documents_json(&list, None).unwrap());
        // The second one's file is gone.
        let files = [Some("./wing/heat.md".to_owned()), None];
        let table = documents(&list, Some(&files), 8_260);
        insta::assert_snapshot!("documents_on_disk", anstream::adapter::strip_str(&table));
        let json = documents_json(&list, Some(&files)).unwrap();
        insta::assert_snapshot!("documents_on_disk_json", json);
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
