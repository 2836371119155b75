//! What chance makes of measured numbers: intervals of means, and whether two systems differ.

use fastrand::Rng;

/// How often the queries are drawn anew for an interval.
pub const RESAMPLES: usize = 10_000;
/// How many assignments of signs a test draws, where it cannot try all.
pub const PERMUTATIONS: usize = 100_000;
/// How sure an interval is, as a share.
pub const CONFIDENCE: f64 = 0.95;
/// Below this, a difference is called significant.
pub const SIGNIFICANCE: f64 = 0.05;
/// With so many differences or fewer, a test tries every assignment of signs.
const EXACT: usize = 16;
/// Sums that are this close, in shares of what is summed, are equal but for rounding.
const ROUNDING: f64 = 1e-12;

/// A mean, and where the mean of all such queries lies with [`CONFIDENCE`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// The mean of what was measured.
    pub mean: f64,
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

/// The mean; 0 of nothing.
pub fn mean(values: &[f64]) -> f64 {
    if values.is_empty() {
        0.0
    } else {
        values.iter().sum::<f64>() / values.len() as f64
    }
}

/// The mean with its interval by the bootstrap, as percentiles of [`RESAMPLES`] means. The same seed draws
/// the same queries for all measures of equally many queries.
pub fn estimate(values: &[f64], seed: u64) -> Estimate {
    let mean = mean(values);
    if values.is_empty() {
        return Estimate {
            mean,
            low: mean,
            high: mean,
        };
    }
    let mut random = Rng::with_seed(seed);
    let mut means: Vec<f64> = (0..RESAMPLES)
        .map(|_| {
            let drawn = (0..values.len()).map(|_| values[random.usize(..values.len())]);
            drawn.sum::<f64>() / values.len() as f64
        })
        .collect();
    means.sort_unstable_by(f64::total_cmp);
    let outside = (1.0 - CONFIDENCE) / 2.0;
    Estimate {
        mean,
        // Rounding alone could part them.
        low: quantile(&means, outside).min(mean),
        high: quantile(&means, 1.0 - outside).max(mean),
    }
}

/// The value that a share of sorted values lies below, between two of them where it must; 0 of nothing.
pub fn quantile(sorted: &[f64], share: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else {
        return 0.0;
    };
    let place = share.clamp(0.0, 1.0) * last as f64;
    let below = place.floor() as usize;
    let above = (below + 1).min(last);
    let part = place - place.floor();
    sorted[below] * (1.0 - part) + sorted[above] * part
}

/// Fisher's paired randomisation test, two-sided: how likely a mean difference at least as large is, if
/// it were chance which of the two systems did better on each query (Smucker, Allan and Carterette,
/// 2007). In (0, 1]; 1 where there is no difference.
pub fn randomisation(differences: &[f64], seed: u64) -> f64 {
    // Those without one add nothing, whichever sign they get.
    let sizes: Vec<f64> = differences
        .iter()
        .map(|difference| difference.abs())
        .filter(|size| *size > 0.0)
        .collect();
    let observed = differences.iter().sum::<f64>().abs();
    let enough = observed - ROUNDING * sizes.iter().sum::<f64>();
    let extreme = |signs: &dyn Fn(usize) -> bool| {
        let signed = sizes.iter().enumerate();
        let sum: f64 = signed
            .map(|(at, size)| if signs(at) { *size } else { -size })
            .sum();
        sum.abs() >= enough
    };
    if sizes.len() <= EXACT {
        let all = 1_u32 << sizes.len();
        let count = (0..all)
            .filter(|bits| extreme(&|at| bits >> at & 1 == 1))
            .count();
        return count as f64 / f64::from(all);
    }
    let mut random = Rng::with_seed(seed);
    let mut bits = vec![0_u64; sizes.len().div_ceil(64)];
    let count = (0..PERMUTATIONS)
        .filter(|_| {
            bits.fill_with(|| random.u64(..));
            extreme(&|at| bits[at / 64] >> (at % 64) & 1 == 1)
        })
        .count();
    // What was observed is one of the assignments.
    (count as f64 + 1.0) / (PERMUTATIONS as f64 + 1.0)
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn close(found: f64, wanted: f64, tolerance: f64) {
        assert!((found - wanted).abs() < tolerance, "{found}, not {wanted}");
    }

    #[test]
    fn quantiles_lie_between_values() {
        close(quantile(&[1.0, 2.0, 4.0], 0.5), 2.0, 1e-12);
        close(quantile(&[1.0, 2.0], 0.5), 1.5, 1e-12);
        close(quantile(&[0.0, 10.0], 0.95), 9.5, 1e-12);
        close(quantile(&[3.0], 0.95), 3.0, 1e-12);
        close(quantile(&[], 0.5), 0.0, 1e-12);
    }

    #[test]
    fn an_interval_is_as_wide_as_theory_has_it() {
        // Half zeros, half ones: the mean's deviation is 0.5 / sqrt(400) = 0.025.
        let values: Vec<f64> = (0..400).map(|at| f64::from(at % 2)).collect();
        let found = estimate(&values, 1);
        close(found.mean, 0.5, 1e-12);
        close(found.low, 0.5 - 1.96 * 0.025, 0.004);
        close(found.high, 0.5 + 1.96 * 0.025, 0.004);
        assert_eq!(estimate(&values, 1), found, "the seed decides");
        assert_ne!(estimate(&values, 2), found);
        let none = estimate(&[], 1);
        assert_eq!((none.mean, none.low, none.high), (0.0, 0.0, 0.0));
    }

    #[test]
    fn few_differences_are_tried_in_every_way() {
        // Of 8 assignments, two have a sum of 3 or -3.
        close(randomisation(&[1.0, 1.0, 1.0], 1), 0.25, 1e-12);
        // 1 - 1 = 0: every assignment is as extreme.
        close(randomisation(&[1.0, -1.0, 0.0], 1), 1.0, 1e-12);
        // |3 - 1| = 2: all four of 4, 2, -2, -4.
        close(randomisation(&[3.0, -1.0], 1), 1.0, 1e-12);
        close(randomisation(&[3.0, 1.0], 1), 0.5, 1e-12);
        close(randomisation(&[], 1), 1.0, 1e-12);
    }

    #[test]
    fn many_differences_are_drawn() {
        // 100 coins, 60 heads: P(|heads - 50| >= 10) = 0.0569.
        let coins: Vec<f64> = (0..100)
            .map(|at| if at < 60 { 1.0 } else { -1.0 })
            .collect();
        close(randomisation(&coins, 1), 0.0569, 0.004);
        // One way only: nothing drawn comes near.
        let clear = vec![0.5; 100];
        close(
            randomisation(&clear, 1),
            1.0 / (PERMUTATIONS as f64 + 1.0),
            1e-12,
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn an_interval_holds_its_mean(values in vec(0.0_f64..=1.0, 1..60), seed: u64) {
            let found = estimate(&values, seed);
            prop_assert!(found.low <= found.mean && found.mean <= found.high);
            prop_assert!((0.0..=1.0).contains(&found.low));
            prop_assert!(found.high <= 1.0 + 1e-12);
        }

        #[test]
        fn an_interval_of_equal_values_is_a_point(value in 0.0_f64..=1.0, count in 1_usize..40) {
            let found = estimate(&vec![value; count], 1);
            prop_assert!((found.high - found.low).abs() < 1e-12);
        }

        #[test]
        fn a_probability_is_above_0_and_no_matter_who_is_first(
            differences in vec(-1.0_f64..=1.0, 0..12),
            seed: u64,
        ) {
            let p = randomisation(&differences, seed);
            prop_assert!(p > 0.0 && p <= 1.0);
            let other: Vec<f64> = differences.iter().map(|difference| -difference).collect();
            prop_assert!((randomisation(&other, seed) - p).abs() < 1e-12);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4))]

        #[test]
        fn a_drawn_probability_is_above_0_and_not_above_1(
            differences in vec(-1.0_f64..=1.0, 20..40),
            seed: u64,
        ) {
            let p = randomisation(&differences, seed);
            prop_assert!(p > 0.0 && p <= 1.0);
        }

        #[test]
        fn no_difference_is_certainly_chance(count in 0_usize..200, seed: u64) {
            prop_assert!((randomisation(&vec![0.0; count], seed) - 1.0).abs() < 1e-12);
        }
    }
}
