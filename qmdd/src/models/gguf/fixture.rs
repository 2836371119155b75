//! A small complete model file for tests.

use super::{GgufWriter, MetaValue, TensorSpec, TensorType};

/// Metadata and tensor table of a decoder of one block with a vocabulary of `rows` tokens.
pub(crate) fn parts(rows: usize) -> (Vec<(String, MetaValue)>, Vec<TensorSpec>) {
    let metadata = [
        ("general.architecture", MetaValue::Text("llama".into())),
        ("llama.context_length", MetaValue::U32(128)),
        ("llama.embedding_length", MetaValue::U32(8)),
        ("llama.block_count", MetaValue::U32(1)),
        ("llama.attention.head_count", MetaValue::U32(2)),
        ("llama.pooling_type", MetaValue::U32(3)),
        ("tokenizer.ggml.model", MetaValue::Text("gpt2".into())),
        (
            "tokenizer.ggml.tokens",
            MetaValue::Texts((0..rows).map(|n| n.to_string()).collect()),
        ),
        (
            "tokenizer.chat_template",
            MetaValue::Text("{{ messages }}".into()),
        ),
    ]
    .map(|(key, value)| (key.to_owned(), value));
    let tensors = [
        ("token_embd.weight", vec![8, rows as u64]),
        ("output_norm.weight", vec![8]),
        ("blk.0.attn_norm.weight", vec![8]),
        ("blk.0.attn_output.weight", vec![8, 8]),
    ]
    .map(|(name, shape)| TensorSpec {
        name: name.into(),
        shape,
        kind: TensorType::F32,
    });
    (metadata.into(), tensors.into())
}

/// The file of these parts; its weights are a fixed pattern.
pub(crate) fn file(metadata: &[(String, MetaValue)], tensors: &[TensorSpec]) -> Vec<u8> {
    let mut writer = GgufWriter::begin(Vec::new(), metadata, tensors).expect("head");
    for tensor in tensors {
        let bytes = tensor.kind.bytes(&tensor.shape).expect("shape");
        let pattern: Vec<u8> = (0..bytes).map(|n| (n % 251) as u8).collect();
        writer.append(&pattern).expect("data");
    }
    writer.finish().expect("complete")
}

/// A complete model of `32 * rows` bytes and some.
pub(crate) fn model(rows: usize) -> Vec<u8> {
    let (metadata, tensors) = parts(rows);
    file(&metadata, &tensors)
}
