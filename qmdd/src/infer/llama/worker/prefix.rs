//! Reranking by a decoder: the template up to the document is decoded once, and its keys are shared
//! by every candidate's sequence.

use llama_cpp_2::{
    context::LlamaContext, llama_batch::LlamaBatch, model::LlamaModel, token::LlamaToken,
};

use super::{
    admit::Payload,
    job::UnitOutput,
    pooled::{Outputs, add, decode, first, sigmoid},
    queue::Unit,
};
use crate::infer::backend::{InferError, Scored};

/// The sequence that holds the prefix; candidates take 1 and up.
const PREFIX: i32 = 0;

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
    /// What sequence [`PREFIX`] holds.
    held: Vec<LlamaToken>,
    sequences: usize,
}

impl PrefixReranker {
    pub(super) fn new(
        ctx: LlamaContext<'static>,
        verdict: Verdict,
        window: usize,
        batch_tokens: usize,
        sequences: usize,
    ) -> Self {
        let batch = LlamaBatch::new(window, 1);
        Self {
            ctx,
            batch,
            verdict,
            window,
            batch_tokens,
            held: Vec::new(),
            sequences,
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
        let prefix = std::sync::Arc::clone(prefix);
        self.hold(&prefix)?;
        let outputs = match self.verdict {
            Verdict::Head { .. } => Outputs::All,
            Verdict::YesNo { .. } => Outputs::Last,
        };
        self.batch.clear();
        let mut last_rows = Vec::with_capacity(units.len());
        for (place, unit) in units.iter().enumerate() {
            let Payload::Suffix { tokens, .. } = &unit.payload else {
                return Err(InferError::Internal("not a candidate".into()));
            };
            let sequence = place as i32 + 1;
            self.ctx
                .kv_cache_seq_cp(PREFIX, sequence, None, None)
                .map_err(|error| InferError::Internal(error.to_string()))?;
            add(&mut self.batch, tokens, prefix.len(), sequence, outputs)?;
            last_rows.push(self.batch.n_tokens() - 1);
        }
        decode(&mut self.ctx, &mut self.batch)?;
        for (place, unit) in units.into_iter().enumerate() {
            let score = match self.verdict {
                Verdict::Head { normalised } => {
                    let pooled = self
                        .ctx
                        .embeddings_seq_ith(place as i32 + 1)
                        .map_err(|_| InferError::Internal("llama.cpp gave no score".into()))?;
                    if normalised {
                        first(pooled)?
                    } else {
                        sigmoid(first(pooled)?)
                    }
                }
                Verdict::YesNo { yes, no } => {
                    let logits = self.ctx.get_logits_ith(last_rows[place]);
                    let of = |token: LlamaToken| {
                        first(logits.get(token.0 as usize..).unwrap_or_default())
                    };
                    // The softmax over two logits.
                    sigmoid(of(yes)? - of(no)?)
                }
            };
            let cut = matches!(unit.payload, Payload::Suffix { cut: true, .. });
            unit.job
                .complete(unit.index, UnitOutput::Score(Scored { score, cut }));
        }
        Ok(())
    }

    /// Makes sequence [`PREFIX`] hold exactly these tokens, keeping what it holds of them already.
    fn hold(&mut self, prefix: &[LlamaToken]) -> Result<(), InferError> {
        let common = common_prefix(&self.held, prefix);
        if common == prefix.len() && common == self.held.len() {
            return Ok(());
        }
        self.held.truncate(common);
        self.forget(PREFIX, common)?;
        for piece in prefix[common..].chunks(self.window) {
            self.batch.clear();
            let outputs = match self.verdict {
                Verdict::Head { .. } => Outputs::All,
                Verdict::YesNo { .. } => Outputs::None,
            };
            add(&mut self.batch, piece, self.held.len(), PREFIX, outputs)?;
            decode(&mut self.ctx, &mut self.batch)?;
            self.held.extend_from_slice(piece);
        }
        Ok(())
    }

    fn forget(&mut self, sequence: i32, from: usize) -> Result<(), InferError> {
        self.ctx
            .kv_cache_seq_rm(sequence, Some(from as u32), None)
            .map_err(|error| InferError::Internal(error.to_string()))
    }
}

/// How many leading tokens two sequences share.
pub(super) fn common_prefix(a: &[LlamaToken], b: &[LlamaToken]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}
