//! The cache itself: bounded by bytes, the least recently used result goes first.

use std::{fs, io, path::Path};

use lru::LruCache;

use super::{Key, ModelTag, Value};
use crate::infer::backend::{Embedding, Forgotten, Generation};

/// First bytes of the file; the number is raised when its format changes.
const MAGIC: &[u8] = b"qmdd inference cache 2\n";

/// What an entry takes beside its value: key, links and table.
const OVERHEAD: u64 = 128;

pub(super) struct Memo {
    entries: LruCache<Key, Value>,
    bytes: u64,
    capacity: u64,
}

impl Memo {
    pub(super) fn new(capacity: u64) -> Self {
        Self {
            entries: LruCache::unbounded(),
            bytes: 0,
            capacity,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn capacity(&self) -> u64 {
        self.capacity
    }

    pub(super) fn get(&mut self, key: &Key) -> Option<Value> {
        self.entries.get(key).cloned()
    }

    /// Remembers a result, and forgets as many as that takes. One larger than the whole cache is not
    /// kept.
    pub(super) fn put(&mut self, key: Key, value: Value) {
        let size = size(&value);
        if size > self.capacity {
            return;
        }
        if let Some(old) = self.entries.put(key, value) {
            self.bytes -= self::size(&old);
        }
        self.bytes += size;
        while self.bytes > self.capacity
            && let Some((_, oldest)) = self.entries.pop_lru()
        {
            self.bytes -= self::size(&oldest);
        }
    }

    /// Forgets the results of all models but these, or only counts them.
    pub(super) fn forget_unless(&mut self, models: &[ModelTag], dry_run: bool) -> Forgotten {
        let unused: Vec<(Key, u64)> = self
            .entries
            .iter()
            .filter(|((model, _), _)| !models.contains(model))
            .map(|(key, value)| (*key, size(value)))
            .collect();
        let bytes = unused.iter().map(|(_, bytes)| bytes).sum();
        if !dry_run {
            for (key, _) in &unused {
                self.entries.pop(key);
            }
            self.bytes -= bytes;
        }
        Forgotten {
            entries: unused.len() as u64,
            bytes,
        }
    }

    /// Reads a file that holds what [`Self::encode`] gave. None is an empty cache.
    pub(super) fn read(file: &Path, capacity: u64) -> io::Result<Self> {
        let mut memo = Self::new(capacity);
        let bytes = match fs::read(file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(memo),
            read => read?,
        };
        let invalid = |message: &str| io::Error::new(io::ErrorKind::InvalidData, message);
        let body = bytes
            .strip_prefix(MAGIC)
            .ok_or_else(|| invalid("it is of another version"))?;
        let entries: Vec<(Key, Value)> =
            postcard::from_bytes(body).map_err(|error| invalid(&error.to_string()))?;
        for (key, value) in entries {
            memo.put(key, value);
        }
        Ok(memo)
    }

    /// Everything, the oldest first, as a file holds it.
    pub(super) fn encode(&self) -> io::Result<Vec<u8>> {
        let entries: Vec<(&Key, &Value)> = self.entries.iter().rev().collect();
        postcard::to_extend(&entries, MAGIC.to_vec()).map_err(io::Error::other)
    }
}

fn size(value: &Value) -> u64 {
    let value = match value {
        Value::Embedding(Embedding { values, .. }) => values.len() * size_of::<f32>(),
        Value::Score(_) => 0,
        Value::Generation(Generation { text, .. }) => text.len(),
    };
    value as u64 + OVERHEAD
}
