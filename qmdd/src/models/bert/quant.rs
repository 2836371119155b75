//! The forms weights are stored in.

use half::f16;

use crate::models::gguf::TensorType;

/// Values of a Q8_0 block.
const Q8_BLOCK: usize = 32;

/// How the weight matrices are stored. Vectors, positions and token types stay 32-bit floats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quant {
    /// Half floats.
    F16,
    /// 8-bit blocks.
    Q8_0,
}

impl Quant {
    pub(super) const fn tensor_type(self) -> TensorType {
        match self {
            Self::F16 => TensorType::F16,
            Self::Q8_0 => TensorType::Q8_0,
        }
    }

    /// `general.file_type`: `llama_ftype` in `llama.h`.
    pub(super) const fn file_type(self) -> u32 {
        match self {
            Self::F16 => 1,
            Self::Q8_0 => 7,
        }
    }
}

/// Appends 32-bit floats, given as little-endian bytes, in the form of `kind`: F32, F16 or Q8_0.
/// Whole blocks only.
pub(super) fn encode(floats: &[u8], kind: TensorType, out: &mut Vec<u8>) {
    let values = floats
        .as_chunks()
        .0
        .iter()
        .map(|bytes| f32::from_le_bytes(*bytes));
    match kind {
        TensorType::Q8_0 => {
            let values: Vec<f32> = values.collect();
            values.chunks(Q8_BLOCK).for_each(|block| q8_0(block, out));
        }
        TensorType::F16 => {
            out.extend(values.flat_map(|value| f16::from_f32(value).to_le_bytes()));
        }
        _ => out.extend_from_slice(floats),
    }
}

/// One Q8_0 block: scale = largest magnitude / 127 as a half float, then each value over the
/// unrounded scale, rounded half away from zero (`quantize_row_q8_0_ref` in `ggml-quants.c`).
fn q8_0(block: &[f32], out: &mut Vec<u8>) {
    let largest = block
        .iter()
        .fold(0.0_f32, |largest, value| largest.max(value.abs()));
    let scale = largest / 127.0;
    let inverse = if scale == 0.0 { 0.0 } else { 1.0 / scale };
    out.extend_from_slice(&f16::from_f32(scale).to_le_bytes());
    out.extend(
        block
            .iter()
            .map(|value| (value * inverse).round() as i8 as u8),
    );
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_block_of_zeros_has_scale_zero() {
        let mut out = Vec::new();
        q8_0(&[0.0; Q8_BLOCK], &mut out);
        assert_eq!(out, [0; 34]);
    }

    proptest! {
        #[test]
        fn q8_0_is_within_half_a_step(values in prop::collection::vec(-8.0_f32..8.0, Q8_BLOCK)) {
            let mut out = Vec::new();
            q8_0(&values, &mut out);
            let scale = f16::from_le_bytes([out[0], out[1]]).to_f32();
            let largest = values.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
            for (value, byte) in values.iter().zip(&out[2..]) {
                let back = f32::from(*byte as i8) * scale;
                // Half a step, and the rounding of the scale to 11 bits.
                let bound = largest / 254.0 + largest / 1024.0;
                prop_assert!((back - value).abs() <= bound, "{value} became {back}");
            }
        }
    }
}
