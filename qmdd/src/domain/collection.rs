//! A named folder of documents.

use std::{fmt, path::PathBuf};

/// A collection's name: 1 to 64 letters, digits, `-`, `_` or `.`, not starting with `.` or `-`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CollectionName(String);

/// The text cannot name a collection.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} cannot name a collection")]
pub struct CollectionNameError(pub String);

impl CollectionName {
    /// Checks the rule. Letters and digits are Unicode's.
    pub fn new(name: &str) -> Result<Self, CollectionNameError> {
        let allowed = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
        let good = !name.is_empty()
            && name.chars().count() <= 64
            && !name.starts_with(['.', '-'])
            && name.chars().all(allowed);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_rule() {
        for good in ["notes", "my-notes_2.0", "заметки", "メモ", &"a".repeat(64)] {
            assert!(CollectionName::new(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            ".hidden",
            "-flag",
            "a/b",
            "a b",
            "a:b",
            "..",
            &"a".repeat(65),
        ] {
            assert!(CollectionName::new(bad).is_err(), "{bad}");
        }
    }
}
