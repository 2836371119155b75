//! What is looked for by words. The store tokenises it and runs it.

use super::{
    Fault, MAX_BYTES, QueryError,
    scan::{Items, What},
};

/// A search by words.
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

impl LexicalQuery {
    /// Parses words that do not come from a person, and so narrow nothing: all of [`super::Query::parse`]'s
    /// plain text, but for `in:`, `tag:` and the like.
    pub fn parse(text: &str) -> Result<Self, QueryError> {
        if text.len() > MAX_BYTES {
            return Err(QueryError::whole(Fault::TooLong {
                bytes: text.len(),
                limit: MAX_BYTES,
            }));
        }
        let (mut any, mut none) = (Vec::new(), Vec::new());
        for item in Items::new(text, 0..text.len(), false) {
            if let What::Term(term) = item.what
                && term.is_searchable()
            {
                let list = if item.negated { &mut none } else { &mut any };
                list.push(term);
            }
        }
        match (any.is_empty(), none.is_empty()) {
            (true, true) => Err(QueryError::whole(Fault::Empty)),
            (true, false) => Err(QueryError::whole(Fault::OnlyExcludes)),
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

impl Term {
    /// Whether it holds a letter or a digit.
    pub(super) fn is_searchable(&self) -> bool {
        self.text.contains(char::is_alphanumeric)
    }
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
            ("in:notes -tag:x std::fs", "in:notes std::fs | tag:x"),
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
                Err(QueryError::whole(Fault::Empty)),
                "{text:?}"
            );
        }
        assert_eq!(
            LexicalQuery::parse("-a -\"b c\""),
            Err(QueryError::whole(Fault::OnlyExcludes))
        );
        assert!(LexicalQuery::parse(&"a".repeat(MAX_BYTES)).is_ok());
        let too_long = QueryError::whole(Fault::TooLong {
            bytes: MAX_BYTES + 1,
            limit: MAX_BYTES,
        });
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
                Err(error) if error.fault == Fault::OnlyExcludes => {
                    prop_assert!(text.contains('-'));
                }
                Err(error) => {
                    prop_assert_eq!(error.fault, Fault::Empty);
                    prop_assert!(!text.contains(char::is_alphanumeric));
                }
            }
        }
    }
}
