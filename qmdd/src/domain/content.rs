//! The identity of a document's content.

use std::fmt;

use sha2::{Digest, Sha256};

/// SHA-256 of a document's bytes as stored (UTF-8 text).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContentHash(pub [u8; 32]);

impl ContentHash {
    /// Hashes a document.
    pub fn of(text: &str) -> Self {
        Self(Sha256::digest(text.as_bytes()).into())
    }

    /// The short form that people see.
    pub fn docid(&self) -> DocId {
        DocId(hex::encode(&self.0[..3]))
    }
}

impl fmt::Display for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ContentHash({self})")
    }
}

/// A prefix of a content hash: 6 to 64 lower-case hex digits, shown as `#abc123`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DocId(String);

/// The text is no document id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no docid: expected \"#\" and 6 to 64 hex digits")]
pub struct DocIdError(pub String);

impl DocId {
    /// Parses with or without the leading `#`; upper case is folded.
    pub fn parse(text: &str) -> Result<Self, DocIdError> {
        let digits = text.strip_prefix('#').unwrap_or(text);
        let good =
            (6..=64).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        if good {
            Ok(Self(digits.to_ascii_lowercase()))
        } else {
            Err(DocIdError(text.to_owned()))
        }
    }

    /// The hex digits, without `#`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DocId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn docid_is_the_hash_prefix() {
        let hash = ContentHash::of("abc");
        assert!(hash.to_string().starts_with("ba7816bf"));
        assert_eq!(hash.docid().to_string(), "#ba7816");
        assert_eq!(DocId::parse("#BA7816"), Ok(hash.docid()));
        for bad in ["", "#", "12345", "#12345g", &"a".repeat(65)] {
            assert!(DocId::parse(bad).is_err(), "{bad}");
        }
    }
}
