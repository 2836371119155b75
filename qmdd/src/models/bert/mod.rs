//! Turns a BERT sentence encoder in Hugging Face layout into a GGUF file, as a stream: memory does
//! not grow with the model, and equal input gives equal bytes on every machine.
//!
//! Key and tensor names are those of llama.cpp's architecture `bert` (`llama-arch.cpp`), the
//! vocabulary form is that of its WordPiece tokenizer (`llama-vocab.cpp`).

mod checkpoint;
mod quant;

use std::io::{self, Read, Write};

use safetensors::{Dtype, tensor::Metadata};

pub(super) use self::checkpoint::Checkpoint;
use self::checkpoint::{Config, metadata, targets};
pub use self::quant::Quant;
use super::gguf::{GgufWriter, TensorSpec, TensorType};

/// The file with the weights, for messages.
const WEIGHTS: &str = "model.safetensors";
/// A safetensors header beyond this is none; the library has the same limit.
const MAX_HEADER: u64 = 100_000_000;
/// Bytes converted at a time: whole blocks of every type written.
const CHUNK: usize = 64 * 1024;

/// Why a conversion failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConvertError {
    /// The checkpoint is damaged, or of another kind.
    #[error("{0}")]
    Source(String),
    /// The result cannot be written.
    #[error("{0}")]
    Output(#[from] io::Error),
}

fn source<E: std::fmt::Display>(what: &str) -> impl FnOnce(E) -> ConvertError {
    move |error| ConvertError::Source(format!("{what}: {error}"))
}

/// Writes the GGUF file of a checkpoint. `weights` yields its `model.safetensors` from the start;
/// `progress` hears how many of its bytes are done.
///
/// # Errors
/// [`ConvertError::Source`] unless the checkpoint is a complete BERT encoder in 32-bit floats.
pub(super) fn convert(
    checkpoint: &Checkpoint,
    mut weights: impl Read,
    quant: Quant,
    out: impl Write,
    mut progress: impl FnMut(u64),
) -> Result<(), ConvertError> {
    let config: Config =
        serde_json::from_slice(&checkpoint.config).map_err(source("config.json"))?;
    if config.model_type != "bert" || config.hidden_act != "gelu" {
        return Err(ConvertError::Source(format!(
            "config.json: a {} model with {} is not supported",
            config.model_type, config.hidden_act
        )));
    }
    let metadata = metadata(checkpoint, &config, quant)?;

    let (header, mut done) = read_header(&mut weights)?;
    let plan = plan(&header, &config, quant)?;
    let specs: Vec<TensorSpec> = plan.iter().filter_map(|step| step.to.clone()).collect();

    let mut writer = GgufWriter::begin(out, &metadata, &specs)?;
    for Step { bytes, to } in plan {
        let mut tensor = weights.by_ref().take(bytes);
        if let Some(spec) = to {
            let report = |n| progress(done + n);
            encode(&mut tensor, bytes, spec.kind, &mut writer, report)?;
        } else if io::copy(&mut tensor, &mut io::sink()).map_err(source(WEIGHTS))? < bytes {
            return Err(ConvertError::Source(format!("{WEIGHTS} is cut short")));
        }
        done += bytes;
        progress(done);
    }
    writer.finish()?.flush()?;
    Ok(())
}

/// A tensor of the checkpoint: its size there, and what it becomes. Position ids and the pooler
/// become nothing: they are no part of a sentence encoder.
struct Step {
    bytes: u64,
    to: Option<TensorSpec>,
}

/// All tensors of the checkpoint, in the order of their bytes.
fn plan(header: &Metadata, config: &Config, quant: Quant) -> Result<Vec<Step>, ConvertError> {
    let mut targets = targets(config, quant);
    let mut plan = Vec::new();
    for name in header.offset_keys() {
        let Some(info) = header.info(&name) else {
            continue;
        };
        let to = match targets.remove(&name) {
            Some((_, shape)) if info.dtype != Dtype::F32 || info.shape != shape => {
                return Err(ConvertError::Source(format!(
                    "{name} is {:?} of shape {:?}, expected F32 of {shape:?}",
                    info.dtype, info.shape
                )));
            }
            target => target.map(|(spec, _)| spec),
        };
        let (start, end) = info.data_offsets;
        plan.push(Step {
            bytes: (end - start) as u64,
            to,
        });
    }
    match targets.keys().min() {
        Some(name) => Err(ConvertError::Source(format!(
            "the tensor {name} is missing"
        ))),
        None => Ok(plan),
    }
}

/// The header, and how many bytes it took.
fn read_header(weights: &mut impl Read) -> Result<(Metadata, u64), ConvertError> {
    let mut length = [0; 8];
    weights.read_exact(&mut length).map_err(source(WEIGHTS))?;
    let length = u64::from_le_bytes(length);
    if length > MAX_HEADER {
        return Err(ConvertError::Source(format!(
            "{WEIGHTS}: the header is too long"
        )));
    }
    let mut header = Vec::new();
    weights
        .take(length)
        .read_to_end(&mut header)
        .map_err(source(WEIGHTS))?;
    let metadata = serde_json::from_slice(&header).map_err(source(WEIGHTS))?;
    Ok((metadata, 8 + length))
}

/// Converts `bytes` bytes of 32-bit floats to `kind`.
fn encode<W: Write>(
    from: &mut impl Read,
    bytes: u64,
    kind: TensorType,
    writer: &mut GgufWriter<W>,
    mut progress: impl FnMut(u64),
) -> Result<(), ConvertError> {
    let mut floats = vec![0; CHUNK];
    let mut encoded = Vec::with_capacity(CHUNK);
    let mut done = 0;
    while done < bytes {
        let length = CHUNK.min((bytes - done) as usize);
        let chunk = &mut floats[..length];
        from.read_exact(chunk).map_err(source(WEIGHTS))?;
        encoded.clear();
        quant::encode(chunk, kind, &mut encoded);
        writer.append(&encoded)?;
        done += length as u64;
        progress(done);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, fs};

    use safetensors::tensor::TensorView;
    use serde_json::json;

    use super::*;
    use crate::models::gguf::{self, GgufInfo, MetaValue, Pooling};

    const HIDDEN: usize = 32;

    fn checkpoint() -> Checkpoint {
        let config = json!({
            "model_type": "bert", "hidden_act": "gelu", "hidden_size": HIDDEN,
            "intermediate_size": 64, "max_position_embeddings": 16, "num_attention_heads": 2,
            "num_hidden_layers": 2, "layer_norm_eps": 1e-12, "type_vocab_size": 2, "vocab_size": 7,
        });
        let tokenizer = json!({
            "do_lower_case": true, "strip_accents": null, "unk_token": "[UNK]",
            "sep_token": "[SEP]", "pad_token": "[PAD]", "cls_token": "[CLS]", "mask_token": "[MASK]",
        });
        let pooling = json!({ "pooling_mode_cls_token": false, "pooling_mode_mean_tokens": true });
        Checkpoint {
            name: "tiny".into(),
            config: config.to_string().into(),
            tokenizer: tokenizer.to_string().into(),
            pooling: pooling.to_string().into(),
            vocab: "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nwing\n##s\n".into(),
        }
    }

    /// A `model.safetensors` of all tensors, without those named, and with one that is not kept.
    fn weights(checkpoint: &Checkpoint, without: &str) -> Vec<u8> {
        let config: Config = serde_json::from_slice(&checkpoint.config).expect("config");
        let mut shapes: BTreeMap<String, Vec<usize>> = targets(&config, Quant::F16)
            .into_iter()
            .map(|(name, (_, shape))| (name, shape))
            .filter(|(name, _)| name != without)
            .collect();
        shapes.insert("pooler.dense.weight".into(), vec![HIDDEN, HIDDEN]);
        let data: BTreeMap<String, (Vec<usize>, Vec<u8>)> = shapes
            .into_iter()
            .map(|(name, shape)| {
                let count: usize = shape.iter().product();
                let value = |n: usize| ((n % 255) as f32 - 127.0) / 64.0;
                (
                    name,
                    (
                        shape,
                        (0..count).flat_map(|n| value(n).to_le_bytes()).collect(),
                    ),
                )
            })
            .collect();
        let views = data.iter().map(|(name, (shape, bytes))| {
            (
                name,
                TensorView::new(Dtype::F32, shape.clone(), bytes).expect("view"),
            )
        });
        safetensors::serialize(views, None).expect("serialised")
    }

    fn run(checkpoint: &Checkpoint, weights: &[u8], quant: Quant) -> Result<Vec<u8>, ConvertError> {
        let mut out = Vec::new();
        convert(checkpoint, weights, quant, &mut out, |_| ())?;
        Ok(out)
    }

    fn info(file: &[u8]) -> GgufInfo {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("tiny.gguf");
        fs::write(&path, file).expect("written");
        gguf::inspect(&path).expect("a complete model")
    }

    #[test]
    fn a_checkpoint_becomes_a_complete_model_in_either_form() {
        let checkpoint = checkpoint();
        let weights = weights(&checkpoint, "");
        for (quant, kind) in [
            (Quant::Q8_0, TensorType::Q8_0),
            (Quant::F16, TensorType::F16),
        ] {
            let file = run(&checkpoint, &weights, quant).expect("converted");
            let info = info(&file);
            assert_eq!(info.architecture, "bert");
            assert_eq!(info.name.as_deref(), Some("tiny"));
            assert_eq!((info.context_length, info.embedding_length), (16, 32));
            assert_eq!((info.block_count, info.vocabulary), (2, 7));
            assert_eq!(info.pooling, Some(Pooling::Mean));
            assert_eq!(info.embedding_type, kind);
            assert_eq!(info.tensor_count, 5 + 2 * 16, "the pooler is left out");
            assert_eq!(
                file,
                run(&checkpoint, &weights, quant).expect("again"),
                "deterministic"
            );
        }
    }

    #[test]
    fn the_vocabulary_marks_word_starts() {
        let checkpoint = checkpoint();
        let config = serde_json::from_slice(&checkpoint.config).expect("config");
        let metadata = metadata(&checkpoint, &config, Quant::Q8_0).expect("metadata");
        let value = |key: &str| {
            let found = metadata.iter().find(|(name, _)| name == key);
            found.map(|(_, value)| value.clone()).expect("present")
        };
        let tokens = [
            "[PAD]",
            "[UNK]",
            "[CLS]",
            "[SEP]",
            "[MASK]",
            "\u{2581}wing",
            "s",
        ];
        assert_eq!(
            value("tokenizer.ggml.tokens"),
            MetaValue::Texts(tokens.map(str::to_owned).to_vec())
        );
        assert_eq!(
            value("tokenizer.ggml.token_type"),
            MetaValue::I32s(vec![3, 3, 3, 3, 3, 1, 1])
        );
        assert_eq!(
            value("tokenizer.ggml.seperator_token_id"),
            MetaValue::U32(3)
        );
    }

    #[test]
    fn incomplete_or_foreign_checkpoints_are_refused() {
        let whole = checkpoint();
        let complaint = |checkpoint: &Checkpoint, weights: &[u8]| {
            run(checkpoint, weights, Quant::Q8_0)
                .expect_err("refused")
                .to_string()
        };
        let missing = "encoder.layer.1.output.dense.bias";
        assert!(complaint(&whole, &weights(&whole, missing)).contains(missing));

        let bytes = weights(&whole, "");
        assert!(complaint(&whole, &bytes[..bytes.len() - 1]).contains("model.safetensors"));
        assert!(complaint(&whole, &bytes[..20]).contains("model.safetensors"));
        assert!(complaint(&whole, &[0xff; 16]).contains("too long"));

        let short = Checkpoint {
            vocab: "[PAD]\n".into(),
            ..whole.clone()
        };
        assert!(complaint(&short, &bytes).contains("vocab.txt has 1 tokens"));
        let config = String::from_utf8(whole.config.clone()).expect("text");
        let foreign = Checkpoint {
            config: config.replace("\"bert\"", "\"t5\"").into(),
            ..whole.clone()
        };
        assert!(complaint(&foreign, &bytes).contains("t5"));
        let narrow = Checkpoint {
            config: config.replace("64", "32").into(),
            ..whole
        };
        assert!(complaint(&narrow, &bytes).contains("expected F32 of"));
    }
}
