//! Pure text work: titles, chunks, words, snippets and the grammar of lexical queries. No IO.

pub mod chunk;
mod front_matter;
pub mod language;
mod outline;
pub mod qmd;
pub mod query;
pub mod segment;
pub mod snippet;
pub mod syntax;
pub mod title;
pub mod words;
