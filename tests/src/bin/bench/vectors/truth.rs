//! The nearest vectors of each query, found by comparing it with every one.

use std::thread;

use super::sets::product;

/// Neighbours that count.
pub(super) const NEIGHBOURS: usize = 10;

/// What is nearest to each query so far: similarity and number, the nearest first.
pub(super) struct Truth<'a> {
    queries: &'a [Vec<f32>],
    nearest: Vec<Vec<(f32, usize)>>,
}

impl<'a> Truth<'a> {
    pub(super) fn new(queries: &'a [Vec<f32>]) -> Self {
        let nearest = vec![Vec::with_capacity(NEIGHBOURS + 1); queries.len()];
        Self { queries, nearest }
    }

    /// Compares every query with vectors of length 1, numbered.
    pub(super) fn add(&mut self, vectors: &[(usize, &[f32])]) {
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let share = self.queries.len().div_ceil(threads);
        thread::scope(|scope| {
            for (queries, nearest) in self
                .queries
                .chunks(share)
                .zip(self.nearest.chunks_mut(share))
            {
                scope.spawn(move || {
                    for (query, nearest) in queries.iter().zip(nearest) {
                        add(nearest, query, vectors);
                    }
                });
            }
        });
    }

    /// The share of the nearest that were found, over all queries.
    pub(super) fn recall(&self, found: &[Vec<usize>]) -> f64 {
        let (mut hits, mut all) = (0, 0);
        for (nearest, found) in self.nearest.iter().zip(found) {
            all += nearest.len();
            hits += nearest
                .iter()
                .filter(|(_, number)| found.contains(number))
                .count();
        }
        hits as f64 / all as f64
    }
}

fn add(nearest: &mut Vec<(f32, usize)>, query: &[f32], vectors: &[(usize, &[f32])]) {
    for (number, vector) in vectors {
        let similarity = product(query, vector);
        let full = nearest.len() == NEIGHBOURS;
        if full
            && nearest
                .last()
                .is_some_and(|(least, _)| similarity <= *least)
        {
            continue;
        }
        let at = nearest.partition_point(|(known, _)| *known >= similarity);
        nearest.insert(at, (similarity, *number));
        nearest.truncate(NEIGHBOURS);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recall_is_the_share_found() {
        let queries = [vec![1.0, 0.0], vec![0.0, 1.0]];
        let mut truth = Truth::new(&queries);
        let vectors: Vec<Vec<f32>> = (0..20)
            .map(|at| vec![at as f32, 20.0 - at as f32])
            .collect();
        let numbered: Vec<(usize, &[f32])> =
            vectors.iter().map(Vec::as_slice).enumerate().collect();
        truth.add(&numbered[..7]);
        truth.add(&numbered[7..]);
        let (last, first): (Vec<usize>, Vec<usize>) = ((10..20).collect(), (0..10).collect());
        assert!((truth.recall(&[last.clone(), first]) - 1.0).abs() < 1e-9);
        assert!((truth.recall(&[last, vec![9]]) - 0.55).abs() < 1e-9);
    }
}
