//! Which folders can hold files that a collection takes: no other one is watched. Pure.

use crate::{
    domain::Collection,
    ingest::{IngestError, globs::Rules},
};

/// The folders that a collection's pattern reaches.
#[derive(Debug)]
pub(super) struct Reach {
    ways: Vec<Way>,
    rules: Rules,
}

/// Where one glob leads.
#[derive(Debug, PartialEq, Eq)]
struct Way {
    /// The folders it names plainly, from the root on.
    plain: Vec<String>,
    /// How deep folders may lie; `None`: as deep as there are any.
    depth: Option<usize>,
}

impl Reach {
    /// Works it out from the globs.
    ///
    /// # Errors
    /// On one that is no glob.
    pub(super) fn new(collection: &Collection) -> Result<Self, IngestError> {
        let rules = Rules::new(collection)?;
        Ok(Self {
            ways: rules.patterns.iter().map(|glob| Way::of(glob)).collect(),
            rules,
        })
    }

    /// The rules it stands for.
    pub(super) fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Whether a folder, by its path in the collection, can hold files or lead to some.
    pub(super) fn covers(&self, folder: &str) -> bool {
        let parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
        (folder.is_empty() || self.rules.enter(folder, true))
            && self.ways.iter().any(|way| way.leads_through(&parts))
    }
}

impl Way {
    fn of(glob: &str) -> Self {
        let is_plain = |part: &&&str| !part.contains(['*', '?', '[', ']', '{', '}', '\\']);
        let parts: Vec<&str> = glob.split('/').filter(|part| !part.is_empty()).collect();
        let folders = &parts[..parts.len().saturating_sub(1)];
        let plain: Vec<String> = (folders.iter())
            .take_while(is_plain)
            .map(|part| (*part).to_owned())
            .collect();
        // Alternatives in braces may hold slashes.
        let is_open = parts.contains(&"**") || glob.contains(['{', '\\']);
        Self {
            depth: (!is_open).then_some(folders.len()),
            plain,
        }
    }

    fn leads_through(&self, folder: &[&str]) -> bool {
        let is_on_the_way = self
            .plain
            .iter()
            .zip(folder)
            .all(|(plain, part)| plain == part);
        is_on_the_way && self.depth.is_none_or(|depth| folder.len() <= depth)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::CollectionName;

    fn covered(pattern: &str, ignore: &[&str], folders: &[&'static str]) -> Vec<&'static str> {
        let name = CollectionName::new("c").unwrap();
        let reach = Reach::new(&Collection {
            ignore: ignore.iter().map(|glob| (*glob).to_owned()).collect(),
            ..Collection::new(name, "/c".into(), pattern)
        })
        .unwrap();
        let covers = |folder: &&&'static str| reach.covers(folder);
        folders.iter().filter(covers).copied().collect()
    }

    #[test]
    fn only_what_a_pattern_can_reach_is_watched() {
        let folders = ["", "a", "a/b", "a/b/c", "d"];
        assert_eq!(covered("**/*.md", &[], &folders), folders);
        assert_eq!(covered("*.md", &[], &folders), [""]);
        assert_eq!(covered("a/*.md", &[], &folders), ["", "a"]);
        assert_eq!(
            covered("a/b/**/*.md", &[], &folders),
            ["", "a", "a/b", "a/b/c"]
        );
        assert_eq!(covered("*/b/*.md", &[], &folders), ["", "a", "a/b", "d"]);
        assert_eq!(covered("d/x.md, a/*.md", &[], &folders), ["", "a", "d"]);
        assert_eq!(covered("{a/b,d}/*.md", &[], &folders), folders);
    }

    #[test]
    fn what_is_left_out_whole_is_not() {
        let folders = ["", "a", "a/b", "d"];
        assert_eq!(covered("**/*.md", &["a"], &folders), ["", "d"]);
        assert_eq!(covered("**/*.md", &["a/**"], &folders), ["", "d"]);
        assert_eq!(
            covered("**/*.md", &["**/b/**/*", "d/"], &folders),
            ["", "a"]
        );
        assert_eq!(covered("**/*.md", &["a/*.md", "*.tmp"], &folders), folders);
        assert_eq!(covered("**/*.md, !a", &[], &folders), ["", "d"]);
        assert_eq!(covered(".x/*.md", &[], &["", ".x", ".y", "a"]), ["", ".x"]);
    }
}
