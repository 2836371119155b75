//! Vectors in eight bits a value, in two parts of four: the first part alone tells roughly how near two
//! vectors are, both together nearly exactly. How far off each can be is known vector by vector, so that
//! what is passed over is never what was sought, but for a chance of one in millions.
//!
//! A code stands for a vector `c` near the vector `v`. With `e` for the part of `v - c` that is at right
//! angles to `v`, `c = (cv) v - e`, so for any query `q`: `qv = qc / cv + qe / cv`. The first term can be
//! computed; the second one is what is not known. This is the estimator of RaBitQ (Gao and Long, 2024),
//! with codes of more bits and without the rotation.

use super::kernel::{Operand, width};

/// Half the range of a code: codes 0 to 255 stand for -127.5 to 127.5 steps.
const MIDDLE: f32 = 127.5;

/// What a code's upper half stands for by itself is `16 * upper - UPPER_MIDDLE` steps: the middle of
/// the codes that share it.
const UPPER_MIDDLE: f32 = 120.0;

/// More than what rounding in floats can add up to.
const ROUNDING: f32 = 1e-5;

/// How much of `e` may lie in the direction of a query, in standard deviations. Seen from a query, `e` has
/// no direction of its own: in `d` dimensions `qe` is about normal, with `|e| / sqrt(d)` as deviation, and
/// lies beyond five of these once in 3.5 million times. In few dimensions it is bounded by `|e|` itself.
const DEVIATIONS: f32 = 5.0;

/// What a vector's code, or a part of it, tells of the vector.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Estimate {
    /// Length of a step, divided by `cv`.
    step: f32,
    /// `|e| / cv`.
    error: f32,
}

/// A vector's code, apart from its half bytes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Scale {
    /// By the upper halves alone.
    pub(super) upper: Estimate,
    /// By the whole code.
    pub(super) whole: Estimate,
}

/// Sums up how far a code is from its vector.
#[derive(Default)]
struct Deviation {
    /// `cv`.
    along: f64,
    /// `|v - c|²`.
    square: f64,
}

impl Deviation {
    /// A value, and what stands for it.
    fn add(&mut self, value: f32, code: f32) {
        let (value, code) = (f64::from(value), f64::from(code));
        self.along += value * code;
        self.square += (value - code).powi(2);
    }

    /// Where steps have this length.
    fn estimate(&self, step: f32) -> Estimate {
        let across = self.square - (1.0 - self.along).powi(2);
        Estimate {
            step: (f64::from(step) / self.along) as f32,
            error: (across.max(0.0).sqrt() / self.along) as f32,
        }
    }
}

/// Encodes a vector's direction; its length is of no matter for a cosine. Its upper and lower half
/// bytes are added to `upper` and `lower`.
pub(super) fn encode(vector: &[f32], upper: &mut Vec<u8>, lower: &mut Vec<u8>) -> Scale {
    let length = length(vector);
    let unit = |value: &f32| (f64::from(*value) / length) as f32;
    let largest = vector
        .iter()
        .map(unit)
        .fold(0.0, |most: f32, value| most.max(value.abs()));
    let step = largest / MIDDLE;
    let (mut in_upper, mut in_whole) = (Deviation::default(), Deviation::default());
    let width = width(vector.len());
    let (from_upper, from_lower) = (upper.len(), lower.len());
    upper.resize(from_upper + width, 0);
    lower.resize(from_lower + width, 0);
    for (place, value) in vector.iter().map(unit).enumerate() {
        // Saturates where rounding leads beyond the range.
        let code = (value / step + MIDDLE).round() as u8;
        let shift = place % 2 * 4;
        upper[from_upper + place / 2] |= code >> 4 << shift;
        lower[from_lower + place / 2] |= (code & 15) << shift;
        in_upper.add(value, step * (16.0 * f32::from(code >> 4) - UPPER_MIDDLE));
        in_whole.add(value, step * (f32::from(code) - MIDDLE));
    }
    Scale {
        upper: in_upper.estimate(step),
        whole: in_whole.estimate(step),
    }
}

/// A query's direction in steps of its own.
#[derive(Debug)]
pub(super) struct Query {
    pub(super) operand: Operand,
    step: f32,
    /// The sum of its steps: what a row's middle counts for.
    sum: f32,
    /// How far it lies from what its steps stand for.
    error: f32,
    /// How much of an error counts.
    reach: f32,
}

impl Query {
    /// Of a vector, whose length is of no matter.
    pub(super) fn new(vector: &[f32]) -> Self {
        let length = length(vector);
        let unit = vector
            .iter()
            .map(|value| (f64::from(*value) / length) as f32);
        let largest = unit
            .clone()
            .fold(0.0, |most: f32, value| most.max(value.abs()));
        let step = largest / 127.0;
        let mut error = 0.0_f64;
        let steps: Vec<i8> = unit
            .map(|value| {
                let steps = (value / step).round() as i8;
                error += f64::from(value - step * f32::from(steps)).powi(2);
                steps
            })
            .collect();
        let operand = Operand::new(&steps);
        Self {
            step,
            sum: operand.sum() as f32,
            operand,
            error: error.sqrt() as f32,
            reach: (DEVIATIONS / (vector.len() as f32).sqrt()).min(1.0),
        }
    }

    /// The most that the cosine can be, by the product with the upper halves alone.
    pub(super) fn rough_bound(&self, estimate: Estimate, upper: i32) -> f32 {
        let product = 16.0 * upper as f32 - UPPER_MIDDLE * self.sum;
        self.bound_of(product, estimate)
    }

    /// The most that the cosine can be, by the products with both halves.
    pub(super) fn bound(&self, estimate: Estimate, upper: i32, lower: i32) -> f32 {
        let product = (16 * upper + lower) as f32 - MIDDLE * self.sum;
        self.bound_of(product, estimate)
    }

    /// The query has an error of its own, that of its steps, which meets `c / cv`: no longer than
    /// `1 + |e| / cv`.
    fn bound_of(&self, product: f32, Estimate { step, error }: Estimate) -> f32 {
        self.step * step * product + self.reach * (error + self.error * (1.0 + error)) + ROUNDING
    }
}

fn length(vector: &[f32]) -> f64 {
    vector
        .iter()
        .map(|value| f64::from(*value).powi(2))
        .sum::<f64>()
        .sqrt()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::store::vectors::coarse::kernel::Kernel;

    /// Both bounds, and the cosine itself.
    fn bounds(query: &[f32], vector: &[f32]) -> (f32, f32, f64) {
        let (mut upper, mut lower) = (Vec::new(), Vec::new());
        let scale = encode(vector, &mut upper, &mut lower);
        let product: f64 = query
            .iter()
            .zip(vector)
            .map(|(q, v)| f64::from(*q) * f64::from(*v))
            .sum();
        let cosine = product / length(query) / length(vector);
        let query = Query::new(query);
        let product = |row: &[u8]| {
            let mut product = [0];
            Kernel::detect().products(row, &query.operand, &mut product);
            product[0]
        };
        let (upper, lower) = (product(&upper), product(&lower));
        (
            query.rough_bound(scale.upper, upper),
            query.bound(scale.whole, upper, lower),
            cosine,
        )
    }

    proptest! {
        #[test]
        fn no_cosine_is_above_its_bounds(
            (query, vector) in (1..80_usize).prop_flat_map(|dimensions| {
                let vector = || proptest::collection::vec(-1e3_f32..1e3, dimensions);
                (vector(), vector())
            }),
            outlier in 0..3_usize,
        ) {
            let mut vector = vector;
            // Models have dimensions that outweigh all others.
            vector[0] *= [1.0, 100.0, 1e-30][outlier];
            prop_assume!(query.iter().any(|value| *value != 0.0) && vector.iter().any(|value| *value != 0.0));
            let (rough, fine, cosine) = bounds(&query, &vector);
            prop_assert!(f64::from(rough) >= cosine, "{rough} {cosine}");
            prop_assert!(f64::from(fine) >= cosine, "{fine} {cosine}");
        }
    }

    #[test]
    fn the_bounds_are_narrow() {
        let vector = |seed: f32| {
            (0..384)
                .map(|place| (place as f32 * seed).sin())
                .collect::<Vec<f32>>()
        };
        let (rough, fine, cosine) = bounds(&vector(1.3), &vector(1.302));
        assert!(f64::from(rough) - cosine < 0.06, "{rough} {cosine}");
        assert!(f64::from(fine) - cosine < 0.006, "{fine} {cosine}");
    }

    #[test]
    fn tiny_and_huge_vectors_have_a_direction() {
        for size in [f32::MIN_POSITIVE / 1e6, 1e-20, 1e30] {
            let (_, fine, cosine) = bounds(&[size, size], &[size, 0.0]);
            assert!((cosine - 0.5_f64.sqrt()).abs() < 1e-2, "{cosine}");
            assert!((f64::from(fine) - cosine).abs() < 0.05, "{fine} {cosine}");
        }
    }
}
