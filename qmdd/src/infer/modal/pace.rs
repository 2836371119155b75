//! How long bulk work takes, against the quickest it was: longer than can come of the exchanges that a
//! container is meant to have, and less of it computes at once than was reckoned with.

use std::{collections::BTreeMap, time::Duration};

use super::session::BULK_PER_CONTAINER;

/// An exchange that waits for the others of its container takes that many times as long as one alone, and
/// one body may be twice as large as another that it is compared with.
const SLOW: f64 = 3.0 * BULK_PER_CONTAINER as f64;

/// What the quickest time is multiplied by with every exchange, so that an old one is forgotten.
const FORGET: f64 = 1.002;

/// The quickest times in seconds, by the size of bodies: the binary logarithm of their bytes.
#[derive(Debug, Default)]
pub(super) struct Pace(BTreeMap<u32, f64>);

impl Pace {
    /// Takes in an exchange. Whether it took so long that there must be too much under way.
    pub(super) fn is_slow(&mut self, bytes: usize, took: Duration) -> bool {
        let took = took.as_secs_f64();
        let size = bytes.max(1).ilog2();
        let quickest = self.0.entry(size).or_insert(took);
        *quickest = (*quickest * FORGET).min(took);
        took > SLOW * *quickest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_by_what_is_of_one_size_and_forgets() {
        let mut pace = Pace::default();
        let millis = Duration::from_millis;
        assert!(!pace.is_slow(20_000, millis(100)));
        assert!(
            !pace.is_slow(30_000, millis(1200)),
            "the others of its container"
        );
        assert!(pace.is_slow(20_000, millis(1300)));
        assert!(!pace.is_slow(100, millis(5)), "a small one is quick");
        assert!(
            pace.is_slow(20_000, millis(1300)),
            "and no measure for a large one"
        );
        let until = (0..10_000).find(|_| !pace.is_slow(20_000, millis(1300)));
        assert!(until.is_some_and(|exchanges| exchanges > 10), "{until:?}");
    }
}
