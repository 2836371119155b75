//! Model files made from the starter model: one with a rank head, and ones that are broken in ways
//! of their own. None of them means anything: they are for the mechanics.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

use super::{
    folder,
    gguf::{Gguf, Value, kind},
};
use crate::Random;

/// A way to break the starter's embedding model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    /// Half of the words are missing: the embedding rows have no names. The head tells it.
    ShortVocabulary,
    /// Two tokens of one name: the loader of llama.cpp aborts.
    TwinTokens,
    /// A weight matrix lies on its side: as many bytes, another shape. The loader refuses it.
    WrongShape,
    /// The last half of the file is missing.
    Truncated,
    /// A negative epsilon: the file loads, and the first decode aborts.
    NegativeEpsilon,
}

impl Flaw {
    /// Every one of them.
    pub const ALL: [Self; 5] = [
        Self::ShortVocabulary,
        Self::TwinTokens,
        Self::WrongShape,
        Self::Truncated,
        Self::NegativeEpsilon,
    ];
}

/// The starter's embedding model.
///
/// # Errors
/// As [`folder`].
pub fn embedder() -> Result<PathBuf> {
    Ok(folder()?.join(super::STARTER[0]))
}

/// The starter's generator.
///
/// # Errors
/// As [`folder`].
pub fn generator() -> Result<PathBuf> {
    Ok(folder()?.join(super::STARTER[1]))
}

/// Writes the starter's embedding model under another name, by which the daemon chooses its prompts.
///
/// # Errors
/// When the starter model is absent, or the file cannot be written.
pub fn renamed(name: &str, to: &Path) -> Result<()> {
    let mut file = Gguf::read(&embedder()?)?;
    let length = (name.len() as u64).to_le_bytes();
    file.set(
        "general.name",
        Value {
            kind: kind::TEXT,
            bytes: [&length[..], name.as_bytes()].concat(),
        },
    );
    fs::write(to, file.encode()).with_context(|| to.display().to_string())
}

/// Writes the embedding model with a rank head of random weights: a reranker whose scores say
/// nothing, and are the same in every run.
///
/// # Errors
/// When the starter model is absent, or the file cannot be written.
pub fn rank_head(to: &Path) -> Result<()> {
    let mut file = Gguf::read(&embedder()?)?;
    let Value { bytes, .. } = file.get("bert.embedding_length")?;
    let width = u64::from(u32::from_le_bytes(bytes.as_slice().try_into()?));
    // LLAMA_POOLING_TYPE_RANK
    file.set("bert.pooling_type", Value::number(4));
    let mut random = Random::new(4);
    // Of the size that keeps a layer's output as large as its input.
    let scale = (3.0 / width as f32).sqrt();
    let mut weights = |count: u64| -> Vec<f32> {
        let weight = |_| (2.0 * random.fraction() as f32 - 1.0) * scale;
        (0..count).map(weight).collect()
    };
    for (name, shape) in [
        ("cls.weight", vec![width, width]),
        ("cls.bias", vec![width]),
        ("cls.output.weight", vec![width, 1]),
        ("cls.output.bias", vec![1]),
    ] {
        let values = weights(shape.iter().product());
        file.push(name, &shape, values.into_iter());
    }
    fs::write(to, file.encode()).with_context(|| to.display().to_string())
}

/// Writes the embedding model with a flaw.
///
/// # Errors
/// When the starter model is absent, or the file cannot be written.
pub fn broken(flaw: Flaw, to: &Path) -> Result<()> {
    const TOKENS: &str = "tokenizer.ggml.tokens";
    let mut file = Gguf::read(&embedder()?)?;
    let mut tokens = file.get(TOKENS)?.as_texts()?;
    match flaw {
        Flaw::ShortVocabulary => {
            tokens.truncate(tokens.len() / 2);
            file.set(TOKENS, Value::texts(&tokens));
        }
        Flaw::TwinTokens => {
            let last = tokens.last().context("no tokens")?.clone();
            let at = tokens.len() / 2;
            tokens[at] = last;
            file.set(TOKENS, Value::texts(&tokens));
        }
        Flaw::WrongShape => file.tensor("blk.0.ffn_up.weight")?.shape.reverse(),
        Flaw::NegativeEpsilon => {
            file.set("bert.attention.layer_norm_epsilon", Value::float(-1.0));
        }
        Flaw::Truncated => {}
    }
    let mut bytes = file.encode();
    if flaw == Flaw::Truncated {
        bytes.truncate(bytes.len() / 2);
    }
    fs::write(to, bytes).with_context(|| to.display().to_string())
}
