//! A GGUF file taken apart, to be changed and put together again. It trusts its input: it is for
//! files that are known to be good.

use std::{fs, path::Path};

use anyhow::{Context, Result, bail, ensure};

/// Bytes that tensors are aligned to where the file does not say.
const ALIGNMENT: usize = 32;

/// Numbers of value types that a model's change needs.
pub mod kind {
    /// Unsigned, 32 bits.
    pub const U32: u32 = 4;
    /// Float, 32 bits.
    pub const F32: u32 = 6;
    /// UTF-8 behind its length.
    pub const TEXT: u32 = 8;
    /// Values of one type behind the type and their number.
    pub const ARRAY: u32 = 9;
}

/// A metadata value as it lies in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Value {
    /// Number of its type.
    pub kind: u32,
    /// What follows the type.
    pub bytes: Vec<u8>,
}

/// A tensor with its data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tensor {
    /// Its name.
    pub name: String,
    /// Its shape, fastest dimension first.
    pub shape: Vec<u64>,
    /// Number of its type: 0 is F32.
    pub kind: u32,
    /// Its bytes, with padding.
    pub data: Vec<u8>,
}

/// A file's content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gguf {
    /// Keys and values, in the file's order.
    pub metadata: Vec<(String, Value)>,
    /// Tensors, in the file's order.
    pub tensors: Vec<Tensor>,
}

impl Value {
    /// An unsigned number.
    pub fn number(value: u32) -> Self {
        Self {
            kind: kind::U32,
            bytes: value.to_le_bytes().to_vec(),
        }
    }

    /// A float.
    pub fn float(value: f32) -> Self {
        Self {
            kind: kind::F32,
            bytes: value.to_le_bytes().to_vec(),
        }
    }

    /// A list of texts.
    pub fn texts(texts: &[String]) -> Self {
        let mut bytes = kind::TEXT.to_le_bytes().to_vec();
        bytes.extend((texts.len() as u64).to_le_bytes());
        for text in texts {
            put_text(&mut bytes, text);
        }
        Self {
            kind: kind::ARRAY,
            bytes,
        }
    }

    /// The texts of a list of them.
    ///
    /// # Errors
    /// When it is something else.
    pub fn as_texts(&self) -> Result<Vec<String>> {
        let mut reader = Reader(&self.bytes);
        ensure!(
            self.kind == kind::ARRAY && reader.u32()? == kind::TEXT,
            "not a list of texts"
        );
        let count = reader.u64()?;
        (0..count).map(|_| reader.text()).collect()
    }
}

impl Gguf {
    /// Reads a file.
    ///
    /// # Errors
    /// When it is no GGUF file of version 3.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = fs::read(path).with_context(|| path.display().to_string())?;
        let mut reader = Reader(&bytes);
        ensure!(reader.take(4)? == b"GGUF", "{} is no GGUF", path.display());
        ensure!(reader.u32()? == 3, "not version 3");
        let (tensors, pairs) = (reader.u64()?, reader.u64()?);
        let metadata = (0..pairs)
            .map(|_| Ok((reader.text()?, reader.value()?)))
            .collect::<Result<_>>()?;
        let table = (0..tensors)
            .map(|_| reader.tensor())
            .collect::<Result<Vec<_>>>()?;
        let start = (bytes.len() - reader.0.len()).next_multiple_of(ALIGNMENT);
        let data = bytes.get(start..).context("no tensor data")?;
        let ends = table.iter().skip(1).map(|(_, offset)| *offset);
        let ends: Vec<usize> = ends.chain([data.len()]).collect();
        let tensors = table
            .into_iter()
            .zip(ends)
            .map(|((mut tensor, from), to)| {
                data.get(from..to)
                    .context("tensors out of order")?
                    .clone_into(&mut tensor.data);
                Ok(tensor)
            })
            .collect::<Result<_>>()?;
        Ok(Self { metadata, tensors })
    }

    /// The value of a key.
    ///
    /// # Errors
    /// When it is not there.
    pub fn get(&self, key: &str) -> Result<&Value> {
        let found = self.metadata.iter().find(|(name, _)| name == key);
        Ok(&found.with_context(|| format!("no {key}"))?.1)
    }

    /// Sets a key, new or not.
    pub fn set(&mut self, key: &str, value: Value) {
        match self.metadata.iter_mut().find(|(name, _)| name == key) {
            Some((_, old)) => *old = value,
            None => self.metadata.push((key.to_owned(), value)),
        }
    }

    /// A tensor, to be changed.
    ///
    /// # Errors
    /// When it is not there.
    pub fn tensor(&mut self, name: &str) -> Result<&mut Tensor> {
        let mut tensors = self.tensors.iter_mut();
        let found = tensors.find(|tensor| tensor.name == name);
        found.with_context(|| format!("no tensor {name}"))
    }

    /// Appends a tensor of 32-bit floats.
    pub fn push(&mut self, name: &str, shape: &[u64], values: impl Iterator<Item = f32>) {
        self.tensors.push(Tensor {
            name: name.to_owned(),
            shape: shape.to_vec(),
            kind: 0,
            data: values.flat_map(f32::to_le_bytes).collect(),
        });
    }

    /// The file.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = b"GGUF".to_vec();
        out.extend(3_u32.to_le_bytes());
        out.extend((self.tensors.len() as u64).to_le_bytes());
        out.extend((self.metadata.len() as u64).to_le_bytes());
        for (key, value) in &self.metadata {
            put_text(&mut out, key);
            out.extend(value.kind.to_le_bytes());
            out.extend(&value.bytes);
        }
        let mut offset = 0;
        for tensor in &self.tensors {
            put_text(&mut out, &tensor.name);
            out.extend((tensor.shape.len() as u32).to_le_bytes());
            out.extend(tensor.shape.iter().flat_map(|extent| extent.to_le_bytes()));
            out.extend(tensor.kind.to_le_bytes());
            out.extend((offset as u64).to_le_bytes());
            offset += tensor.data.len().next_multiple_of(ALIGNMENT);
        }
        for tensor in &self.tensors {
            out.resize(out.len().next_multiple_of(ALIGNMENT), 0);
            out.extend(&tensor.data);
        }
        out.resize(out.len().next_multiple_of(ALIGNMENT), 0);
        out
    }
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    out.extend((text.len() as u64).to_le_bytes());
    out.extend(text.as_bytes());
}

/// What is left to read.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count).context("the file ends")?;
        self.0 = rest;
        Ok(taken)
    }

    fn u32(&mut self) -> Result<u32> {
        Ok(u32::from_le_bytes(self.take(4)?.try_into()?))
    }

    fn u64(&mut self) -> Result<u64> {
        Ok(u64::from_le_bytes(self.take(8)?.try_into()?))
    }

    fn text(&mut self) -> Result<String> {
        let length = self.u64()? as usize;
        Ok(String::from_utf8(self.take(length)?.to_vec())?)
    }

    fn value(&mut self) -> Result<Value> {
        let kind = self.u32()?;
        let before = self.0;
        self.skip(kind)?;
        let bytes = before[..before.len() - self.0.len()].to_vec();
        Ok(Value { kind, bytes })
    }

    fn skip(&mut self, value_kind: u32) -> Result<()> {
        let bytes = match value_kind {
            0 | 1 | 7 => 1,
            2 | 3 => 2,
            4..=6 => 4,
            10..=12 => 8,
            kind::TEXT => self.u64()? as usize,
            kind::ARRAY => {
                let (item, count) = (self.u32()?, self.u64()?);
                return (0..count).try_for_each(|_| self.skip(item));
            }
            other => bail!("unknown value type {other}"),
        };
        self.take(bytes).map(drop)
    }

    /// An entry of the tensor table: the tensor without its data, and where that begins.
    fn tensor(&mut self) -> Result<(Tensor, usize)> {
        let name = self.text()?;
        let dimensions = self.u32()?;
        let shape = (0..dimensions).map(|_| self.u64()).collect::<Result<_>>()?;
        let tensor = Tensor {
            name,
            shape,
            kind: self.u32()?,
            data: Vec::new(),
        };
        Ok((tensor, self.u64()? as usize))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut file = Gguf {
            metadata: Vec::new(),
            tensors: Vec::new(),
        };
        let words = ["a".to_owned(), String::new(), "ü".to_owned()];
        file.set("words", Value::texts(&words));
        file.set("number", Value::number(1));
        file.set("number", Value::number(7));
        file.push("t", &[8], (0..8).map(|n| n as f32));
        file.push("u", &[4, 2], (0..8).map(|n| n as f32));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.gguf");
        fs::write(&path, file.encode()).unwrap();
        let read = Gguf::read(&path).unwrap();
        assert_eq!(read, file);
        assert_eq!(read.get("words").unwrap().as_texts().unwrap(), words);
        assert_eq!(read.get("number").unwrap(), &Value::number(7));
        assert!(read.get("none").is_err());
    }
}
