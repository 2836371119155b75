//! Why a text is no query, and where.

use std::{error::Error, fmt};

use crate::domain::{Failure, Reason};

/// The text is no query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryError {
    /// Where the fault is; `None` when it is in no one place.
    pub place: Option<Place>,
    /// What stands there: up to the next space, and cut when it is long. Empty at the end of a line.
    pub found: String,
    /// What is wrong.
    pub fault: Fault,
}

/// A place in a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The number of the search among those that came apart, from 1; `None` in a text.
    pub search: Option<usize>,
    /// The line, from 1.
    pub line: usize,
    /// The column, in characters, from 1.
    pub column: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(search) = self.search {
            write!(f, "search {search}, ")?;
            if self.line == 1 {
                return write!(f, "column {}", self.column);
            }
        }
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// What can be wrong with a query.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// No letter or digit in it.
    Empty,
    /// Over the limit.
    TooLong {
        /// Its length.
        bytes: usize,
        /// [`super::MAX_BYTES`].
        limit: usize,
    },
    /// It says only what not to find.
    OnlyExcludes,
    /// It says only where to look.
    OnlyNarrows,
    /// Nothing but white space after this prefix.
    NoText(&'static str),
    /// A line without a letter or digit to look for.
    NoWords,
    /// A line of a document has no prefix.
    Untyped,
    /// `expand:` beside other lines.
    ExpandMixed,
    /// A second `intent:`.
    SecondIntent,
    /// An `intent:` and no search.
    OnlyIntent,
    /// A quote in a `lex:` line has no partner.
    OpenQuote,
    /// A search by words that goes over more than one line.
    LineBreak,
    /// A search by meaning excludes something.
    Excludes,
    /// More searches than this.
    TooManySearches(usize),
    /// More words that narrow than this.
    TooManyNarrow(usize),
    /// What stands after `after:` or `before:` is no date.
    Date,
    /// What stands after `in:` cannot name a collection.
    Collection,
    /// Nothing stands after `tag:`.
    Tag,
    /// What stands after `meta:` is no condition, because of this.
    Filter(String),
}

impl QueryError {
    /// Of the query as a whole.
    pub(super) fn whole(fault: Fault) -> Self {
        Self {
            place: None,
            found: String::new(),
            fault,
        }
    }
}

impl fmt::Display for QueryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = self.place {
            write!(f, "{place}: ")?;
        }
        f.write_str(&self.fault.told(&self.found))
    }
}

impl Error for QueryError {}

impl Fault {
    fn told(&self, found: &str) -> String {
        match self {
            Self::Empty => "the query has no words in it".into(),
            Self::TooLong { bytes, limit } => {
                format!("the query has {bytes} bytes, the limit is {limit}")
            }
            Self::OnlyExcludes => "the search only excludes words".into(),
            Self::OnlyNarrows => "the query only says where to look".into(),
            Self::NoText(prefix) => format!("nothing stands after `{prefix}`"),
            Self::NoWords => "there is no word to look for".into(),
            Self::Untyped => "the line does not say how to search".into(),
            Self::ExpandMixed => "`expand:` takes no other lines beside it".into(),
            Self::SecondIntent => "there is an `intent:` already".into(),
            Self::OnlyIntent => "an `intent:` alone looks for nothing".into(),
            Self::OpenQuote => "the quote is never closed".into(),
            Self::LineBreak => "a search by words is of one line".into(),
            Self::Excludes => format!("a search by meaning cannot exclude anything: `{found}`"),
            Self::TooManySearches(limit) => format!("there may be {limit} searches"),
            Self::TooManyNarrow(limit) => format!("there may be {limit} words that narrow"),
            Self::Date => format!("`{found}` is no date"),
            Self::Collection => format!("`{found}` cannot name a collection"),
            Self::Tag => "no tag is named".into(),
            Self::Filter(message) => message.clone(),
        }
    }
}

impl Failure for QueryError {
    fn reason(&self) -> Reason {
        match self.fault {
            Fault::Empty | Fault::OnlyNarrows => Reason::QueryEmpty,
            Fault::TooLong { .. } => Reason::QueryTooLong,
            _ => Reason::QuerySyntax,
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match &self.fault {
            Fault::Empty => "name at least one word, as in `qmdctl search \"heat transfer\"`",
            Fault::TooLong { .. } => "send a shorter query",
            Fault::OnlyExcludes => "add a word to look for, as in `qmdctl search \"wing -tail\"`",
            Fault::OnlyNarrows => {
                "add a word to look for; `qmdctl ls` lists documents without a search"
            }
            Fault::NoText(_) | Fault::NoWords => "add a word, or leave the line out",
            Fault::Untyped => {
                "begin it with `lex:` for its words, or with `vec:` or `hyde:` for its meaning"
            }
            Fault::ExpandMixed => "leave out `expand:`, or the other lines",
            Fault::SecondIntent => "say all of it in one `intent:` line",
            Fault::OnlyIntent => "add a `lex:`, `vec:` or `hyde:` line",
            Fault::OpenQuote => "close it, or leave it out",
            Fault::LineBreak => "make each line a search of its own",
            Fault::Excludes => "exclude words in a `lex:` line, or write the word without the dash",
            Fault::TooManySearches(_) => "search for the rest in another query",
            Fault::TooManyNarrow(_) => "join conditions in one `meta:\"... and ...\"`",
            Fault::Date => {
                "dates look like 2024, 2024-03, 2024-03-01, `today`, or 7d, 2w, 3m, 1y, counted \
                 back from today; to look for the word itself, put all of it in quotes"
            }
            Fault::Collection => "`qmdctl collection list` has the names",
            Fault::Tag => "name one, as in `tag:wings`",
            Fault::Filter(_) => {
                "conditions look like `meta:status=draft`, `meta:due<2024-06` or \
                 `meta:\"topics contains rust and priority > 3\"`"
            }
        };
        Some(hint.to_owned())
    }
}

/// A text under parsing, for telling places in it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Source<'a> {
    pub(super) text: &'a str,
    /// As [`Place::search`].
    pub(super) search: Option<usize>,
}

/// Longest text that an error shows, in characters.
const SHOWN: usize = 40;

impl Source<'_> {
    /// An error at a byte of the text.
    pub(super) fn fault(&self, at: usize, fault: Fault) -> QueryError {
        let rest = self.text.get(at..).unwrap_or_default();
        let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
        self.fault_over(at, at + end, fault)
    }

    /// An error at a byte of the text, where stands what ends at another.
    pub(super) fn fault_over(&self, at: usize, end: usize, fault: Fault) -> QueryError {
        let before = self.text.get(..at).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let here = self.text.get(at..end).unwrap_or_default();
        let mut found: String = here.chars().take(SHOWN).collect();
        if found.len() < here.len() {
            found.push('…');
        }
        QueryError {
            place: Some(Place {
                search: self.search,
                line: before.matches('\n').count() + 1,
                column: before[line_start..].chars().count() + 1,
            }),
            found: found.replace(char::is_control, " "),
            fault,
        }
    }
}
