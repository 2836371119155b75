//! The starter's generator with its weights as 32-bit floats. Quantised weights make llama.cpp quantise
//! activations as well, by kernels that differ with a batch's shape: scores of one text then differ by
//! hundredths between batches. With floats what is left is the order of sums.

use std::{fs, path::Path};

use anyhow::{Context, Result, bail, ensure};
use half::f16;

use super::{generator, gguf::Gguf};

/// Weights that share a scale.
const BLOCK: usize = 32;

/// Writes the model.
///
/// # Errors
/// When the starter model is absent, is quantised in another way, or the file cannot be written.
pub fn floats(to: &Path) -> Result<()> {
    let mut file = Gguf::read(&generator()?)?;
    for tensor in &mut file.tensors {
        let count: u64 = tensor.shape.iter().product();
        let bytes = match tensor.kind {
            // F32
            0 => continue,
            // Q4_1
            3 => blocks(&tensor.data, 20, q4_1),
            // Q8_0
            8 => blocks(&tensor.data, 34, q8_0),
            other => bail!("{} is of type {other}", tensor.name),
        };
        ensure!(
            bytes.len() as u64 == 4 * count,
            "{} has other weights",
            tensor.name
        );
        tensor.kind = 0;
        tensor.data = bytes;
    }
    fs::write(to, file.encode()).with_context(|| to.display().to_string())
}

/// Unpacks whole blocks of `size` bytes; what padding is left over is dropped.
fn blocks(data: &[u8], size: usize, unpack: fn(&[u8]) -> [f32; BLOCK]) -> Vec<u8> {
    let values = data.chunks_exact(size).flat_map(unpack);
    values.flat_map(f32::to_le_bytes).collect()
}

/// A scale, an offset, and four bits a weight: the low halves of all bytes, then the high ones.
fn q4_1(block: &[u8]) -> [f32; BLOCK] {
    let (scale, offset) = (number(block, 0), number(block, 2));
    std::array::from_fn(|place| {
        let byte = block[4 + place % (BLOCK / 2)];
        let nibble = if place < BLOCK / 2 {
            byte & 15
        } else {
            byte >> 4
        };
        f32::from(nibble) * scale + offset
    })
}

/// A scale, and a signed byte a weight.
fn q8_0(block: &[u8]) -> [f32; BLOCK] {
    let scale = number(block, 0);
    std::array::from_fn(|place| f32::from(block[2 + place] as i8) * scale)
}

fn number(block: &[u8], at: usize) -> f32 {
    f16::from_le_bytes([block[at], block[at + 1]]).to_f32()
}
