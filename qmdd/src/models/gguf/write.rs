//! Writes GGUF files as a stream: metadata and tensor table first, then the tensors' bytes in order.

use std::io::{self, Write};

use super::{ALIGNMENT, MAGIC, TensorType, VERSION, kind};

/// A metadata value.
#[derive(Debug, Clone, PartialEq)]
pub enum MetaValue {
    /// Unsigned 32-bit number.
    U32(u32),
    /// 32-bit float.
    F32(f32),
    /// Truth value.
    Bool(bool),
    /// Text.
    Text(String),
    /// List of texts.
    Texts(Vec<String>),
    /// List of signed 32-bit numbers.
    I32s(Vec<i32>),
}

/// A tensor to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorSpec {
    /// Its name.
    pub name: String,
    /// Its shape, fastest dimension first.
    pub shape: Vec<u64>,
    /// How its values are stored.
    pub kind: TensorType,
}

/// Writes one file. The tensors' bytes are appended in the order of the table; padding is added
/// between them.
#[derive(Debug)]
pub struct GgufWriter<W> {
    out: W,
    /// Bytes of each tensor yet to come, next one last.
    pending: Vec<u64>,
    /// Bytes still missing of the current tensor.
    missing: u64,
    /// Bytes written since the data began.
    written: u64,
}

impl<W: Write> GgufWriter<W> {
    /// Writes the head of the file.
    ///
    /// # Errors
    /// `InvalidInput` when a tensor's shape does not fit its type; else what `out` reports.
    pub fn begin(
        out: W,
        metadata: &[(String, MetaValue)],
        tensors: &[TensorSpec],
    ) -> io::Result<Self> {
        let mut sizes = Vec::with_capacity(tensors.len());
        let mut head = Vec::new();
        head.extend_from_slice(MAGIC);
        head.extend_from_slice(&VERSION.to_le_bytes());
        head.extend_from_slice(&(tensors.len() as u64).to_le_bytes());
        head.extend_from_slice(&(metadata.len() as u64).to_le_bytes());
        for (key, value) in metadata {
            text(&mut head, key);
            put(&mut head, value);
        }
        let mut offset = 0_u64;
        for tensor in tensors {
            let bytes = tensor.kind.bytes(&tensor.shape).ok_or_else(|| {
                invalid(format!(
                    "{}: {:?} is no shape for {}",
                    tensor.name, tensor.shape, tensor.kind
                ))
            })?;
            text(&mut head, &tensor.name);
            head.extend_from_slice(&(tensor.shape.len() as u32).to_le_bytes());
            for dimension in &tensor.shape {
                head.extend_from_slice(&dimension.to_le_bytes());
            }
            head.extend_from_slice(&tensor.kind.0.to_le_bytes());
            head.extend_from_slice(&offset.to_le_bytes());
            offset += bytes.next_multiple_of(ALIGNMENT);
            sizes.push(bytes);
        }
        head.resize(head.len().next_multiple_of(ALIGNMENT as usize), 0);
        sizes.reverse();
        let mut writer = Self {
            out,
            pending: sizes,
            missing: 0,
            written: 0,
        };
        writer.out.write_all(&head)?;
        writer.advance()?;
        Ok(writer)
    }

    /// Appends to the current tensor.
    ///
    /// # Errors
    /// `InvalidInput` when the tensor would grow beyond its size; else what the output reports.
    pub fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.missing = self
            .missing
            .checked_sub(bytes.len() as u64)
            .ok_or_else(|| invalid("more bytes than the tensor table announces".to_owned()))?;
        self.out.write_all(bytes)?;
        self.written += bytes.len() as u64;
        self.advance()
    }

    /// Ends the file and gives the output back.
    ///
    /// # Errors
    /// `InvalidInput` when bytes are missing.
    pub fn finish(self) -> io::Result<W> {
        if self.missing > 0 || !self.pending.is_empty() {
            return Err(invalid(
                "fewer bytes than the tensor table announces".to_owned(),
            ));
        }
        Ok(self.out)
    }

    /// Pads a tensor that is complete and turns to the next one that has bytes.
    fn advance(&mut self) -> io::Result<()> {
        while self.missing == 0 {
            let padding = self.written.next_multiple_of(ALIGNMENT) - self.written;
            self.out
                .write_all(&[0; ALIGNMENT as usize][..padding as usize])?;
            self.written += padding;
            let Some(next) = self.pending.pop() else {
                break;
            };
            self.missing = next;
        }
        Ok(())
    }
}

fn invalid(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, message)
}

fn text(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(&(text.len() as u64).to_le_bytes());
    out.extend_from_slice(text.as_bytes());
}

fn array(out: &mut Vec<u8>, element: u32, count: usize) {
    out.extend_from_slice(&kind::ARRAY.to_le_bytes());
    out.extend_from_slice(&element.to_le_bytes());
    out.extend_from_slice(&(count as u64).to_le_bytes());
}

fn put(out: &mut Vec<u8>, value: &MetaValue) {
    match value {
        MetaValue::U32(number) => {
            out.extend_from_slice(&kind::U32.to_le_bytes());
            out.extend_from_slice(&number.to_le_bytes());
        }
        MetaValue::F32(number) => {
            out.extend_from_slice(&kind::F32.to_le_bytes());
            out.extend_from_slice(&number.to_le_bytes());
        }
        MetaValue::Bool(truth) => {
            out.extend_from_slice(&kind::BOOL.to_le_bytes());
            out.push(u8::from(*truth));
        }
        MetaValue::Text(string) => {
            out.extend_from_slice(&kind::TEXT.to_le_bytes());
            text(out, string);
        }
        MetaValue::Texts(strings) => {
            array(out, kind::TEXT, strings.len());
            for string in strings {
                text(out, string);
            }
        }
        MetaValue::I32s(numbers) => {
            array(out, kind::I32, numbers.len());
            for number in numbers {
                out.extend_from_slice(&number.to_le_bytes());
            }
        }
    }
}
