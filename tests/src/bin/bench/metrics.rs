//! Measures of a ranking against relevance judgements, with binary gain.

use std::collections::BTreeSet;

/// Normalised discounted cumulative gain of the first `k` documents: a relevant one at rank `r`,
/// counted from 1, gains 1 / log2(r + 1); the best possible ranking has 1 (Järvelin and Kekäläinen,
/// 2002).
pub(crate) fn ndcg(ranking: &[String], relevant: &BTreeSet<String>, k: usize) -> f64 {
    let gain = |index: usize| 1.0 / (index as f64 + 2.0).log2();
    let ideal: f64 = (0..k.min(relevant.len())).map(gain).sum();
    let hits = ranking
        .iter()
        .take(k)
        .enumerate()
        .filter(|(_, document)| relevant.contains(*document));
    let gained: f64 = hits.map(|(index, _)| gain(index)).sum();
    if ideal > 0.0 { gained / ideal } else { 0.0 }
}

/// Share of the relevant documents that are among the first `k`.
pub(crate) fn recall(ranking: &[String], relevant: &BTreeSet<String>, k: usize) -> f64 {
    let found = ranking
        .iter()
        .take(k)
        .filter(|document| relevant.contains(*document))
        .count();
    if relevant.is_empty() {
        0.0
    } else {
        found as f64 / relevant.len() as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    fn set(text: &str) -> BTreeSet<String> {
        words(text).into_iter().collect()
    }

    #[test]
    fn the_best_ranking_has_one_and_no_hit_has_none() {
        assert!((ndcg(&words("a b c"), &set("a b"), 10) - 1.0).abs() < 1e-12);
        assert!(ndcg(&words("c d"), &set("a b"), 10).abs() < 1e-12);
        assert!((recall(&words("c a b"), &set("a b"), 100) - 1.0).abs() < 1e-12);
        assert!(recall(&[], &BTreeSet::new(), 10).abs() < 1e-12);
    }

    #[test]
    fn gain_falls_with_the_logarithm_of_the_rank() {
        // Relevant at ranks 2 and 4 of 3 relevant ones.
        let gained = 1.0 / 3_f64.log2() + 1.0 / 5_f64.log2();
        let ideal = 1.0 + 1.0 / 3_f64.log2() + 0.5;
        let found = ndcg(&words("x a y b"), &set("a b c"), 10);
        assert!((found - gained / ideal).abs() < 1e-12);
    }

    #[test]
    fn nothing_beyond_the_cut_counts() {
        assert!(ndcg(&words("x y a"), &set("a"), 2).abs() < 1e-12);
        assert!((recall(&words("x a b"), &set("a b"), 2) - 0.5).abs() < 1e-12);
    }
}
