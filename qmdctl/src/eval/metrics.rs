//! Measures of one ranking against the judgements of its query. A document is in a ranking once.

use std::{cmp::Ordering, str::FromStr};

use super::judged::Grades;

/// How deep nDCG looks.
pub const NDCG_AT: usize = 10;
/// How deep recall looks, and how many documents a ranking should have.
pub const RECALL_AT: usize = 100;

/// A measure of rankings, between 0 and 1, where 1 is best.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// [`ndcg`] at 10.
    Ndcg,
    /// [`reciprocal_rank`].
    ReciprocalRank,
    /// [`recall`] at 100.
    Recall,
}

impl Measure {
    /// Every measure, in the order in which they are shown.
    pub const ALL: [Self; 3] = [Self::Ndcg, Self::ReciprocalRank, Self::Recall];

    /// What it is called in tables, averaged over queries.
    pub fn title(self) -> &'static str {
        match self {
            Self::Ndcg => "nDCG@10",
            Self::ReciprocalRank => "MRR",
            Self::Recall => "Recall@100",
        }
    }

    /// What it is called on the command line and in JSON.
    pub fn key(self) -> &'static str {
        match self {
            Self::Ndcg => "ndcg10",
            Self::ReciprocalRank => "mrr",
            Self::Recall => "recall100",
        }
    }

    /// Its value for a ranking, best document first.
    pub fn of<S: AsRef<str>>(self, ranking: &[S], grades: &Grades) -> f64 {
        match self {
            Self::Ndcg => ndcg(ranking, grades, NDCG_AT),
            Self::ReciprocalRank => reciprocal_rank(ranking, grades),
            Self::Recall => recall(ranking, grades, RECALL_AT),
        }
    }
}

impl FromStr for Measure {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut all = Self::ALL.into_iter();
        all.find(|measure| measure.key() == text).ok_or_else(|| {
            let keys = Self::ALL.map(Self::key);
            format!("expected one of {}", keys.join(", "))
        })
    }
}

/// Normalised discounted cumulative gain of the first `k` documents, as `ndcg_cut` of trec_eval: one at
/// rank `r`, counted from 1, gains its grade over log2(r + 1), and the best ranking that the judgements
/// allow has 1 (Järvelin and Kekäläinen, 2002). 0 without a relevant document.
pub fn ndcg<S: AsRef<str>>(ranking: &[S], grades: &Grades, k: usize) -> f64 {
    let mut best: Vec<f64> = grades
        .values()
        .copied()
        .filter(|grade| *grade > 0.0)
        .collect();
    best.sort_unstable_by(|a, b| b.partial_cmp(a).unwrap_or(Ordering::Equal));
    let ideal = gain(best.into_iter().take(k));
    let gained = gain(
        ranking
            .iter()
            .take(k)
            .map(|document| grade(document, grades)),
    );
    if ideal > 0.0 { gained / ideal } else { 0.0 }
}

fn gain(grades: impl Iterator<Item = f64>) -> f64 {
    let discounted = grades
        .enumerate()
        .map(|(at, grade)| grade / (at as f64 + 2.0).log2());
    discounted.sum()
}

/// 1 over the rank of the first relevant document, 0 without one.
pub fn reciprocal_rank<S: AsRef<str>>(ranking: &[S], grades: &Grades) -> f64 {
    let first = ranking
        .iter()
        .position(|document| grade(document, grades) > 0.0);
    first.map_or(0.0, |at| 1.0 / (at as f64 + 1.0))
}

/// Share of the relevant documents that are among the first `k`. 0 where there are none.
pub fn recall<S: AsRef<str>>(ranking: &[S], grades: &Grades, k: usize) -> f64 {
    let relevant = grades.values().filter(|grade| **grade > 0.0).count();
    let found = ranking
        .iter()
        .take(k)
        .filter(|document| grade(document, grades) > 0.0)
        .count();
    if relevant == 0 {
        0.0
    } else {
        found as f64 / relevant as f64
    }
}

/// What a document gains: nothing when it was not judged, or judged below 0.
fn grade(document: &impl AsRef<str>, grades: &Grades) -> f64 {
    grades
        .get(document.as_ref())
        .map_or(0.0, |grade| grade.max(0.0))
}

#[cfg(test)]
mod tests {
    use proptest::{collection::btree_map, prelude::*};

    use super::*;

    fn words(text: &str) -> Vec<&str> {
        text.split(' ').collect()
    }

    fn grades(pairs: &[(&str, f64)]) -> Grades {
        let pairs = pairs.iter();
        pairs
            .map(|(name, grade)| ((*name).to_owned(), *grade))
            .collect()
    }

    fn close(found: f64, wanted: f64) {
        assert!((found - wanted).abs() < 1e-12, "{found}, not {wanted}");
    }

    #[test]
    fn gain_falls_with_the_logarithm_of_the_rank() {
        // Relevant at ranks 2 and 4 of 3 relevant ones.
        let judged = grades(&[("a", 1.0), ("b", 1.0), ("c", 1.0), ("x", 0.0)]);
        let gained = 1.0 / 3_f64.log2() + 1.0 / 5_f64.log2();
        let ideal = 1.0 + 1.0 / 3_f64.log2() + 0.5;
        close(ndcg(&words("x a y b"), &judged, 10), gained / ideal);
        close(
            ndcg(&words("x a y b"), &judged, 2),
            (1.0 / 3_f64.log2()) / (1.0 + 1.0 / 3_f64.log2()),
        );
    }

    #[test]
    fn grades_are_gains() {
        // Grades 1, 3 and 2 as found: 1 + 3 / log2(3) + 2 / 2. At best: 3 + 2 / log2(3) + 1 / 2.
        let judged = grades(&[("a", 3.0), ("b", 2.0), ("c", 1.0), ("d", -2.0)]);
        let log3 = 3_f64.log2();
        close(
            ndcg(&words("c a b d"), &judged, 10),
            (1.0 + 3.0 / log3 + 1.0) / (3.0 + 2.0 / log3 + 0.5),
        );
        close(ndcg(&words("a b c"), &judged, 10), 1.0);
        // By hand: 3.8928 of 4.7619.
        close((ndcg(&words("c a b"), &judged, 10) * 1e3).round(), 817.0);
    }

    #[test]
    fn the_first_relevant_document_counts() {
        let judged = grades(&[("a", 1.0), ("b", 2.0), ("x", 0.0)]);
        close(reciprocal_rank(&words("x y b a"), &judged), 1.0 / 3.0);
        close(reciprocal_rank(&words("a b"), &judged), 1.0);
        close(reciprocal_rank(&words("x y"), &judged), 0.0);
    }

    #[test]
    fn recall_counts_what_is_within_the_cut() {
        let judged = grades(&[("a", 1.0), ("b", 2.0), ("x", 0.0), ("c", 1.0)]);
        close(recall(&words("x a b"), &judged, 2), 1.0 / 3.0);
        close(recall(&words("x a b"), &judged, 100), 2.0 / 3.0);
        close(recall(&words("a"), &grades(&[("a", 0.0)]), 100), 0.0);
        close(ndcg(&words("a"), &grades(&[]), 10), 0.0);
    }

    #[test]
    fn measures_have_names() {
        for measure in Measure::ALL {
            assert_eq!(measure.key().parse(), Ok(measure));
        }
        let complaint = "map".parse::<Measure>().unwrap_err();
        assert_eq!(complaint, "expected one of ndcg10, mrr, recall100");
    }

    proptest! {
        #[test]
        fn every_measure_is_between_0_and_1(
            judged in btree_map("[a-f]", -1_i8..4, 0..6),
            ranking in Just(words("a b c d e f x y")).prop_shuffle(),
            length in 0_usize..8,
        ) {
            let judged: Grades = judged
                .into_iter()
                .map(|(name, grade)| (name, f64::from(grade)))
                .collect();
            for measure in Measure::ALL {
                let value = measure.of(&ranking[..length], &judged);
                prop_assert!((0.0..=1.0 + 1e-12).contains(&value), "{measure:?}: {value}");
            }
        }

        #[test]
        fn a_better_document_higher_up_is_never_worse(
            judged in btree_map("[a-f]", 0_i8..4, 1..6),
            ranking in Just(words("a b c d e f")).prop_shuffle(),
            at in 0_usize..5,
        ) {
            let judged: Grades = judged
                .into_iter()
                .map(|(name, grade)| (name, f64::from(grade)))
                .collect();
            let mut swapped = ranking.clone();
            swapped.swap(at, at + 1);
            let gain = |place: usize| grade(&ranking[place], &judged);
            if gain(at + 1) >= gain(at) {
                for measure in Measure::ALL {
                    let (before, after) = (measure.of(&ranking, &judged), measure.of(&swapped, &judged));
                    prop_assert!(after >= before - 1e-12, "{measure:?}");
                }
            }
        }
    }
}
