//! A filter's text in words and signs.

use super::{FilterError, at_column};
use crate::domain::Relation;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    Word { text: String, quoted: bool },
    Sign(Sign),
    Open,
    Close,
    Comma,
}

/// A comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sign {
    Is(Relation),
    IsNot,
}

impl Token {
    /// Whether it is a keyword: a bare word, in any case.
    pub(super) fn is_word(&self, keyword: &str) -> bool {
        matches!(self, Self::Word { text, quoted: false } if text.eq_ignore_ascii_case(keyword))
    }
}

/// The signs, those first that begin like others.
const SIGNS: [(&str, Sign); 7] = [
    ("==", Sign::Is(Relation::Equal)),
    ("!=", Sign::IsNot),
    ("<=", Sign::Is(Relation::LessOrEqual)),
    (">=", Sign::Is(Relation::GreaterOrEqual)),
    ("=", Sign::Is(Relation::Equal)),
    ("<", Sign::Is(Relation::Less)),
    (">", Sign::Is(Relation::Greater)),
];

/// The tokens, each with its column, counted in characters from 1.
pub(super) fn tokens(text: &str) -> Result<Vec<(usize, Token)>, FilterError> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let column = text[..text.len() - rest.len()].chars().count() + 1;
        let (token, length) = match first {
            '(' => (Token::Open, 1),
            ')' => (Token::Close, 1),
            ',' => (Token::Comma, 1),
            '"' | '\'' => quoted(rest, first)
                .ok_or_else(|| at_column(column, format!("the quote {first} has no partner")))?,
            _ => match SIGNS.iter().find(|(sign, _)| rest.starts_with(sign)) {
                Some((sign, meaning)) => (Token::Sign(*meaning), sign.len()),
                None if first == '!' => return Err(at_column(column, "expected `=` after `!`")),
                None => word(rest),
            },
        };
        tokens.push((column, token));
        rest = rest[length..].trim_start();
    }
    Ok(tokens)
}

/// The text between two quotes; a backslash takes the next character as it is.
fn quoted(text: &str, quote: char) -> Option<(Token, usize)> {
    let mut inner = String::new();
    let mut chars = text.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => inner.push(chars.next()?.1),
            c if c == quote => {
                let token = Token::Word {
                    text: inner,
                    quoted: true,
                };
                return Some((token, at + c.len_utf8()));
            }
            c => inner.push(c),
        }
    }
    None
}

fn word(text: &str) -> (Token, usize) {
    let ends = |c: char| c.is_whitespace() || matches!(c, '(' | ')' | ',' | '=' | '<' | '>' | '!');
    let length = text.find(ends).unwrap_or(text.len());
    let token = Token::Word {
        text: text[..length].to_owned(),
        quoted: false,
    };
    (token, length)
}
