//! Reranking by a plain instruct model, every prompt whole: nothing is shared between candidates.

use std::{num::NonZeroU32, time::Instant};

use anyhow::{Context, Result, ensure};
use llama_cpp_2::{
    context::params::LlamaContextParams, llama_backend::LlamaBackend, llama_batch::LlamaBatch,
    model::LlamaModel, token::LlamaToken,
};
use serde::Serialize;

use super::{SEQUENCES, pack};

/// Tokens of a batch, as in the worker.
const BATCH_TOKENS: usize = 2048;

/// What came out, and what it took.
#[derive(Debug, Serialize)]
pub(super) struct Judged {
    /// p(yes) / (p(yes) + p(no)) of each prompt, in order.
    scores: Vec<f64>,
    /// Tokens decoded.
    tokens: usize,
    /// From the first decode to the last score read.
    seconds: f64,
}

/// Scores prompts.
pub(super) fn run(
    backend: &LlamaBackend,
    model: &LlamaModel,
    threads: u32,
    prompts: &[[String; 3]],
) -> Result<Judged> {
    let params = LlamaContextParams::default()
        .with_n_ctx(NonZeroU32::new(2 * BATCH_TOKENS as u32))
        .with_n_batch(BATCH_TOKENS as u32)
        .with_n_ubatch(BATCH_TOKENS as u32)
        .with_n_seq_max(SEQUENCES as u32)
        .with_kv_unified(true)
        .with_n_threads(threads as i32)
        .with_n_threads_batch(threads as i32)
        .with_no_perf(true);
    let mut ctx = model.new_context(backend, params)?;
    let vocabulary = model.vocab();
    let word = |word: &str| {
        vocabulary
            .tokenize(word.as_bytes(), false, false)
            .first()
            .copied()
    };
    let yes = word("yes").context("no token for yes")?;
    let no = word("no").context("no token for no")?;
    let sequences: Vec<Vec<LlamaToken>> = prompts
        .iter()
        .map(|[before, document, after]| {
            let mut tokens = vocabulary.tokenize(before.as_bytes(), true, true);
            tokens.extend(vocabulary.tokenize(document.as_bytes(), false, false));
            tokens.extend(vocabulary.tokenize(after.as_bytes(), false, true));
            tokens
        })
        .collect();
    ensure!(
        sequences.iter().all(|tokens| tokens.len() <= BATCH_TOKENS),
        "a prompt is longer than a batch"
    );
    let mut batch = LlamaBatch::new(BATCH_TOKENS, 1);
    let mut scores = Vec::with_capacity(sequences.len());
    let began = Instant::now();
    for sequences in pack(&sequences, BATCH_TOKENS) {
        batch.clear();
        let mut rows = Vec::with_capacity(sequences.len());
        for (id, tokens) in sequences.iter().enumerate() {
            for (place, &token) in tokens.iter().enumerate() {
                let last = place + 1 == tokens.len();
                batch.add(token, place as i32, &[id as i32], last)?;
            }
            rows.push(batch.n_tokens() - 1);
        }
        ctx.clear_kv_cache();
        ctx.decode(&mut batch)?;
        for row in rows {
            let logits = ctx.get_logits_ith(row);
            let of = |token: LlamaToken| logits.get(token.0 as usize).copied().map(f64::from);
            let difference = of(yes).context("no logit")? - of(no).context("no logit")?;
            scores.push(1.0 / (1.0 + (-difference).exp()));
        }
    }
    Ok(Judged {
        scores,
        tokens: sequences.iter().map(Vec::len).sum(),
        seconds: began.elapsed().as_secs_f64(),
    })
}
