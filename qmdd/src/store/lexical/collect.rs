//! Scores the rows that FTS5 finds, and keeps the best.

use std::{
    cmp::{Ordering, Reverse},
    collections::BinaryHeap,
};

use super::fts5::Row;

/// How fast more of the same word stops to count, and how much a long text's words count for less:
/// BM25's k1 and b.
const K1: f64 = 1.2;
const B: f64 = 0.6;
/// What a place of a word counts by its column: title, path, body, other forms.
const COLUMNS: [f64; 4] = [3.0, 1.0, 1.0, 1.0];
/// Two words of a query that follow each other are near up to this distance ...
const NEAR: u64 = 8;
/// ... and then count this much of what a word counts.
const NEARNESS: f64 = 0.2;

/// One thing that is looked for, as far as it counts for the score.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Group {
    /// How telling it is: its inverse document frequency, times how often the query says it.
    pub(super) weight: f64,
}

/// A document that was found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Found {
    pub(super) document: i64,
    /// What its words count.
    pub(super) score: f64,
    /// It has all that is looked for.
    pub(super) complete: bool,
}

/// Sees the rows of one statement.
#[derive(Debug)]
pub(super) struct Collector {
    /// For each phrase of the expression, in order: the group that it is a form of, and what it
    /// counts. `None` for those that only decide what is found.
    phrases: Vec<Option<(usize, f64)>>,
    groups: Vec<Group>,
    /// Whether a document can have all that is looked for.
    completable: bool,
    /// The only documents to keep, ascending.
    allowed: Option<Vec<i64>>,
    limit: usize,
    best: BinaryHeap<Reverse<Ranked>>,
    /// Average number of tokens of a row; known from the first row on.
    average: Option<f64>,
    /// Of the row at hand, by group: how often it stands there, and where.
    counts: Vec<f64>,
    places: Vec<Vec<u64>>,
}

/// Ordered by rank: complete ones first, then by score; of equals the older document.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Ranked(Found);

impl Eq for Ranked {}

impl PartialOrd for Ranked {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Ranked {
    fn cmp(&self, other: &Self) -> Ordering {
        let (a, b) = (&self.0, &other.0);
        (a.complete.cmp(&b.complete))
            .then(a.score.total_cmp(&b.score))
            .then(b.document.cmp(&a.document))
    }
}

impl Collector {
    pub(super) fn new(
        phrases: Vec<Option<(usize, f64)>>,
        groups: Vec<Group>,
        completable: bool,
        allowed: Option<Vec<i64>>,
        limit: usize,
    ) -> Self {
        let count = groups.len();
        Self {
            phrases,
            groups,
            completable,
            allowed,
            limit,
            best: BinaryHeap::with_capacity(limit.min(1024) + 1),
            average: None,
            counts: vec![0.0; count],
            places: vec![Vec::new(); count],
        }
    }

    /// The most that a document can count.
    pub(super) fn most(&self) -> f64 {
        let words: f64 = self.groups.iter().map(|group| group.weight).sum();
        let near: f64 = self.pairs().map(|(_, _, weight)| weight).sum();
        (words + near) * (K1 + 1.0)
    }

    /// What was kept, best first.
    pub(super) fn take(&mut self) -> Vec<Found> {
        let mut best: Vec<Ranked> = std::mem::take(&mut self.best)
            .into_iter()
            .map(|Reverse(ranked)| ranked)
            .collect();
        best.sort_unstable_by(|a, b| b.cmp(a));
        best.into_iter().map(|Ranked(found)| found).collect()
    }

    /// Looks at a row.
    pub(super) fn visit(&mut self, row: &Row<'_>) -> rusqlite::Result<()> {
        let document = row.id()?;
        if let Some(allowed) = &self.allowed
            && allowed.binary_search(&document).is_err()
        {
            return Ok(());
        }
        self.count(row)?;
        let complete = self.completable && self.counts.iter().all(|&count| count > 0.0);
        // As if the text were the shortest there is, and its words all near.
        let bound = self.score(1.0 - B, |_, _| f64::INFINITY);
        let candidate = |score| {
            Ranked(Found {
                document,
                score,
                complete,
            })
        };
        if !self.has_room_for(&candidate(bound)) {
            return Ok(());
        }
        let average = match self.average {
            Some(average) => average,
            None => *self
                .average
                .insert(row.tokens_of_all()? as f64 / row.rows()?.max(1) as f64),
        };
        let length = row.tokens()? as f64;
        for places in &mut self.places {
            // Forms of one group come one after the other.
            if !places.is_sorted() {
                places.sort_unstable();
            }
        }
        let score = self.score(1.0 - B + B * length / average.max(1.0), nearness);
        let candidate = candidate(score);
        if self.has_room_for(&candidate) {
            self.best.push(Reverse(candidate));
            if self.best.len() > self.limit {
                self.best.pop();
            }
        }
        Ok(())
    }

    /// Counts the words of a row.
    fn count(&mut self, row: &Row<'_>) -> rusqlite::Result<()> {
        self.counts.fill(0.0);
        self.places.iter_mut().for_each(Vec::clear);
        for (phrase, meaning) in self.phrases.iter().enumerate() {
            let Some((group, weight)) = *meaning else {
                continue;
            };
            let (count, places) = (&mut self.counts[group], &mut self.places[group]);
            row.places(phrase, |column, offset| {
                *count += weight * COLUMNS.get(column).copied().unwrap_or_default();
                places.push((column as u64) << 32 | u64::from(offset));
            })?;
        }
        Ok(())
    }

    /// What the counted words come to in a text of some length (1 is average), where `near` says
    /// how near two of them are.
    fn score(&self, length: f64, near: impl Fn(&[u64], &[u64]) -> f64) -> f64 {
        let saturated = |count: f64| {
            if count.is_infinite() {
                K1 + 1.0
            } else {
                count * (K1 + 1.0) / (count + K1 * length)
            }
        };
        let words: f64 = (self.groups.iter().zip(&self.counts))
            .filter(|(_, count)| **count > 0.0)
            .map(|(group, count)| group.weight * saturated(*count))
            .sum();
        let pairs: f64 = self
            .pairs()
            .filter(|&(a, b, _)| self.counts[a] > 0.0 && self.counts[b] > 0.0)
            .map(|(a, b, weight)| weight * saturated(near(&self.places[a], &self.places[b])))
            .sum();
        words + pairs
    }

    /// The groups that follow each other in the query, and what their nearness weighs.
    fn pairs(&self) -> impl Iterator<Item = (usize, usize, f64)> {
        self.groups.windows(2).enumerate().map(|(place, pair)| {
            let weight = NEARNESS * pair[0].weight.min(pair[1].weight);
            (place, place + 1, weight)
        })
    }

    fn has_room_for(&self, candidate: &Ranked) -> bool {
        self.best.len() < self.limit
            || self
                .best
                .peek()
                .is_some_and(|Reverse(worst)| candidate > worst)
    }
}

/// How often the words of two lists of places stand near each other: neighbours count 1, those at
/// distance `n` one n-th.
fn nearness(a: &[u64], b: &[u64]) -> f64 {
    let (mut a, mut b) = (a.iter().peekable(), b.iter().peekable());
    let mut sum = 0.0;
    while let (Some(&&left), Some(&&right)) = (a.peek(), b.peek()) {
        let distance = left.abs_diff(right);
        if (1..=NEAR).contains(&distance) {
            sum += 1.0 / distance as f64;
        }
        if left < right {
            a.next();
        } else {
            b.next();
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_near() {
        let near = |a: &[u64], b: &[u64]| (nearness(a, b) * 100.0).round() / 100.0;
        for (a, b, expected) in [
            (&[3][..], &[4][..], 1.0),
            (&[4], &[3], 1.0),
            (&[3], &[5], 0.5),
            (&[3], &[11], 0.13),
            (&[3], &[12], 0.0),
            (&[], &[1], 0.0),
            (&[3, 30], &[4, 31], 2.0),
            // The same place, twice the same word.
            (&[3], &[3], 0.0),
            // The end of one column and the start of the next.
            (&[7], &[1 << 32], 0.0),
        ] {
            assert!((near(a, b) - expected).abs() < 1e-9, "{a:?} {b:?}");
        }
    }

    #[test]
    fn complete_documents_lead_and_ties_go_to_the_older() {
        let found = |document, score, complete| {
            Ranked(Found {
                document,
                score,
                complete,
            })
        };
        assert!(found(9, 0.1, true) > found(1, 5.0, false));
        assert!(found(9, 2.0, false) > found(1, 1.0, false));
        assert!(found(1, 1.0, false) > found(2, 1.0, false));
    }

    #[test]
    fn no_score_is_over_the_most() {
        let groups = [1.0, 2.0, 0.5].map(|weight| Group { weight }).to_vec();
        let mut collector = Collector::new(vec![], groups, true, None, 5);
        collector.counts = vec![1e6; 3];
        let score = collector.score(1.0 - B, |_, _| f64::INFINITY);
        assert!(score < collector.most() && collector.most() < 2.2 * 4.0);
    }
}
