//! Weighted reciprocal rank fusion (Cormack, Clarke and Büttcher, SIGIR 2009).

use std::{collections::HashMap, hash::Hash};

/// The constant of the formula: how fast a rank loses its say. 60 is the value of the paper.
pub const K: f64 = 60.0;

/// A ranked list.
#[derive(Debug, Clone, Copy)]
pub struct List<'a, Id> {
    /// Best first. Of an id that stands in it twice, the better rank counts.
    pub ids: &'a [Id],
    /// How much it says beside the others: finite. A list that weighs 0 or less is left out.
    pub weight: f64,
}

/// An id with its score over all lists.
#[derive(Debug, Clone, PartialEq)]
pub struct Fused<Id> {
    /// Which.
    pub id: Id,
    /// In (0, 1]; exactly 1 for an id that leads every list.
    pub score: f64,
    /// What each list that holds it gave, by list; together the score, to within rounding.
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

/// Fuses lists into one, best first; ids of equal score stand in their own order.
///
/// `score(d) = Σ wᵢ / (K + rankᵢ(d)) ÷ Σ wᵢ / (K + 1)`: the published sum over the largest it can
/// be, so that scores compare from query to query whatever the number of lists.
pub fn fuse<Id: Copy + Eq + Hash + Ord>(lists: &[List<'_, Id>]) -> Vec<Fused<Id>> {
    let heard = || {
        lists
            .iter()
            .enumerate()
            .filter(|(_, list)| list.weight > 0.0)
    };
    let total: f64 = heard().map(|(_, list)| list.weight).sum();
    let mut places: HashMap<Id, usize> = HashMap::new();
    let mut fused: Vec<Fused<Id>> = Vec::new();
    for (index, list) in heard() {
        for (rank, &id) in (1..).zip(list.ids) {
            let place = *places.entry(id).or_insert_with(|| {
                fused.push(Fused {
                    id,
                    score: 0.0,
                    parts: Vec::new(),
                });
                fused.len() - 1
            });
            let entry = &mut fused[place];
            if entry.parts.last().is_some_and(|part| part.list == index) {
                continue;
            }
            let gain = list.weight * ((K + 1.0) / (K + f64::from(rank)));
            // Divided by the total at the end: the gains of a leader add up to exactly that.
            entry.score += gain;
            entry.parts.push(Part {
                list: index,
                rank,
                contribution: gain / total,
            });
        }
    }
    for entry in &mut fused {
        entry.score /= total;
    }
    fused.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.id.cmp(&b.id)));
    fused
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ids(fused: &[Fused<u32>]) -> Vec<u32> {
        fused.iter().map(|entry| entry.id).collect()
    }

    fn list(ids: &[u32], weight: f64) -> List<'_, u32> {
        List { ids, weight }
    }

    #[test]
    fn a_leader_of_every_list_scores_one() {
        for weights in [&[1.0][..], &[2.0, 1.0, 1.0], &[0.1; 10], &[0.3, 0.7, 1.9]] {
            let lists: Vec<_> = weights
                .iter()
                .map(|&weight| list(&[7, 8], weight))
                .collect();
            let fused = fuse(&lists);
            assert_eq!((fused[0].id, fused[0].score), (7, 1.0));
            assert!((fused[1].score - 61.0 / 62.0).abs() < 1e-12);
        }
    }

    #[test]
    fn parts_tell_where_the_score_came_from() {
        let fused = fuse(&[list(&[1, 2], 1.0), list(&[], 1.0), list(&[2], 2.0)]);
        assert_eq!(ids(&fused), [2, 1]);
        let parts: Vec<_> = fused[0]
            .parts
            .iter()
            .map(|part| (part.list, part.rank))
            .collect();
        assert_eq!(parts, [(0, 2), (2, 1)]);
        assert!((fused[0].parts[0].contribution - 61.0 / 62.0 / 4.0).abs() < 1e-12);
        assert!((fused[0].parts[1].contribution - 0.5).abs() < 1e-12);
    }

    #[test]
    fn odd_lists() {
        assert_eq!(fuse::<u32>(&[]), []);
        assert_eq!(fuse(&[list(&[1], 0.0), list(&[2], -1.0)]), []);
        assert_eq!(ids(&fuse(&[list(&[1], 0.0), list(&[2], 1.0)])), [2]);
        // Ties in the order of ids; a repeated id keeps its better rank.
        assert_eq!(
            ids(&fuse(&[list(&[9, 3], 1.0), list(&[3, 9], 1.0)])),
            [3, 9]
        );
        assert_eq!(fuse(&[list(&[5, 6, 5], 1.0)])[0].parts.len(), 1);
    }

    /// Up to five lists of ids with their weights.
    fn lists() -> impl Strategy<Value = Vec<(Vec<u32>, f64)>> {
        let ids = prop::collection::vec(0_u32..40, 0..30);
        prop::collection::vec((ids, 0.05..3.0), 1..5)
    }

    fn view(lists: &[(Vec<u32>, f64)]) -> Vec<List<'_, u32>> {
        lists
            .iter()
            .map(|(ids, weight)| list(ids, *weight))
            .collect()
    }

    proptest! {
        #[test]
        fn scores_are_bounded_sorted_sums(lists in lists()) {
            let fused = fuse(&view(&lists));
            for entry in &fused {
                prop_assert!(entry.score > 0.0 && entry.score <= 1.0);
                let sum: f64 = entry.parts.iter().map(|part| part.contribution).sum();
                prop_assert!((sum - entry.score).abs() < 1e-12);
            }
            for pair in fused.windows(2) {
                let tie = pair[0].score.total_cmp(&pair[1].score).is_eq();
                prop_assert!(pair[0].score >= pair[1].score && (!tie || pair[0].id < pair[1].id));
            }
        }

        #[test]
        fn the_order_of_lists_does_not_matter(lists in lists()) {
            let score = |fused: Vec<Fused<u32>>| {
                fused.into_iter().map(|it| (it.id, it.score)).collect::<HashMap<_, _>>()
            };
            let ahead = score(fuse(&view(&lists)));
            let reversed: Vec<_> = lists.into_iter().rev().collect();
            let back = score(fuse(&view(&reversed)));
            prop_assert_eq!(ahead.len(), back.len());
            for (id, score) in ahead {
                prop_assert!((score - back[&id]).abs() < 1e-12);
            }
        }

        #[test]
        fn a_better_rank_never_lowers_the_score(lists in lists(), pick in any::<prop::sample::Index>()) {
            let (first, _) = &lists[0];
            prop_assume!(!first.is_empty());
            let id = first[pick.index(first.len())];
            let score = |lists: &[(Vec<u32>, f64)]| {
                fuse(&view(lists)).into_iter().find(|it| it.id == id).map(|it| it.score)
            };
            let before = score(&lists);
            let mut raised = lists;
            raised[0].0.insert(0, id);
            prop_assert!(score(&raised) >= before);
        }
    }
}
