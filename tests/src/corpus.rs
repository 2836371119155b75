//! The documents and queries that the end-to-end tests search.

use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::workspace;

/// A query, and the document that answers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The user's words.
    pub query: String,
    /// Path of the answering document inside [`folder`].
    pub document: String,
}

/// The folder of Markdown documents.
pub fn folder() -> PathBuf {
    workspace().join("tests/corpus/notes")
}

/// The queries, one for each document. Most have few words in common with it, so that searching by
/// words alone misses some: what a hybrid search is for.
///
/// # Errors
/// When the list does not parse.
pub fn questions() -> Result<Vec<Question>> {
    let path = workspace().join("tests/corpus/questions.tsv");
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    text.lines()
        .map(|line| {
            let (query, document) = line.split_once('\t').with_context(|| format!("{line:?}"))?;
            Ok(Question {
                query: query.to_owned(),
                document: document.to_owned(),
            })
        })
        .collect()
}
