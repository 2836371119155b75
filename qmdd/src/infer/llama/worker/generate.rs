//! Generation: one sequence, a context that stays, and the prompt's known prefix kept in it.

use std::time::Instant;

use llama_cpp_2::{
    context::LlamaContext, llama_batch::LlamaBatch, model::LlamaModel, sampling::LlamaSampler,
    token::LlamaToken,
};

use super::{
    admit::Payload,
    job::{Job, UnitOutput},
    pooled::{Outputs, add, decode},
    prefix::common_prefix,
    queue::Unit,
};
use crate::{
    domain::Role,
    infer::backend::{Finish, Generation, InferError, Sampling},
};

const SEQUENCE: i32 = 0;

/// How far back the presence penalty looks, in tokens.
const PENALTY_WINDOW: i32 = 64;

pub(super) struct Generator {
    model: &'static LlamaModel,
    ctx: LlamaContext<'static>,
    batch: LlamaBatch<'static>,
    /// What the context holds.
    held: Vec<LlamaToken>,
}

impl Generator {
    pub(super) fn new(model: &'static LlamaModel, ctx: LlamaContext<'static>) -> Self {
        let batch = LlamaBatch::new(ctx.n_batch() as usize, 1);
        Self {
            model,
            ctx,
            batch,
            held: Vec::new(),
        }
    }

    /// Continues one prompt.
    pub(super) fn run(&mut self, unit: &Unit<Payload>) -> Result<(), InferError> {
        let Payload::Prompt {
            tokens,
            sampling,
            stream,
        } = &unit.payload
        else {
            return Err(InferError::Internal("not a prompt".into()));
        };
        let result = self.generate(tokens, sampling, *stream, &unit.job);
        if result.is_err() {
            self.ctx.clear_kv_cache();
            self.held.clear();
        }
        if let Some(generation) = result? {
            unit.job
                .complete(unit.index, UnitOutput::Generation(generation));
        }
        Ok(())
    }

    /// `None` when the caller has gone meanwhile.
    fn generate(
        &mut self,
        prompt: &[LlamaToken],
        sampling: &Sampling,
        stream: bool,
        job: &Job,
    ) -> Result<Option<Generation>, InferError> {
        let mut sampler = self.sampler(sampling)?;
        let vocab = self.model.vocab();
        // The last prompt token is always decoded: its logits start the text.
        let common = common_prefix(&self.held, prompt).min(prompt.len() - 1);
        self.keep(common)?;
        for piece in prompt[common..].chunks(self.ctx.n_batch() as usize) {
            if job.is_over(Role::Generate) {
                return Ok(None);
            }
            self.push(piece)?;
        }
        let mut text = Text::default();
        let mut generated = 0;
        let finish = loop {
            let token = sampler.sample(&self.ctx, self.batch.n_tokens() - 1);
            if vocab.is_eog(token) {
                break Finish::Stop;
            }
            let piece = text.push(&vocab.token_to_piece(token, false, None));
            if stream && !piece.is_empty() {
                job.piece(piece.to_owned());
            }
            generated += 1;
            if generated >= sampling.max_tokens {
                break Finish::Length;
            }
            if job
                .deadline
                .is_some_and(|deadline| Instant::now() >= deadline)
            {
                break Finish::Deadline;
            }
            if job.is_over(Role::Generate) {
                return Ok(None);
            }
            self.push(&[token])?;
        };
        let rest = text.finish();
        if stream && !rest.is_empty() {
            job.piece(rest.to_owned());
        }
        Ok(Some(Generation {
            text: text.whole,
            tokens: generated,
            finish,
        }))
    }

    /// Decodes tokens behind what is held.
    fn push(&mut self, tokens: &[LlamaToken]) -> Result<(), InferError> {
        self.batch.clear();
        add(
            &mut self.batch,
            tokens,
            self.held.len(),
            SEQUENCE,
            Outputs::Last,
        )?;
        decode(&mut self.ctx, &mut self.batch)?;
        self.held.extend_from_slice(tokens);
        Ok(())
    }

    fn keep(&mut self, count: usize) -> Result<(), InferError> {
        self.held.truncate(count);
        self.ctx
            .kv_cache_seq_rm(SEQUENCE, Some(count as u32), None)
            .map_err(|error| InferError::Internal(error.to_string()))
    }

    /// Penalty, grammar, top-k, top-p, temperature, then a seeded draw, as llama.cpp orders them.
    fn sampler(&self, sampling: &Sampling) -> Result<LlamaSampler, InferError> {
        let mut chain = Vec::new();
        if let Some(grammar) = &sampling.grammar {
            chain.push(
                LlamaSampler::grammar(self.model, grammar, "root").map_err(|error| {
                    InferError::Invalid(format!("the grammar does not parse ({error})"))
                })?,
            );
        }
        if sampling.presence_penalty != 0.0 {
            chain.push(LlamaSampler::penalties(
                self.model.n_vocab(),
                PENALTY_WINDOW,
                1.0,
                0.0,
                sampling.presence_penalty,
            ));
        }
        if sampling.temperature <= 0.0 {
            chain.push(LlamaSampler::greedy());
        } else {
            chain.extend([
                LlamaSampler::top_k(sampling.top_k),
                LlamaSampler::top_p(sampling.top_p, 1),
                LlamaSampler::temp(sampling.temperature),
                LlamaSampler::dist(sampling.seed),
            ]);
        }
        Ok(LlamaSampler::chain_simple(chain))
    }
}

/// Text out of tokens, whose bytes may end in the middle of a character.
#[derive(Default)]
struct Text {
    whole: String,
    /// The beginning of a character.
    open: Vec<u8>,
}

impl Text {
    /// Appends bytes; returns the text that they made whole.
    fn push(&mut self, bytes: &[u8]) -> &str {
        let before = self.whole.len();
        self.open.extend_from_slice(bytes);
        loop {
            match std::str::from_utf8(&self.open) {
                Ok(text) => {
                    self.whole.push_str(text);
                    self.open.clear();
                    break;
                }
                Err(error) => {
                    let (good, bad) = self.open.split_at(error.valid_up_to());
                    self.whole.push_str(&String::from_utf8_lossy(good));
                    let Some(length) = error.error_len() else {
                        self.open = bad.to_vec();
                        break;
                    };
                    self.whole.push(char::REPLACEMENT_CHARACTER);
                    self.open = bad[length..].to_vec();
                }
            }
        }
        &self.whole[before..]
    }

    /// Ends the text: a character that never became whole is replaced.
    fn finish(&mut self) -> &str {
        let before = self.whole.len();
        self.whole.push_str(&String::from_utf8_lossy(&self.open));
        self.open.clear();
        &self.whole[before..]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn pieces_are_whole_characters_and_add_up(tokens: Vec<Vec<u8>>) {
            let mut text = Text::default();
            let mut heard = String::new();
            for token in &tokens {
                heard.push_str(text.push(token));
            }
            heard.push_str(text.finish());
            prop_assert_eq!(&heard, &text.whole);
            let bytes = tokens.concat();
            prop_assert_eq!(heard, String::from_utf8_lossy(&bytes));
        }
    }
}
