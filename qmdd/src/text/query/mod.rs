//! The query language: a text becomes searches, and where they look. docs/query.md has the grammar.

mod document;
mod error;
mod lexical;
mod narrow;
mod reader;
mod scan;
#[cfg(test)]
mod tests;

use std::collections::HashSet;

use jiff::Timestamp;

use self::{document::Prefix, error::Source, reader::Reader};
use crate::domain::Filter;

pub use self::{
    error::{Fault, Place, QueryError},
    lexical::{Field, LexicalQuery, Term},
};

/// Longest query, in bytes.
pub const MAX_BYTES: usize = 16 * 1024;
/// Most searches in a query.
pub const MAX_SEARCHES: usize = 10;
/// Most words in a query that narrow it.
pub const MAX_NARROW: usize = 32;

/// What to look for, and where.
#[derive(Debug, Clone, PartialEq)]
pub struct Query {
    /// At least one, in the order typed.
    pub searches: Vec<Search>,
    /// What the search is for; itself not looked for.
    pub intent: Option<String>,
    /// Whether searches may be added to these.
    pub expansion: Expansion,
    /// Where all of them look.
    pub scope: Narrowing,
}

/// A single search.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Search {
    /// How to search.
    pub kind: SearchKind,
    /// What it means: its words, without what only a search by words knows of (signs, words that are
    /// excluded) and without the words that narrow.
    pub text: String,
    /// What is looked for by words; of [`SearchKind::Plain`] and [`SearchKind::Lex`].
    pub lexical: Option<LexicalQuery>,
}

/// How to search.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SearchKind {
    /// By words and by meaning.
    Plain,
    /// By words.
    Lex,
    /// By meaning.
    Vec,
    /// By the meaning of a made-up answer.
    Hyde,
}

/// Whether searches may be added by a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expansion {
    /// Where it helps.
    Auto,
    /// They are asked for.
    Asked,
    /// The searches are typed out.
    Never,
}

/// Where to look.
#[derive(Debug, Clone, PartialEq)]
pub struct Narrowing {
    /// In these collections, which can be named so; where it is empty, the query says nothing of it.
    pub collections: Vec<String>,
    /// In documents that pass this; [`Filter::open`] where the query says nothing of it.
    pub filter: Filter,
}

impl Default for Narrowing {
    fn default() -> Self {
        Self {
            collections: Vec::new(),
            filter: Filter::open(),
        }
    }
}

impl Query {
    /// Parses what a person typed: plain text; plain text after `expand:`; or a document, each line of
    /// which begins with `lex:`, `vec:`, `hyde:` or `intent:`, or holds nothing but words that narrow.
    /// Relative dates are counted back from `now`.
    ///
    /// # Errors
    /// In plain text, quotes, dashes and stars that make no sense are ordinary characters; an error is a
    /// text that looks for nothing, and a word that narrows by what cannot be. In a document whatever is
    /// not meant is an error.
    pub fn parse(text: &str, now: Timestamp) -> Result<Self, QueryError> {
        limit(text.len())?;
        let source = Source { text, search: None };
        let lines = document::lines(text);
        let mut reader = Reader::new(now);
        if lines.iter().all(|line| line.prefix.is_none()) {
            reader.plain(source, SearchKind::Plain, 0..text.len())?;
            return Ok(reader.query(Expansion::Auto));
        }
        if let [line] = lines.as_slice()
            && line.prefix == Some(Prefix::Expand)
        {
            if line.text.is_empty() {
                return Err(source.fault(line.end(), Fault::NoText(Prefix::Expand.name())));
            }
            reader.plain(source, SearchKind::Plain, line.range())?;
            return Ok(reader.query(Expansion::Asked));
        }
        let mut intent_at = None;
        for line in &lines {
            reader.line(source, line, &mut intent_at)?;
        }
        match intent_at {
            Some(at) if reader.searches.is_empty() => Err(source.fault(at, Fault::OnlyIntent)),
            _ => Ok(reader.query(Expansion::Never)),
        }
    }

    /// The query of searches that come apart, each with its text as it would follow its prefix in a line
    /// of a document; those by meaning may have several lines.
    ///
    /// # Errors
    /// As for a document; places are told by the number of the search.
    pub fn typed(
        searches: Vec<(SearchKind, String)>,
        intent: Option<String>,
        now: Timestamp,
    ) -> Result<Self, QueryError> {
        let texts = searches.iter().map(|(_, text)| text.len()).sum::<usize>();
        limit(texts + intent.as_ref().map_or(0, String::len))?;
        if searches.is_empty() {
            return Err(QueryError::whole(Fault::Empty));
        }
        let mut reader = Reader::new(now);
        for (number, (kind, text)) in searches.into_iter().enumerate() {
            let source = Source {
                text: &text,
                search: Some(number + 1),
            };
            let inner = text.trim();
            let start = text.len() - text.trim_start().len();
            if kind == SearchKind::Lex
                && let Some(at) = inner.find(['\n', '\r'])
            {
                return Err(source.fault(start + at, Fault::LineBreak));
            }
            reader.search(source, kind, start..start + inner.len())?;
        }
        reader.intent = intent
            .map(|intent| intent.trim().to_owned())
            .filter(|intent| !intent.is_empty());
        Ok(reader.query(Expansion::Never))
    }

    /// The words to show in what was found, in lower case, each once: those that are searched for and those
    /// of searches by meaning; those of made-up answers where there is nothing else.
    pub fn words(&self) -> Vec<String> {
        let of = |made_up: bool| {
            let searches = self.searches.iter();
            let searches = searches.filter(move |it| (it.kind == SearchKind::Hyde) == made_up);
            searches.flat_map(|search| match &search.lexical {
                Some(lexical) => lexical.words(),
                None => search
                    .text
                    .split_whitespace()
                    .map(str::to_lowercase)
                    .collect(),
            })
        };
        let mut words: Vec<String> = of(false).collect();
        if words.is_empty() {
            words = of(true).collect();
        }
        let mut seen = HashSet::new();
        words.retain(|word| seen.insert(word.clone()));
        words
    }
}

fn limit(bytes: usize) -> Result<(), QueryError> {
    if bytes > MAX_BYTES {
        let limit = MAX_BYTES;
        return Err(QueryError::whole(Fault::TooLong { bytes, limit }));
    }
    Ok(())
}
