//! Tensor types of ggml: their numbers, names and block layouts.

use std::fmt;

/// A ggml tensor type, by its number in a GGUF file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TensorType(pub u32);

impl TensorType {
    /// 32-bit float.
    pub const F32: Self = Self(0);
    /// 16-bit float.
    pub const F16: Self = Self(1);
    /// Blocks of 32 signed bytes with one 16-bit scale.
    pub const Q8_0: Self = Self(8);

    /// Name, values a block, bytes a block; `None` for a number ggml does not define.
    ///
    /// Source: `ggml.h` (numbers) and the size assertions of `ggml-common.h`.
    const fn layout(self) -> Option<(&'static str, u64, u64)> {
        Some(match self.0 {
            0 => ("F32", 1, 4),
            1 => ("F16", 1, 2),
            2 => ("Q4_0", 32, 18),
            3 => ("Q4_1", 32, 20),
            6 => ("Q5_0", 32, 22),
            7 => ("Q5_1", 32, 24),
            8 => ("Q8_0", 32, 34),
            9 => ("Q8_1", 32, 36),
            10 => ("Q2_K", 256, 84),
            11 => ("Q3_K", 256, 110),
            12 => ("Q4_K", 256, 144),
            13 => ("Q5_K", 256, 176),
            14 => ("Q6_K", 256, 210),
            15 => ("Q8_K", 256, 292),
            16 => ("IQ2_XXS", 256, 66),
            17 => ("IQ2_XS", 256, 74),
            18 => ("IQ3_XXS", 256, 98),
            19 => ("IQ1_S", 256, 50),
            20 => ("IQ4_NL", 32, 18),
            21 => ("IQ3_S", 256, 110),
            22 => ("IQ2_S", 256, 82),
            23 => ("IQ4_XS", 256, 136),
            24 => ("I8", 1, 1),
            25 => ("I16", 1, 2),
            26 => ("I32", 1, 4),
            27 => ("I64", 1, 8),
            28 => ("F64", 1, 8),
            29 => ("IQ1_M", 256, 56),
            30 => ("BF16", 1, 2),
            34 => ("TQ1_0", 256, 54),
            35 => ("TQ2_0", 256, 66),
            39 => ("MXFP4", 32, 17),
            40 => ("NVFP4", 64, 36),
            41 => ("Q1_0", 128, 18),
            42 => ("Q2_0", 64, 18),
            _ => return None,
        })
    }

    /// Bytes of a tensor of this shape, fastest dimension first. `None` for an unknown type, a row
    /// that is no whole number of blocks, or a size beyond 64 bits.
    pub fn bytes(self, shape: &[u64]) -> Option<u64> {
        let (_, block, block_bytes) = self.layout()?;
        let (row, rows) = shape.split_first()?;
        if row % block != 0 {
            return None;
        }
        rows.iter()
            .try_fold((row / block).checked_mul(block_bytes)?, |bytes, n| {
                bytes.checked_mul(*n)
            })
    }
}

impl fmt::Display for TensorType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.layout() {
            Some((name, ..)) => f.write_str(name),
            None => write!(f, "type {}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_follow_the_block_layout() {
        assert_eq!(TensorType::F32.bytes(&[384]), Some(1536));
        assert_eq!(TensorType::F16.bytes(&[384, 2]), Some(1536));
        assert_eq!(TensorType::Q8_0.bytes(&[384, 30522]), Some(12 * 34 * 30522));
    }

    #[test]
    fn impossible_sizes_are_none() {
        assert_eq!(TensorType::Q8_0.bytes(&[33]), None, "not a whole block");
        assert_eq!(TensorType::F32.bytes(&[]), None, "no dimension");
        assert_eq!(TensorType::F32.bytes(&[u64::MAX, 2]), None, "overflow");
        assert_eq!(TensorType(4).bytes(&[32]), None, "a withdrawn type");
    }
}
