//! What the reranker reads of each candidate.

use super::{Context, present::Documents, retrieve::Retrieved};
use crate::text::{passage, place, snippet};

/// The part of a passage that its headings may take, where it must be cut.
const HEADINGS: usize = 3;

/// Longest passage, in bytes: about what models of this kind read at once.
pub(super) const MOST: usize = 4_000;
/// The same where only words matched, so that nothing says where the passage ends.
const AROUND_WORDS: usize = 1_200;

impl Context<'_> {
    /// The candidates' passages: where each matched, below its title and headings, at most so many bytes
    /// of each. One that is gone is empty.
    pub(super) fn passages(
        &self,
        candidates: &[i64],
        most: usize,
        found: &Retrieved,
        documents: &Documents,
    ) -> Vec<String> {
        let mut terms = snippet::Terms::new(self.request.query.words());
        let passage = |&id: &i64| {
            let Some(document) = documents.get(id) else {
                return String::new();
            };
            let text = &document.text;
            let (focus, most) = match found.places.get(&id) {
                Some(hit) => (hit.chunk.bytes.clone(), most),
                None => (0..text.len(), most.min(AROUND_WORDS)),
            };
            let anchor = snippet::anchor(text, &mut terms, Some(focus.clone()));
            let line = text[..anchor].bytes().filter(|&byte| byte == b'\n').count() as u32 + 1;
            let headings = place::headings(text, &document.path, line);
            let above = if headings.is_empty() {
                &document.title
            } else {
                &headings
            };
            let above = passage::around(above, 0..above.len(), 0, most / HEADINGS);
            let most = most - above.len();
            format!("{above}\n{}", passage::around(text, focus, anchor, most))
        };
        candidates.iter().map(passage).collect()
    }
}
