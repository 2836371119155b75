//! The contract with the gateway, version 1, as types. `modal/contract/` specifies it and holds the
//! exchanges that both ends are tested with.

mod info;

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::infer::{
    backend::{Embedding, Finish, Generation, Sampling, Scored},
    prompts::RerankFrame,
};

pub(super) use info::{Info, RemoteModel};

/// The version both ends speak.
pub(super) const VERSION: u32 = 1;

/// The header that names it.
pub(super) const VERSION_HEADER: &str = "x-qmd-contract";

/// A call: where it goes, and what comes back.
pub(super) trait Request: Serialize {
    const PATH: &'static str;
    type Reply: Reply;
}

/// An answer of a model.
pub(super) trait Reply: DeserializeOwned {
    /// SHA-256 of the model that gave it.
    fn model(&self) -> &str;
}

macro_rules! call {
    ($request:ident => $path:literal, $reply:ident) => {
        impl Request for $request<'_> {
            const PATH: &'static str = $path;
            type Reply = $reply;
        }

        impl Reply for $reply {
            fn model(&self) -> &str {
                &self.model
            }
        }
    };
}

#[derive(Serialize)]
pub(super) struct EmbedRequest<'a> {
    pub texts: &'a [String],
}

#[derive(Deserialize)]
pub(super) struct EmbedReply {
    dimensions: usize,
    encoding: String,
    embeddings: Vec<String>,
    tokens: Vec<u32>,
    model: String,
}

call!(EmbedRequest => "/v1/embed", EmbedReply);

impl EmbedReply {
    /// One vector for each of `asked` texts, else what is wrong with the answer.
    pub(super) fn decode(self, asked: usize) -> Result<Vec<Embedding>, String> {
        counted("vectors", self.embeddings.len(), asked)?;
        counted("token counts", self.tokens.len(), asked)?;
        if self.encoding != "f32le-base64" {
            return Err(format!("vectors are encoded as {:?}", self.encoding));
        }
        let texts = self.embeddings.iter().zip(self.tokens);
        texts
            .map(|(text, tokens)| {
                let values = vector(text, self.dimensions)?;
                Ok(Embedding { values, tokens })
            })
            .collect()
    }
}

fn vector(text: &str, dimensions: usize) -> Result<Vec<f32>, String> {
    let bytes = STANDARD
        .decode(text)
        .map_err(|error| format!("a vector is no base64: {error}"))?;
    let (numbers, rest) = bytes.as_chunks::<4>();
    if numbers.len() != dimensions || !rest.is_empty() {
        let length = bytes.len();
        return Err(format!(
            "a vector of {dimensions} numbers has {length} bytes"
        ));
    }
    let values: Vec<f32> = numbers
        .iter()
        .map(|bytes| f32::from_le_bytes(*bytes))
        .collect();
    if values.iter().all(|value| value.is_finite()) {
        Ok(values)
    } else {
        Err("a vector is not finite".into())
    }
}

#[derive(Serialize)]
pub(super) struct RerankRequest<'a> {
    pub query: &'a str,
    pub documents: &'a [String],
    /// Only for a model that is asked for yes or no.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frame: Option<Frame<'a>>,
}

#[derive(Serialize)]
pub(super) struct Frame<'a> {
    before: &'a str,
    after: &'a str,
}

impl<'a> From<&'a RerankFrame> for Frame<'a> {
    fn from(frame: &'a RerankFrame) -> Self {
        Self {
            before: &frame.before,
            after: &frame.after,
        }
    }
}

#[derive(Deserialize)]
pub(super) struct RerankReply {
    scores: Vec<f32>,
    cut: Vec<usize>,
    model: String,
}

call!(RerankRequest => "/v1/rerank", RerankReply);

impl RerankReply {
    /// One score for each of `asked` documents.
    pub(super) fn decode(self, asked: usize) -> Result<Vec<Scored>, String> {
        counted("scores", self.scores.len(), asked)?;
        if let Some(score) = self
            .scores
            .iter()
            .find(|score| !(0.0..=1.0).contains(*score))
        {
            return Err(format!("a score is {score}"));
        }
        if let Some(place) = self.cut.iter().find(|place| **place >= asked) {
            return Err(format!("document {place} of {asked} was cut"));
        }
        let scores = self.scores.iter().enumerate();
        Ok(scores
            .map(|(place, &score)| Scored {
                score,
                cut: self.cut.contains(&place),
            })
            .collect())
    }
}

#[derive(Serialize)]
pub(super) struct GenerateRequest<'a> {
    prompt: &'a str,
    max_tokens: u32,
    temperature: f32,
    top_k: u32,
    top_p: f32,
    presence_penalty: f32,
    seed: u32,
    grammar: Option<&'a str>,
    deadline_ms: Option<u64>,
}

impl<'a> GenerateRequest<'a> {
    pub(super) fn new(prompt: &'a str, sampling: &'a Sampling, deadline_ms: Option<u64>) -> Self {
        Self {
            prompt,
            max_tokens: sampling.max_tokens,
            temperature: sampling.temperature,
            top_k: u32::try_from(sampling.top_k).unwrap_or(0),
            top_p: sampling.top_p,
            presence_penalty: sampling.presence_penalty,
            seed: sampling.seed,
            grammar: sampling.grammar.as_deref(),
            deadline_ms,
        }
    }
}

#[derive(Deserialize)]
pub(super) struct GenerateReply {
    text: String,
    tokens: u32,
    finish: RemoteFinish,
    model: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum RemoteFinish {
    Stop,
    Length,
    Deadline,
}

call!(GenerateRequest => "/v1/generate", GenerateReply);

impl From<GenerateReply> for Generation {
    fn from(reply: GenerateReply) -> Self {
        Self {
            text: reply.text,
            tokens: reply.tokens,
            finish: match reply.finish {
                RemoteFinish::Stop => Finish::Stop,
                RemoteFinish::Length => Finish::Length,
                RemoteFinish::Deadline => Finish::Deadline,
            },
        }
    }
}

#[derive(Serialize)]
pub(super) struct TokenizeRequest<'a> {
    pub role: &'static str,
    pub texts: &'a [String],
    pub add_special: bool,
}

#[derive(Deserialize)]
pub(super) struct TokenizeReply {
    items: Vec<Vec<i32>>,
    model: String,
}

call!(TokenizeRequest => "/v1/tokenize", TokenizeReply);

impl TokenizeReply {
    pub(super) fn decode(self, asked: usize) -> Result<Vec<Vec<i32>>, String> {
        counted("token lists", self.items.len(), asked)?;
        Ok(self.items)
    }
}

#[derive(Serialize)]
pub(super) struct DetokenizeRequest<'a> {
    pub role: &'static str,
    pub items: &'a [Vec<i32>],
}

#[derive(Deserialize)]
pub(super) struct DetokenizeReply {
    texts: Vec<String>,
    model: String,
}

call!(DetokenizeRequest => "/v1/detokenize", DetokenizeReply);

impl DetokenizeReply {
    pub(super) fn decode(self, asked: usize) -> Result<Vec<String>, String> {
        counted("texts", self.texts.len(), asked)?;
        Ok(self.texts)
    }
}

fn counted(what: &str, found: usize, asked: usize) -> Result<(), String> {
    if found == asked {
        Ok(())
    } else {
        Err(format!("{found} {what} for {asked} inputs"))
    }
}

/// A refusal of the gateway.
#[derive(Debug, Deserialize)]
pub(super) struct Refusal {
    pub error: RefusalFacts,
}

#[derive(Debug, Deserialize)]
pub(super) struct RefusalFacts {
    pub reason: String,
    pub message: String,
    #[serde(default)]
    pub index: usize,
    #[serde(default)]
    pub tokens: usize,
    #[serde(default)]
    pub limit: usize,
}
