//! Brings the raw scores of each kind of retrieval to a common [0, 1], by maps that look at one hit
//! alone: a score then means the same in every result list, and no hit's score hangs on which
//! others were found.

/// A BM25 score (0 upwards, larger is better) as `x / (1 + x)`. It keeps the order, needs no
/// maximum, and is the score QMD shows.
pub fn lexical(bm25: f64) -> f64 {
    let bm25 = bm25.max(0.0);
    bm25 / (1.0 + bm25)
}

/// A cosine similarity as itself; text that points away from the query is no worse than unrelated.
pub fn cosine(cosine: f64) -> f64 {
    cosine.clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    #[expect(clippy::float_cmp, reason = "these values are exact")]
    fn known_values() {
        assert_eq!(
            [lexical(-1.0), lexical(0.0), lexical(1.0), lexical(3.0)],
            [0.0, 0.0, 0.5, 0.75]
        );
        assert_eq!(
            [cosine(-0.2), cosine(0.25), cosine(1.000_000_1)],
            [0.0, 0.25, 1.0]
        );
    }

    proptest! {
        #[test]
        fn lexical_keeps_the_order(low in 0.0..500.0, more in 0.001..500.0) {
            let (low, high) = (lexical(low), lexical(low + more));
            prop_assert!(low < high && (0.0..1.0).contains(&low) && high < 1.0);
        }
    }
}
