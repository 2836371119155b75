//! A part of the coarse index: some thousand chunks with the codes of their vectors. Never changed
//! once it is shared.

use std::collections::HashSet;

use super::{
    best::{Best, Candidate},
    code::{self, Estimate, Query},
    kernel::{Kernel, width},
};

/// Chunks of a block at most: a multiple of the bits in a word of a [`super::Mask`].
pub(in crate::store) const ROWS: usize = 4096;

/// Chunks that are looked at together: those of a word of a mask.
pub(super) const GROUP: usize = 64;

/// A chunk for the coarse index.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::store) struct Entry {
    /// The chunk's id.
    pub(in crate::store) chunk: i64,
    /// The id of the content that it is of.
    pub(in crate::store) content: i64,
    /// Its vector.
    pub(in crate::store) vector: Vec<f32>,
}

/// The codes lie apart from one another by what reads them: most vectors are passed over by their
/// upper half alone.
#[derive(Debug, Default)]
pub(super) struct Block {
    /// In rising order.
    pub(super) chunks: Vec<i64>,
    pub(super) contents: Vec<i64>,
    /// What the upper halves tell, and what the whole codes do.
    rough: Vec<Estimate>,
    whole: Vec<Estimate>,
    upper: Vec<u8>,
    lower: Vec<u8>,
}

impl Block {
    /// These chunks behind those of `before`.
    pub(super) fn extended(before: &Self, entries: &[Entry], dimensions: usize) -> Self {
        let mut block = before.copied(|_| true, entries.len(), dimensions);
        for entry in entries {
            block.chunks.push(entry.chunk);
            block.contents.push(entry.content);
            let scale = code::encode(&entry.vector, &mut block.upper, &mut block.lower);
            block.rough.push(scale.upper);
            block.whole.push(scale.whole);
        }
        block
    }

    /// Without the chunks that `lives` refuses.
    pub(super) fn swept(&self, lives: impl Fn(i64) -> bool, dimensions: usize) -> Self {
        self.copied(lives, 0, dimensions)
    }

    /// A copy of some chunks, with room for `more`, and no more than that.
    fn copied(&self, keep: impl Fn(i64) -> bool, more: usize, dimensions: usize) -> Self {
        let kept: Vec<usize> = (0..self.len())
            .filter(|row| keep(self.chunks[*row]))
            .collect();
        let width = width(dimensions);
        let rows = kept.len() + more;
        let mut copy = Self {
            chunks: Vec::with_capacity(rows),
            contents: Vec::with_capacity(rows),
            rough: Vec::with_capacity(rows),
            whole: Vec::with_capacity(rows),
            upper: Vec::with_capacity(rows * width),
            lower: Vec::with_capacity(rows * width),
        };
        for row in kept {
            copy.chunks.push(self.chunks[row]);
            copy.contents.push(self.contents[row]);
            copy.rough.push(self.rough[row]);
            copy.whole.push(self.whole[row]);
            let bytes = row * width..(row + 1) * width;
            copy.upper.extend_from_slice(&self.upper[bytes.clone()]);
            copy.lower.extend_from_slice(&self.lower[bytes]);
        }
        copy
    }

    pub(super) fn len(&self) -> usize {
        self.chunks.len()
    }

    /// Bytes of memory.
    pub(super) fn bytes(&self) -> usize {
        let row = 2 * size_of::<i64>() + 2 * size_of::<Estimate>();
        self.len() * row + self.upper.len() + self.lower.len()
    }

    /// Looks for nearer ones than `best` has. `mask` has a bit for each chunk that counts; contents in
    /// `seen` do not.
    pub(super) fn search(
        &self,
        kernel: Kernel,
        query: &Query,
        mask: Option<&[u64]>,
        seen: &HashSet<i64>,
        best: &mut Best<'_>,
    ) {
        let width = query.operand.width();
        let mut uppers = [0; GROUP];
        for (group, rows) in self.upper.chunks(GROUP * width).enumerate() {
            let counts = mask.map_or(u64::MAX, |mask| mask[group]);
            if counts == 0 {
                continue;
            }
            let uppers = &mut uppers[..rows.len() / width];
            kernel.products(rows, &query.operand, uppers);
            let first = group * GROUP;
            let least = best.least();
            let rough = self.rough[first..].iter().zip(uppers.iter());
            let likely = rough.enumerate().fold(0, |likely, (bit, (rough, upper))| {
                likely | u64::from(query.rough_bound(*rough, *upper) >= least) << bit
            });
            let mut left = counts & likely;
            while left != 0 {
                let bit = left.trailing_zeros() as usize;
                left &= left - 1;
                self.look_closer(kernel, query, (first + bit, uppers[bit]), seen, best);
            }
        }
    }

    /// Looks at a row by its whole code; its product with the upper halves is known.
    fn look_closer(
        &self,
        kernel: Kernel,
        query: &Query,
        (row, upper): (usize, i32),
        seen: &HashSet<i64>,
        best: &mut Best<'_>,
    ) {
        let width = query.operand.width();
        let mut lower = [0];
        let bytes = row * width..(row + 1) * width;
        kernel.products(&self.lower[bytes], &query.operand, &mut lower);
        let bound = query.bound(self.whole[row], upper, lower[0]);
        if bound >= best.least() && !seen.contains(&self.contents[row]) {
            best.offer(Candidate {
                bound,
                chunk: self.chunks[row],
            });
        }
    }
}
