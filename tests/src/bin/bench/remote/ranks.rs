//! Whether two machines rank alike.

use std::collections::BTreeMap;

/// Ranks that are compared.
pub(super) const TOP: usize = 10;
/// Scores closer than this may change places.
pub(super) const NEAR: f64 = 1e-3;

/// How two rankings compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Likeness {
    Equal,
    /// But for pairs of near scores that stand the other way round.
    Near,
    Other,
}

/// How many rankings compare how.
#[derive(Debug, Default)]
pub(super) struct Tally {
    equal: usize,
    near: usize,
    other: usize,
    /// The largest difference of scores in a pair that stands the other way round.
    widest: f64,
}

impl Tally {
    /// Takes in what two machines rank first, best first and deeper than the ranks that are compared:
    /// scores are this machine's.
    pub(super) fn add<K: Ord + Copy>(&mut self, here: &[(K, f64)], there: &[(K, f64)]) {
        let (likeness, gap) = compare(here, there);
        self.widest = self.widest.max(gap);
        *match likeness {
            Likeness::Equal => &mut self.equal,
            Likeness::Near => &mut self.near,
            Likeness::Other => &mut self.other,
        } += 1;
    }

    /// In words.
    pub(super) fn told(&self) -> String {
        let Self {
            equal,
            near,
            other,
            widest,
        } = self;
        format!(
            "first {TOP} of {} questions: {equal} equal, {near} but for pairs closer than {NEAR}, {other} other; \
             the widest pair that changed places is {widest:.1e} apart",
            equal + near + other
        )
    }
}

/// Every pair that stands the other way round there, and one of which is among the first on either
/// machine, has to have near scores here: also a pair of which one comes in at the last rank for the other.
fn compare<K: Ord + Copy>(here: &[(K, f64)], there: &[(K, f64)]) -> (Likeness, f64) {
    let first = |ranking: &[(K, f64)]| -> Vec<K> {
        ranking.iter().take(TOP).map(|(key, _)| *key).collect()
    };
    let (ours, theirs) = (first(here), first(there));
    if ours == theirs {
        return (Likeness::Equal, 0.0);
    }
    let place = |ranking: &[(K, f64)]| -> BTreeMap<K, usize> {
        let keys = ranking.iter().map(|(key, _)| *key);
        keys.zip(0..).collect()
    };
    let (near, far) = (place(here), place(there));
    let mut seen = ours;
    seen.extend(theirs);
    seen.sort_unstable();
    seen.dedup();
    let mut widest = 0_f64;
    for (at, a) in seen.iter().enumerate() {
        for b in &seen[at + 1..] {
            let [Some(near_a), Some(near_b), Some(far_a), Some(far_b)] =
                [near.get(a), near.get(b), far.get(a), far.get(b)]
            else {
                // Deeper than anybody looked.
                return (Likeness::Other, f64::INFINITY);
            };
            if (near_a < near_b) != (far_a < far_b) {
                widest = widest.max((here[*near_a].1 - here[*near_b].1).abs());
            }
        }
    }
    let likeness = if widest < NEAR {
        Likeness::Near
    } else {
        Likeness::Other
    };
    (likeness, widest)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scores fall by a step from key to key in this order.
    fn ranking(keys: &[u32], step: f64) -> Vec<(u32, f64)> {
        let scores = (0..).map(|rank| 1.0 - step * f64::from(rank));
        keys.iter().copied().zip(scores).collect()
    }

    #[test]
    fn a_pair_may_change_places_and_a_chain_of_pairs_may_not() {
        let keys: Vec<u32> = (0..20).collect();
        let like = |change: &dyn Fn(&mut Vec<u32>), step| {
            let mut changed = keys.clone();
            change(&mut changed);
            compare(&ranking(&keys, step), &ranking(&changed, step)).0
        };
        let step = 0.4 * NEAR;
        assert_eq!(like(&|_| (), step), Likeness::Equal);
        assert_eq!(like(&|keys| keys.swap(12, 13), step), Likeness::Equal);
        assert_eq!(like(&|keys| keys.swap(0, 1), step), Likeness::Near);
        assert_eq!(like(&|keys| keys.swap(9, 10), step), Likeness::Near);
        assert_eq!(like(&|keys| keys.swap(9, 10), 2.0 * NEAR), Likeness::Other);
        // From the seventh to the eleventh place, past others it is near to one by one.
        let falls = |keys: &mut Vec<u32>| keys[6..11].rotate_left(1);
        assert_eq!(like(&falls, step), Likeness::Other);
        let unseen = |keys: &mut Vec<u32>| keys[9] = 99;
        assert_eq!(like(&unseen, step), Likeness::Other);
    }
}
