//! The loop that a search runs over every vector: products of a query with rows of half bytes. In
//! vector instructions where the processor has them, which is found out when the program runs.

/// Bytes that a row's width is a multiple of.
pub(super) const LANE: usize = 32;

/// A query's values as the rows have theirs: those that meet the lower half of a byte, and those that
/// meet the upper half. Both are as long as a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Operand {
    lower: Vec<i8>,
    upper: Vec<i8>,
}

impl Operand {
    /// Of values in [-127, 127], in their order; zeros fill the rest of the row.
    pub(super) fn new(values: &[i8]) -> Self {
        let width = width(values.len());
        let (mut lower, mut upper) = (vec![0; width], vec![0; width]);
        for (place, pair) in values.chunks(2).enumerate() {
            lower[place] = pair[0];
            upper[place] = pair.get(1).copied().unwrap_or_default();
        }
        Self { lower, upper }
    }

    /// Bytes of the rows that it goes with.
    pub(super) fn width(&self) -> usize {
        self.lower.len()
    }

    /// The sum of all values.
    pub(super) fn sum(&self) -> i32 {
        let values = self.lower.iter().chain(&self.upper);
        values.map(|value| i32::from(*value)).sum()
    }
}

/// Bytes of a row of this many half bytes.
pub(super) fn width(values: usize) -> usize {
    values.div_ceil(2).next_multiple_of(LANE)
}

/// How the products are computed. All give the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kernel {
    /// Plain Rust, which the compiler turns into what the target has.
    Portable,
    /// 32 bytes at a time.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// 64 bytes at a time, multiplied and added by one instruction.
    #[cfg(target_arch = "x86_64")]
    Avx512,
    /// 16 bytes at a time.
    #[cfg(target_arch = "aarch64")]
    Neon,
}

impl Kernel {
    /// The best that this processor can run.
    pub(super) fn detect() -> Self {
        Self::able()
            .into_iter()
            .next_back()
            .unwrap_or(Self::Portable)
    }

    /// All that this processor can run, the best last.
    pub(super) fn able() -> Vec<Self> {
        #[allow(unused_mut, reason = "other processors have no more than this one")]
        let mut able = vec![Self::Portable];
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx2") {
                able.push(Self::Avx2);
                if is_x86_feature_detected!("avx512bw") && is_x86_feature_detected!("avx512vnni") {
                    able.push(Self::Avx512);
                }
            }
        }
        // Every processor of this kind has it.
        #[cfg(target_arch = "aarch64")]
        able.push(Self::Neon);
        able
    }

    /// The product of the query with each row.
    ///
    /// # Panics
    /// When there are not as many whole rows as products.
    #[allow(unsafe_code, reason = "vector instructions")]
    pub(super) fn products(self, rows: &[u8], query: &Operand, products: &mut [i32]) {
        let width = query.lower.len();
        assert!(width.is_multiple_of(LANE) && query.upper.len() == width);
        assert_eq!(rows.len(), products.len() * width);
        match self {
            Self::Portable => portable(rows, query, products),
            // SAFETY: these exist only where `able` found the instructions, and the lengths were
            // checked above.
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => unsafe { x86::avx2(rows, query, products) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => unsafe { x86::avx512(rows, query, products) },
            // SAFETY: as above.
            #[cfg(target_arch = "aarch64")]
            Self::Neon => unsafe { arm::neon(rows, query, products) },
        }
    }
}

fn portable(rows: &[u8], query: &Operand, products: &mut [i32]) {
    let width = query.lower.len();
    for (row, product) in rows.chunks_exact(width).zip(products) {
        let halves = row.iter().zip(&query.lower).zip(&query.upper);
        *product = halves
            .map(|((byte, lower), upper)| {
                // Cannot overflow: 2 * 15 * 127.
                i32::from(i16::from(byte & 15) * i16::from(*lower))
                    + i32::from(i16::from(byte >> 4) * i16::from(*upper))
            })
            .sum();
    }
}

#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code, reason = "vector instructions")]
mod x86 {
    use std::arch::x86_64::{
        __m512i, _MM_HINT_T0, _mm_add_epi32, _mm_cvtsi128_si32, _mm_prefetch, _mm_shuffle_epi32,
        _mm256_add_epi16, _mm256_add_epi32, _mm256_and_si256, _mm256_castsi256_si128,
        _mm256_extracti128_si256, _mm256_loadu_si256, _mm256_madd_epi16, _mm256_maddubs_epi16,
        _mm256_set1_epi8, _mm256_set1_epi16, _mm256_setzero_si256, _mm256_srli_epi16,
        _mm512_add_epi32, _mm512_and_si512, _mm512_dpbusd_epi32, _mm512_loadu_si512,
        _mm512_maskz_loadu_epi8, _mm512_reduce_add_epi32, _mm512_set1_epi8, _mm512_setzero_si512,
        _mm512_srli_epi16,
    };

    use super::{LANE, Operand};

    /// Bytes that memory gives at once.
    const LINE: usize = 64;
    /// How far ahead memory is asked for what will be needed. By itself a processor does not look beyond
    /// the end of a page.
    const AHEAD: usize = 4096;

    /// Asks for the memory that is as far behind a row as `AHEAD`.
    #[inline]
    fn prefetch(row: &[u8]) {
        for at in (0..row.len()).step_by(LINE) {
            let later = row.as_ptr().wrapping_add(at + AHEAD);
            // SAFETY: it is no access: nothing happens where there is nothing.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(later.cast()) };
        }
    }

    /// # Safety
    /// The processor has AVX2. Rows and both halves of the query are as wide as each other, by a
    /// multiple of `LANE`.
    #[target_feature(enable = "avx2")]
    pub(super) unsafe fn avx2(rows: &[u8], query: &Operand, products: &mut [i32]) {
        let width = query.lower.len();
        let mask = _mm256_set1_epi8(15);
        let ones = _mm256_set1_epi16(1);
        for (row, product) in rows.chunks_exact(width).zip(products) {
            prefetch(row);
            let mut sums = _mm256_setzero_si256();
            for at in (0..width).step_by(LANE) {
                // SAFETY: `at + LANE` is at most the width that all three have.
                let (bytes, lower, upper) = unsafe {
                    (
                        _mm256_loadu_si256(row.as_ptr().add(at).cast()),
                        _mm256_loadu_si256(query.lower.as_ptr().add(at).cast()),
                        _mm256_loadu_si256(query.upper.as_ptr().add(at).cast()),
                    )
                };
                let low = _mm256_and_si256(bytes, mask);
                let high = _mm256_and_si256(_mm256_srli_epi16(bytes, 4), mask);
                // Four products of at most 15 * 127 fit into 16 bits.
                let pairs = _mm256_add_epi16(
                    _mm256_maddubs_epi16(low, lower),
                    _mm256_maddubs_epi16(high, upper),
                );
                sums = _mm256_add_epi32(sums, _mm256_madd_epi16(pairs, ones));
            }
            let four = _mm_add_epi32(
                _mm256_castsi256_si128(sums),
                _mm256_extracti128_si256(sums, 1),
            );
            let two = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0b0100_1110));
            let one = _mm_add_epi32(two, _mm_shuffle_epi32(two, 0b1011_0001));
            *product = _mm_cvtsi128_si32(one);
        }
    }

    /// # Safety
    /// The processor has AVX512BW and AVX512VNNI. Rows and both halves of the query are as wide as
    /// each other, by a multiple of `LANE`.
    #[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
    pub(super) unsafe fn avx512(rows: &[u8], query: &Operand, products: &mut [i32]) {
        const WIDE: usize = 2 * LANE;
        let width = query.lower.len();
        let mask = _mm512_set1_epi8(15);
        let whole = width / WIDE * WIDE;
        for (row, product) in rows.chunks_exact(width).zip(products) {
            prefetch(row);
            let (mut lows, mut highs) = (_mm512_setzero_si512(), _mm512_setzero_si512());
            let mut add = |bytes: __m512i, lower: __m512i, upper: __m512i| {
                let low = _mm512_and_si512(bytes, mask);
                let high = _mm512_and_si512(_mm512_srli_epi16(bytes, 4), mask);
                lows = _mm512_dpbusd_epi32(lows, low, lower);
                highs = _mm512_dpbusd_epi32(highs, high, upper);
            };
            for at in (0..whole).step_by(WIDE) {
                // SAFETY: `at + WIDE` is at most the width that all three have.
                unsafe {
                    add(
                        _mm512_loadu_si512(row.as_ptr().add(at).cast()),
                        _mm512_loadu_si512(query.lower.as_ptr().add(at).cast()),
                        _mm512_loadu_si512(query.upper.as_ptr().add(at).cast()),
                    );
                }
            }
            if whole < width {
                let rest = u64::from(u32::MAX);
                // SAFETY: the mask takes `LANE` bytes, which all three still have.
                unsafe {
                    add(
                        _mm512_maskz_loadu_epi8(rest, row.as_ptr().add(whole).cast()),
                        _mm512_maskz_loadu_epi8(rest, query.lower.as_ptr().add(whole)),
                        _mm512_maskz_loadu_epi8(rest, query.upper.as_ptr().add(whole)),
                    );
                }
            }
            *product = _mm512_reduce_add_epi32(_mm512_add_epi32(lows, highs));
        }
    }
}

#[cfg(target_arch = "aarch64")]
#[allow(unsafe_code, reason = "vector instructions")]
mod arm {
    use std::arch::aarch64::{
        vaddvq_s32, vandq_u8, vdupq_n_s32, vdupq_n_u8, vget_high_s8, vget_low_s8, vld1q_s8,
        vld1q_u8, vmlal_s8, vmull_s8, vpadalq_s16, vreinterpretq_s8_u8, vshrq_n_u8,
    };

    use super::Operand;

    /// # Safety
    /// Rows and both halves of the query are as wide as each other, by a multiple of 16.
    #[target_feature(enable = "neon")]
    pub(super) unsafe fn neon(rows: &[u8], query: &Operand, products: &mut [i32]) {
        let width = query.lower.len();
        let mask = vdupq_n_u8(15);
        for (row, product) in rows.chunks_exact(width).zip(products) {
            let mut sums = vdupq_n_s32(0);
            for at in (0..width).step_by(16) {
                // SAFETY: `at + 16` is at most the width that all three have.
                let (bytes, lower, upper) = unsafe {
                    (
                        vld1q_u8(row.as_ptr().add(at)),
                        vld1q_s8(query.lower.as_ptr().add(at)),
                        vld1q_s8(query.upper.as_ptr().add(at)),
                    )
                };
                let low = vreinterpretq_s8_u8(vandq_u8(bytes, mask));
                let high = vreinterpretq_s8_u8(vshrq_n_u8(bytes, 4));
                // Two products of at most 15 * 127 fit into 16 bits.
                let first = vmlal_s8(
                    vmull_s8(vget_low_s8(low), vget_low_s8(lower)),
                    vget_low_s8(high),
                    vget_low_s8(upper),
                );
                let second = vmlal_s8(
                    vmull_s8(vget_high_s8(low), vget_high_s8(lower)),
                    vget_high_s8(high),
                    vget_high_s8(upper),
                );
                sums = vpadalq_s16(vpadalq_s16(sums, first), second);
            }
            *product = vaddvq_s32(sums);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_kernel_gives_the_same(
            values in proptest::collection::vec(-127..=127_i8, 1..300),
            count in 0..5_usize,
            seed: [u8; 32],
        ) {
            let query = Operand::new(&values);
            let width = width(values.len());
            let rows: Vec<u8> = (0..count * width).map(|at| seed[at % 32].wrapping_mul(at as u8 | 1)).collect();
            let half = |row: usize, place: usize| {
                let byte = rows[row * width + place / 2];
                i32::from(if place.is_multiple_of(2) { byte & 15 } else { byte >> 4 })
            };
            let expected: Vec<i32> = (0..count)
                .map(|row| values.iter().enumerate().map(|(place, value)| half(row, place) * i32::from(*value)).sum())
                .collect();
            for kernel in Kernel::able() {
                let mut products = vec![0; count];
                kernel.products(&rows, &query, &mut products);
                prop_assert_eq!(&products, &expected, "{:?}", kernel);
            }
            prop_assert_eq!(query.sum(), values.iter().map(|value| i32::from(*value)).sum::<i32>());
        }
    }

    #[test]
    fn the_largest_products_fit() {
        let values = vec![-127; 8192];
        let query = Operand::new(&values);
        let rows = vec![255; width(values.len())];
        for kernel in Kernel::able() {
            let mut products = [0];
            kernel.products(&rows, &query, &mut products);
            assert_eq!(products, [-127 * 15 * 8192], "{kernel:?}");
        }
    }
}
