//! Ranked documents as hits with their best passage.

use std::collections::HashMap;

use super::retrieve::VectorRun;
use crate::{
    domain::{Contribution, Hit},
    store::{Store, StoreError},
    text::{
        page, place,
        query::LexicalQuery,
        snippet::{Terms, snippet},
    },
};

/// A document with its score.
pub(super) struct Ranked {
    pub document: i64,
    pub score: f64,
    pub contributions: Vec<Contribution>,
}

/// Fetches what people see of each document. One that was removed meanwhile is left out.
pub(super) async fn hits(
    store: &Store,
    ranked: Vec<Ranked>,
    vector: Option<&VectorRun>,
    query: &LexicalQuery,
    full: bool,
) -> Result<Vec<Hit>, StoreError> {
    let ids: Vec<i64> = ranked.iter().map(|ranked| ranked.document).collect();
    let (documents, metadata) =
        tokio::try_join!(store.documents(ids.clone()), store.metadata(ids.clone()))?;
    let mut documents: HashMap<i64, _> = documents
        .into_iter()
        .map(|document| (document.id, document))
        .collect();
    let mut metadata: HashMap<i64, _> = ids.into_iter().zip(metadata).collect();
    let mut matched: HashMap<i64, _> = vector
        .into_iter()
        .flat_map(|run| &run.hits)
        .map(|hit| (hit.document, hit.chunk.bytes.clone()))
        .collect();
    let mut terms = Terms::new(query.words());
    let hits = ranked.into_iter().filter_map(|ranked| {
        let document = documents.remove(&ranked.document)?;
        let focus = matched
            .remove(&ranked.document)
            .filter(|bytes| document.text.get(bytes.clone()).is_some());
        let passage = snippet(&document.text, &mut terms, focus);
        Some(Hit {
            docid: document.hash.docid(),
            score: ranked.score,
            heading: place::headings(&document.text, &document.path, passage.lines.0),
            collection: document.collection,
            path: document.path,
            title: document.title,
            page: page::of_line(&document.text, passage.lines.0),
            metadata: metadata.remove(&ranked.document).unwrap_or_default(),
            // They are told as the page.
            snippet: passage.text.replace(page::FEED, ""),
            lines: passage.lines,
            total_lines: document.text.lines().count() as u32,
            body: full.then_some(document.text),
            context: String::new(),
            contributions: ranked.contributions,
        })
    });
    Ok(hits.collect())
}
