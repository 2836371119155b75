//! Pure text work: titles, chunks, words, snippets, globs, names that are alike, and the grammar of
//! lexical queries. No IO.

pub mod chunk;
pub mod filter;
pub mod format;
mod front_matter;
pub mod glob;
pub mod language;
pub mod metadata;
pub mod near;
mod outline;
pub mod page;
pub mod passage;
pub mod place;
pub mod qmd;
pub mod query;
pub mod segment;
pub mod snippet;
pub mod syntax;
pub mod title;
pub mod words;
