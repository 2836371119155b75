//! Blends what the retrievals make of a document with what a reranker says.

/// How much a reranker says. It reads the query and the passage together, and may overturn the order;
/// what it cannot tell apart, the retrievals do.
const RERANK: f64 = 0.7;

/// How the two are blended in one ranking.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Blend {
    /// What the retrievals' part is multiplied by.
    pub fused: f64,
    /// What the reranker's score is multiplied by; 0 where there is none.
    pub rerank: f64,
}

impl Blend {
    /// Of a ranking whose retrievals are `confidence` sure of their best document.
    pub fn new(confidence: f64, reranked: bool) -> Self {
        let rerank = if reranked { RERANK } else { 0.0 };
        Self {
            fused: (1.0 - rerank) * confidence,
            rerank,
        }
    }
}

/// What to take for the scores of those that were not read: no better than any that was.
pub fn unread(scores: impl IntoIterator<Item = f64>) -> f64 {
    scores.into_iter().reduce(f64::min).unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reranker_can_overturn_the_order() {
        let blend = Blend::new(1.0, true);
        let score = |fused: f64, rerank: f64| blend.fused * fused + blend.rerank * rerank;
        assert!(score(0.3, 0.9) > score(1.0, 0.1));
        assert!(score(0.8, 0.5) > score(0.3, 0.5));
        assert!((score(1.0, 1.0) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn without_a_reranker_only_the_confidence_counts() {
        let blend = Blend::new(0.5, false);
        assert_eq!((blend.fused, blend.rerank), (0.5, 0.0));
    }

    #[test]
    #[expect(clippy::float_cmp, reason = "these values are exact")]
    fn what_was_not_read_is_no_better_than_what_was() {
        assert_eq!(unread([0.4, 0.1, 0.9]), 0.1);
        assert_eq!(unread([]), 0.0);
    }
}
