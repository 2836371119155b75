//! Brings the raw scores of each kind of retrieval to a common [0, 1], by maps that look at one hit
//! alone: a score then means the same in every result list, and no hit's score hangs on which
//! others were found.

/// A BM25 score that is given as the part of the most it could be, as its square root: few answers hold
/// every word of a long question, and a share of a quarter is a good one.
pub fn lexical(share: f64) -> f64 {
    share.clamp(0.0, 1.0).sqrt()
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
            [lexical(-1.0), lexical(0.0), lexical(0.25), lexical(1.5)],
            [0.0, 0.0, 0.5, 1.0]
        );
        assert_eq!(
            [cosine(-0.2), cosine(0.25), cosine(1.000_000_1)],
            [0.0, 0.25, 1.0]
        );
    }

    proptest! {
        #[test]
        fn lexical_keeps_the_order(low in 0.0..0.9, more in 0.001..0.1) {
            prop_assert!(lexical(low) < lexical(low + more));
        }
    }
}
