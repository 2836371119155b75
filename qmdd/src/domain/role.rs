//! What models are for.

use std::fmt;

/// What a model does for the daemon.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
pub enum Role {
    /// Texts to vectors.
    Embed,
    /// Query and text to relevance.
    Rerank,
    /// Prompt to text.
    Generate,
}

impl Role {
    /// All three.
    pub const ALL: [Self; 3] = [Self::Embed, Self::Rerank, Self::Generate];

    /// As written in `index.yml`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Embed => "embed",
            Self::Rerank => "rerank",
            Self::Generate => "generate",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
