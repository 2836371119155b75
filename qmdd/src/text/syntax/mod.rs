//! What a grammar tells of a piece of code: what a cut before each line is worth, and which items hold
//! which lines.
//!
//! The parsers are C. Some inputs of a few KiB take them minutes and gigabytes between two looks at the
//! budget, so code that may come from anywhere is parsed in a child process with limits (`ingest`).

mod grammar;
#[cfg(test)]
mod tests;
mod walk;

use std::ops::{ControlFlow, Range};

use serde::{Deserialize, Serialize};
use tree_sitter::{ParseOptions, ParseState, Parser};

use self::grammar::Grammar;
use super::language::Language;

/// Longest code that is parsed, in bytes. Longer files are generated, or data.
pub const MAX_BYTES: usize = 2 << 20;

/// Parser steps allowed a byte, and for the start. Real code takes less than one a byte, and tables of
/// numbers six; a look at the budget comes every hundred steps.
const STEPS_A_BYTE: usize = 24;
const STEPS_AT_START: usize = 100_000;
const STEPS_A_LOOK: usize = 100;

/// What the grammar of its language tells of a piece of code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Syntax {
    /// What a cut before each line is worth, 0 to 100; `None` where the grammar has no say, such as
    /// before a blank line. One for each line, with one for what stands after the last line feed.
    pub lines: Vec<Option<u8>>,
    /// Items that have a name, by start, an outer one before those within it.
    pub items: Vec<Item>,
}

/// A named item, such as a function.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// Its lines, with the comments and attributes that belong to it.
    pub bytes: Range<usize>,
    /// What it is called, such as `fn main`; one line.
    pub name: String,
}

/// Parses code. `None` where it is too long, or the parser gives up.
pub fn parse(code: &str, language: Language) -> Option<Syntax> {
    if code.len() > MAX_BYTES {
        return None;
    }
    let grammar = Grammar::of(language);
    let mut parser = Parser::new();
    parser.set_language(&grammar.language).ok()?;
    let mut looks = (code.len() * STEPS_A_BYTE + STEPS_AT_START) / STEPS_A_LOOK;
    let mut progress = |_: &ParseState| {
        looks = looks.saturating_sub(1);
        match looks {
            0 => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        }
    };
    let options = ParseOptions::new().progress_callback(&mut progress);
    let mut read = |at: usize, _| code.as_bytes().get(at..).unwrap_or_default();
    let tree = parser.parse_with_options(&mut read, None, Some(options))?;
    Some(walk::walk(&tree, code, grammar))
}
