//! The best few of many candidates.

use std::{
    cmp::{Ordering, Reverse},
    collections::BinaryHeap,
    sync::atomic::{AtomicU32, Ordering::Relaxed},
};

/// A chunk that may be near.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::store) struct Candidate {
    /// The most that its cosine can be.
    pub(in crate::store) bound: f32,
    /// Its id.
    pub(in crate::store) chunk: i64,
}

impl Eq for Candidate {}

impl Ord for Candidate {
    /// The better one is greater; of equals, that of the smaller id.
    fn cmp(&self, other: &Self) -> Ordering {
        let by_bound = self.bound.total_cmp(&other.bound);
        by_bound.then_with(|| other.chunk.cmp(&self.chunk))
    }
}

impl PartialOrd for Candidate {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// What all parts of a search have found out together: below this, none has a chance.
#[derive(Debug)]
pub(super) struct Floor(AtomicU32);

impl Floor {
    pub(super) fn new() -> Self {
        Self(AtomicU32::new(f32::NEG_INFINITY.to_bits()))
    }

    fn get(&self) -> f32 {
        f32::from_bits(self.0.load(Relaxed))
    }

    fn raise(&self, to: f32) {
        let higher = |known: u32| (to > f32::from_bits(known)).then_some(to.to_bits());
        // It is as high already otherwise.
        let _ = self.0.fetch_update(Relaxed, Relaxed, higher);
    }
}

/// Holds the best candidates that one part of a search was offered, up to a number.
#[derive(Debug)]
pub(super) struct Best<'a> {
    room: usize,
    floor: &'a Floor,
    /// The worst on top.
    held: BinaryHeap<Reverse<Candidate>>,
}

impl<'a> Best<'a> {
    pub(super) fn new(room: usize, floor: &'a Floor) -> Self {
        Self {
            room,
            floor,
            held: BinaryHeap::new(),
        }
    }

    /// Below this, none has a chance.
    pub(super) fn least(&self) -> f32 {
        self.floor.get()
    }

    pub(super) fn offer(&mut self, candidate: Candidate) {
        self.held.push(Reverse(candidate));
        if self.held.len() > self.room {
            self.held.pop();
        }
        if self.held.len() == self.room
            && let Some(worst) = self.held.peek()
        {
            self.floor.raise(worst.0.bound);
        }
    }

    /// What it and another one hold.
    pub(super) fn merged(mut self, other: Self) -> Self {
        for candidate in other.held {
            self.offer(candidate.0);
        }
        self
    }

    /// What it holds, the best first.
    pub(super) fn sorted(self) -> Vec<Candidate> {
        let sorted = self.held.into_sorted_vec();
        sorted.into_iter().map(|candidate| candidate.0).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_stay_in_order() {
        let floor = Floor::new();
        let mut best = Best::new(3, &floor);
        assert!(best.least() < -1.0);
        for (bound, chunk) in [(0.1, 1), (0.5, 9), (0.3, 4), (0.5, 2), (-0.2, 5)] {
            best.offer(Candidate { bound, chunk });
        }
        assert!((0.29..0.31).contains(&best.least()));
        let chunks: Vec<i64> = best
            .sorted()
            .iter()
            .map(|candidate| candidate.chunk)
            .collect();
        assert_eq!(chunks, [2, 9, 4]);
    }
}
