//! The best few of many candidates.

use std::{
    cmp::{Ordering, Reverse},
    collections::BinaryHeap,
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

/// Holds the best candidates that it was offered, up to a number.
#[derive(Debug)]
pub(super) struct Best {
    room: usize,
    /// The worst on top.
    held: BinaryHeap<Reverse<Candidate>>,
}

impl Best {
    pub(super) fn new(room: usize) -> Self {
        Self {
            room,
            held: BinaryHeap::new(),
        }
    }

    /// Below this, none has a chance.
    pub(super) fn least(&self) -> f32 {
        match self.held.peek() {
            Some(worst) if self.held.len() >= self.room => worst.0.bound,
            _ => f32::NEG_INFINITY,
        }
    }

    pub(super) fn offer(&mut self, candidate: Candidate) {
        self.held.push(Reverse(candidate));
        if self.held.len() > self.room {
            self.held.pop();
        }
    }

    /// Takes over what another one holds.
    pub(super) fn merge(&mut self, other: Self) {
        for candidate in other.held {
            self.offer(candidate.0);
        }
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
        let mut best = Best::new(3);
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
