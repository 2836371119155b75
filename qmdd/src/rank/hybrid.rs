//! How search by words and search by meaning are weighed against each other.

/// The weights. Those by default were chosen on three judged collections together (docs/ranking.md).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hybrid {
    /// Of search by meaning, of 1 for both.
    pub meaning: f64,
    /// How fast search by meaning counts less where its best document is far from the query, and more
    /// where it is near: the exponent of the best cosine as a part of [`GOOD_COSINE`].
    pub trust: f64,
    /// How fast a list counts less that tells its documents hardly apart: as in
    /// [`super::convex::combine`].
    pub spread: f64,
}

/// The cosine of a good match.
const GOOD_COSINE: f64 = 0.6;
/// How far beyond it search by meaning is trusted more.
const MOST: f64 = 1.5;

impl Default for Hybrid {
    fn default() -> Self {
        Self {
            meaning: 0.59,
            trust: 1.5,
            spread: 2.0 / 3.0,
        }
    }
}

impl Hybrid {
    /// The weight of all lists by words together.
    pub fn of_words(&self) -> f64 {
        1.0 - self.meaning
    }

    /// The weight of all lists by meaning together, if this is the best cosine in one of them.
    pub fn of_meaning(&self, best: f64) -> f64 {
        let near = (best.max(0.0) / GOOD_COSINE).min(MOST);
        self.meaning * near.powf(self.trust)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn meaning_counts_for_less_where_nothing_is_near() {
        let hybrid = Hybrid::default();
        assert!((hybrid.of_meaning(GOOD_COSINE) - hybrid.meaning).abs() < 1e-12);
        assert!(hybrid.of_meaning(0.3) < 0.4 * hybrid.meaning);
        assert!((hybrid.of_meaning(0.9) - hybrid.of_meaning(1.0)).abs() < 1e-12);
        assert!(hybrid.of_meaning(-0.2).abs() < 1e-12);
        assert!((hybrid.of_words() + hybrid.meaning - 1.0).abs() < 1e-12);
    }
}
