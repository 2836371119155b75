//! Places inside a document.

use std::ops::Range;

/// A run of bytes with the lines it touches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextSpan {
    /// Byte offsets into the document, on character boundaries.
    pub bytes: Range<usize>,
    /// First and last line, counted from 1, both inside.
    pub lines: (u32, u32),
}

/// A chunk: the unit that is embedded and reranked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChunkSpan {
    /// Where it lies.
    pub span: TextSpan,
    /// The headings above it, outermost first, joined by ` > `; empty before the first heading.
    pub heading: String,
}
