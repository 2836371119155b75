//! The search itself. Candidates come with the most that their cosine can be, the likeliest first; they
//! are compared in full precision in that order, until none of those left can be nearer than what was
//! found (the threshold algorithm; Fagin, Lotem and Naor, 2001).

use std::{
    cmp::Ordering,
    collections::{BinaryHeap, HashMap, HashSet},
    ops::Range,
    sync::Arc,
};

use rusqlite::Connection;

use super::{
    Keeper, Model, VectorHit,
    coarse::{Candidate, Index, Mask},
    scan,
    stored::{self, Stored},
};
use crate::{domain::TextSpan, store::scope::Allowed};

/// Candidates asked for first, per wanted document: several chunks may be of one document.
const CANDIDATES_PER_DOCUMENT: usize = 4;
/// Candidates asked for first at least.
const CANDIDATES: usize = 32;
/// Candidates compared before it is looked whether that was enough.
const BATCH: usize = 16;
/// From so many candidates that are gone on, they are worth being swept out.
const GONE: usize = 32;

/// Other chunks of a document that are told of at most.
const OTHERS: usize = 3;

/// A search in one snapshot of the database.
pub(super) struct Search<'a> {
    pub(super) connection: &'a Connection,
    pub(super) model: &'a Model,
    pub(super) allowed: &'a Allowed,
    pub(super) vector: &'a [f32],
    pub(super) keeper: &'a Arc<Keeper>,
}

/// What was found so far.
#[derive(Default)]
struct Found {
    hits: Vec<VectorHit>,
    /// The contents of the nearest chunks.
    contents: HashSet<i64>,
    /// Where among the hits the documents of a content stand.
    places: HashMap<i64, Range<usize>>,
}

/// A chunk whose similarity is known exactly.
#[derive(Debug, PartialEq)]
struct Compared {
    similarity: f64,
    chunk: i64,
    content: i64,
}

impl Eq for Compared {}

impl Ord for Compared {
    /// The nearer one is greater; of equally near ones, that of the smaller id.
    fn cmp(&self, other: &Self) -> Ordering {
        let by_similarity = self.similarity.total_cmp(&other.similarity);
        by_similarity.then_with(|| other.chunk.cmp(&self.chunk))
    }
}

impl PartialOrd for Compared {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Search<'_> {
    /// The nearest documents, through the coarse index or, without one, by a scan.
    pub(super) fn run(
        &self,
        index: Option<&Index>,
        limit: usize,
    ) -> rusqlite::Result<Vec<VectorHit>> {
        let mask = match index {
            Some(index) => self.keeper.mask(self.connection, index, self.allowed)?,
            None => None,
        };
        let mut found = Found::default();
        let mut count = limit
            .saturating_mul(CANDIDATES_PER_DOCUMENT)
            .saturating_add(CANDIDATES);
        // One round nearly always suffices. If the nearest chunks are all of a few long documents, the
        // next one looks past these.
        while found.hits.len() < limit {
            let candidates = self.candidates(index, mask.as_deref(), &found.contents, count)?;
            let complete = candidates.len() < count.min(most(index));
            let before = found.contents.len();
            self.compare(&candidates, complete, limit, &mut found)?;
            if complete {
                break;
            }
            if found.contents.len() == before && count >= most(index) {
                // More that are equally near than one scan gives: these stand for all of them.
                self.compare(&candidates, true, limit, &mut found)?;
                if found.contents.len() == before {
                    break;
                }
            }
            count = count.saturating_mul(2);
        }
        found.hits.truncate(limit);
        Ok(found.hits)
    }

    fn candidates(
        &self,
        index: Option<&Index>,
        mask: Option<&Mask>,
        seen: &HashSet<i64>,
        count: usize,
    ) -> rusqlite::Result<Vec<Candidate>> {
        match index {
            Some(index) => Ok(index.nearest(self.vector, mask, seen, count)),
            None => scan::nearest(
                self.connection,
                self.model,
                self.allowed,
                self.vector,
                seen,
                count,
            ),
        }
    }

    /// Adds the documents that are certain to come next to what was found. `complete` says that there are no others than these candidates.
    fn compare(
        &self,
        candidates: &[Candidate],
        complete: bool,
        limit: usize,
        found: &mut Found,
    ) -> rusqlite::Result<()> {
        let mut compared = BinaryHeap::new();
        let mut gone = 0;
        for (batch, at) in candidates.chunks(BATCH).zip((BATCH..).step_by(BATCH)) {
            for candidate in batch {
                match stored::read(self.connection, self.model, candidate.chunk)? {
                    Stored::Whole(entry) => compared.push(Compared {
                        similarity: cosine(self.vector, &entry.vector),
                        chunk: entry.chunk,
                        content: entry.content,
                    }),
                    Stored::Gone => gone += 1,
                    Stored::Damaged => self.keeper.report_damaged([candidate.chunk]),
                }
            }
            // The most that those not compared can have.
            let bound = match (candidates.get(at), batch.last()) {
                (Some(next), _) => f64::from(next.bound),
                (None, Some(last)) if !complete => f64::from(last.bound),
                _ => f64::NEG_INFINITY,
            };
            while compared
                .peek()
                .is_some_and(|next: &Compared| next.similarity > bound)
                && let Some(next) = compared.pop()
            {
                if !found.contents.insert(next.content) {
                    self.add_place(&next, found)?;
                    continue;
                }
                self.add_documents(&next, found)?;
                if found.hits.len() >= limit {
                    return Ok(());
                }
            }
        }
        if gone >= GONE {
            self.keeper.sweep(&self.model.fingerprint);
        }
        Ok(())
    }

    /// Adds the documents in scope that have a chunk's content.
    fn add_documents(&self, near: &Compared, found: &mut Found) -> rusqlite::Result<()> {
        let documents = self.allowed.of_content(self.connection, near.content)?;
        if documents.is_empty() {
            return Ok(());
        }
        let (chunk, heading) = self.place(near.chunk)?;
        let places = found.hits.len()..found.hits.len() + documents.len();
        found.places.insert(near.content, places);
        found
            .hits
            .extend(documents.into_iter().map(|document| VectorHit {
                document,
                chunk: chunk.clone(),
                heading: heading.clone(),
                similarity: near.similarity,
                others: Vec::new(),
            }));
        Ok(())
    }

    /// Adds another chunk of a content to the documents that were found by it.
    fn add_place(&self, near: &Compared, found: &mut Found) -> rusqlite::Result<()> {
        let Some(places) = found.places.get(&near.content) else {
            return Ok(());
        };
        let hits = &mut found.hits[places.clone()];
        if hits.first().is_none_or(|hit| hit.others.len() >= OTHERS) {
            return Ok(());
        }
        let (chunk, _) = self.place(near.chunk)?;
        for hit in hits {
            hit.others.push((chunk.clone(), near.similarity));
        }
        Ok(())
    }

    /// Where a chunk lies.
    fn place(&self, chunk: i64) -> rusqlite::Result<(TextSpan, String)> {
        self.connection
            .prepare_cached(
                "SELECT byte_start, byte_end, line_start, line_end, heading
                 FROM chunks WHERE id = ?1",
            )?
            .query_row([chunk], |row| {
                let start = row.get::<_, i64>(0)? as usize;
                let end = row.get::<_, i64>(1)? as usize;
                let span = TextSpan {
                    bytes: start..end,
                    lines: (row.get(2)?, row.get(3)?),
                };
                Ok((span, row.get(4)?))
            })
    }
}

/// Candidates that a source gives at most.
fn most(index: Option<&Index>) -> usize {
    index.map_or(scan::MOST, |_| usize::MAX)
}

/// The cosine of the angle between two vectors.
fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let (mut product, mut a_square, mut b_square) = (0.0, 0.0, 0.0);
    for (a, b) in a.iter().zip(b) {
        let (a, b) = (f64::from(*a), f64::from(*b));
        product += a * b;
        a_square += a * a;
        b_square += b * b;
    }
    // Rounding may lead beyond.
    (product / (a_square.sqrt() * b_square.sqrt())).clamp(-1.0, 1.0)
}
