//! The grammar of lexical queries. The store tokenises and runs them.

use crate::domain::{Failure, Reason};

/// Longest query, in bytes.
pub const MAX_BYTES: usize = 16 * 1024;

/// A parsed query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LexicalQuery {
    /// A hit holds one of these at least; more of them rank it higher. Never empty.
    pub any: Vec<Term>,
    /// A hit holds none of these.
    pub none: Vec<Term>,
}

/// A word or a phrase as it was typed: case and inner punctuation kept, at least one letter or
/// digit in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Term {
    /// Its text, without the quotes, the minus sign and the star.
    pub text: String,
    /// Typed in quotes: its words must follow each other.
    pub phrase: bool,
    /// Typed with a star after it: its last word may go on.
    pub prefix: bool,
    /// Where it must stand; anywhere by default.
    pub field: Option<Field>,
}

/// A part of a document that a term can be bound to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Field {
    /// Its title.
    Title,
    /// Its path inside the collection.
    Path,
}

/// What is typed before a term to bind it.
const FIELDS: [(&str, Field); 2] = [("title:", Field::Title), ("path:", Field::Path)];

/// The text is no query.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// No letter or digit in it.
    #[error("the query has no words in it")]
    Empty,
    /// Over the limit.
    #[error("the query has {bytes} bytes, the limit is {limit}")]
    TooLong {
        /// Its length.
        bytes: usize,
        /// [`MAX_BYTES`].
        limit: usize,
    },
    /// It says only what not to find.
    #[error("the query only excludes words")]
    OnlyNegations,
}

impl Failure for QueryError {
    fn reason(&self) -> Reason {
        match self {
            Self::Empty => Reason::QueryEmpty,
            Self::TooLong { .. } => Reason::QueryTooLong,
            Self::OnlyNegations => Reason::QuerySyntax,
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Empty => "name at least one word, as in `qmdctl search \"heat transfer\"`",
            Self::TooLong { .. } => "send a shorter query",
            Self::OnlyNegations => "add a word to look for, as in `qmdctl search \"wing -tail\"`",
        };
        Some(hint.to_owned())
    }
}

impl LexicalQuery {
    /// Parses what a person typed. Words are separated by white space:
    ///
    /// - `"two words"` is a phrase; a quote without its partner is an ordinary character;
    /// - `-word` and `-"two words"` exclude; `--flag` is a word;
    /// - `wor*` and `"two wor"*` match words that begin so;
    /// - `title:word` and `path:"two words"` look in the title, in the path;
    /// - anything else is a word, punctuation in it kept (`foo_bar`, `a.b.c`, `C++`). What holds
    ///   no letter or digit is passed over.
    pub fn parse(text: &str) -> Result<Self, QueryError> {
        if text.len() > MAX_BYTES {
            return Err(QueryError::TooLong {
                bytes: text.len(),
                limit: MAX_BYTES,
            });
        }
        let (mut any, mut none) = (Vec::new(), Vec::new());
        let mut rest = text.trim_start();
        while !rest.is_empty() {
            let negated = rest
                .strip_prefix('-')
                .filter(|tail| tail.starts_with(char::is_alphanumeric) || quoted(tail).is_some());
            let (field, rest_of_term) = field(negated.unwrap_or(rest));
            let (term, tail) = next_term(rest_of_term);
            let term = Term { field, ..term };
            if term.text.contains(char::is_alphanumeric) {
                let list = if negated.is_some() {
                    &mut none
                } else {
                    &mut any
                };
                list.push(term);
            }
            rest = tail.trim_start();
        }
        match (any.is_empty(), none.is_empty()) {
            (true, true) => Err(QueryError::Empty),
            (true, false) => Err(QueryError::OnlyNegations),
            (false, _) => Ok(Self { any, none }),
        }
    }

    /// The words to find in lower case, phrases split, in the order typed.
    pub fn words(&self) -> Vec<String> {
        self.any
            .iter()
            .flat_map(|term| term.text.split_whitespace())
            .map(str::to_lowercase)
            .collect()
    }
}

/// Takes a term off a text that starts with one.
fn next_term(text: &str) -> (Term, &str) {
    if let Some((inner, tail)) = quoted(text) {
        let open = tail.strip_prefix('*');
        let term = Term {
            text: inner.trim().to_owned(),
            phrase: true,
            prefix: open.is_some(),
            field: None,
        };
        return (term, open.unwrap_or(tail));
    }
    let (word, tail) = text.split_at(text.find(char::is_whitespace).unwrap_or(text.len()));
    let stem = word.trim_end_matches('*');
    (
        Term {
            text: stem.to_owned(),
            phrase: false,
            prefix: stem.len() < word.len(),
            field: None,
        },
        tail,
    )
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

/// What stands in the quotes that a text starts with, and what follows them.
fn quoted(text: &str) -> Option<(&str, &str)> {
    text.strip_prefix('"')?.split_once('"')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The query as `any | none`, phrases in angle brackets, prefixes with a star.
    fn show(text: &str) -> String {
        let term = |term: &Term| {
            let star = if term.prefix { "*" } else { "" };
            let field = match term.field {
                None => "",
                Some(Field::Title) => "title=",
                Some(Field::Path) => "path=",
            };
            if term.phrase {
                format!("{field}<{}>{star}", term.text)
            } else {
                format!("{field}{}{star}", term.text)
            }
        };
        let list = |terms: &[Term]| terms.iter().map(term).collect::<Vec<_>>().join(" ");
        let query = LexicalQuery::parse(text).unwrap();
        format!("{} | {}", list(&query.any), list(&query.none))
            .trim()
            .to_owned()
    }

    #[test]
    fn the_grammar() {
        for (text, expected) in [
            ("  heat \t transfer\n", "heat transfer |"),
            ("\"heat transfer\" wing", "<heat transfer> wing |"),
            (
                "wing -tail -\"jet engine\" -5",
                "wing | tail <jet engine> 5",
            ),
            ("wing -fus*", "wing | fus*"),
            ("trans* \"two wor\"*", "trans* <two wor>* |"),
            ("git --force", "git --force |"),
            (
                "foo_bar a.b.c C++ gpt-4 don't",
                "foo_bar a.b.c C++ gpt-4 don't |",
            ),
            ("5\" pipe", "5\" pipe |"),
            ("pipe \"5 inch", "pipe \"5 inch |"),
            ("wing -\"open", "wing -\"open |"),
            ("\"a\"b", "<a> b |"),
            ("a - b & ? \"\" \"..\" *", "a b |"),
            ("東京 タワー*", "東京 タワー* |"),
            ("--\"a b\"", "--\"a b\" |"),
            (
                "title:wing -path:old* path:\"a b\" title: x Title:y",
                "title=wing path=<a b> title: x Title:y | path=old*",
            ),
        ] {
            assert_eq!(show(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_query() {
        for text in ["", " \n", "?!", "\"\"", "- * --", "-"] {
            assert_eq!(
                LexicalQuery::parse(text),
                Err(QueryError::Empty),
                "{text:?}"
            );
        }
        assert_eq!(
            LexicalQuery::parse("-a -\"b c\""),
            Err(QueryError::OnlyNegations)
        );
        assert!(LexicalQuery::parse(&"a".repeat(MAX_BYTES)).is_ok());
        let too_long = QueryError::TooLong {
            bytes: MAX_BYTES + 1,
            limit: MAX_BYTES,
        };
        assert_eq!(
            LexicalQuery::parse(&"a".repeat(MAX_BYTES + 1)),
            Err(too_long)
        );
    }

    #[test]
    fn words_are_lower_case_and_single() {
        let query = LexicalQuery::parse("\"Heat Transfer\" The WING* -tail").unwrap();
        assert_eq!(query.words(), ["heat", "transfer", "the", "wing"]);
    }

    proptest! {
        #[test]
        fn any_text_parses_or_says_why(text in "[a\"* \\-é.\n]{0,24}|\\PC{0,24}") {
            match LexicalQuery::parse(&text) {
                Ok(query) => {
                    prop_assert!(!query.any.is_empty());
                    for term in query.any.iter().chain(&query.none) {
                        prop_assert!(term.text.contains(char::is_alphanumeric));
                        prop_assert!(term.phrase || !term.text.contains(char::is_whitespace));
                        prop_assert!(text.contains(&term.text));
                    }
                    prop_assert!(!query.words().is_empty());
                }
                Err(QueryError::OnlyNegations) => prop_assert!(text.contains('-')),
                Err(error) => {
                    prop_assert_eq!(error, QueryError::Empty);
                    prop_assert!(!text.contains(char::is_alphanumeric));
                }
            }
        }
    }
}
