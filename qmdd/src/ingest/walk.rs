//! Finds a collection's files.

use std::path::{Path, PathBuf};

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use ignore::{DirEntry, WalkBuilder};

use super::IngestError;
use crate::{
    domain::{Collection, Reason},
    store::{FileStamp, Skipped},
};

/// Folders that never hold a person's notes. QMD's list.
pub(super) const EXCLUDED_FOLDERS: [&str; 6] =
    ["node_modules", ".git", ".cache", "vendor", "dist", "build"];

/// Files that tell what is left out.
pub(super) const IGNORE_FILES: [&str; 3] = [".gitignore", ".ignore", ".qmdignore"];

/// A file to index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    /// Inside the collection, with `/` between parts.
    pub path: String,
    /// On disk.
    pub absolute: PathBuf,
    pub stamp: FileStamp,
}

/// What a walk yields, ordered by path.
#[derive(Debug, Default)]
pub(super) struct Listing {
    pub files: Vec<Found>,
    pub skipped: Vec<Skipped>,
}

/// What a collection takes, by path.
#[derive(Debug)]
pub(super) struct Rules {
    wanted: GlobSet,
    ignored: GlobSet,
}

impl Rules {
    /// Compiles a collection's globs.
    ///
    /// # Errors
    /// On one that is no glob.
    pub(super) fn new(collection: &Collection) -> Result<Self, IngestError> {
        let wanted = split_alternatives(&collection.pattern);
        let ignored = collection.ignore.iter().flat_map(|glob| {
            let glob = glob.trim_end_matches('/');
            // A folder's name leaves out all below it.
            [glob.to_owned(), format!("{glob}/**")]
        });
        Ok(Self {
            wanted: globs(collection, wanted.into_iter())?,
            ignored: globs(collection, ignored)?,
        })
    }

    /// Whether the pattern wants a path, and no `ignore` leaves it out.
    pub(super) fn take(&self, path: &str) -> bool {
        self.wanted.is_match(path) && !self.ignored.is_match(path)
    }
}

/// Walks the collection's folder. Hidden files, what `.gitignore` or `.qmdignore` exclude, and
/// links are left out. Blocks.
pub(super) fn walk(collection: &Collection) -> Result<Listing, IngestError> {
    let mut walker = walker(&collection.path);
    walker
        .filter_entry(|entry| !is_excluded(entry))
        .sort_by_file_name(Ord::cmp);
    Ok(list(collection, &Rules::new(collection)?, &walker))
}

/// Lists what a walk meets that the collection takes. Blocks.
pub(super) fn list(collection: &Collection, rules: &Rules, walker: &WalkBuilder) -> Listing {
    let mut listing = Listing::default();
    for entry in walker.build() {
        match entry {
            Ok(entry) => take(collection, &entry, rules, &mut listing),
            Err(error) => listing.skipped.push(Skipped {
                path: failed_path(&error)
                    .and_then(|path| relative(&collection.path, path))
                    .unwrap_or_default(),
                reason: Reason::FileUnreadable,
                message: error.to_string(),
            }),
        }
    }
    listing
}

/// The walk through a collection's folder, with the rules that ignore files make. Unsorted, it
/// yields a folder before it reads it.
pub(super) fn walker(root: &Path) -> WalkBuilder {
    let mut walker = WalkBuilder::new(root);
    walker
        .follow_links(false)
        .parents(false)
        .git_global(false)
        .require_git(false)
        .add_custom_ignore_filename(".qmdignore");
    walker
}

fn take(collection: &Collection, entry: &DirEntry, rules: &Rules, listing: &mut Listing) {
    if !entry.file_type().is_some_and(|kind| kind.is_file()) {
        return;
    }
    let Some(path) = relative(&collection.path, entry.path()) else {
        listing.skipped.push(Skipped {
            path: entry.path().to_string_lossy().into_owned(),
            reason: Reason::FileUnreadable,
            message: "the file's name is not UTF-8".into(),
        });
        return;
    };
    if !rules.take(&path) {
        return;
    }
    match entry.metadata() {
        Ok(metadata) => listing.files.push(Found {
            path,
            absolute: entry.path().to_owned(),
            stamp: FileStamp::of(&metadata),
        }),
        Err(error) => listing.skipped.push(Skipped {
            path,
            reason: Reason::FileUnreadable,
            message: error.to_string(),
        }),
    }
}

/// A path inside the root, with `/` between parts; `None` for one outside, or not of UTF-8.
pub(super) fn relative(root: &Path, path: &Path) -> Option<String> {
    let path = path.strip_prefix(root).ok()?;
    let parts: Option<Vec<&str>> = path.iter().map(|part| part.to_str()).collect();
    Some(parts?.join("/"))
}

/// Whether it is a folder that no collection has.
pub(super) fn is_excluded(entry: &DirEntry) -> bool {
    entry.depth() > 0
        && entry.file_type().is_some_and(|kind| kind.is_dir())
        && entry
            .file_name()
            .to_str()
            .is_some_and(|name| EXCLUDED_FOLDERS.contains(&name))
}

fn failed_path(error: &ignore::Error) -> Option<&Path> {
    match error {
        ignore::Error::WithPath { path, .. } => Some(path),
        ignore::Error::WithDepth { err, .. } | ignore::Error::WithLineNumber { err, .. } => {
            failed_path(err)
        }
        ignore::Error::Loop { child, .. } => Some(child),
        _ => None,
    }
}

/// Compiles globs.
pub(super) fn globs(
    collection: &Collection,
    patterns: impl Iterator<Item = String>,
) -> Result<GlobSet, IngestError> {
    let bad = |pattern: &str, error: &globset::Error| IngestError::Pattern {
        collection: collection.name.to_string(),
        pattern: pattern.to_owned(),
        detail: error.kind().to_string(),
    };
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        let glob = GlobBuilder::new(&pattern)
            .literal_separator(true)
            .build()
            .map_err(|error| bad(&pattern, &error))?;
        set.add(glob);
    }
    set.build().map_err(|error| bad("", &error))
}

/// Splits at commas outside braces.
pub(super) fn split_alternatives(pattern: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut depth = 0_u32;
    for c in pattern.chars() {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.push(String::new());
                continue;
            }
            _ => {}
        }
        if let Some(part) = parts.last_mut() {
            part.push(c);
        }
    }
    parts
        .iter()
        .map(|part| part.trim().to_owned())
        .filter(|part| !part.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::domain::CollectionName;

    fn collection(path: &Path, pattern: &str, ignore: &[&str]) -> Collection {
        let name = CollectionName::new("c").unwrap();
        Collection {
            ignore: ignore.iter().map(|glob| (*glob).to_owned()).collect(),
            ..Collection::new(name, path.to_owned(), pattern)
        }
    }

    fn tree(files: &[&str]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for file in files {
            let path = dir.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "text").unwrap();
        }
        dir
    }

    fn names(collection: &Collection) -> Vec<String> {
        walk(collection)
            .unwrap()
            .files
            .into_iter()
            .map(|file| file.path)
            .collect()
    }

    #[test]
    fn takes_what_the_pattern_wants_and_nothing_hidden_or_excluded() {
        let dir = tree(&[
            "a.md",
            "b.txt",
            "sub/c.md",
            ".hidden/d.md",
            "node_modules/e.md",
            "sub/build/f.md",
            "drafts/g.md",
            "sub/h.org",
        ]);
        assert_eq!(
            names(&collection(
                dir.path(),
                "**/*.md, **/*.{org,rst}",
                &["drafts"]
            )),
            ["a.md", "sub/c.md", "sub/h.org"]
        );
    }

    #[test]
    fn honours_ignore_files_and_never_follows_links() {
        let dir = tree(&["a.md", "b.md", "c.md", "sub/d.md"]);
        let outside = tree(&["secret.md"]);
        fs::write(dir.path().join(".gitignore"), "b.md\n").unwrap();
        fs::write(dir.path().join(".qmdignore"), "c.md\n").unwrap();
        std::os::unix::fs::symlink(outside.path(), dir.path().join("link")).unwrap();
        std::os::unix::fs::symlink(outside.path().join("secret.md"), dir.path().join("link.md"))
            .unwrap();
        assert_eq!(
            names(&collection(dir.path(), "**/*.md", &[])),
            ["a.md", "sub/d.md"]
        );
    }

    #[test]
    fn a_bad_glob_names_itself() {
        let dir = tree(&["a.md"]);
        let error = walk(&collection(dir.path(), "**/*.{md", &[])).unwrap_err();
        assert!(error.to_string().contains("**/*.{md"), "{error}");
    }
}
