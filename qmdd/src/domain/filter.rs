//! Conditions on documents' metadata.

use std::ops::Range;

use super::Scalar;

/// What a document's metadata must be like.
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
