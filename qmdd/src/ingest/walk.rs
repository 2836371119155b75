//! Finds a collection's files.

use std::{fs::Metadata, io, path::Path, sync::Arc};

use ignore::{DirEntry, WalkBuilder};

use super::{IngestError, globs::Rules};
use crate::{
    domain::{Collection, Reason},
    store::{FileStamp, Skipped, Why},
};

/// Files that tell what is left out.
pub(super) const IGNORE_FILES: [&str; 3] = [".gitignore", ".ignore", ".qmdignore"];

/// A file to index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    /// Inside the collection, with `/` between parts.
    pub path: String,
    pub stamp: FileStamp,
}

/// What a walk yields.
#[derive(Debug, Default)]
pub(super) struct Listing {
    pub files: Vec<Found>,
    /// What cannot be indexed, as the walk shows already: links, names that are no text, folders that
    /// cannot be read.
    pub unfit: Vec<Skipped>,
    /// Folders that could not be read: nothing is known of what is below them.
    pub unread: Vec<String>,
}

/// Walks the collection's folder. Hidden files, and what `.gitignore` or `.qmdignore` exclude, are left
/// out; links are not followed. Blocks.
///
/// # Errors
/// On a bad glob.
pub(super) fn walk(collection: &Collection) -> Result<Listing, IngestError> {
    let rules = Arc::new(Rules::new(collection)?);
    let mut walker = walker(&collection.path, &rules);
    let (root, entering) = (collection.path.clone(), Arc::clone(&rules));
    walker.filter_entry(move |entry| enters(&entering, &root, entry));
    let mut listing = list(collection, &rules, &walker);
    listing.files.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    Ok(listing)
}

/// The walk through a collection's folder, with the rules that ignore files make. It yields a folder
/// before it reads it.
pub(super) fn walker(root: &Path, rules: &Rules) -> WalkBuilder {
    let mut walker = WalkBuilder::new(root);
    walker
        .follow_links(false)
        // They are looked at by name where the pattern names some.
        .hidden(!rules.name_hidden())
        // What lies outside of the folder has no say.
        .parents(false)
        .git_global(false)
        .require_git(false)
        .add_custom_ignore_filename(".qmdignore");
    walker
}

/// Whether a walk through the folder `root` goes on at this place.
pub(super) fn enters(rules: &Rules, root: &Path, entry: &DirEntry) -> bool {
    let folder = entry.file_type().is_some_and(|kind| kind.is_dir());
    entry.depth() == 0 || relative(root, entry.path()).is_none_or(|path| rules.enter(&path, folder))
}

/// Lists what a walk meets that the collection takes. Blocks.
pub(super) fn list(collection: &Collection, rules: &Rules, walker: &WalkBuilder) -> Listing {
    let mut listing = Listing::default();
    for entry in walker.build() {
        match entry {
            Ok(entry) => take(&collection.path, &entry, rules, &mut listing),
            Err(error) => unread(&collection.path, &error, &mut listing),
        }
    }
    listing
}

fn take(root: &Path, entry: &DirEntry, rules: &Rules, listing: &mut Listing) {
    let Some(kind) = entry.file_type().filter(|kind| !kind.is_dir()) else {
        return;
    };
    let Some(path) = relative(root, entry.path()) else {
        let lossy = entry.path().strip_prefix(root).unwrap_or(entry.path());
        let lossy = lossy.to_string_lossy().into_owned();
        if rules.take(&lossy) {
            listing.leave_out(
                lossy,
                Reason::FileUnreadable,
                "the file's name is not UTF-8",
            );
        }
        return;
    };
    if !rules.take(&path) {
        return;
    }
    if kind.is_file() {
        listing.add(path, entry.metadata().map_err(into_io));
    } else {
        listing.leave_out_special(path, kind.is_symlink());
    }
}

impl Listing {
    /// Adds a file, if it is there, by what the system tells of it.
    pub(super) fn add(&mut self, path: String, metadata: io::Result<Metadata>) {
        match metadata {
            Ok(metadata) => self.files.push(Found {
                path,
                stamp: FileStamp::of(&metadata),
            }),
            // It went away since its folder was read.
            Err(error) if is_absence(&error) => {}
            Err(error) => self.leave_unread(path, &error.to_string()),
        }
    }

    /// Leaves out what is neither file nor folder.
    pub(super) fn leave_out_special(&mut self, path: String, is_link: bool) {
        if is_link {
            let message = "a link; what it leads to is indexed where it lies";
            self.leave_out(path, Reason::FileLink, message);
        } else {
            self.leave_out(path, Reason::FileUnreadable, "not a regular file");
        }
    }

    /// Notes that nothing is known of a path, nor of what lies below it.
    pub(super) fn leave_unread(&mut self, path: String, message: &str) {
        self.unread.push(path.clone());
        self.leave_out(path, Reason::FileUnreadable, message);
    }

    fn leave_out(&mut self, path: String, reason: Reason, message: &str) {
        self.unfit.push(Skipped {
            path,
            why: Why {
                reason,
                message: message.to_owned(),
            },
        });
    }
}

/// Notes a folder that could not be read. Whoever removes folders meanwhile does no harm.
fn unread(root: &Path, error: &ignore::Error, listing: &mut Listing) {
    let failed = failed_path(error);
    if error.io_error().is_some_and(is_absence) && failed.is_some_and(|path| path != root) {
        return;
    }
    let path = failed
        .and_then(|path| relative(root, path))
        .unwrap_or_default();
    let message = error
        .io_error()
        .map_or_else(|| error.to_string(), io::Error::to_string);
    listing.leave_unread(path, &message);
}

fn into_io(error: ignore::Error) -> io::Error {
    error
        .into_io_error()
        .unwrap_or_else(|| io::Error::other("it cannot be looked at"))
}

pub(super) fn is_absence(error: &io::Error) -> bool {
    use io::ErrorKind::{NotADirectory, NotFound};
    matches!(error.kind(), NotFound | NotADirectory)
}

/// A path inside the root, with `/` between parts; `None` for one outside, or not of UTF-8.
pub(super) fn relative(root: &Path, path: &Path) -> Option<String> {
    Some(path.strip_prefix(root).ok()?.to_str()?.to_owned())
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

#[cfg(test)]
mod tests {
    use std::{
        ffi::OsStr,
        fs,
        os::unix::{ffi::OsStrExt, fs::symlink},
    };

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
        let files = walk(collection).unwrap().files.into_iter();
        files.map(|file| file.path).collect()
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
        assert_eq!(
            names(&collection(dir.path(), ".hidden/*.md,a.md", &[])),
            [".hidden/d.md", "a.md"]
        );
    }

    #[test]
    fn honours_ignore_files() {
        let dir = tree(&["a.md", "b.md", "c.md", "sub/d.md", "sub/e.md", "f.md"]);
        fs::write(dir.path().join(".gitignore"), "b.md\n*.tmp\n").unwrap();
        fs::write(dir.path().join(".qmdignore"), "c.md\n").unwrap();
        fs::write(dir.path().join("sub/.gitignore"), "e.md\n").unwrap();
        assert_eq!(
            names(&collection(dir.path(), "**/*.md", &[])),
            ["a.md", "f.md", "sub/d.md"]
        );
        assert_eq!(
            names(&collection(&dir.path().join("sub"), "**/*.md", &[])),
            ["d.md"],
            "what lies above has no say"
        );
    }

    #[test]
    fn links_are_told_and_not_followed() {
        let dir = tree(&["a.md"]);
        let outside = tree(&["secret.md"]);
        symlink(outside.path(), dir.path().join("folder")).unwrap();
        symlink(outside.path().join("secret.md"), dir.path().join("out.md")).unwrap();
        symlink("a.md", dir.path().join("in.md")).unwrap();
        symlink("nowhere", dir.path().join("other.txt")).unwrap();
        let listing = walk(&collection(dir.path(), "**/*.md", &[])).unwrap();
        assert_eq!(listing.files.len(), 1);
        let mut told: Vec<_> = listing
            .unfit
            .iter()
            .map(|file| (file.path.as_str(), file.why.reason))
            .collect();
        told.sort_by_key(|(path, _)| *path);
        assert_eq!(
            told,
            [("in.md", Reason::FileLink), ("out.md", Reason::FileLink)]
        );
    }

    #[test]
    fn what_cannot_be_had_is_told() {
        let dir = tree(&["a.md"]);
        fs::write(dir.path().join(OsStr::from_bytes(b"b\xff.md")), "text").unwrap();
        rustix::fs::mkfifoat(
            rustix::fs::CWD,
            dir.path().join("pipe.md"),
            rustix::fs::Mode::RUSR,
        )
        .unwrap();
        let listing = walk(&collection(dir.path(), "**/*.md", &[])).unwrap();
        assert_eq!(listing.files.len(), 1);
        assert_eq!(listing.unfit.len(), 2);
        assert!(listing.unread.is_empty());

        let gone = walk(&collection(&dir.path().join("none"), "**/*.md", &[])).unwrap();
        assert_eq!(gone.unread, [""], "nothing is known of the whole folder");
    }
}
