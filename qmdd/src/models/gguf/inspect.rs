//! What a GGUF file says of its model, after the checks that keep llama.cpp from aborting on it.

use std::{fs::File, io::BufReader, path::Path};

use super::{
    read::{Head, ReadError, Value},
    types::TensorType,
};
use crate::models::ModelError;

/// How a sequence's vectors become one (`llama_pooling_type` in `llama.h`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pooling {
    /// Not at all.
    None,
    /// Their mean.
    Mean,
    /// The first token's.
    Cls,
    /// The last token's.
    Last,
    /// A classification head on top: a reranker.
    Rank,
}

/// A model file's own account of itself. Lengths are in tokens or vector elements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GgufInfo {
    /// `general.architecture`.
    pub architecture: String,
    /// `general.name`.
    pub name: Option<String>,
    /// Tokens the model was trained on at most.
    pub context_length: u32,
    /// Length of the hidden vectors.
    pub embedding_length: u32,
    /// Layers.
    pub block_count: u32,
    /// Attention heads, where one number says it.
    pub head_count: Option<u32>,
    /// Key and value heads; as many as `head_count` where the file is silent.
    pub head_count_kv: Option<u32>,
    /// Length of a head's key, where it is not `embedding_length / head_count`.
    pub key_length: Option<u32>,
    /// Length of a head's value, likewise.
    pub value_length: Option<u32>,
    /// Tokens in the vocabulary.
    pub vocabulary: u32,
    /// `tokenizer.ggml.model`.
    pub tokenizer: String,
    /// How vectors are pooled, where the file says it.
    pub pooling: Option<Pooling>,
    /// Whether a ranking head is there.
    pub rank_head: bool,
    /// The chat template (Jinja).
    pub chat_template: Option<String>,
    /// How the token embeddings are stored, which names the quantisation well.
    pub embedding_type: TensorType,
    /// Tensors.
    pub tensor_count: usize,
    /// Bytes of all tensors.
    pub weight_bytes: u64,
    /// Bytes of the file.
    pub file_bytes: u64,
}

/// Reads the head of a model file and checks that it is a complete model.
///
/// # Errors
/// [`ModelError::Corrupt`] with what is wrong; [`ModelError::Io`] when it cannot be read.
pub fn inspect(path: &Path) -> Result<GgufInfo, ModelError> {
    let file = File::open(path).map_err(ModelError::reading(path))?;
    let metadata = file.metadata().map_err(ModelError::reading(path))?;
    if !metadata.is_file() {
        return Err(ModelError::corrupt(path, "it is not a file"));
    }
    let head = Head::read(BufReader::with_capacity(1 << 16, file), metadata.len());
    let head = head.map_err(|error| match error {
        ReadError::Format(detail) => ModelError::corrupt(path, detail),
        ReadError::Io(source) => ModelError::reading(path)(source),
    })?;
    describe(&head, metadata.len()).map_err(|detail| ModelError::corrupt(path, detail))
}

fn describe(head: &Head, file_bytes: u64) -> Result<GgufInfo, String> {
    let text = |key: &str| match head.metadata.get(key) {
        Some(Value::Text(text)) => Some(text.clone()),
        _ => None,
    };
    let number = |key: &str| match head.metadata.get(key) {
        Some(Value::Number(n)) => u32::try_from(*n).ok(),
        _ => None,
    };
    if number("split.count").is_some_and(|count| count > 1) {
        return Err("it is one part of a split model, which is not supported".into());
    }
    let architecture = text("general.architecture").ok_or("general.architecture is missing")?;
    let own = |key: &str| number(&format!("{architecture}.{key}"));
    let needed = |key: &str| {
        own(key)
            .filter(|n| *n > 0)
            .ok_or_else(|| format!("{architecture}.{key} is missing"))
    };
    let vocabulary = match head.metadata.get("tokenizer.ggml.tokens") {
        Some(Value::Array(count)) if *count > 0 => {
            u32::try_from(*count).map_err(|_| format!("its vocabulary has {count} tokens"))?
        }
        _ => return Err("it has no vocabulary".into()),
    };
    let embeddings = head
        .tensors
        .get("token_embd.weight")
        .ok_or("the tensor token_embd.weight is missing")?;

    let info = GgufInfo {
        name: text("general.name").filter(|name| !name.is_empty()),
        context_length: needed("context_length")?,
        embedding_length: needed("embedding_length")?,
        block_count: needed("block_count")?,
        head_count: own("attention.head_count"),
        head_count_kv: own("attention.head_count_kv").or(own("attention.head_count")),
        key_length: own("attention.key_length"),
        value_length: own("attention.value_length"),
        vocabulary,
        tokenizer: text("tokenizer.ggml.model").ok_or("tokenizer.ggml.model is missing")?,
        pooling: own("pooling_type").map(pooling).transpose()?,
        rank_head: ["cls.weight", "cls.output.weight"]
            .iter()
            .any(|name| head.tensors.contains_key(*name)),
        chat_template: text("tokenizer.chat_template"),
        embedding_type: embeddings.kind,
        tensor_count: head.tensors.len(),
        weight_bytes: head.tensors.values().map(|tensor| tensor.bytes).sum(),
        file_bytes,
        architecture,
    };
    if embeddings.shape != [u64::from(info.embedding_length), u64::from(vocabulary)] {
        return Err(format!(
            "token_embd.weight has the shape {:?}, its vocabulary asks for [{}, {vocabulary}]",
            embeddings.shape, info.embedding_length
        ));
    }
    if let Some(Value::Array(types)) = head.metadata.get("tokenizer.ggml.token_type")
        && *types != u64::from(vocabulary)
    {
        return Err(format!(
            "its vocabulary has {vocabulary} tokens and {types} token types"
        ));
    }
    check_blocks(head, &info)?;
    Ok(info)
}

fn pooling(number: u32) -> Result<Pooling, String> {
    [
        Pooling::None,
        Pooling::Mean,
        Pooling::Cls,
        Pooling::Last,
        Pooling::Rank,
    ]
    .get(number as usize)
    .copied()
    .ok_or_else(|| format!("its pooling type {number} is unknown"))
}

/// Checks that the architectures in daily use have all that a graph of theirs is built from. Others
/// are left to llama.cpp.
fn check_blocks(head: &Head, info: &GgufInfo) -> Result<(), String> {
    let (outer, block): (&[&str], &[&str]) = match info.architecture.as_str() {
        "bert" => (
            &[
                "position_embd.weight",
                "token_embd_norm.weight",
                "token_embd_norm.bias",
            ],
            &[
                "attn_output.weight",
                "attn_output_norm.weight",
                "attn_output_norm.bias",
                "ffn_up.weight",
                "ffn_down.weight",
                "layer_output_norm.weight",
                "layer_output_norm.bias",
            ],
        ),
        "llama" | "qwen2" | "qwen3" | "gemma3" | "gemma-embedding" => (
            &["output_norm.weight"],
            &["attn_norm.weight", "attn_output.weight"],
        ),
        _ => return Ok(()),
    };
    if info.head_count == Some(0) {
        return Err("its number of attention heads is zero".into());
    }
    let blocks = (0..info.block_count)
        .flat_map(|index| block.iter().map(move |name| format!("blk.{index}.{name}")));
    outer
        .iter()
        .map(|name| (*name).to_owned())
        .chain(blocks)
        .find(|name| !head.tensors.contains_key(name))
        .map_or(Ok(()), |name| Err(format!("the tensor {name} is missing")))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::models::gguf::{MetaValue, TensorSpec, fixture};

    fn inspect_parts(
        metadata: &[(String, MetaValue)],
        tensors: &[TensorSpec],
    ) -> Result<GgufInfo, ModelError> {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("model.gguf");
        fs::write(&path, fixture::file(metadata, tensors)).expect("written");
        inspect(&path)
    }

    fn complaint(
        change: impl FnOnce(&mut Vec<(String, MetaValue)>, &mut Vec<TensorSpec>),
    ) -> String {
        let (mut metadata, mut tensors) = fixture::parts(2);
        change(&mut metadata, &mut tensors);
        match inspect_parts(&metadata, &tensors) {
            Err(ModelError::Corrupt { detail, .. }) => detail,
            other => panic!("expected a complaint, got {other:?}"),
        }
    }

    fn set(metadata: &mut Vec<(String, MetaValue)>, key: &str, value: MetaValue) {
        metadata.retain(|(name, _)| name != key);
        metadata.push((key.to_owned(), value));
    }

    #[test]
    fn a_complete_model_is_described() {
        let (metadata, tensors) = fixture::parts(2);
        let info = inspect_parts(&metadata, &tensors).expect("complete");
        assert_eq!((info.architecture.as_str(), info.name), ("llama", None));
        assert_eq!(
            (info.context_length, info.embedding_length, info.vocabulary),
            (128, 8, 2)
        );
        assert_eq!((info.head_count, info.head_count_kv), (Some(2), Some(2)));
        assert_eq!(info.pooling, Some(Pooling::Last));
        assert_eq!(info.chat_template.as_deref(), Some("{{ messages }}"));
        assert_eq!((info.tensor_count, info.weight_bytes), (4, 384));
        assert!(!info.rank_head);
    }

    #[test]
    fn incomplete_models_are_refused_with_what_is_missing() {
        let renamed = |m: &mut Vec<(String, MetaValue)>, _: &mut Vec<_>| {
            set(m, "llama.block_count", MetaValue::U32(2));
        };
        assert_eq!(
            complaint(renamed),
            "the tensor blk.1.attn_norm.weight is missing"
        );
        assert_eq!(
            complaint(|m, _| m.retain(|(key, _)| key != "llama.context_length")),
            "llama.context_length is missing"
        );
        assert_eq!(
            complaint(|_, tensors| {
                tensors.remove(0);
            }),
            "the tensor token_embd.weight is missing"
        );
        assert_eq!(
            complaint(|m, _| set(m, "llama.attention.head_count", MetaValue::U32(0))),
            "its number of attention heads is zero"
        );
    }

    #[test]
    fn a_vocabulary_that_does_not_fit_the_weights_is_refused() {
        let tokens = MetaValue::Texts(vec!["a".into()]);
        let detail = complaint(|m, _| set(m, "tokenizer.ggml.tokens", tokens));
        assert!(
            detail.contains("[8, 2]") && detail.contains("[8, 1]"),
            "{detail}"
        );
        let detail =
            complaint(|m, _| set(m, "tokenizer.ggml.token_type", MetaValue::I32s(vec![1])));
        assert_eq!(detail, "its vocabulary has 2 tokens and 1 token types");
    }

    #[test]
    fn parts_of_split_models_and_unknown_pooling_are_refused() {
        assert!(complaint(|m, _| set(m, "split.count", MetaValue::U32(3))).contains("split"));
        assert!(complaint(|m, _| set(m, "llama.pooling_type", MetaValue::U32(9))).contains('9'));
    }
}
