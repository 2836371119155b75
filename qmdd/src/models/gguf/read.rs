//! Reads the head of a GGUF file: metadata and tensor table. No length found in the file is trusted
//! before that many bytes are known to be there, and no input makes it panic.

use std::{
    collections::HashMap,
    io::{self, Read},
};

use super::{ALIGNMENT, MAGIC, TensorType, VERSION, kind};

/// A head beyond this is no model's. Real ones take some 10 MiB.
const MAX_HEAD: u64 = 256 << 20;
/// No model has as many tensors or metadata keys; large ones have some thousands.
const MAX_ENTRIES: u64 = 65_536;
/// Longer texts are not kept; chat templates are far shorter.
const MAX_KEPT_TEXT: u64 = 1 << 20;
/// ggml's limits (`ggml.h`).
const MAX_DIMENSIONS: u32 = 4;
const MAX_TENSOR_NAME: u64 = 63;
/// The format's limit on keys.
const MAX_KEY: u64 = 65_535;

/// Why the bytes are no usable GGUF file.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReadError {
    /// The bytes themselves.
    #[error("{0}")]
    Format(String),
    /// The system.
    #[error(transparent)]
    Io(io::Error),
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::Format("the file is cut short".into()),
            _ => Self::Io(error),
        }
    }
}

fn format<T>(message: impl Into<String>) -> Result<T, ReadError> {
    Err(ReadError::Format(message.into()))
}

/// A metadata value, as far as it is of use.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    /// Any non-negative integer.
    Number(u64),
    /// A text of at most 1 MiB.
    Text(String),
    /// An array: how many elements it has.
    Array(u64),
    /// A value nothing here asks for: negative, fractional, boolean, or a huge text.
    Other,
}

/// A line of the tensor table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tensor {
    /// Fastest dimension first.
    pub(super) shape: Vec<u64>,
    /// How its values are stored.
    pub(super) kind: TensorType,
    /// Its size.
    pub(super) bytes: u64,
}

/// What stands before the tensors' data.
#[derive(Debug)]
pub(super) struct Head {
    /// Metadata by key.
    pub(super) metadata: HashMap<String, Value>,
    /// Tensors by name.
    pub(super) tensors: HashMap<String, Tensor>,
}

impl Head {
    /// Reads and checks the head of a file of `file_bytes` bytes, and that the data of every tensor
    /// lies inside the file, in the order of the table and without gaps, as llama.cpp demands.
    pub(super) fn read(from: impl Read, file_bytes: u64) -> Result<Self, ReadError> {
        let mut input = Input {
            from,
            position: 0,
            limit: file_bytes.min(MAX_HEAD),
            file_bytes,
        };
        if let Some(detail) = impostor(&input.array::<4>()?) {
            return format(detail);
        }
        match input.u32()? {
            2 | VERSION => {}
            version if version.swap_bytes() <= VERSION => {
                return format("a big-endian GGUF file is not supported");
            }
            version => return format(format!("GGUF version {version} is not supported")),
        }
        let tensor_count = input.count("tensors")?;
        let metadata_count = input.count("metadata keys")?;

        let mut metadata = HashMap::new();
        for _ in 0..metadata_count {
            let key = input.name("a metadata key", MAX_KEY)?;
            let kind = input.u32()?;
            let value = input.value(kind)?;
            if metadata.insert(key.clone(), value).is_some() {
                return format(format!("the metadata key {key:?} appears twice"));
            }
        }
        let alignment = match metadata.get("general.alignment") {
            None => ALIGNMENT,
            Some(Value::Number(n)) if n.is_power_of_two() && u32::try_from(*n).is_ok() => *n,
            Some(_) => return format("general.alignment is no power of two"),
        };

        let mut tensors = HashMap::new();
        // Where the next tensor's data begins, and where the last one's ends, from the data's start.
        let (mut next, mut end) = (0_u64, 0_u64);
        for _ in 0..tensor_count {
            let name = input.name("a tensor's name", MAX_TENSOR_NAME)?;
            let tensor = input.tensor(&name, next)?;
            end = next.saturating_add(tensor.bytes);
            if end > file_bytes {
                return format(format!(
                    "the file is cut short: the tensor {name} ends beyond it"
                ));
            }
            next = end.next_multiple_of(alignment);
            if tensors.insert(name.clone(), tensor).is_some() {
                return format(format!("the tensor {name} appears twice"));
            }
        }
        let complete = input.position.next_multiple_of(alignment) + end;
        if file_bytes < complete {
            return format(format!(
                "the file is cut short: it has {file_bytes} of {complete} bytes"
            ));
        }
        Ok(Self { metadata, tensors })
    }
}

/// Says what a file is that begins with `start` (one byte or more) and is no GGUF file.
pub(in crate::models) fn impostor(start: &[u8]) -> Option<String> {
    let start = &start[..start.len().min(MAGIC.len())];
    if MAGIC.starts_with(start) {
        return None;
    }
    Some(match start {
        [b'<', ..] => "it is a web page, saved in the model's place".into(),
        b"vers" => "it is a Git LFS pointer, not the file it points at".into(),
        [b'P', b'K', ..] => "it is a zip archive or a Python wheel, not a GGUF file".into(),
        _ => "it is no GGUF file".into(),
    })
}

/// Counts what is read, and refuses to read beyond the end.
struct Input<R> {
    from: R,
    position: u64,
    limit: u64,
    file_bytes: u64,
}

impl<R: Read> Input<R> {
    /// Makes sure that `length` more bytes are there.
    fn claim(&mut self, length: u64) -> Result<(), ReadError> {
        match self.position.checked_add(length) {
            Some(end) if end <= self.limit => {
                self.position = end;
                Ok(())
            }
            _ if self.limit < self.file_bytes => {
                format(format!("the head is longer than {} MiB", MAX_HEAD >> 20))
            }
            _ => format("the file is cut short"),
        }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], ReadError> {
        self.claim(N as u64)?;
        let mut bytes = [0; N];
        self.from.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    fn u32(&mut self) -> Result<u32, ReadError> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    fn u64(&mut self) -> Result<u64, ReadError> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    fn count(&mut self, what: &str) -> Result<u64, ReadError> {
        match self.u64()? {
            count if count > MAX_ENTRIES => format(format!("it claims to have {count} {what}")),
            count => Ok(count),
        }
    }

    fn skip(&mut self, length: u64) -> Result<(), ReadError> {
        self.claim(length)?;
        let skipped = io::copy(&mut self.from.by_ref().take(length), &mut io::sink())?;
        if skipped < length {
            format("the file is cut short")
        } else {
            Ok(())
        }
    }

    fn text(&mut self, length: u64) -> Result<String, ReadError> {
        self.claim(length)?;
        let mut bytes = vec![0; length as usize];
        self.from.read_exact(&mut bytes)?;
        String::from_utf8(bytes).or_else(|_| format("a text in it is not UTF-8"))
    }

    fn name(&mut self, what: &str, longest: u64) -> Result<String, ReadError> {
        match self.u64()? {
            0 => format(format!("{what} is empty")),
            length if length > longest => format(format!("{what} is {length} bytes long")),
            length => self.text(length),
        }
    }

    fn value(&mut self, kind: u32) -> Result<Value, ReadError> {
        let signed = |n: i64| u64::try_from(n).map_or(Value::Other, Value::Number);
        Ok(match kind {
            kind::U8 => Value::Number(self.array::<1>()?[0].into()),
            kind::U16 => Value::Number(u16::from_le_bytes(self.array()?).into()),
            kind::U32 => Value::Number(self.u32()?.into()),
            kind::U64 => Value::Number(self.u64()?),
            kind::I8 => signed(i8::from_le_bytes(self.array()?).into()),
            kind::I16 => signed(i16::from_le_bytes(self.array()?).into()),
            kind::I32 => signed(i32::from_le_bytes(self.array()?).into()),
            kind::I64 => signed(i64::from_le_bytes(self.array()?)),
            kind::TEXT => match self.u64()? {
                length if length <= MAX_KEPT_TEXT => Value::Text(self.text(length)?),
                length => {
                    self.skip(length)?;
                    Value::Other
                }
            },
            kind::ARRAY => {
                let element = self.u32()?;
                let count = self.u64()?;
                self.skip_array(element, count)?;
                Value::Array(count)
            }
            _ => {
                self.skip(scalar_bytes(kind)?)?;
                Value::Other
            }
        })
    }

    fn skip_array(&mut self, element: u32, count: u64) -> Result<(), ReadError> {
        if element == kind::TEXT {
            for _ in 0..count {
                let length = self.u64()?;
                self.skip(length)?;
            }
            return Ok(());
        }
        match scalar_bytes(element)?.checked_mul(count) {
            Some(length) => self.skip(length),
            None => format("the file is cut short"),
        }
    }

    /// The rest of a table line, whose data must begin at `offset`.
    fn tensor(&mut self, name: &str, offset: u64) -> Result<Tensor, ReadError> {
        let dimensions = self.u32()?;
        if dimensions > MAX_DIMENSIONS {
            return format(format!("the tensor {name} has {dimensions} dimensions"));
        }
        let shape = (0..dimensions)
            .map(|_| self.u64())
            .collect::<Result<Vec<_>, _>>()?;
        let kind = TensorType(self.u32()?);
        let Some(bytes) = kind.bytes(&shape) else {
            return format(format!(
                "the tensor {name} cannot be {kind} of shape {shape:?}"
            ));
        };
        let found = self.u64()?;
        if found != offset {
            return format(format!(
                "the tensor {name} is at offset {found}, expected {offset}"
            ));
        }
        Ok(Tensor { shape, kind, bytes })
    }
}

/// Bytes of a value of fixed size.
fn scalar_bytes(kind: u32) -> Result<u64, ReadError> {
    Ok(match kind {
        kind::U8 | kind::I8 | kind::BOOL => 1,
        kind::U16 | kind::I16 => 2,
        kind::U32 | kind::I32 | kind::F32 => 4,
        kind::U64 | kind::I64 | kind::F64 => 8,
        _ => return format(format!("a metadata value has the unknown type {kind}")),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::models::gguf::{GgufWriter, MetaValue, TensorSpec};

    /// A small file with every kind of metadata this program writes.
    fn sample() -> Vec<u8> {
        let metadata = [
            ("general.architecture", MetaValue::Text("bert".into())),
            ("bert.block_count", MetaValue::U32(6)),
            ("bert.epsilon", MetaValue::F32(1e-12)),
            ("tokens", MetaValue::Texts(vec!["a".into(), "bc".into()])),
            ("types", MetaValue::I32s(vec![1, 3])),
            ("flag", MetaValue::Bool(true)),
        ]
        .map(|(key, value)| (key.to_owned(), value));
        let spec = |name: &str, shape: &[u64], kind| TensorSpec {
            name: name.into(),
            shape: shape.into(),
            kind,
        };
        let tensors = [
            spec("a", &[32, 2], TensorType::Q8_0),
            spec("b", &[3], TensorType::F32),
        ];
        let mut writer = GgufWriter::begin(Vec::new(), &metadata, &tensors).expect("head");
        writer.append(&[7; 50]).expect("part of a");
        writer.append(&[7; 18]).expect("rest of a");
        writer.append(&[9; 12]).expect("b");
        writer.finish().expect("complete")
    }

    fn read(bytes: &[u8]) -> Result<Head, ReadError> {
        Head::read(bytes, bytes.len() as u64)
    }

    fn message(bytes: &[u8]) -> String {
        read(bytes).expect_err("must be refused").to_string()
    }

    #[test]
    fn what_was_written_is_read() {
        let head = read(&sample()).expect("valid");
        assert_eq!(
            head.metadata["general.architecture"],
            Value::Text("bert".into())
        );
        assert_eq!(head.metadata["bert.block_count"], Value::Number(6));
        assert_eq!(head.metadata["tokens"], Value::Array(2));
        assert_eq!(head.metadata["flag"], Value::Other);
        assert_eq!(head.tensors["a"].shape, [32, 2]);
        assert_eq!((head.tensors["a"].bytes, head.tensors["b"].bytes), (68, 12));
    }

    #[test]
    fn every_cut_is_noticed() {
        let whole = sample();
        // All but the padding after the last tensor.
        let needed = whole.len() - 20;
        for length in 0..needed {
            assert!(
                read(&whole[..length]).is_err(),
                "cut to {length} of {}",
                whole.len()
            );
        }
        assert!(read(&whole[..needed]).is_ok());
    }

    #[test]
    fn impostors_are_named() {
        assert!(message(b"<!DOCTYPE html><html>").contains("web page"));
        assert!(message(b"version https://git-lfs.github.com/spec/v1").contains("Git LFS"));
        assert!(message(b"PK\x03\x04....").contains("zip archive"));
        assert!(message(b"").contains("cut short"));
        assert!(message(b"GGUF\x00\x00\x00\x03").contains("big-endian"));
        assert!(message(b"GGUF\x09\x00\x00\x00").contains("version 9"));
    }

    #[test]
    fn absurd_lengths_are_refused_before_memory_is_taken() {
        let mut bytes = b"GGUF\x03\x00\x00\x00".to_vec();
        bytes.extend_from_slice(&0_u64.to_le_bytes());
        let mut many = bytes.clone();
        many.extend_from_slice(&u64::MAX.to_le_bytes());
        assert!(
            message(&many).contains("claims to have"),
            "2^64 metadata keys"
        );
        bytes.extend_from_slice(&1_u64.to_le_bytes());
        bytes.extend_from_slice(&1_u64.to_le_bytes());
        bytes.extend_from_slice(b"k");
        bytes.extend_from_slice(&kind::ARRAY.to_le_bytes());
        bytes.extend_from_slice(&kind::F64.to_le_bytes());
        bytes.extend_from_slice(&(u64::MAX / 4).to_le_bytes());
        assert!(
            message(&bytes).contains("cut short"),
            "an array of 2^62 numbers"
        );
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let _ = read(&bytes);
            let mut headed = b"GGUF\x03\x00\x00\x00".to_vec();
            headed.extend_from_slice(&bytes);
            let _ = read(&headed);
        }

        #[test]
        fn damaged_files_never_panic(
            edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        ) {
            let mut bytes = sample();
            for (place, byte) in edits {
                let place = place.index(bytes.len());
                bytes[place] = byte;
            }
            let _ = read(&bytes);
        }
    }
}
