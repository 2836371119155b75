//! Cuts a query into its words: terms, and words that narrow.

use std::ops::Range;

use super::lexical::{Field, Term};

/// A word, or what stands in quotes, with what is tied to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Item<'a> {
    /// Where it begins, in bytes.
    pub(super) at: usize,
    /// Whether a dash before it turns it around.
    pub(super) negated: bool,
    pub(super) what: What<'a>,
}

/// What a word of a query is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum What<'a> {
    /// To be looked for. It may hold no letter and no digit.
    Term(Term),
    /// It says where to look.
    Narrow(Narrow<'a>),
}

/// A word that narrows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Narrow<'a> {
    pub(super) operator: Operator,
    /// What stands after the colon, without quotes around it.
    pub(super) value: &'a str,
    /// Where that begins, in bytes.
    pub(super) at: usize,
}

/// By what a query is narrowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    In,
    Tag,
    After,
    Before,
    Meta,
}

/// What is typed before a term to bind it.
const FIELDS: [(&str, Field); 2] = [("title:", Field::Title), ("path:", Field::Path)];

const OPERATORS: [(&str, Operator); 5] = [
    ("in:", Operator::In),
    ("tag:", Operator::Tag),
    ("after:", Operator::After),
    ("before:", Operator::Before),
    ("meta:", Operator::Meta),
];

/// The words of a part of a text, in order.
#[derive(Debug, Clone)]
pub(super) struct Items<'a> {
    text: &'a str,
    range: Range<usize>,
    narrows: bool,
}

impl<'a> Items<'a> {
    /// Those of the text's bytes in `range`. Words that narrow are terms like others, unless `narrows`.
    pub(super) fn new(text: &'a str, range: Range<usize>, narrows: bool) -> Self {
        Self {
            text,
            range,
            narrows,
        }
    }

    /// What is left, from the next word on.
    fn rest(&mut self) -> &'a str {
        let rest = self.text[self.range.clone()].trim_start();
        self.range.start = self.range.end - rest.len();
        rest
    }

    /// Takes the next word if it narrows.
    pub(super) fn next_narrow(&mut self) -> Option<Item<'a>> {
        let rest = self.rest();
        let body = negated(rest);
        let (narrow, tail) = narrow(body.unwrap_or(rest), self.range.end)?;
        let at = self.range.start;
        self.range.start = self.range.end - tail.len();
        Some(Item {
            at,
            negated: body.is_some(),
            what: What::Narrow(narrow),
        })
    }

    /// Takes whatever stands before the next white space, with where that begins.
    pub(super) fn next_bare(&mut self) -> Option<(usize, &'a str)> {
        let rest = self.rest();
        let word = rest.split(char::is_whitespace).next()?;
        let at = self.range.start;
        self.range.start += word.len();
        (!word.is_empty()).then_some((at, word))
    }
}

impl<'a> Iterator for Items<'a> {
    type Item = Item<'a>;

    fn next(&mut self) -> Option<Item<'a>> {
        let rest = self.rest();
        if rest.is_empty() {
            return None;
        }
        if self.narrows
            && let Some(item) = self.next_narrow()
        {
            return Some(item);
        }
        let at = self.range.start;
        let body = negated(rest);
        let (field, named) = field(body.unwrap_or(rest));
        let (term, tail) = term(named, field);
        self.range.start = self.range.end - tail.len();
        Some(Item {
            at,
            negated: body.is_some(),
            what: What::Term(term),
        })
    }
}

/// What follows the dash that excludes.
fn negated(text: &str) -> Option<&str> {
    text.strip_prefix('-')
        .filter(|tail| tail.starts_with(char::is_alphanumeric) || quoted(tail).is_some())
}

/// Takes a term off a text that starts with one.
fn term(text: &str, field: Option<Field>) -> (Term, &str) {
    if let Some((inner, tail)) = quoted(text) {
        let open = tail.strip_prefix('*');
        let term = Term {
            text: inner.trim().to_owned(),
            phrase: true,
            prefix: open.is_some(),
            field,
        };
        return (term, open.unwrap_or(tail));
    }
    let (word, tail) = bare(text);
    let stem = word.trim_end_matches('*');
    let term = Term {
        text: stem.to_owned(),
        phrase: false,
        prefix: stem.len() < word.len(),
        field,
    };
    (term, tail)
}

/// The field that a text starts with the name of, and what follows the name. `title: x` names none.
fn field(text: &str) -> (Option<Field>, &str) {
    let named = FIELDS.iter().find_map(|(name, field)| {
        let rest = text.strip_prefix(name)?;
        let bound = rest.starts_with(char::is_alphanumeric) || quoted(rest).is_some();
        bound.then_some((Some(*field), rest))
    });
    named.unwrap_or((None, text))
}

/// The word that narrows at the start of a text that ends at byte `end` of the query, and what follows.
/// `in: x` is none, nor is `in::x` or `in:/x`.
fn narrow(text: &str, end: usize) -> Option<(Narrow<'_>, &str)> {
    let (operator, rest) = OPERATORS
        .iter()
        .find_map(|(name, operator)| Some((*operator, text.strip_prefix(name)?)))?;
    if let Some((value, tail)) = quoted(rest) {
        let at = end - rest.len() + 1;
        return Some((
            Narrow {
                operator,
                value,
                at,
            },
            tail,
        ));
    }
    let named = rest.strip_prefix(['.', '_', '#']).unwrap_or(rest);
    if !named.starts_with(char::is_alphanumeric) {
        return None;
    }
    let (value, tail) = match operator {
        Operator::Meta => bare_with_quotes(rest),
        _ => bare(rest),
    };
    let at = end - rest.len();
    Some((
        Narrow {
            operator,
            value,
            at,
        },
        tail,
    ))
}

/// What stands before the first white space, and the rest.
fn bare(text: &str) -> (&str, &str) {
    text.split_at(text.find(char::is_whitespace).unwrap_or(text.len()))
}

/// As [`bare`], but white space between quotes does not count. As in a filter, a quote begins with a
/// word of it; one without its partner is an ordinary character.
fn bare_with_quotes(text: &str) -> (&str, &str) {
    let begins = |c: char| matches!(c, '=' | '<' | '>' | '!' | '(' | ')' | ',');
    let mut before = ',';
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        if c.is_whitespace() {
            break;
        }
        at += c.len_utf8();
        if matches!(c, '"' | '\'') && begins(before) {
            at += partner(&text[at..], c).unwrap_or_default();
        }
        before = c;
    }
    text.split_at(at)
}

/// Where a quote that was opened before the text has ended. A backslash takes the next character as it is.
fn partner(text: &str, quote: char) -> Option<usize> {
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => {
                chars.next()?;
            }
            c if c == quote => return Some(at + c.len_utf8()),
            _ => {}
        }
    }
    None
}

/// What stands in the quotes that a text starts with, and what follows them.
fn quoted(text: &str) -> Option<(&str, &str)> {
    text.strip_prefix('"')?.split_once('"')
}

/// Where in a part of a text a quote stands that has no partner, if all quotes together are an odd number.
pub(super) fn open_quote(text: &str, range: Range<usize>) -> Option<usize> {
    let odd = |text: &str| text.matches('"').count() % 2 == 1;
    if !odd(&text[range.clone()]) {
        return None;
    }
    let mut items = Items::new(text, range, true);
    while let Some(item) = items.next() {
        let within = &text[item.at..items.range.start];
        if odd(within) {
            return Some(item.at + within.rfind('"')?);
        }
    }
    None
}
