//! Pooled decoding: many sequences a batch, one vector or one score a sequence.

use llama_cpp_2::{context::LlamaContext, llama_batch::LlamaBatch, token::LlamaToken};

use super::{admit::Payload, job::UnitOutput, queue::Unit, speed::Speed};
use crate::{
    domain::Role,
    infer::backend::{Embedding, InferError, Scored},
};

/// What is read of a pooled sequence.
#[derive(Debug, Clone, Copy)]
pub(super) enum Head {
    /// A vector, normalised here.
    Vector,
    /// A logit, squashed to [0, 1] here.
    Rank,
}

pub(super) struct Pooled {
    ctx: LlamaContext<'static>,
    batch: LlamaBatch<'static>,
    head: Head,
    encoder: bool,
    window: usize,
    speed: Speed,
}

impl Pooled {
    /// `encoder`: the model keeps no keys, and is run by llama.cpp's other entry.
    pub(super) fn new(
        ctx: LlamaContext<'static>,
        head: Head,
        encoder: bool,
        window: usize,
    ) -> Self {
        Self {
            ctx,
            batch: LlamaBatch::new(window, 1),
            head,
            encoder,
            window,
            speed: Speed::default(),
        }
    }

    /// Longest sequence, and largest batch, in tokens.
    pub(super) fn window(&self) -> usize {
        self.window
    }

    /// Decodes the units in one go.
    pub(super) fn run(&mut self, mut units: Vec<Unit<Payload>>) -> Result<(), InferError> {
        let mut tokens = units.iter().map(|unit| unit.tokens).sum();
        if matches!(self.head, Head::Rank) {
            units = self.speed.keep(units, Role::Rerank, |_| tokens);
            tokens = units.iter().map(|unit| unit.tokens).sum();
        }
        if units.is_empty() {
            return Ok(());
        }
        self.batch.clear();
        for (sequence, unit) in units.iter().enumerate() {
            let Payload::Sequence { tokens, .. } = &unit.payload else {
                return Err(InferError::Internal("not a sequence".into()));
            };
            add(&mut self.batch, tokens, 0, sequence as i32, Outputs::All)?;
        }
        let (ctx, batch) = (&mut self.ctx, &mut self.batch);
        self.speed.learn(tokens, || {
            if self.encoder {
                return ctx
                    .encode(batch)
                    .map_err(|error| InferError::Internal(format!("llama.cpp: {error}")));
            }
            // What the last batch left behind.
            ctx.clear_kv_cache();
            decode(ctx, batch)
        })?;
        for (sequence, unit) in units.into_iter().enumerate() {
            let pooled = self
                .ctx
                .embeddings_seq_ith(sequence as i32)
                .map_err(|_| InferError::Internal("llama.cpp gave no pooled output".into()))?;
            let output = match self.head {
                Head::Vector => UnitOutput::Embedding(Embedding {
                    values: normalise(pooled)?,
                    tokens: unit.tokens as u32,
                }),
                Head::Rank => UnitOutput::Score(Scored {
                    score: sigmoid(first(pooled)?),
                    cut: matches!(unit.payload, Payload::Sequence { cut: true, .. }),
                }),
            };
            unit.job.complete(unit.index, output);
        }
        Ok(())
    }
}

/// Which tokens of a sequence yield an output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outputs {
    /// Pooling reads them all.
    All,
    /// Only the last one's logits are read.
    Last,
    /// Only their keys are wanted.
    None,
}

/// Appends tokens to a batch at positions `from..`.
pub(super) fn add(
    batch: &mut LlamaBatch<'_>,
    tokens: &[LlamaToken],
    from: usize,
    sequence: i32,
    outputs: Outputs,
) -> Result<(), InferError> {
    for (place, &token) in tokens.iter().enumerate() {
        let output = match outputs {
            Outputs::All => true,
            Outputs::Last => place + 1 == tokens.len(),
            Outputs::None => false,
        };
        batch
            .add(token, (from + place) as i32, &[sequence], output)
            .map_err(|error| InferError::Internal(format!("batch: {error}")))?;
    }
    Ok(())
}

pub(super) fn decode(
    ctx: &mut LlamaContext<'_>,
    batch: &mut LlamaBatch<'_>,
) -> Result<(), InferError> {
    ctx.decode(batch)
        .map_err(|error| InferError::Internal(format!("llama.cpp: {error}")))
}

pub(super) fn first(values: &[f32]) -> Result<f32, InferError> {
    values
        .first()
        .copied()
        .filter(|value| value.is_finite())
        .ok_or_else(|| InferError::Internal("the model gave no finite score".into()))
}

pub(super) fn sigmoid(logit: f32) -> f32 {
    1.0 / (1.0 + (-logit).exp())
}

/// To unit length. Sums in f64: 768 squares lose digits in f32.
fn normalise(values: &[f32]) -> Result<Vec<f32>, InferError> {
    let norm = values
        .iter()
        .map(|&value| f64::from(value).powi(2))
        .sum::<f64>()
        .sqrt();
    if !norm.is_finite() || norm == 0.0 {
        return Err(InferError::Internal(
            "the model gave no finite vector".into(),
        ));
    }
    Ok(values
        .iter()
        .map(|&value| (f64::from(value) / norm) as f32)
        .collect())
}
