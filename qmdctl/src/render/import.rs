//! What was taken over from an index of QMD.

use std::{fmt::Write as _, time::Duration};

use qmd_proto::v1::ImportQmdSummary;
use serde::Serialize;

use super::{
    json::pretty,
    text::{clean_line, count, duration},
};
use crate::error::Result;

/// All of it, for people.
pub(crate) fn imported(summary: &ImportQmdSummary) -> String {
    let mut text = format!(
        "{} of QMD's are here, {} changed since, {} gone or left out; {} read",
        count(summary.documents_same, "document"),
        summary.documents_changed,
        summary.documents_absent,
        summary.documents_read,
    );
    for left in &summary.collections_left {
        let _ = write!(
            text,
            "\n{} of its collection {} left, which is not configured here{}",
            count(left.documents, "document"),
            clean_line(&left.name),
            match left.path.as_str() {
                "" => String::new(),
                path => format!(
                    ": `qmdctl collection add {} --name {}`",
                    quoted(path),
                    quoted(&left.name)
                ),
            }
        );
    }
    let _ = write!(
        text,
        "\n{} got QMD's vectors, {}, in {}",
        count(summary.vector_documents, "document"),
        count(summary.vector_chunks, "chunk"),
        duration(Duration::from_micros(summary.elapsed_us)),
    );
    if summary.compared > 0 {
        let _ = write!(
            text,
            "; {} computed again, {:.6} off at most",
            count(summary.compared, "chunk"),
            summary.distance,
        );
    }
    for left in &summary.vectors_left {
        let _ = write!(
            text,
            "\n{} left to embed: {}",
            count(left.documents, "document"),
            clean_line(&left.why)
        );
    }
    text
}

/// As a shell takes it.
fn quoted(word: &str) -> String {
    let word = clean_line(word);
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '/' | '-' | '_' | '.');
    if !word.is_empty() && word.chars().all(plain) {
        word
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Json<'a> {
    path: &'a str,
    documents: Documents,
    collections_left: Vec<Collection<'a>>,
    vectors: Vectors<'a>,
    notices: Vec<NoticeJson<'a>>,
    pending_embedding: u64,
}

#[derive(Debug, Serialize)]
struct Documents {
    same: u64,
    changed: u64,
    absent: u64,
    read: u64,
}

#[derive(Debug, Serialize)]
struct Collection<'a> {
    name: &'a str,
    path: &'a str,
    documents: u64,
}

#[derive(Debug, Serialize)]
struct Vectors<'a> {
    documents: u64,
    chunks: u64,
    left: Vec<Left<'a>>,
    compared: u64,
    distance: f64,
}

#[derive(Debug, Serialize)]
struct Left<'a> {
    why: &'a str,
    documents: u64,
}

#[derive(Debug, Serialize)]
struct NoticeJson<'a> {
    reason: &'a str,
    message: &'a str,
    hint: &'a str,
}

/// The same as a JSON object.
pub(crate) fn imported_json(summary: &ImportQmdSummary) -> Result<String> {
    pretty(&Json {
        path: &summary.path,
        documents: Documents {
            same: summary.documents_same,
            changed: summary.documents_changed,
            absent: summary.documents_absent,
            read: summary.documents_read,
        },
        collections_left: (summary.collections_left.iter())
            .map(|left| Collection {
                name: &left.name,
                path: &left.path,
                documents: left.documents,
            })
            .collect(),
        vectors: Vectors {
            documents: summary.vector_documents,
            chunks: summary.vector_chunks,
            left: (summary.vectors_left.iter())
                .map(|left| Left {
                    why: &left.why,
                    documents: left.documents,
                })
                .collect(),
            compared: summary.compared,
            distance: summary.distance,
        },
        notices: (summary.notices.iter())
            .map(|notice| NoticeJson {
                reason: &notice.reason,
                message: &notice.message,
                hint: &notice.hint,
            })
            .collect(),
        pending_embedding: summary.pending_embedding,
    })
}

#[cfg(test)]
mod tests {
    use qmd_proto::v1::{Notice, QmdCollection, QmdVectorsLeft};

    use super::*;

    #[test]
    fn in_both_formats() {
        let summary = ImportQmdSummary {
            path: "/home/me/.cache/qmd/index.sqlite".into(),
            documents_same: 1400,
            documents_changed: 2,
            documents_absent: 1,
            documents_read: 1410,
            collections_left: vec![QmdCollection {
                name: "old notes".into(),
                path: "/home/me/it's old".into(),
                documents: 3,
            }],
            vector_documents: 1390,
            vector_chunks: 4000,
            vectors_left: vec![QmdVectorsLeft {
                why: "a vector is missing or damaged".into(),
                documents: 1,
            }],
            notices: vec![Notice {
                reason: "VECTORS_DIFFER".into(),
                message: "those of x were made by another version".into(),
                hint: "run `qmdctl embed`".into(),
            }],
            compared: 9,
            distance: 0.000_012,
            elapsed_us: 2_500_000,
            pending_embedding: 20,
        };
        insta::assert_snapshot!("imported", imported(&summary));
        insta::assert_snapshot!("imported_json", imported_json(&summary).unwrap());
    }
}
