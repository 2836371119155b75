//! Globs over the places of documents.

use std::{collections::HashMap, path::Path};

use globset::GlobMatcher;
use tonic::Status;

use super::{address::plain, status};
use crate::{
    domain::{Collection, Reason},
    text::glob,
};

/// A glob, and what it is held against.
#[derive(Debug, Clone)]
pub(super) struct PlaceGlob {
    glob: GlobMatcher,
    over: Over,
}

#[derive(Debug, Clone)]
enum Over {
    /// `collection/path`, and nothing else: it began with `qmd://`.
    Address,
    /// `collection/path`, or the path alone.
    Either,
    /// The file's absolute path; the collections' folders by name.
    File(HashMap<String, String>),
}

impl PlaceGlob {
    /// Reads a glob.
    ///
    /// # Errors
    /// When it is none.
    pub(super) fn parse(text: &str, collections: &[Collection]) -> Result<Self, Status> {
        let uri = text.strip_prefix("qmd:").filter(|it| it.starts_with('/'));
        let uri = uri.or_else(|| text.starts_with("//").then_some(text));
        let (pattern, over) = match uri {
            Some(uri) => (uri.trim_start_matches('/'), Over::Address),
            None if text.starts_with('/') => {
                let folders = collections.iter().map(|known| {
                    let folder = plain(&known.path).to_string_lossy().into_owned();
                    (known.name.to_string(), folder)
                });
                (text, Over::File(folders.collect()))
            }
            None => (text.trim_start_matches("./"), Over::Either),
        };
        let glob = glob::parse(pattern).map_err(|detail| {
            status::of(
                Reason::InvalidArgument,
                format!("{text:?} is no glob: {detail}"),
                Some("put a backslash before what stands for itself".into()),
            )
        })?;
        Ok(Self {
            glob: glob.compile_matcher(),
            over,
        })
    }

    /// Whether a document's place fits.
    pub(super) fn fits(&self, collection: &str, path: &str) -> bool {
        match &self.over {
            Over::Address => self.glob.is_match(format!("{collection}/{path}")),
            Over::Either => {
                self.glob.is_match(path) || self.glob.is_match(format!("{collection}/{path}"))
            }
            Over::File(folders) => folders
                .get(collection)
                .is_some_and(|folder| self.glob.is_match(within(folder, path))),
        }
    }

    /// Whether a document's place fits, or that of a folder around it: a collection is one, too.
    pub(super) fn covers(&self, collection: &str, path: &str) -> bool {
        let around = |place: &str| {
            Path::new(place)
                .ancestors()
                .any(|at| self.glob.is_match(at))
        };
        let address = || around(&format!("{collection}/{path}"));
        match &self.over {
            Over::Address => address(),
            Over::Either => around(path) || address(),
            Over::File(folders) => folders
                .get(collection)
                .is_some_and(|folder| around(&within(folder, path))),
        }
    }
}

/// A path below a folder.
fn within(folder: &str, path: &str) -> String {
    format!("{}/{path}", folder.trim_end_matches('/'))
}

/// The parts of a glob before the first that stands for several names, and those from there on.
pub(super) fn head(text: &str) -> (&str, &str) {
    let text = text.strip_prefix("qmd:").unwrap_or(text);
    let text = text.trim_start_matches("./").trim_start_matches('/');
    let mut end = 0;
    for part in text.split_inclusive('/') {
        if qmd_proto::list::is_glob(part) || !part.ends_with('/') {
            break;
        }
        end += part.len();
    }
    (text[..end].trim_end_matches('/'), &text[end..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::CollectionName;

    fn glob(text: &str) -> PlaceGlob {
        let collections = [("notes", "/home/me/../me/notes"), ("docs", "/")].map(|(name, path)| {
            let name = CollectionName::new(name).unwrap();
            Collection::new(name, path.into(), "**/*")
        });
        PlaceGlob::parse(text, &collections).unwrap()
    }

    #[test]
    fn globs_are_over_addresses_paths_and_files() {
        for (text, collection, path, fits) in [
            ("notes/*.md", "notes", "a.md", true),
            ("notes/*.md", "notes", "x/a.md", false),
            ("notes/**", "notes", "x/a.md", true),
            ("*.md", "docs", "a.md", true),
            ("*.md", "docs", "x/a.md", false),
            ("**/*.{md,org}", "docs", "x/a.org", true),
            ("{notes,docs}/x/*", "docs", "x/a.org", true),
            ("x/*", "docs", "x/a.org", true),
            ("./x/*", "docs", "x/a.org", true),
            ("qmd://*/x/*", "docs", "x/a.org", true),
            ("qmd://x/*", "docs", "x/a.org", false),
            ("//notes/*", "notes", "a.md", true),
            ("/home/me/notes/*.md", "notes", "a.md", true),
            ("/home/me/notes/*.md", "docs", "a.md", false),
            ("/x/*.md", "docs", "x/a.md", true),
            ("*.md", "notes", ".a.md", true),
        ] {
            assert_eq!(glob(text).fits(collection, path), fits, "{text} {path}");
        }
    }

    #[test]
    fn folders_that_fit_cover_what_is_in_them() {
        assert!(glob("notes/20*").covers("notes", "2024/x/a.md"));
        assert!(glob("20*").covers("notes", "2024/x/a.md"));
        assert!(!glob("notes/20*").covers("notes", "x/2024/a.md"));
        assert!(!glob("notes/2024").covers("notes", "20245.md"));
        assert!(glob("not*").covers("notes", "a.md") && !glob("not*").covers("docs", "a.md"));
        assert!(glob("/home/me").covers("notes", "x/a.md"));
        assert!(glob("/home/me/notes/x").covers("notes", "x/a.md"));
        assert!(!glob("/home/me/notes/x").covers("notes", "y/x/a.md"));
    }

    #[test]
    fn bad_globs_are_refused() {
        for bad in ["a{", "@(a|b)*", "[z-a]"] {
            let error = PlaceGlob::parse(bad, &[]).unwrap_err();
            assert!(error.message().contains(bad), "{}", error.message());
        }
    }

    #[test]
    fn the_head_of_a_glob_is_what_it_names() {
        for (text, expected) in [
            ("notes/workplace/*.md", ("notes/workplace", "*.md")),
            ("qmd://notes/**/a.md", ("notes", "**/a.md")),
            ("*.md", ("", "*.md")),
            ("a{b,c}/d", ("", "a{b,c}/d")),
            ("notes/x?.md", ("notes", "x?.md")),
        ] {
            assert_eq!(head(text), expected, "{text}");
        }
    }
}
