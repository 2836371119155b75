//! Reads a query, line by line or search by search.

use std::ops::Range;

use jiff::Timestamp;

use super::{
    Expansion, Fault, LexicalQuery, MAX_SEARCHES, Query, QueryError, Search, SearchKind,
    document::{Line, Prefix},
    error::Source,
    narrow::Narrowed,
    scan::{Items, What, open_quote},
};

/// What has been read of a query.
pub(super) struct Reader {
    pub(super) searches: Vec<Search>,
    pub(super) intent: Option<String>,
    narrowed: Narrowed,
}

impl Reader {
    pub(super) fn new(now: Timestamp) -> Self {
        Self {
            searches: Vec::new(),
            intent: None,
            narrowed: Narrowed::new(now),
        }
    }

    pub(super) fn query(self, expansion: Expansion) -> Query {
        Query {
            searches: self.searches,
            intent: self.intent,
            expansion,
            scope: self.narrowed.scope,
        }
    }

    /// Reads a line of a document.
    pub(super) fn line(
        &mut self,
        source: Source<'_>,
        line: &Line<'_>,
        intent_at: &mut Option<usize>,
    ) -> Result<(), QueryError> {
        let Some(prefix) = line.prefix else {
            return self.narrows_only(source, line);
        };
        let kind = match prefix {
            Prefix::Expand => return Err(source.fault(line.at, Fault::ExpandMixed)),
            Prefix::Intent if intent_at.is_some() => {
                return Err(source.fault(line.at, Fault::SecondIntent));
            }
            _ if line.text.is_empty() => {
                return Err(source.fault(line.end(), Fault::NoText(prefix.name())));
            }
            Prefix::Intent => {
                *intent_at = Some(line.at);
                self.intent = Some(line.text.to_owned());
                return Ok(());
            }
            Prefix::Lex => SearchKind::Lex,
            Prefix::Vec => SearchKind::Vec,
            Prefix::Hyde => SearchKind::Hyde,
        };
        self.search(source, kind, line.range())
    }

    /// A line without a prefix, which must hold nothing but words that narrow.
    fn narrows_only(&mut self, source: Source<'_>, line: &Line<'_>) -> Result<(), QueryError> {
        for item in Items::new(source.text, line.range(), true) {
            match &item.what {
                What::Narrow(narrow) => self.narrowed.add(source, &item, narrow)?,
                What::Term(_) => return Err(source.fault(line.at, Fault::Untyped)),
            }
        }
        Ok(())
    }

    /// Reads the text of a search.
    pub(super) fn search(
        &mut self,
        source: Source<'_>,
        kind: SearchKind,
        range: Range<usize>,
    ) -> Result<(), QueryError> {
        if self.searches.len() == MAX_SEARCHES {
            return Err(source.fault(range.start, Fault::TooManySearches(MAX_SEARCHES)));
        }
        match kind {
            SearchKind::Plain => self.plain(source, kind, range),
            SearchKind::Lex => {
                if let Some(at) = open_quote(source.text, range.clone()) {
                    return Err(source.fault(at, Fault::OpenQuote));
                }
                self.plain(source, kind, range)
            }
            SearchKind::Vec => self.meaning(source, range),
            SearchKind::Hyde => self.made_up(source, range),
        }
    }

    /// Words and signs.
    pub(super) fn plain(
        &mut self,
        source: Source<'_>,
        kind: SearchKind,
        range: Range<usize>,
    ) -> Result<(), QueryError> {
        let start = range.start;
        let (mut any, mut none) = (Vec::new(), Vec::new());
        let mut text: Vec<String> = Vec::new();
        let (mut first_excluded, mut narrows) = (None, false);
        for item in Items::new(source.text, range, true) {
            match item.what {
                What::Narrow(ref narrow) => {
                    self.narrowed.add(source, &item, narrow)?;
                    narrows = true;
                }
                What::Term(term) if item.negated => {
                    if term.is_searchable() {
                        first_excluded = first_excluded.or(Some(item.at));
                        none.push(term);
                    }
                }
                What::Term(term) => {
                    if !term.text.is_empty() {
                        text.push(term.text.clone());
                    }
                    if term.is_searchable() {
                        any.push(term);
                    }
                }
            }
        }
        if any.is_empty() {
            let in_document = kind == SearchKind::Lex || source.search.is_some();
            return Err(match first_excluded {
                Some(at) => source.fault(at, Fault::OnlyExcludes),
                None if in_document => source.fault(start, Fault::NoWords),
                None if narrows => QueryError::whole(Fault::OnlyNarrows),
                None => QueryError::whole(Fault::Empty),
            });
        }
        self.searches.push(Search {
            kind,
            text: text.join(" "),
            lexical: Some(LexicalQuery { any, none }),
        });
        Ok(())
    }

    /// Words that are meant as they stand, among words that narrow.
    fn meaning(&mut self, source: Source<'_>, range: Range<usize>) -> Result<(), QueryError> {
        let start = range.start;
        let mut items = Items::new(source.text, range, true);
        let mut words = Vec::new();
        loop {
            if let Some(item) = items.next_narrow() {
                if let What::Narrow(narrow) = &item.what {
                    self.narrowed.add(source, &item, narrow)?;
                }
            } else if let Some((at, word)) = items.next_bare() {
                refuse_negation(source, at, word)?;
                words.push(word);
            } else {
                break;
            }
        }
        self.by_meaning(source, start, SearchKind::Vec, words.join(" "))
    }

    /// A text as it is.
    fn made_up(&mut self, source: Source<'_>, range: Range<usize>) -> Result<(), QueryError> {
        let start = range.start;
        let text = source.text[range.clone()].to_owned();
        let mut items = Items::new(source.text, range, false);
        while let Some((at, word)) = items.next_bare() {
            refuse_negation(source, at, word)?;
        }
        self.by_meaning(source, start, SearchKind::Hyde, text)
    }

    fn by_meaning(
        &mut self,
        source: Source<'_>,
        start: usize,
        kind: SearchKind,
        text: String,
    ) -> Result<(), QueryError> {
        if !text.contains(char::is_alphanumeric) {
            return Err(source.fault(start, Fault::NoWords));
        }
        self.searches.push(Search {
            kind,
            text,
            lexical: None,
        });
        Ok(())
    }
}

/// Refuses a word that would exclude in a search by words. Numbers below zero are no such thing.
fn refuse_negation(source: Source<'_>, at: usize, word: &str) -> Result<(), QueryError> {
    let excludes = word.strip_prefix('-').is_some_and(|rest| {
        rest.starts_with(|c: char| c == '"' || c.is_alphanumeric() && !c.is_numeric())
    });
    if excludes {
        return Err(source.fault(at, Fault::Excludes));
    }
    Ok(())
}
