//! Embedding: batch after batch.

use std::{num::NonZeroU32, time::Instant};

use anyhow::{Context, Result, ensure};
use llama_cpp_2::{
    context::{LlamaContext, params::LlamaContextParams},
    llama_backend::LlamaBackend,
    llama_batch::LlamaBatch,
    model::LlamaModel,
    token::LlamaToken,
};
use serde::Serialize;

use super::{SEQUENCES, pack};

/// Tokens of a batch, as in the worker.
const BATCH_TOKENS: usize = 256;
/// Cells of the context, likewise.
const MAX_WINDOW: u32 = 2048;

/// What a run took.
#[derive(Debug, Serialize)]
pub(super) struct Embedded {
    /// Tokens decoded, with special ones.
    tokens: usize,
    /// Texts.
    sequences: usize,
    /// Calls of decode.
    batches: usize,
    /// From the first decode to the last vector read.
    seconds: f64,
    /// For tokenising, before.
    tokenize_seconds: f64,
    /// Sum of all values read, so that nothing is optimised away.
    checksum: f64,
}

/// Embeds texts in order.
pub(super) fn run(
    backend: &LlamaBackend,
    model: &LlamaModel,
    threads: u32,
    texts: &[String],
) -> Result<Embedded> {
    let window = model.n_ctx_train().clamp(1, MAX_WINDOW);
    let params = LlamaContextParams::default()
        .with_n_ctx(NonZeroU32::new(window))
        .with_n_batch(window)
        .with_n_ubatch(window)
        .with_n_seq_max(SEQUENCES as u32)
        .with_kv_unified(true)
        .with_n_threads(threads as i32)
        .with_n_threads_batch(threads as i32)
        .with_embeddings(true)
        .with_no_perf(true);
    let mut ctx = model.new_context(backend, params)?;

    let began = Instant::now();
    let vocabulary = model.vocab();
    let sequences: Vec<_> = texts
        .iter()
        .map(|text| vocabulary.tokenize(text.as_bytes(), true, false))
        .collect();
    let tokenize_seconds = began.elapsed().as_secs_f64();
    let longest = sequences.iter().map(Vec::len).max().context("no text")?;
    ensure!(
        longest <= window as usize,
        "a text of {longest} tokens is longer than the window of {window}"
    );

    let batches = pack(&sequences, BATCH_TOKENS);
    let mut batch = LlamaBatch::new(window as usize, 1);
    // The first decode touches the weights and makes the buffers.
    if let Some(first) = batches.first() {
        decode(&mut ctx, &mut batch, first)?;
    }
    let began = Instant::now();
    let mut checksum = 0.0;
    for sequences in &batches {
        checksum += decode(&mut ctx, &mut batch, sequences)?;
    }
    Ok(Embedded {
        tokens: sequences.iter().map(Vec::len).sum(),
        sequences: sequences.len(),
        batches: batches.len(),
        seconds: began.elapsed().as_secs_f64(),
        tokenize_seconds,
        checksum,
    })
}

fn decode(
    ctx: &mut LlamaContext<'_>,
    batch: &mut LlamaBatch<'_>,
    sequences: &[Vec<LlamaToken>],
) -> Result<f64> {
    batch.clear();
    for (id, sequence) in sequences.iter().enumerate() {
        batch.add_sequence(sequence, id as i32, true)?;
    }
    ctx.clear_kv_cache();
    ctx.decode(batch)?;
    let mut sum = 0.0;
    for id in 0..sequences.len() {
        let values = ctx.embeddings_seq_ith(id as i32)?;
        sum += values.iter().map(|value| f64::from(*value)).sum::<f64>();
    }
    Ok(sum)
}
