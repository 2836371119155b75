//! Sets of vectors of any size: real ones, widened, and random ones. The same in every run.

use std::{fs, io::Write, ops::Range, path::Path, thread};

use anyhow::Result;
use qmd_tests::Random;

use super::embeddings::DIMENSIONS;

/// Near neighbours of each real vector that it is mixed with.
const NEAR: usize = 10;
/// Vectors whose neighbours are looked for together.
const BLOCK: usize = 32;
/// Length of what is added to a mixture, as a share of its own.
const NOISE: f32 = 0.35;

/// The real vectors, and for each the places of those nearest to it.
pub(super) struct Real {
    vectors: Vec<f32>,
    near: Vec<[u32; NEAR]>,
}

impl Real {
    /// Of vectors one after the other. Their neighbours are kept in a file: to find them takes a minute.
    pub(super) fn new(out: &mut impl Write, mut vectors: Vec<f32>, file: &Path) -> Result<Self> {
        vectors.chunks_exact_mut(DIMENSIONS).for_each(normalise);
        let count = vectors.len() / DIMENSIONS;
        if let Ok(bytes) = fs::read(file)
            && bytes.len() == count * NEAR * size_of::<u32>()
        {
            let places = bytes
                .as_chunks()
                .0
                .iter()
                .map(|one| u32::from_le_bytes(*one));
            let places: Vec<u32> = places.collect();
            let near = places.as_chunks().0.to_vec();
            return Ok(Self { vectors, near });
        }
        writeln!(out, "looking for near neighbours")?;
        let near = neighbours(&vectors);
        let bytes = near.iter().flatten().flat_map(|place| place.to_le_bytes());
        fs::write(file, bytes.collect::<Vec<u8>>())?;
        Ok(Self { vectors, near })
    }

    fn count(&self) -> usize {
        self.near.len()
    }

    fn vector(&self, place: usize) -> &[f32] {
        &self.vectors[place * DIMENSIONS..(place + 1) * DIMENSIONS]
    }

    /// The real vectors in random order, then without end mixtures of one with a near neighbour, in
    /// shares of at least and at most a half, and noise.
    pub(super) fn widened(&self) -> impl Iterator<Item = Vec<f32>> + '_ {
        let mut random = Random::new(2);
        let mut order: Vec<usize> = (0..self.count()).collect();
        for end in (1..order.len()).rev() {
            order.swap(end, random.below(end + 1));
        }
        let real = order.into_iter().map(|place| self.vector(place).to_vec());
        let mixtures = std::iter::repeat_with(move || {
            let one = random.below(self.count());
            let other = self.near[one][random.below(NEAR)] as usize;
            let share = 0.5 + 0.5 * random.fraction() as f32;
            let pairs = self.vector(one).iter().zip(self.vector(other));
            let mut mixture: Vec<f32> = pairs
                .map(|(one, other)| share * one + (1.0 - share) * other)
                .collect();
            normalise(&mut mixture);
            let mut noise = gaussian(&mut random, DIMENSIONS);
            normalise(&mut noise);
            for (value, noise) in mixture.iter_mut().zip(noise) {
                *value += NOISE * noise;
            }
            normalise(&mut mixture);
            mixture
        });
        real.chain(mixtures)
    }

    /// Vectors of twice the length: a widened one, and beside it one of its near neighbours, widened
    /// alike.
    pub(super) fn doubled(&self) -> impl Iterator<Item = Vec<f32>> + '_ {
        let mut random = Random::new(3);
        std::iter::repeat_with(move || {
            let one = random.below(self.count());
            let mut vector = self.vector(one).to_vec();
            vector.extend(self.vector(self.near[one][random.below(NEAR)] as usize));
            let mut noise = gaussian(&mut random, vector.len());
            normalise(&mut vector);
            normalise(&mut noise);
            for (value, noise) in vector.iter_mut().zip(noise) {
                *value += NOISE * noise;
            }
            normalise(&mut vector);
            vector
        })
    }
}

/// Random directions, without end.
pub(super) fn random(seed: u64, dimensions: usize) -> impl Iterator<Item = Vec<f32>> {
    let mut random = Random::new(seed);
    std::iter::repeat_with(move || {
        let mut vector = gaussian(&mut random, dimensions);
        normalise(&mut vector);
        vector
    })
}

/// Nearly normally distributed values: sums of four even ones.
fn gaussian(random: &mut Random, count: usize) -> Vec<f32> {
    let value = || {
        let number = random.number();
        let parts = (0..4).map(|part| (number >> (16 * part) & 0xffff) as f32);
        parts.sum::<f32>() - 2.0 * 65_535.0
    };
    std::iter::repeat_with(value).take(count).collect()
}

pub(super) fn normalise(vector: &mut [f32]) {
    let length = product(vector, vector).sqrt();
    for value in vector {
        *value /= length;
    }
}

/// The product of two vectors; in lanes, so that the compiler can use vector instructions.
pub(super) fn product(a: &[f32], b: &[f32]) -> f32 {
    const LANES: usize = 16;
    let (a, a_rest) = a.as_chunks::<LANES>();
    let (b, b_rest) = b.as_chunks::<LANES>();
    let mut lanes = [0.0; LANES];
    for (a, b) in a.iter().zip(b) {
        for lane in 0..LANES {
            lanes[lane] += a[lane] * b[lane];
        }
    }
    let rest = a_rest.iter().zip(b_rest).map(|(a, b)| a * b);
    lanes.iter().sum::<f32>() + rest.sum::<f32>()
}

fn neighbours(vectors: &[f32]) -> Vec<[u32; NEAR]> {
    let count = vectors.len() / DIMENSIONS;
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let share = count.div_ceil(threads);
    thread::scope(|scope| {
        let parts: Vec<_> = (0..threads)
            .map(|part| (part * share).min(count)..((part + 1) * share).min(count))
            .map(|part| {
                scope.spawn(move || {
                    let blocks = part.clone().step_by(BLOCK);
                    let blocks = blocks.map(|from| from..(from + BLOCK).min(part.end));
                    blocks
                        .flat_map(|block| nearest(vectors, block))
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        let joined = parts.into_iter().map(thread::ScopedJoinHandle::join);
        joined
            .flat_map(|part| part.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    })
}

/// The places of those nearest to each of a block of vectors. One pass over all of them serves the
/// whole block, which stays in the processor's cache.
fn nearest(vectors: &[f32], block: Range<usize>) -> Vec<[u32; NEAR]> {
    let owns = &vectors[block.start * DIMENSIONS..block.end * DIMENSIONS];
    let mut bests = vec![[(f32::NEG_INFINITY, 0); NEAR]; block.len()];
    for (place, other) in vectors.chunks_exact(DIMENSIONS).enumerate() {
        let owns = block.clone().zip(owns.chunks_exact(DIMENSIONS));
        for ((own_place, own), best) in owns.zip(&mut bests) {
            let near = product(own, other);
            if near > best[NEAR - 1].0 && place != own_place {
                let at = best.partition_point(|(known, _)| *known >= near);
                best[at..].rotate_right(1);
                best[at] = (near, place as u32);
            }
        }
    }
    let places = |best: [(f32, u32); NEAR]| best.map(|(_, place)| place);
    bests.into_iter().map(places).collect()
}
