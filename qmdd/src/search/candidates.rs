//! What the reranker reads of each candidate.

use super::{Context, present::Documents, retrieve::Retrieved};
use crate::text::{passage, place, snippet};

/// Longest passage, in bytes: about what models of this kind read at once.
const MOST: usize = 4_000;
/// The same where only words matched, so that nothing says where the passage ends.
const AROUND_WORDS: usize = 1_200;

impl Context<'_> {
    /// The candidates' passages: where each matched, below its title and headings. Where time is short
    /// they are cut, so that it suffices for more than one or two. One that is gone is empty.
    pub(super) fn passages(
        &self,
        candidates: &[i64],
        found: &Retrieved,
        documents: &Documents,
    ) -> Vec<String> {
        let most = match self.left() {
            Some(left) => self.pace.passage(left, MOST),
            None => MOST,
        };
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
            format!("{above}\n{}", passage::around(text, focus, anchor, most))
        };
        candidates.iter().map(passage).collect()
    }
}
