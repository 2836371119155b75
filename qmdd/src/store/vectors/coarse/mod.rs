//! The coarse index: the vectors of one model in memory, in eight bits a value, for finding among all
//! of them the few that can be nearest. What it gives is a superset of what is sought, as good as surely;
//! the caller compares these in full precision.
//!
//! A version of it never changes. It holds every chunk of the model up to the id that it covers, but
//! for those deleted since: ids only ever grow, and a chunk's vector never changes. So a reader of any
//! later state of the database drops the candidates that this state does not know, and adds what lies
//! beyond the covered ids.

mod best;
mod block;
mod code;
mod kernel;
mod pool;

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use rayon::{ThreadPool, prelude::*};

use self::{
    best::{Best, Floor},
    block::{Block, GROUP},
    code::Query,
    kernel::Kernel,
};
use super::Model;

pub(super) use self::{
    best::Candidate,
    block::{Entry, ROWS},
};

/// Chunks for which more than one thread is worth it.
const FOR_SEVERAL: usize = 30_000;

/// A version of the coarse index.
#[derive(Debug)]
pub(super) struct Index {
    /// The fingerprint of the model.
    fingerprint: String,
    dimensions: usize,
    blocks: Vec<Arc<Block>>,
    covered: i64,
    serial: u64,
    kernel: Kernel,
}

impl Index {
    /// Without any chunk.
    pub(super) fn new(fingerprint: &str, dimensions: usize) -> Self {
        Self {
            fingerprint: fingerprint.to_owned(),
            dimensions,
            blocks: Vec::new(),
            covered: 0,
            serial: serial(),
            kernel: Kernel::detect(),
        }
    }

    /// Whether it is of the model with this fingerprint.
    pub(super) fn is_of(&self, fingerprint: &str) -> bool {
        self.fingerprint == fingerprint
    }

    /// This one when it is of the model, else an empty one that is.
    pub(super) fn as_of(self: &Arc<Self>, model: &Model) -> Arc<Self> {
        if self.is_of(&model.fingerprint) {
            return Arc::clone(self);
        }
        Arc::new(Self::new(&model.fingerprint, model.dimensions))
    }

    /// The id up to which it holds every chunk.
    pub(super) fn covered(&self) -> i64 {
        self.covered
    }

    /// Tells it from every other version in this process.
    pub(super) fn serial(&self) -> u64 {
        self.serial
    }

    /// Its chunks.
    pub(super) fn len(&self) -> usize {
        self.blocks.iter().map(|block| block.len()).sum()
    }

    /// Bytes of memory that it holds.
    pub(super) fn bytes(&self) -> usize {
        self.blocks.iter().map(|block| block.bytes()).sum()
    }

    /// Chunks for which there is room in the last block.
    pub(super) fn room(&self) -> usize {
        ROWS - self.blocks.last().map_or(0, |last| last.len() % ROWS)
    }

    /// A version with these chunks too, in rising order, that covers all up to `covered`. It shares
    /// what it can.
    pub(super) fn extended(&self, entries: &[Entry], covered: i64) -> Self {
        let mut blocks = self.blocks.clone();
        let empty = Block::default();
        let (filling, others) = entries.split_at(entries.len().min(self.room()));
        if !filling.is_empty() {
            let last = blocks.pop_if(|last| last.len() < ROWS);
            let last = last.as_deref().unwrap_or(&empty);
            blocks.push(Arc::new(Block::extended(last, filling, self.dimensions)));
        }
        for entries in others.chunks(ROWS) {
            blocks.push(Arc::new(Block::extended(&empty, entries, self.dimensions)));
        }
        self.with(blocks, covered)
    }

    /// The first and the last id of a block's chunks; `None` past the last block.
    pub(super) fn span(&self, block: usize) -> Option<(i64, i64)> {
        let chunks = &self.blocks.get(block)?.chunks;
        Some((*chunks.first()?, *chunks.last()?))
    }

    /// A version without those chunks of a block that are not in `living`, in rising order; `None`
    /// when all of them are.
    pub(super) fn swept(&self, block: usize, living: &[i64]) -> Option<Self> {
        let swept = self.blocks[block].swept(
            |chunk| living.binary_search(&chunk).is_ok(),
            self.dimensions,
        );
        if swept.len() == self.blocks[block].len() {
            return None;
        }
        let mut blocks = self.blocks.clone();
        if swept.len() == 0 {
            blocks.remove(block);
        } else {
            blocks[block] = Arc::new(swept);
        }
        Some(self.with(blocks, self.covered))
    }

    /// Which of its chunks are of contents that count.
    pub(super) fn mask(&self, counts: impl Fn(i64) -> bool) -> Mask {
        let word = |contents: &[i64]| {
            let bits = contents.iter().enumerate();
            bits.fold(0, |word, (bit, content)| {
                word | u64::from(counts(*content)) << bit
            })
        };
        let blocks = self
            .blocks
            .iter()
            .map(|block| block.contents.chunks(GROUP).map(word).collect());
        Mask {
            blocks: blocks.collect(),
        }
    }

    fn with(&self, blocks: Vec<Arc<Block>>, covered: i64) -> Self {
        Self {
            fingerprint: self.fingerprint.clone(),
            dimensions: self.dimensions,
            blocks,
            covered,
            serial: serial(),
            kernel: self.kernel,
        }
    }

    /// The `count` chunks that may be nearest to a vector, the likeliest first: no other can be nearer
    /// than the last one's bound. Those of the contents in `seen`, and those that the mask leaves out,
    /// are passed over.
    pub(super) fn nearest(
        &self,
        vector: &[f32],
        mask: Option<&Mask>,
        seen: &HashSet<i64>,
        count: usize,
    ) -> Vec<Candidate> {
        let pool = if self.len() < FOR_SEVERAL {
            None
        } else {
            pool::pool()
        };
        self.nearest_on(pool, vector, mask, seen, count)
    }

    fn nearest_on(
        &self,
        pool: Option<&ThreadPool>,
        vector: &[f32],
        mask: Option<&Mask>,
        seen: &HashSet<i64>,
        count: usize,
    ) -> Vec<Candidate> {
        let query = Query::new(vector);
        let floor = Floor::new();
        let nothing = || Best::new(count, &floor);
        let search = |mut best, at: usize| {
            let mask = mask.map(|mask| mask.blocks[at].as_ref());
            self.blocks[at].search(self.kernel, &query, mask, seen, &mut best);
            best
        };
        let blocks = 0..self.blocks.len();
        let best = match pool {
            None => blocks.fold(nothing(), search),
            Some(pool) => pool.install(|| {
                let parts = blocks.into_par_iter().fold(nothing, search);
                parts.reduce(nothing, Best::merged)
            }),
        };
        best.sorted()
    }
}

/// A bit for each chunk of one version of the index: whether it counts.
#[derive(Debug)]
pub(super) struct Mask {
    blocks: Vec<Box<[u64]>>,
}

fn serial() -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(0);
    LAST.fetch_add(1, Ordering::Relaxed)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIMENSIONS: usize = 6;

    /// Like random in [-1, 1), the same for the same number.
    fn vector(seed: usize) -> Vec<f32> {
        let mut state = seed as u64 + 1;
        let mut value = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / (1 << 23) as f32 - 1.0
        };
        value();
        (0..DIMENSIONS).map(|_| value()).collect()
    }

    /// Chunks with every other id; two chunks a content.
    fn entry(number: usize) -> Entry {
        Entry {
            chunk: 2 * number as i64,
            content: number as i64 / 2,
            vector: vector(number),
        }
    }

    fn cosine(a: &[f32], b: &[f32]) -> f32 {
        let product = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
        product(a, b) / (product(a, a) * product(b, b)).sqrt()
    }

    /// That nothing is nearer than what was found, by what its bounds say.
    fn assert_found(
        found: &[Candidate],
        query: &[f32],
        expected: impl Iterator<Item = Entry>,
        count: usize,
    ) {
        let mut all: Vec<(i64, f32)> = expected
            .map(|entry| (entry.chunk, cosine(query, &entry.vector)))
            .collect();
        assert_eq!(found.len(), count.min(all.len()));
        assert!(found.is_sorted_by(|a, b| a > b));
        all.retain(|(chunk, _)| found.iter().all(|candidate| candidate.chunk != *chunk));
        let least = found.last().map_or(f32::INFINITY, |last| last.bound);
        assert!(all.iter().all(|(_, cosine)| *cosine <= least));
    }

    #[test]
    fn what_is_nearest_is_found_in_any_number_of_parts() {
        let count = 3 * ROWS + 70;
        let entries: Vec<Entry> = (0..count).map(entry).collect();
        let index = Index::new("model", DIMENSIONS);
        // As it grows: a few, some beyond a block, the rest.
        let index = index.extended(&entries[..7], 12);
        assert_eq!((index.len(), index.room()), (7, ROWS - 7));
        let index = index.extended(&entries[7..ROWS + 100], 2 * ROWS as i64 + 198);
        assert_eq!((index.len(), index.room()), (ROWS + 100, ROWS - 100));
        let index = index.extended(&entries[ROWS + 100..], 9_999_999);
        assert_eq!((index.len(), index.covered()), (count, 9_999_999));
        let query = vector(count + 1);
        let few = index.mask(|content| content % 50 == 3);
        let nothing = HashSet::new();
        let seen: HashSet<i64> = (0..count as i64)
            .filter(|content| content % 3 != 0)
            .collect();
        let pools = [1, 2, 5].map(|threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
            pool.build().unwrap()
        });
        for pool in pools.iter().map(Some).chain([None]) {
            for count in [1, 40, 500] {
                let found = index.nearest_on(pool, &query, None, &nothing, count);
                assert_found(&found, &query, entries.iter().cloned(), count);
                let found = index.nearest_on(pool, &query, Some(&few), &nothing, count);
                let expected = entries.iter().filter(|entry| entry.content % 50 == 3);
                assert_found(&found, &query, expected.cloned(), count);
                let found = index.nearest_on(pool, &query, Some(&few), &seen, count);
                let expected = entries.iter().filter(|entry| entry.content % 50 == 3);
                let expected = expected.filter(|entry| !seen.contains(&entry.content));
                assert_found(&found, &query, expected.cloned(), count);
            }
        }
        assert!(
            Index::new("model", DIMENSIONS)
                .nearest(&query, None, &nothing, 5)
                .is_empty()
        );
    }

    #[test]
    fn sweeping_leaves_the_living() {
        let entries: Vec<Entry> = (0..2 * ROWS).map(entry).collect();
        let index = Index::new("model", DIMENSIONS).extended(&entries, 99_999);
        let living: Vec<i64> = entries
            .iter()
            .map(|entry| entry.chunk)
            .filter(|chunk| chunk % 10 == 0)
            .collect();
        assert_eq!(index.span(0), Some((0, 2 * ROWS as i64 - 2)));
        let index = index.swept(0, &living).unwrap();
        assert!(index.swept(0, &living).is_none());
        assert_eq!(index.len(), ROWS + (ROWS).div_ceil(5));
        // A block without any goes as a whole.
        let index = index.swept(1, &[]).unwrap();
        assert_eq!((index.span(1), index.covered()), (None, 99_999));
        let query = vector(1);
        let found = index.nearest(&query, None, &HashSet::new(), 20);
        let expected = entries[..ROWS].iter().filter(|entry| entry.chunk % 10 == 0);
        assert_found(&found, &query, expected.cloned(), 20);
    }
}
