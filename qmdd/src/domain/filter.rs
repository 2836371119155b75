//! Conditions on documents: on what they say of themselves, on their date and on their place.

use std::ops::Range;

use super::{CollectionName, Scalar};

/// What a document must be like: its metadata, its date, where it is.
#[derive(Debug, Clone, PartialEq)]
pub enum Filter {
    /// All of them hold; none holds for any document.
    All(Vec<Self>),
    /// One of them holds at least.
    Any(Vec<Self>),
    /// It does not hold.
    Not(Box<Self>),
    /// A condition on one key.
    Key {
        /// In lower case.
        key: String,
        /// On its values.
        test: Test,
    },
    /// The document's date is this second since 1970, or a later one. That is the date that the first of
    /// [`DATE_KEYS`] with one gives, at its start; without any, when the file was last changed.
    Since(i64),
    /// It is in this collection.
    Of(CollectionName),
}

/// The keys under which documents give their date, that which counts before the others first.
pub const DATE_KEYS: [&str; 6] = [
    "date",
    "updated",
    "modified",
    "lastmod",
    "published",
    "created",
];

/// The keys under which documents give their tags.
pub const TAG_KEYS: [&str; 8] = [
    "tags",
    "tag",
    "topics",
    "topic",
    "keywords",
    "keyword",
    "categories",
    "category",
];

impl Filter {
    /// One that every document passes.
    pub fn open() -> Self {
        Self::All(Vec::new())
    }

    /// Whether it asks for nothing, so that every document passes.
    pub fn is_open(&self) -> bool {
        matches!(self, Self::All(parts) if parts.iter().all(Self::is_open))
    }

    /// This and another one.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (one, other) if other.is_open() => one,
            (one, other) if one.is_open() => other,
            (Self::All(mut parts), Self::All(others)) => {
                parts.extend(others);
                Self::All(parts)
            }
            (Self::All(mut parts), other) => {
                parts.push(other);
                Self::All(parts)
            }
            (one, other) => Self::All(vec![one, other]),
        }
    }

    /// The opposite.
    #[must_use]
    pub fn negated(self) -> Self {
        match self {
            Self::Not(inner) => *inner,
            other => Self::Not(Box::new(other)),
        }
    }

    /// The collections that it speaks of.
    pub fn collections(&self) -> Vec<&CollectionName> {
        match self {
            Self::All(parts) | Self::Any(parts) => {
                parts.iter().flat_map(Self::collections).collect()
            }
            Self::Not(inner) => inner.collections(),
            Self::Of(name) => vec![name],
            Self::Key { .. } | Self::Since(_) => Vec::new(),
        }
    }

    /// The documents with a tag, under any of [`TAG_KEYS`].
    pub fn tagged(tag: &str) -> Self {
        let tag = tag.trim_matches(['#', '/', ' ']).to_lowercase();
        let keys = TAG_KEYS.into_iter();
        let condition = |key: &str| Self::Key {
            key: key.to_owned(),
            test: Test::Tag(tag.clone()),
        };
        Self::Any(keys.map(condition).collect())
    }
}

/// A condition on the values of a key. It holds when one value fulfils it; so none holds for a
/// document without the key.
#[derive(Debug, Clone, PartialEq)]
pub enum Test {
    /// There is a value.
    Exists,
    /// A value is in this relation to a word as a person types it: as a number, as a date, or as a text
    /// without regard to case.
    Compare(Relation, Word),
    /// An element of a list equals the text, or a single text holds it, both without regard to case.
    Contains(String),
    /// A value of the same kind is in this relation to this value.
    Exactly {
        /// Between the value and this one.
        relation: Relation,
        /// This one.
        value: Scalar,
        /// Whether ASCII letters of either case are the same.
        fold: bool,
    },
    /// A text has this text in this place.
    Part {
        /// Where.
        place: Place,
        /// The text.
        text: String,
        /// As for [`Self::Exactly`].
        fold: bool,
    },
    /// A value is of this kind.
    Kind(Kind),
    /// An element of a list is this tag (in lower case, without the `#`), or a tag below it, as `a/b` is
    /// below `a`. A single text is taken for a list whose elements commas or spaces part.
    Tag(String),
}

/// How two values are to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relation {
    /// The same.
    Equal,
    /// Less, earlier.
    Less,
    /// Not more.
    LessOrEqual,
    /// More, later.
    Greater,
    /// Not less.
    GreaterOrEqual,
}

/// A place inside a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// At its start.
    Start,
    /// At its end.
    End,
    /// Anywhere.
    Anywhere,
}

/// A kind of value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A text or a date.
    Text,
    /// A number.
    Number,
    /// True or false.
    Flag,
}

/// A word with all that it may mean.
#[derive(Debug, Clone, PartialEq)]
pub struct Word {
    /// The word in lower case.
    pub text: String,
    /// The number it is.
    pub number: Option<f64>,
    /// The time it names, from its first to before its last second since 1970: a day for `2024-05-01`,
    /// a month for `2024-05`, a year for `2024`.
    pub time: Option<Range<i64>>,
}

impl Word {
    /// Everything that a word may mean.
    pub fn new(word: &str) -> Self {
        Self {
            text: word.to_lowercase(),
            number: super::number(word),
            time: super::date::seconds(word),
        }
    }
}
