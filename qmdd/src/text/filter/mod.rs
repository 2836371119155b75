//! The grammar of filters over metadata: `status = draft and (due < 2024-06 or topics contains rust)`,
//! or QMD's JSON.

mod json;
mod lexer;

use self::lexer::{Sign, Token, tokens};
use crate::domain::{Failure, Filter, Reason, Relation, Test, Word};

/// Longest filter, in bytes.
const MAX_BYTES: usize = 16 * 1024;
/// Deepest nesting.
const MAX_DEPTH: usize = 32;
/// Most conditions in a filter.
const MAX_CONDITIONS: usize = 256;

/// The text is no filter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the filter is not understood, {place}: {message}")]
pub struct FilterError {
    /// `column 7`, counted in characters from 1; in JSON that parses, the path to the value.
    pub place: String,
    /// That column, where it is one of the first line.
    pub column: Option<usize>,
    /// What is wrong there.
    pub message: String,
}

impl Failure for FilterError {
    fn reason(&self) -> Reason {
        Reason::FilterSyntax
    }

    fn hint(&self) -> Option<String> {
        Some(
            "filters look like `status = draft`, `topics contains rust`, `due < 2024-06-01`, `not \
             exists tags`, joined by `and` and `or`"
                .into(),
        )
    }
}

/// Parses filters of which all must hold; `None` without any.
pub fn parse_all(texts: &[String]) -> Result<Option<Filter>, FilterError> {
    if texts.len() > MAX_DEPTH {
        return Err(FilterError {
            place: format!("filter {}", MAX_DEPTH + 1),
            column: None,
            message: format!("there may be {MAX_DEPTH} filters"),
        });
    }
    let mut filters: Vec<Filter> = texts
        .iter()
        .map(|text| parse(text))
        .collect::<Result<_, _>>()?;
    Ok(match filters.len() {
        0 => None,
        1 => filters.pop(),
        _ => Some(Filter::All(filters)),
    })
}

/// Parses a filter.
///
/// - `KEY = WORD` and `KEY != WORD`, the latter also of documents without the key;
/// - `<`, `<=`, `>` and `>=` for numbers, dates (`2024-05-01`, `2024-05`, `2024`) and texts;
/// - `KEY contains WORD`, `KEY in (WORD, WORD)`, `exists KEY`;
/// - `not`, `and`, `or` and parentheses. A word with spaces or signs stands between quotes.
///
/// What starts with `{` is JSON in the manner of QMD.
pub fn parse(text: &str) -> Result<Filter, FilterError> {
    if text.len() > MAX_BYTES {
        let length = text.len();
        return Err(at_column(
            1,
            format!("it has {length} bytes, the limit is {MAX_BYTES}"),
        ));
    }
    if text.trim_start().starts_with('{') {
        return json::parse(text);
    }
    parse_words(text)
}

/// Parses a filter that is not JSON.
pub(super) fn parse_words(text: &str) -> Result<Filter, FilterError> {
    let mut parser = Parser {
        tokens: tokens(text)?,
        at: 0,
        end: text.chars().count() + 1,
        conditions: 0,
    };
    let filter = parser.alternatives(0)?;
    match parser.peek() {
        None => Ok(filter),
        Some(Token::Word { .. }) => {
            Err(parser.fault("expected `and` or `or`; put a text with spaces between quotes"))
        }
        Some(_) => Err(parser.fault("expected `and`, `or` or the end")),
    }
}

struct Parser {
    /// Each with its column.
    tokens: Vec<(usize, Token)>,
    at: usize,
    /// The column after the last.
    end: usize,
    conditions: usize,
}

impl Parser {
    fn alternatives(&mut self, depth: usize) -> Result<Filter, FilterError> {
        let mut parts = vec![self.conditions(depth)?];
        while self.takes("or") {
            parts.push(self.conditions(depth)?);
        }
        Ok(one_or(parts, Filter::Any))
    }

    fn conditions(&mut self, depth: usize) -> Result<Filter, FilterError> {
        let mut parts = vec![self.condition(depth)?];
        while self.takes("and") {
            parts.push(self.condition(depth)?);
        }
        Ok(one_or(parts, Filter::All))
    }

    fn condition(&mut self, depth: usize) -> Result<Filter, FilterError> {
        if depth > MAX_DEPTH {
            return Err(self.fault("nested too deeply"));
        }
        if self.is_keyword("not") {
            self.at += 1;
            return Ok(Filter::Not(Box::new(self.condition(depth + 1)?)));
        }
        if self.takes_sign(&Token::Open) {
            let inner = self.alternatives(depth + 1)?;
            if !self.takes_sign(&Token::Close) {
                return Err(self.fault("expected `)`"));
            }
            return Ok(inner);
        }
        self.count()?;
        if self.is_keyword("exists") {
            self.at += 1;
            let key = self.word("expected the key that is to exist")?;
            return Ok(key_filter(&key, Test::Exists));
        }
        let key = self.word("expected a key")?;
        self.test(&key)
    }

    /// What follows a key.
    fn test(&mut self, key: &str) -> Result<Filter, FilterError> {
        if let Some(Token::Sign(sign)) = self.peek().cloned() {
            self.at += 1;
            let word = self.word("expected a value")?;
            let compare = |relation| key_filter(key, Test::Compare(relation, Word::new(&word)));
            return Ok(match sign {
                Sign::Is(relation) => compare(relation),
                Sign::IsNot => Filter::Not(Box::new(compare(Relation::Equal))),
            });
        }
        if self.takes("exists") {
            return Ok(key_filter(key, Test::Exists));
        }
        let negated = self.takes("not");
        let filter = if self.takes("contains") {
            let text = self.word("expected what it is to contain")?.to_lowercase();
            key_filter(key, Test::Contains(text))
        } else if self.takes("in") {
            self.list(key)?
        } else {
            let signs = "expected =, !=, <, <=, >, >=, `contains`, `in` or `exists` after the key";
            return Err(self.fault(signs));
        };
        Ok(if negated {
            Filter::Not(Box::new(filter))
        } else {
            filter
        })
    }

    /// The values after `in`.
    fn list(&mut self, key: &str) -> Result<Filter, FilterError> {
        if !self.takes_sign(&Token::Open) {
            return Err(self.fault("expected `(`"));
        }
        let mut any = Vec::new();
        loop {
            let word = self.word("expected a value")?;
            any.push(key_filter(
                key,
                Test::Compare(Relation::Equal, Word::new(&word)),
            ));
            self.count()?;
            if self.takes_sign(&Token::Close) {
                return Ok(Filter::Any(any));
            }
            if !self.takes_sign(&Token::Comma) {
                return Err(self.fault("expected `,` or `)`"));
            }
        }
    }

    /// One condition or value more.
    fn count(&mut self) -> Result<(), FilterError> {
        self.conditions += 1;
        if self.conditions > MAX_CONDITIONS {
            return Err(self.fault(&format!("more than {MAX_CONDITIONS} conditions")));
        }
        Ok(())
    }

    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at).map(|(_, token)| token)
    }

    fn word(&mut self, expected: &str) -> Result<String, FilterError> {
        match self.peek() {
            Some(Token::Word { text, .. }) => {
                let text = text.clone();
                self.at += 1;
                Ok(text)
            }
            _ => Err(self.fault(expected)),
        }
    }

    fn takes_sign(&mut self, wanted: &Token) -> bool {
        let found = self.peek() == Some(wanted);
        self.at += usize::from(found);
        found
    }

    fn takes(&mut self, keyword: &str) -> bool {
        let found = self.peek().is_some_and(|token| token.is_word(keyword));
        self.at += usize::from(found);
        found
    }

    /// Whether a keyword stands here, and not a key of that name.
    fn is_keyword(&self, keyword: &str) -> bool {
        let next = self.tokens.get(self.at + 1).map(|(_, token)| token);
        self.peek().is_some_and(|token| token.is_word(keyword))
            && !matches!(next, None | Some(Token::Sign(_)))
    }

    fn fault(&self, message: &str) -> FilterError {
        let column = self
            .tokens
            .get(self.at)
            .map_or(self.end, |(column, _)| *column);
        at_column(column, message)
    }
}

fn at_column(column: usize, message: impl Into<String>) -> FilterError {
    FilterError {
        place: format!("column {column}"),
        column: Some(column),
        message: message.into(),
    }
}

fn key_filter(key: &str, test: Test) -> Filter {
    Filter::Key {
        key: key.to_lowercase(),
        test,
    }
}

fn one_or(mut parts: Vec<Filter>, join: impl FnOnce(Vec<Filter>) -> Filter) -> Filter {
    match parts.len() {
        1 => parts.remove(0),
        _ => join(parts),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A filter in short.
    fn shown(filter: &Filter) -> String {
        let list = |parts: &[Filter]| parts.iter().map(shown).collect::<Vec<_>>().join(" ");
        match filter {
            Filter::All(parts) => format!("(& {})", list(parts)),
            Filter::Any(parts) => format!("(| {})", list(parts)),
            Filter::Not(inner) => format!("!{}", shown(inner)),
            Filter::Key { key, test } => match test {
                Test::Exists => format!("{key}?"),
                Test::Contains(text) => format!("{key}~{text}"),
                Test::Compare(relation, word) => format!("{key}{relation:?}:{}", word.text),
                other => format!("{key}:{other:?}"),
            },
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn what_people_type() {
        for (text, expected) in [
            ("status=draft", "statusEqual:draft"),
            ("Status == 'In Progress'", "statusEqual:in progress"),
            ("status!=draft", "!statusEqual:draft"),
            ("due<2024-06-01", "dueLess:2024-06-01"),
            ("a >= 3 AND b<=4", "(& aGreaterOrEqual:3 bLessOrEqual:4)"),
            ("topics contains rust", "topics~rust"),
            ("topics not contains Rust", "!topics~rust"),
            ("exists tags", "tags?"),
            ("tags exists", "tags?"),
            ("not exists tags", "!tags?"),
            ("a=1 or b=2 and c=3", "(| aEqual:1 (& bEqual:2 cEqual:3))"),
            ("not (a=1 or b=2)", "!(| aEqual:1 bEqual:2)"),
            ("a in (x, 'y z')", "(| aEqual:x aEqual:y z)"),
            ("author.name = \"O'Brien\"", "author.nameEqual:o'brien"),
            ("exists = yes", "existsEqual:yes"),
            ("not=1", "notEqual:1"),
            ("status = and", "statusEqual:and"),
            (
                "at > 2024-05-01T10:30:00+02:00",
                "atGreater:2024-05-01t10:30:00+02:00",
            ),
        ] {
            assert_eq!(
                parse(text).map(|filter| shown(&filter)),
                Ok(expected.to_owned()),
                "{text}"
            );
        }
    }

    #[test]
    fn faults_name_their_column() {
        for (text, column, said) in [
            ("", 1, "expected a key"),
            ("status", 7, "expected =, !="),
            ("status draft", 8, "expected =, !="),
            ("status=", 8, "expected a value"),
            ("é = a b", 7, "between quotes"),
            ("(a=1", 5, "expected `)`"),
            ("a=1)", 4, "the end"),
            ("a=1 and", 8, "expected a key"),
            ("a in x", 6, "expected `(`"),
            ("a in (x y)", 9, "expected `,`"),
            ("a='x", 3, "quote"),
            ("a ! b", 3, "`!`"),
            (&"(".repeat(40), 34, "deeply"),
        ] {
            let error = parse(text).unwrap_err();
            assert_eq!(error.place, format!("column {column}"), "{text}: {error}");
            assert!(error.message.contains(said), "{text}: {error}");
        }
    }

    #[test]
    fn a_word_may_be_a_number_and_a_date() {
        let word = Word::new("2024");
        assert_eq!((word.number, word.time.is_some()), (Some(2024.0), true));
        assert_eq!(
            Word::new("x"),
            Word {
                text: "x".into(),
                number: None,
                time: None
            }
        );
    }

    #[test]
    fn several_filters_must_all_hold() {
        let texts = |texts: &[&str]| {
            texts
                .iter()
                .map(|&text| text.to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(parse_all(&[]), Ok(None));
        let both = parse_all(&texts(&["a=1", "b=2"])).unwrap().unwrap();
        assert_eq!(shown(&both), "(& aEqual:1 bEqual:2)");
        assert!(parse_all(&texts(&["a=1", "b"])).is_err());
    }

    proptest! {
        #[test]
        fn no_text_breaks_it(text in "([a-c]|and|or|not|in|exists|contains|[ ()=<>!,'\"{}:é]){0,30}") {
            if let Err(error) = parse(&text) {
                prop_assert!(!error.message.is_empty() && !error.place.is_empty());
            }
        }
    }
}
