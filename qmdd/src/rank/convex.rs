//! Convex combination of ranked lists (Bruch, Gai and Ingber, "An Analysis of Fusion Functions for Hybrid
//! Retrieval", TOIS 2023): scores count, not only ranks.

use std::{collections::HashMap, hash::Hash};

/// Ranks that a list is heard to: what stands below counts next to nothing, so that asking for more
/// changes no order.
pub const DEPTH: usize = 100;
/// What the score of a document below [`DEPTH`] is multiplied by: it keeps the order.
const BELOW: f64 = 1e-6;

/// A ranked list.
#[derive(Debug, Clone, Copy)]
pub struct List<'a, Id> {
    /// Ids with their scores, best first. Of an id that stands in it twice, the first counts. Scores
    /// below 0 count as 0.
    pub entries: &'a [(Id, f64)],
    /// How much it says beside the others: finite, 0 or more.
    pub weight: f64,
}

impl<Id> List<'_, Id> {
    fn best(&self) -> f64 {
        self.entries
            .first()
            .map_or(0.0, |(_, score)| score.max(0.0))
    }

    /// The score at which a document counts nothing: that of rank [`DEPTH`], or 0 in a shorter list.
    fn floor(&self) -> f64 {
        self.entries
            .get(DEPTH - 1)
            .map_or(0.0, |(_, score)| score.max(0.0))
    }

    /// Its weight, less what it fails to tell apart.
    fn say(&self, spread: f64) -> f64 {
        let best = self.best();
        if best <= 0.0 {
            return 0.0;
        }
        self.weight * ((best - self.floor()) / best).powf(spread)
    }
}

/// An id with its score over all lists.
#[derive(Debug, Clone, PartialEq)]
pub struct Combined<Id> {
    /// Which.
    pub id: Id,
    /// In [0, 1]; 1 for an id that leads every list that says something.
    pub score: f64,
    /// What each list that holds it gave, by list; together the score.
    pub parts: Vec<Part>,
}

/// One list's part of a score.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Part {
    /// Index of the list.
    pub list: usize,
    /// Rank in it, from 1.
    pub rank: u32,
    /// What it added to the score.
    pub contribution: f64,
}

/// Combines lists into one, best first; ids of equal score stand in their own order. `says` is how much
/// each list counts in the end, all of them together 1, unless there is nothing in any.
///
/// `score(d) = Σ vᵢ · (sᵢ(d) − fᵢ) / (tᵢ − fᵢ) ÷ Σ vᵢ` with `vᵢ = wᵢ · ((tᵢ − fᵢ) / tᵢ)^spread`, where
/// `tᵢ` is the best score of list `i` and `fᵢ` that of rank 100: with a `spread` above 0, a list that
/// tells its documents hardly apart has little to say.
pub fn combine<Id: Copy + Eq + Hash + Ord>(
    lists: &[List<'_, Id>],
    spread: f64,
) -> (Vec<Combined<Id>>, Vec<f64>) {
    let mut says: Vec<f64> = lists.iter().map(|list| list.say(spread)).collect();
    let total: f64 = says.iter().sum();
    if total > 0.0 {
        for say in &mut says {
            *say /= total;
        }
    }
    let mut places: HashMap<Id, usize> = HashMap::new();
    let mut combined: Vec<Combined<Id>> = Vec::new();
    for (index, (list, say)) in lists.iter().zip(&says).enumerate() {
        let (best, floor) = (list.best(), list.floor());
        for (rank, &(id, score)) in (1..).zip(list.entries) {
            let place = *places.entry(id).or_insert_with(|| {
                combined.push(Combined {
                    id,
                    score: 0.0,
                    parts: Vec::new(),
                });
                combined.len() - 1
            });
            let entry = &mut combined[place];
            if entry.parts.last().is_some_and(|part| part.list == index) {
                continue;
            }
            let above = if best > floor {
                (score - floor) / (best - floor)
            } else {
                0.0
            };
            let below = if best > 0.0 {
                BELOW * score.max(0.0) / best
            } else {
                0.0
            };
            entry.parts.push(Part {
                list: index,
                rank,
                contribution: say * above.max(below).min(1.0),
            });
        }
    }
    for entry in &mut combined {
        let score: f64 = entry.parts.iter().map(|part| part.contribution).sum();
        entry.score = score.min(1.0);
    }
    combined.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.id.cmp(&b.id)));
    (combined, says)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ids(combined: &[Combined<u32>]) -> Vec<u32> {
        combined.iter().map(|entry| entry.id).collect()
    }

    fn list(entries: &[(u32, f64)], weight: f64) -> List<'_, u32> {
        List { entries, weight }
    }

    #[test]
    fn scores_count_and_not_only_ranks() {
        let (words, meaning) = (
            [(1, 9.0), (2, 3.0), (3, 2.9)],
            [(2, 0.8), (3, 0.79), (1, 0.4)],
        );
        let (combined, says) = combine(&[list(&words, 1.0), list(&meaning, 1.0)], 0.5);
        assert_eq!(ids(&combined), [1, 2, 3]);
        assert!((combined[0].score - 0.75).abs() < 1e-12);
        assert!((combined[1].score - (0.5 / 3.0 + 0.5)).abs() < 1e-12);
        assert!(says.iter().all(|say| (say - 0.5).abs() < 1e-12));
    }

    #[test]
    fn a_list_that_tells_nothing_apart_says_little() {
        let flat: Vec<(u32, f64)> = (0..100)
            .map(|id| (id, 0.5 - f64::from(id) * 1e-5))
            .collect();
        let steep: Vec<(u32, f64)> = (0..100)
            .map(|id| (99 - id, 1.0 / f64::from(id + 1)))
            .collect();
        let (combined, says) = combine(&[list(&flat, 0.6), list(&steep, 0.4)], 1.0);
        assert_eq!(combined[0].id, 99);
        assert!(says[0] < 0.05, "{says:?}");
    }

    #[test]
    fn odd_lists() {
        assert_eq!(combine::<u32>(&[], 1.0).0, []);
        let nothing = [(1, 0.0), (2, -3.0)];
        let (combined, says) = combine(&[list(&nothing, 1.0), list(&[], 1.0)], 1.0);
        assert_eq!((ids(&combined), says), (vec![1, 2], vec![0.0, 0.0]));
        let twice = [(5, 3.0), (6, 2.0), (5, 1.0)];
        assert_eq!(combine(&[list(&twice, 1.0)], 1.0).0[0].parts.len(), 1);
        let alone = combine(&[list(&[(7, 0.3)], 2.0)], 1.0).0;
        assert!((alone[0].score - 1.0).abs() < 1e-12);
    }

    /// Up to four lists, sorted, with their weights.
    fn lists() -> impl Strategy<Value = Vec<(Vec<(u32, f64)>, f64)>> {
        let entries = prop::collection::vec((0_u32..300, -1.0..40.0), 0..160).prop_map(
            |mut all: Vec<(u32, f64)>| {
                all.sort_by(|a, b| b.1.total_cmp(&a.1));
                all
            },
        );
        prop::collection::vec((entries, 0.05..3.0), 1..4)
    }

    fn view(lists: &[(Vec<(u32, f64)>, f64)]) -> Vec<List<'_, u32>> {
        lists
            .iter()
            .map(|(entries, weight)| list(entries, *weight))
            .collect()
    }

    proptest! {
        #[test]
        fn scores_are_bounded_sorted_sums(lists in lists()) {
            let (combined, says) = combine(&view(&lists), 0.7);
            let total: f64 = says.iter().sum();
            prop_assert!(total < 1e-12 || (total - 1.0).abs() < 1e-9);
            for entry in &combined {
                prop_assert!((0.0..=1.0).contains(&entry.score));
                let sum: f64 = entry.parts.iter().map(|part| part.contribution).sum();
                prop_assert!((sum - entry.score).abs() < 1e-9);
                prop_assert!(entry.parts.iter().all(|part| part.contribution >= 0.0));
            }
            for pair in combined.windows(2) {
                let tie = pair[0].score.total_cmp(&pair[1].score).is_eq();
                prop_assert!(pair[0].score >= pair[1].score && (!tie || pair[0].id < pair[1].id));
            }
        }

        #[test]
        fn longer_lists_leave_the_first_in_their_order(lists in lists()) {
            let short: Vec<_> = (lists.iter())
                .map(|(entries, weight)| (entries[..entries.len().min(DEPTH)].to_vec(), *weight))
                .collect();
            let (all, _) = combine(&view(&lists), 0.7);
            let (first, _) = combine(&view(&short), 0.7);
            for (a, b) in first.iter().zip(&all).take(5) {
                prop_assert!((a.score - b.score).abs() < 1e-5);
            }
        }

        #[test]
        fn a_single_list_keeps_its_order(lists in lists()) {
            let entries = &lists[0].0;
            let mut expected: Vec<u32> = Vec::new();
            for (id, score) in entries {
                if *score > 0.0 && !expected.contains(id) {
                    expected.push(*id);
                }
            }
            let (combined, _) = combine(&view(&lists[..1]), 0.7);
            prop_assert_eq!(&ids(&combined)[..expected.len()], &expected[..]);
        }
    }
}
