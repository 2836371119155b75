//! A named folder of documents.

use std::{fmt, path::PathBuf};

/// Longest name, in characters.
const MAX_CHARS: usize = 128;

/// A collection's name, as wide as QMD has it, whose default is the folder's: 1 to 128 characters
/// without `/`, control characters, and white space at the ends; neither `.` nor `..`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CollectionName(String);

/// The text cannot name a collection.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} cannot name a collection")]
pub struct CollectionNameError(pub String);

impl CollectionName {
    /// Checks the rule.
    pub fn new(name: &str) -> Result<Self, CollectionNameError> {
        let good = !name.is_empty()
            && name.chars().count() <= MAX_CHARS
            && name.trim() == name
            && !matches!(name, "." | "..")
            && !name.contains(|c: char| c == '/' || c.is_control());
        if good {
            Ok(Self(name.to_owned()))
        } else {
            Err(CollectionNameError(name.to_owned()))
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CollectionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A collection as configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Collection {
    /// Its name, unique in the index.
    pub name: CollectionName,
    /// The folder, absolute.
    pub path: PathBuf,
    /// Glob of the files it takes, relative to the folder; a comma separates alternatives.
    pub pattern: String,
    /// Globs of files it leaves out.
    pub ignore: Vec<String>,
    /// Descriptions by path prefix (`/` for the whole collection), in the file's order.
    pub context: Vec<(String, String)>,
    /// Searched only when named, if false.
    pub include_by_default: bool,
    /// Shell command to run before a scan, by whoever asks for it.
    pub update: Option<String>,
}

impl Collection {
    /// A collection of which nothing more is said.
    pub fn new(name: CollectionName, path: PathBuf, pattern: &str) -> Self {
        Self {
            name,
            path,
            pattern: pattern.to_owned(),
            ignore: Vec::new(),
            context: Vec::new(),
            include_by_default: true,
            update: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_rule() {
        for good in [
            "notes",
            "my-notes_2.0",
            "заметки",
            "メモ",
            "My Notes (old)",
            ".dotfiles",
            "a:b",
            &"é".repeat(128),
        ] {
            assert!(CollectionName::new(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            " ",
            " a",
            "a\n",
            "a/b",
            "a\tb",
            ".",
            "..",
            &"a".repeat(129),
        ] {
            assert!(CollectionName::new(bad).is_err(), "{bad}");
        }
    }
}
