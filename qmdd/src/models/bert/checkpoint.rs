//! A BERT checkpoint in Hugging Face layout, and what becomes of its parts.

use std::collections::HashMap;

use serde::Deserialize;

use super::{ConvertError, Quant, source};
use crate::models::gguf::{MetaValue, TensorSpec, TensorType};

/// Marks the start of a word in llama.cpp's WordPiece vocabularies.
const WORD_START: char = '\u{2581}';

/// The small files beside the weights.
#[derive(Debug, Clone)]
pub(in crate::models) struct Checkpoint {
    /// `general.name` of the result.
    pub(in crate::models) name: String,
    /// `config.json`.
    pub(in crate::models) config: Vec<u8>,
    /// `tokenizer_config.json`.
    pub(in crate::models) tokenizer: Vec<u8>,
    /// `1_Pooling/config.json`.
    pub(in crate::models) pooling: Vec<u8>,
    /// `vocab.txt`: one token a line.
    pub(in crate::models) vocab: String,
}

/// The part of `config.json` that matters.
#[derive(Deserialize)]
pub(super) struct Config {
    pub(super) model_type: String,
    pub(super) hidden_act: String,
    pub(super) hidden_size: usize,
    pub(super) intermediate_size: usize,
    pub(super) max_position_embeddings: usize,
    pub(super) num_attention_heads: u32,
    pub(super) num_hidden_layers: usize,
    pub(super) layer_norm_eps: f32,
    pub(super) type_vocab_size: usize,
    pub(super) vocab_size: usize,
}

/// The part of `tokenizer_config.json` that matters.
#[derive(Deserialize)]
struct Tokenizer {
    do_lower_case: bool,
    strip_accents: Option<bool>,
    unk_token: String,
    sep_token: String,
    pad_token: String,
    cls_token: String,
    mask_token: String,
}

/// The part of `1_Pooling/config.json` that matters.
#[derive(Deserialize)]
struct Pooling {
    pooling_mode_cls_token: bool,
    pooling_mode_mean_tokens: bool,
}

impl Pooling {
    /// `enum llama_pooling_type` in `llama.h`.
    fn number(&self) -> Result<u32, ConvertError> {
        match (self.pooling_mode_mean_tokens, self.pooling_mode_cls_token) {
            (true, false) => Ok(1),
            (false, true) => Ok(2),
            _ => Err(ConvertError::Source(
                "pooling is neither by mean nor by first token".into(),
            )),
        }
    }
}

/// The metadata of the GGUF file.
pub(super) fn metadata(
    checkpoint: &Checkpoint,
    config: &Config,
    quant: Quant,
) -> Result<Vec<(String, MetaValue)>, ConvertError> {
    let tokenizer: Tokenizer =
        serde_json::from_slice(&checkpoint.tokenizer).map_err(source("tokenizer_config.json"))?;
    let pooling: Pooling =
        serde_json::from_slice(&checkpoint.pooling).map_err(source("1_Pooling/config.json"))?;

    let vocab: Vec<&str> = checkpoint
        .vocab
        .trim_end_matches('\n')
        .split('\n')
        .collect();
    if vocab.len() != config.vocab_size {
        return Err(ConvertError::Source(format!(
            "vocab.txt has {} tokens, config.json says {}",
            vocab.len(),
            config.vocab_size
        )));
    }
    let special = [
        &tokenizer.pad_token,
        &tokenizer.unk_token,
        &tokenizer.cls_token,
        &tokenizer.sep_token,
        &tokenizer.mask_token,
    ];
    let is_special = |token: &str| special.iter().any(|name| *name == token);
    let id = |name: &str| {
        vocab
            .iter()
            .position(|token| *token == name)
            .map(|id| MetaValue::U32(id as u32))
            .ok_or_else(|| ConvertError::Source(format!("vocab.txt lacks {name}")))
    };
    let texts = vocab.iter().map(|token| match token.strip_prefix("##") {
        _ if is_special(token) => (*token).to_owned(),
        Some(continuation) => continuation.to_owned(),
        None => format!("{WORD_START}{token}"),
    });
    // enum llama_token_type: 1 is normal, 3 is control.
    let types = vocab
        .iter()
        .map(|token| if is_special(token) { 3 } else { 1 });

    let number = |n: usize| MetaValue::U32(n as u32);
    let mut list = vec![
        ("general.architecture", MetaValue::Text("bert".into())),
        ("general.type", MetaValue::Text("model".into())),
        ("general.name", MetaValue::Text(checkpoint.name.clone())),
        ("general.file_type", MetaValue::U32(quant.file_type())),
        ("general.quantization_version", MetaValue::U32(2)),
        ("bert.block_count", number(config.num_hidden_layers)),
        (
            "bert.context_length",
            number(config.max_position_embeddings),
        ),
        ("bert.embedding_length", number(config.hidden_size)),
        ("bert.feed_forward_length", number(config.intermediate_size)),
        (
            "bert.attention.head_count",
            MetaValue::U32(config.num_attention_heads),
        ),
        (
            "bert.attention.layer_norm_epsilon",
            MetaValue::F32(config.layer_norm_eps),
        ),
        ("bert.attention.causal", MetaValue::Bool(false)),
        ("bert.pooling_type", MetaValue::U32(pooling.number()?)),
        ("tokenizer.ggml.model", MetaValue::Text("bert".into())),
        ("tokenizer.ggml.pre", MetaValue::Text("default".into())),
        ("tokenizer.ggml.tokens", MetaValue::Texts(texts.collect())),
        (
            "tokenizer.ggml.token_type",
            MetaValue::I32s(types.collect()),
        ),
        (
            "tokenizer.ggml.token_type_count",
            number(config.type_vocab_size),
        ),
        ("tokenizer.ggml.bos_token_id", id(&tokenizer.cls_token)?),
        ("tokenizer.ggml.cls_token_id", id(&tokenizer.cls_token)?),
        // The format's own spelling.
        (
            "tokenizer.ggml.seperator_token_id",
            id(&tokenizer.sep_token)?,
        ),
        ("tokenizer.ggml.unknown_token_id", id(&tokenizer.unk_token)?),
        ("tokenizer.ggml.padding_token_id", id(&tokenizer.pad_token)?),
        ("tokenizer.ggml.mask_token_id", id(&tokenizer.mask_token)?),
        ("tokenizer.ggml.add_bos_token", MetaValue::Bool(true)),
        ("tokenizer.ggml.add_sep_token", MetaValue::Bool(true)),
        (
            "tokenizer.ggml.normalizer.lowercase",
            MetaValue::Bool(tokenizer.do_lower_case),
        ),
    ];
    if let Some(strip) = tokenizer.strip_accents {
        list.push((
            "tokenizer.ggml.normalizer.strip_accents",
            MetaValue::Bool(strip),
        ));
    }
    Ok(list
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect())
}

/// Each tensor of the checkpoint that is kept: its place in the GGUF file, and the shape it must
/// have in the checkpoint (slowest dimension first).
pub(super) fn targets(config: &Config, quant: Quant) -> HashMap<String, (TensorSpec, Vec<usize>)> {
    let hidden = config.hidden_size;
    let inner = config.intermediate_size;
    let (plain, matrix) = (TensorType::F32, quant.tensor_type());
    let mut targets = HashMap::new();
    let mut keep = |from: String, to: String, shape: &[usize], kind: TensorType| {
        let reversed = shape.iter().rev().map(|n| *n as u64).collect();
        targets.insert(
            from,
            (
                TensorSpec {
                    name: to,
                    shape: reversed,
                    kind,
                },
                shape.to_vec(),
            ),
        );
    };
    for (from, to, rows, kind) in [
        ("word_embeddings", "token_embd", config.vocab_size, matrix),
        (
            "position_embeddings",
            "position_embd",
            config.max_position_embeddings,
            plain,
        ),
        (
            "token_type_embeddings",
            "token_types",
            config.type_vocab_size,
            plain,
        ),
    ] {
        keep(
            format!("embeddings.{from}.weight"),
            format!("{to}.weight"),
            &[rows, hidden],
            kind,
        );
    }
    for part in ["weight", "bias"] {
        let norm = "token_embd_norm";
        keep(
            format!("embeddings.LayerNorm.{part}"),
            format!("{norm}.{part}"),
            &[hidden],
            plain,
        );
    }
    for layer in 0..config.num_hidden_layers {
        // Values stay half floats, a twelfth of the weights: with them in 8 bits too, the vector of
        // an empty text has the cosine 0.9984 to the reference; this way it is 0.9991.
        let values = TensorType::F16;
        for (from, to, rows, columns, kind) in [
            ("attention.self.query", "attn_q", hidden, hidden, matrix),
            ("attention.self.key", "attn_k", hidden, hidden, matrix),
            ("attention.self.value", "attn_v", hidden, hidden, values),
            (
                "attention.output.dense",
                "attn_output",
                hidden,
                hidden,
                matrix,
            ),
            ("intermediate.dense", "ffn_up", inner, hidden, matrix),
            ("output.dense", "ffn_down", hidden, inner, matrix),
        ] {
            let (from, to) = (
                format!("encoder.layer.{layer}.{from}"),
                format!("blk.{layer}.{to}"),
            );
            keep(
                format!("{from}.weight"),
                format!("{to}.weight"),
                &[rows, columns],
                kind,
            );
            keep(format!("{from}.bias"), format!("{to}.bias"), &[rows], plain);
        }
        for (from, to) in [
            ("attention.output.LayerNorm", "attn_output_norm"),
            ("output.LayerNorm", "layer_output_norm"),
        ] {
            for part in ["weight", "bias"] {
                let from = format!("encoder.layer.{layer}.{from}.{part}");
                keep(from, format!("blk.{layer}.{to}.{part}"), &[hidden], plain);
            }
        }
    }
    targets
}
