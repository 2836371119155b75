//! Ranked documents as hits with their best passage.

use std::collections::HashMap;

use super::{Request, fusion::Ranked, retrieve::Retrieved};
use crate::{
    domain::{Hit, Passage},
    store::{Store, StoreError, StoredDocument},
    text::{
        page, place,
        snippet::{Terms, snippet},
    },
};

/// Documents that were read for this search.
#[derive(Default)]
pub(super) struct Documents(HashMap<i64, StoredDocument>);

impl Documents {
    /// Reads those that were not read yet.
    pub(super) async fn fetch(&mut self, store: &Store, ids: &[i64]) -> Result<(), StoreError> {
        let missing: Vec<i64> = (ids.iter().copied())
            .filter(|id| !self.0.contains_key(id))
            .collect();
        if !missing.is_empty() {
            let documents = store.documents(missing).await?;
            let by_id = documents
                .into_iter()
                .map(|document| (document.id, document));
            self.0.extend(by_id);
        }
        Ok(())
    }

    /// One of them; `None` when it is gone.
    pub(super) fn get(&self, id: i64) -> Option<&StoredDocument> {
        self.0.get(&id)
    }
}

/// What people see of each document. One that was removed meanwhile is left out.
pub(super) async fn hits(
    store: &Store,
    ranked: Vec<Ranked>,
    found: &Retrieved,
    request: &Request,
    documents: &mut Documents,
) -> Result<Vec<Hit>, StoreError> {
    let ids: Vec<i64> = ranked.iter().map(|ranked| ranked.document).collect();
    documents.fetch(store, &ids).await?;
    let mut terms = Terms::new(request.query.words());
    let hits = ranked.into_iter().filter_map(|ranked| {
        let document = documents.get(ranked.document)?;
        let near = found.places.get(&ranked.document);
        let focus = near
            .map(|hit| hit.chunk.bytes.clone())
            .filter(|bytes| document.text.get(bytes.clone()).is_some());
        let passage = snippet(&document.text, &mut terms, focus);
        let places = near.map_or(&[][..], |hit| &hit.others[..]).iter();
        Some(Hit {
            docid: document.hash.docid(),
            score: ranked.score,
            heading: place::headings(&document.text, &document.path, passage.lines.0),
            collection: document.collection.clone(),
            path: document.path.clone(),
            title: document.title.clone(),
            page: page::of_line(&document.text, passage.lines.0),
            metadata: document.metadata.clone(),
            // They are told as the page.
            snippet: passage.text.replace(page::FEED, ""),
            lines: passage.lines,
            total_lines: document.text.lines().count() as u32,
            body: request.full.then(|| document.text.clone()),
            context: String::new(),
            explanation: ranked.explanation,
            places: places
                .map(|(span, similarity)| Passage {
                    lines: span.lines,
                    similarity: *similarity,
                })
                .collect(),
        })
    });
    Ok(hits.collect())
}
