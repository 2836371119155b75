//! Reranking by a decoder: the template up to the document is decoded once, and its keys are shared
//! by every candidate's sequence.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use llama_cpp_2::{
    context::LlamaContext, llama_batch::LlamaBatch, model::LlamaModel, token::LlamaToken,
};

use super::{
    admit::Payload,
    job::UnitOutput,
    pooled::{Outputs, add, decode, first, sigmoid},
    queue::Unit,
    speed::Speed,
};
use crate::{
    domain::Role,
    infer::backend::{InferError, Scored},
};

/// The sequence that holds the prefix; candidates take 1 and up.
const PREFIX: i32 = 0;

/// A call that must be answered so soon is decoded in pieces: whoever comes after its deadline does
/// not wait for what is left of it. llama.cpp could break off anywhere, but its binding cannot.
const HURRIED: Duration = Duration::from_secs(2);
/// How a score is read off the last token.
#[derive(Debug, Clone, Copy)]
pub(super) enum Verdict {
    /// The file's rank head. Some architectures' graphs end in a softmax already.
    Head { normalised: bool },
    /// The logits of the words yes and no, of a plain instruct model.
    YesNo { yes: LlamaToken, no: LlamaToken },
}

impl Verdict {
    /// `None` when the vocabulary splits either word.
    pub(super) fn yes_no(model: &LlamaModel) -> Option<Self> {
        let single = |word: &str| match model.vocab().tokenize(word.as_bytes(), false, false)[..] {
            [token] => Some(token),
            _ => None,
        };
        Some(Self::YesNo {
            yes: single("yes")?,
            no: single("no")?,
        })
    }
}

pub(super) struct PrefixReranker {
    ctx: LlamaContext<'static>,
    batch: LlamaBatch<'static>,
    verdict: Verdict,
    window: usize,
    batch_tokens: usize,
    piece: usize,
    /// What sequence [`PREFIX`] holds.
    held: Vec<LlamaToken>,
    sequences: usize,
    speed: Speed,
}

impl PrefixReranker {
    /// `batch_tokens`: of candidates that are best decoded together; `piece`: tokens decoded at once
    /// where the answer must come soon.
    pub(super) fn new(
        ctx: LlamaContext<'static>,
        verdict: Verdict,
        window: usize,
        batch_tokens: usize,
        piece: usize,
        sequences: usize,
    ) -> Self {
        let batch = LlamaBatch::new(window, 1);
        Self {
            ctx,
            batch,
            verdict,
            window,
            batch_tokens,
            piece,
            held: Vec::new(),
            sequences,
            speed: Speed::default(),
        }
    }

    /// Tokens of candidates that are best decoded together.
    pub(super) fn batch_tokens(&self) -> usize {
        self.batch_tokens
    }

    /// Decodes candidates of one call.
    pub(super) fn run(&mut self, units: Vec<Unit<Payload>>) -> Result<(), InferError> {
        let result = self.score(units);
        for sequence in 1..self.sequences as i32 {
            self.forget(sequence, 0)?;
        }
        if result.is_err() {
            self.ctx.clear_kv_cache();
            self.held.clear();
        }
        result
    }

    fn score(&mut self, units: Vec<Unit<Payload>>) -> Result<(), InferError> {
        let Some(Payload::Suffix { prefix, .. }) = units.first().map(|unit| &unit.payload) else {
            return Err(InferError::Internal("not a candidate".into()));
        };
        let prefix = Arc::clone(prefix);
        let before = prefix.len() - common_prefix(&self.held, &prefix);
        let units = (self.speed).keep(units, Role::Rerank, |unit| before + unit.tokens);
        if units.is_empty() {
            return Ok(());
        }
        let piece = self.piece(&units);
        if !self.hold(&prefix, piece, &units)? {
            return Ok(());
        }
        self.batch.clear();
        let mut ending = Vec::new();
        for (place, unit) in units.iter().enumerate() {
            let Payload::Suffix { tokens, .. } = &unit.payload else {
                return Err(InferError::Internal("not a candidate".into()));
            };
            let sequence = place as i32 + 1;
            self.ctx
                .kv_cache_seq_cp(PREFIX, sequence, None, None)
                .map_err(|error| InferError::Internal(error.to_string()))?;
            let mut done = 0;
            while done < tokens.len() {
                let room = piece - self.batch.n_tokens() as usize;
                let next = tokens.len().min(done + room);
                let outputs = self.outputs(next == tokens.len());
                let from = prefix.len() + done;
                add(
                    &mut self.batch,
                    &tokens[done..next],
                    from,
                    sequence,
                    outputs,
                )?;
                done = next;
                if done == tokens.len() {
                    ending.push((place, self.batch.n_tokens() - 1));
                }
                if self.batch.n_tokens() as usize == piece {
                    self.finish(&units, &mut ending)?;
                    if all_over(&units) {
                        return Ok(());
                    }
                }
            }
        }
        self.finish(&units, &mut ending)
    }

    /// Tokens to decode at once: all, unless the answer must come soon.
    fn piece(&self, units: &[Unit<Payload>]) -> usize {
        let soon = Instant::now() + HURRIED;
        let hurried = (units.iter()).any(|it| it.job.deadline.is_some_and(|at| at < soon));
        if hurried { self.piece } else { self.window }
    }

    /// Which of a piece's tokens yield an output; those that end a sequence are asked for a verdict.
    fn outputs(&self, ends: bool) -> Outputs {
        match self.verdict {
            Verdict::Head { .. } => Outputs::All,
            Verdict::YesNo { .. } if ends => Outputs::Last,
            Verdict::YesNo { .. } => Outputs::None,
        }
    }

    /// Decodes what the batch holds, and completes the units that end in it: their places, and their
    /// last tokens' rows.
    fn finish(
        &mut self,
        units: &[Unit<Payload>],
        ending: &mut Vec<(usize, i32)>,
    ) -> Result<(), InferError> {
        if self.batch.n_tokens() > 0 {
            self.decode()?;
        }
        for (place, row) in ending.drain(..) {
            let score = self.verdict(place as i32 + 1, row)?;
            let unit = &units[place];
            let cut = matches!(unit.payload, Payload::Suffix { cut: true, .. });
            unit.job
                .complete(unit.index, UnitOutput::Score(Scored { score, cut }));
        }
        self.batch.clear();
        Ok(())
    }

    fn decode(&mut self) -> Result<(), InferError> {
        let tokens = self.batch.n_tokens() as usize;
        (self.speed).learn(tokens, || decode(&mut self.ctx, &mut self.batch))
    }

    /// The score of a sequence whose last token is in this row of the batch.
    fn verdict(&self, sequence: i32, row: i32) -> Result<f32, InferError> {
        match self.verdict {
            Verdict::Head { normalised } => {
                let pooled = self
                    .ctx
                    .embeddings_seq_ith(sequence)
                    .map_err(|_| InferError::Internal("llama.cpp gave no score".into()))?;
                let score = first(pooled)?;
                Ok(if normalised { score } else { sigmoid(score) })
            }
            Verdict::YesNo { yes, no } => {
                let logits = self.ctx.get_logits_ith(row);
                let of =
                    |token: LlamaToken| first(logits.get(token.0 as usize..).unwrap_or_default());
                // The softmax over two logits.
                Ok(sigmoid(of(yes)? - of(no)?))
            }
        }
    }

    /// Makes sequence [`PREFIX`] hold exactly these tokens, keeping what it holds of them already.
    /// False when nobody waits for the units any more.
    fn hold(
        &mut self,
        prefix: &[LlamaToken],
        piece: usize,
        units: &[Unit<Payload>],
    ) -> Result<bool, InferError> {
        let common = common_prefix(&self.held, prefix);
        if common == prefix.len() && common == self.held.len() {
            return Ok(true);
        }
        self.held.truncate(common);
        self.forget(PREFIX, common)?;
        for part in prefix[common..].chunks(piece) {
            self.batch.clear();
            let outputs = self.outputs(false);
            add(&mut self.batch, part, self.held.len(), PREFIX, outputs)?;
            self.decode()?;
            self.held.extend_from_slice(part);
            if all_over(units) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn forget(&mut self, sequence: i32, from: usize) -> Result<(), InferError> {
        self.ctx
            .kv_cache_seq_rm(sequence, Some(from as u32), None)
            .map_err(|error| InferError::Internal(error.to_string()))
    }
}

/// Whether nobody waits for any of the units.
fn all_over(units: &[Unit<Payload>]) -> bool {
    units.iter().all(|unit| unit.job.is_over(Role::Rerank))
}

/// How many leading tokens two sequences share.
pub(super) fn common_prefix(a: &[LlamaToken], b: &[LlamaToken]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}
