//! Admission: what a call asks for, as token sequences that fit the model's window.
//!
//! Runs on the reader thread, beside the decoding: the next batch is tokenised while the current
//! one computes.

use std::{collections::HashMap, sync::Arc};

use llama_cpp_2::{model::LlamaModel, token::LlamaToken};

use crate::{
    domain::Role,
    infer::{
        backend::{InferError, Sampling},
        llama::wire::{Output, Work},
        prompts,
    },
};

/// What the model thread is given for one unit.
pub(super) enum Payload {
    /// Tokens to pool into a vector or a score.
    Sequence { tokens: Vec<LlamaToken>, cut: bool },
    /// Tokens that follow a prefix which all units of the call share.
    Suffix {
        prefix: Arc<[LlamaToken]>,
        tokens: Vec<LlamaToken>,
        cut: bool,
    },
    /// A prompt to continue.
    Prompt {
        tokens: Vec<LlamaToken>,
        sampling: Sampling,
        stream: bool,
    },
}

pub(super) struct AdmittedUnit {
    /// Tokens it adds to a batch.
    pub tokens: usize,
    /// Whether it may only share a batch with units of its own call.
    pub grouped: bool,
    pub payload: Payload,
}

pub(super) enum Admitted {
    /// To be decoded. Input `i` is answered by unit `order[i]`: equal inputs are decoded once.
    Units {
        units: Vec<AdmittedUnit>,
        order: Vec<usize>,
    },
    /// Answered without decoding.
    Answer(Output),
}

/// How the model takes a query and a document.
pub(super) enum PairForm {
    /// An encoder: both in one sequence, with separators.
    Encoder,
    /// A decoder: a template around both, whose part up to the document is shared.
    Decoder { architecture: String },
}

/// Turns calls into units for the model of this worker.
pub(super) struct Admission {
    pub model: &'static LlamaModel,
    pub role: Role,
    /// Longest sequence in tokens.
    pub window: usize,
    /// Set for rerankers.
    pub pair_form: PairForm,
}

impl Admission {
    pub(super) fn admit(&self, work: Work) -> Result<Admitted, InferError> {
        match (work, self.role) {
            (Work::Tokenize { texts, add_special }, _) => {
                let ids = |text: &String| -> Vec<i32> {
                    self.tokenize(text, add_special)
                        .iter()
                        .map(|token| token.0)
                        .collect()
                };
                Ok(Admitted::Answer(Output::Tokens(
                    texts.iter().map(ids).collect(),
                )))
            }
            (Work::Detokenize { items }, _) => self.detokenize(&items),
            (Work::Embed { texts }, Role::Embed) => self.embed(texts),
            (Work::Rerank { query, documents }, Role::Rerank) => self.rerank(&query, documents),
            (
                Work::Generate {
                    prompt,
                    sampling,
                    stream,
                },
                Role::Generate,
            ) => self.generate(&prompt, sampling, stream),
            (_, role) => Err(InferError::Internal(format!(
                "work for another role than {role}"
            ))),
        }
    }

    fn embed(&self, texts: Vec<String>) -> Result<Admitted, InferError> {
        if texts.is_empty() {
            return Ok(Admitted::Answer(Output::Embeddings(Vec::new())));
        }
        distinct(texts, |index, text| {
            let tokens = self.tokenize(text, true);
            self.check(index, tokens.len(), self.window)?;
            Ok(sequence(tokens, false))
        })
    }

    fn rerank(&self, query: &str, documents: Vec<String>) -> Result<Admitted, InferError> {
        if documents.is_empty() {
            return Ok(Admitted::Answer(Output::Scores(Vec::new())));
        }
        match &self.pair_form {
            PairForm::Encoder => self.rerank_pairs(query, documents),
            PairForm::Decoder { architecture } => {
                self.rerank_suffixes(&prompts::rerank(architecture, query), documents)
            }
        }
    }

    /// `[CLS] query [SEP] document [SEP]`; the document is cut to what the window leaves.
    fn rerank_pairs(&self, query: &str, documents: Vec<String>) -> Result<Admitted, InferError> {
        let vocab = self.model.vocab();
        let end = if vocab.eos().0 >= 0 {
            vocab.eos()
        } else {
            vocab.sep()
        };
        let mut head: Vec<LlamaToken> = Vec::new();
        if vocab.should_add_bos() {
            head.push(vocab.bos());
        }
        head.extend(self.tokenize(query, false));
        head.push(end);
        // XLM-RoBERTa closes the query and opens the document.
        if vocab.should_add_eos() && vocab.should_add_sep() {
            head.push(vocab.sep());
        }
        self.check(0, head.len() + 2, self.window)?;
        distinct(documents, |_, document| {
            let mut body = self.tokenize(document, false);
            let room = self.window - head.len() - 1;
            let cut = body.len() > room;
            body.truncate(room);
            let mut tokens = head.clone();
            tokens.append(&mut body);
            tokens.push(end);
            Ok(sequence(tokens, cut))
        })
    }

    /// The template up to the document is decoded once; the document is cut to what the window
    /// leaves beside the template and the query.
    fn rerank_suffixes(
        &self,
        frame: &prompts::RerankFrame,
        documents: Vec<String>,
    ) -> Result<Admitted, InferError> {
        let prefix: Arc<[LlamaToken]> = self.tokenize_template(&frame.before, true).into();
        let after = self.tokenize_template(&frame.after, false);
        self.check(0, prefix.len() + after.len() + 1, self.window)?;
        let room = self.window - prefix.len() - after.len();
        distinct(documents, |_, document| {
            let mut tokens = self.tokenize(document, false);
            let cut = tokens.len() > room;
            tokens.truncate(room);
            tokens.extend_from_slice(&after);
            Ok(AdmittedUnit {
                tokens: tokens.len(),
                grouped: true,
                payload: Payload::Suffix {
                    prefix: Arc::clone(&prefix),
                    tokens,
                    cut,
                },
            })
        })
    }

    fn generate(
        &self,
        prompt: &str,
        sampling: Sampling,
        stream: bool,
    ) -> Result<Admitted, InferError> {
        let tokens = self.tokenize_template(prompt, true);
        let wanted = tokens.len() + sampling.max_tokens as usize;
        self.check(0, wanted, self.window)?;
        if tokens.is_empty() || sampling.max_tokens == 0 {
            return Err(InferError::Invalid(
                "nothing to generate from, or no room for it".into(),
            ));
        }
        let unit = AdmittedUnit {
            tokens: wanted,
            grouped: true,
            payload: Payload::Prompt {
                tokens,
                sampling,
                stream,
            },
        };
        Ok(Admitted::Units {
            units: vec![unit],
            order: vec![0],
        })
    }

    fn detokenize(&self, items: &[Vec<i32>]) -> Result<Admitted, InferError> {
        let vocab = self.model.vocab();
        let known = 0..vocab.n_tokens();
        let text = |ids: &Vec<i32>| -> Result<String, InferError> {
            if let Some(id) = ids.iter().find(|id| !known.contains(id)) {
                return Err(InferError::Invalid(format!("the model has no token {id}")));
            }
            if ids.is_empty() {
                return Ok(String::new());
            }
            let tokens: Vec<_> = ids.iter().map(|&id| LlamaToken(id)).collect();
            Ok(String::from_utf8_lossy(&vocab.detokenize(&tokens, false, true)).into_owned())
        };
        items
            .iter()
            .map(text)
            .collect::<Result<_, _>>()
            .map(|texts| Admitted::Answer(Output::Texts(texts)))
    }

    /// A user's text: markup that looks like a special token stays text.
    fn tokenize(&self, text: &str, add_special: bool) -> Vec<LlamaToken> {
        self.model
            .vocab()
            .tokenize(text.as_bytes(), add_special, false)
    }

    /// Our own template: its special tokens are meant.
    fn tokenize_template(&self, text: &str, add_special: bool) -> Vec<LlamaToken> {
        self.model
            .vocab()
            .tokenize(text.as_bytes(), add_special, true)
    }

    fn check(&self, index: usize, tokens: usize, limit: usize) -> Result<(), InferError> {
        if tokens <= limit {
            return Ok(());
        }
        Err(InferError::InputTooLong {
            role: self.role,
            index,
            tokens,
            limit,
        })
    }
}

fn sequence(tokens: Vec<LlamaToken>, cut: bool) -> AdmittedUnit {
    AdmittedUnit {
        tokens: tokens.len(),
        grouped: false,
        payload: Payload::Sequence { tokens, cut },
    }
}

/// One unit for each distinct text.
fn distinct(
    texts: Vec<String>,
    unit: impl Fn(usize, &str) -> Result<AdmittedUnit, InferError>,
) -> Result<Admitted, InferError> {
    let mut seen: HashMap<String, usize> = HashMap::with_capacity(texts.len());
    let mut units = Vec::with_capacity(texts.len());
    let mut order = Vec::with_capacity(texts.len());
    for (index, text) in texts.into_iter().enumerate() {
        let place = if let Some(&place) = seen.get(&text) {
            place
        } else {
            units.push(unit(index, &text)?);
            seen.insert(text, units.len() - 1);
            units.len() - 1
        };
        order.push(place);
    }
    Ok(Admitted::Units { units, order })
}
