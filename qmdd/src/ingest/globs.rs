//! Which paths a collection takes, by its globs, as QMD understands them.

use globset::{GlobSet, GlobSetBuilder};
use qmd_proto::list;

use super::IngestError;
use crate::{domain::Collection, text::glob};

/// Folders that never hold a person's notes. QMD's list.
const EXCLUDED_FOLDERS: [&str; 6] = ["node_modules", ".git", ".cache", "vendor", "dist", "build"];

/// Globs that one that leaves out becomes: for the path itself, and for what is below it.
const GLOBS_OF_UNWANTED: usize = 2;

/// What a collection takes, by path.
#[derive(Debug)]
pub(super) struct Rules {
    /// The alternatives of the pattern that take files.
    pub patterns: Vec<String>,
    wanted: GlobSet,
    unwanted: GlobSet,
    /// What `unwanted` was made of, as it was written, two globs for each.
    unwanted_globs: Vec<Unwanted>,
    /// Of single names: the parts of the pattern that begin with a dot. Hidden files are taken only
    /// where the pattern itself says so.
    hidden: GlobSet,
}

/// A glob that leaves files out, as it stands in the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unwanted {
    /// The glob.
    pub glob: String,
    /// Whether it is a part of `pattern` and not of `ignore`.
    pub of_pattern: bool,
}

/// Which of the rules leaves a path out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Rule {
    /// No glob of the pattern takes it.
    Pattern,
    /// A glob.
    Unwanted(Unwanted),
    /// It lies in a folder of this name, which never holds notes.
    Folder(String),
    /// This name begins with a dot.
    Hidden(String),
}

impl Rules {
    /// Those of a collection. Commas outside of braces separate alternatives; one that begins with `!`
    /// leaves out, as `ignore` does.
    pub(super) fn new(collection: &Collection) -> Result<Self, IngestError> {
        let mut wanted = Set::new(collection);
        let mut unwanted = Set::new(collection);
        let mut hidden = Set::new(collection);
        let mut unwanted_globs = Vec::new();
        let mut patterns = Vec::new();
        for pattern in list::parts(&collection.pattern) {
            if let Some(left_out) = pattern.strip_prefix('!') {
                unwanted.add_all_below(left_out)?;
                unwanted_globs.push(Unwanted {
                    glob: pattern.to_owned(),
                    of_pattern: true,
                });
                continue;
            }
            let pattern = pattern.trim_start_matches("./").to_owned();
            wanted.add(&pattern)?;
            for name in pattern.split(['/', '{', ',', '}']) {
                if name.starts_with('.') && !name.trim_matches('.').is_empty() {
                    hidden.add(name)?;
                }
            }
            patterns.push(pattern);
        }
        if patterns.is_empty() {
            return Err(wanted.bad(&collection.pattern, "it takes no file"));
        }
        for pattern in &collection.ignore {
            unwanted.add_all_below(pattern)?;
            unwanted_globs.push(Unwanted {
                glob: pattern.clone(),
                of_pattern: false,
            });
        }
        Ok(Self {
            patterns,
            wanted: wanted.build()?,
            unwanted: unwanted.build()?,
            unwanted_globs,
            hidden: hidden.build()?,
        })
    }

    /// Whether the pattern names hidden files or folders.
    pub(super) fn name_hidden(&self) -> bool {
        !self.hidden.is_empty()
    }

    /// Whether nothing of this name is taken, nor below it where it is a folder.
    pub(super) fn pass_over(&self, name: &str, is_folder: bool) -> bool {
        let excluded = is_folder && EXCLUDED_FOLDERS.contains(&name);
        excluded || (name.starts_with('.') && !self.hidden.is_match(name))
    }

    /// Whether the walk goes on at this place: a file may be taken, or a folder may hold such files.
    pub(super) fn enter(&self, path: &str, is_folder: bool) -> bool {
        let name = path.rsplit_once('/').map_or(path, |(_, name)| name);
        !self.pass_over(name, is_folder) && !self.unwanted.is_match(path)
    }

    /// What leaves out a path, a folder or a file, whose folders are entered; `None` when it is entered
    /// or taken.
    pub(super) fn against(&self, path: &str, is_folder: bool) -> Option<Rule> {
        let name = path.rsplit_once('/').map_or(path, |(_, name)| name);
        if self.pass_over(name, is_folder) {
            let is_excluded = is_folder && EXCLUDED_FOLDERS.contains(&name);
            return Some(if is_excluded {
                Rule::Folder(name.to_owned())
            } else {
                Rule::Hidden(name.to_owned())
            });
        }
        if let Some(at) = self.unwanted.matches(path).first() {
            let glob = self.unwanted_globs.get(at / GLOBS_OF_UNWANTED);
            return glob.cloned().map(Rule::Unwanted);
        }
        (!is_folder && !self.wanted.is_match(path)).then_some(Rule::Pattern)
    }

    /// Whether a file is taken whose folders were entered.
    pub(super) fn take(&self, path: &str) -> bool {
        self.wanted.is_match(path) && self.enter(path, false)
    }
}

/// A set of globs in the making.
struct Set<'a> {
    collection: &'a Collection,
    globs: GlobSetBuilder,
}

impl<'a> Set<'a> {
    fn new(collection: &'a Collection) -> Self {
        Self {
            collection,
            globs: GlobSetBuilder::new(),
        }
    }

    fn add(&mut self, pattern: &str) -> Result<(), IngestError> {
        let glob = glob::parse(pattern).map_err(|detail| self.bad(pattern, &detail))?;
        self.globs.add(glob);
        Ok(())
    }

    /// A folder that the pattern fits goes with all that is below it.
    fn add_all_below(&mut self, pattern: &str) -> Result<(), IngestError> {
        let folder = pattern.trim_start_matches("./").trim_end_matches('/');
        let folder = folder
            .strip_suffix("/**/*")
            .or(folder.strip_suffix("/**"))
            .unwrap_or(folder);
        self.add(folder)?;
        self.add(&format!("{folder}/**"))
    }

    fn build(&self) -> Result<GlobSet, IngestError> {
        self.globs
            .build()
            .map_err(|error| self.bad("", &error.kind().to_string()))
    }

    fn bad(&self, pattern: &str, detail: &str) -> IngestError {
        IngestError::Pattern {
            collection: self.collection.name.to_string(),
            pattern: pattern.to_owned(),
            detail: detail.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::CollectionName;

    fn globs(pattern: &str, ignore: &[&str]) -> Result<Rules, IngestError> {
        let name = CollectionName::new("c").unwrap();
        Rules::new(&Collection {
            ignore: ignore.iter().map(|glob| (*glob).to_owned()).collect(),
            ..Collection::new(name, "/c".into(), pattern)
        })
    }

    /// As the walk decides: every folder on the way, then the file.
    fn takes(globs: &Rules, path: &str) -> bool {
        let folders = path.match_indices('/').map(|(at, _)| &path[..at]);
        folders.into_iter().all(|folder| globs.enter(folder, true)) && globs.take(path)
    }

    #[test]
    fn patterns_take_what_they_take_in_qmd() {
        for (pattern, taken, left) in [
            (
                "**/*.md",
                &["a.md", "x/y/b.md"][..],
                &["a.MD", "a.md.txt", ".a.md", ".x/a.md", "x/.y/a.md"][..],
            ),
            ("*.md", &["a.md"], &["x/a.md"]),
            ("./docs/**/*.md", &["docs/a.md", "docs/x/a.md"], &["a.md"]),
            (
                "**/*.md, **/*.{org,rst}",
                &["a.md", "x/a.org", "b.rst"],
                &["a.txt"],
            ),
            (
                "{docs,notes}/*.md",
                &["docs/a.md", "notes/b.md"],
                &["other/a.md"],
            ),
            ("**/[a-c].md", &["b.md", "x/c.md"], &["d.md"]),
            ("**/a?.md", &["ab.md"], &["a/.md", "abc.md"]),
            (
                "**/*.md,!drafts/**,!**/x.md",
                &["a.md"],
                &["drafts/a.md", "y/x.md", "x.md"],
            ),
            (
                ".notes/**/*.md",
                &[".notes/a.md", ".notes/x/a.md"],
                &["a.md", ".other/a.md", ".notes/.x/a.md"],
            ),
            (
                "**/.*/*.md",
                &[".x/a.md", "y/.z/a.md"],
                &["y/a.md", ".git/a.md", "x/.cache/a.md"],
            ),
            ("{.a,b}/*.md", &[".a/x.md", "b/x.md"], &[".c/x.md"]),
            (
                "**/*",
                &["a", "x/b.bin"],
                &["node_modules/a", "x/dist/a", "build/a", ".a"],
            ),
            ("**/build", &["build", "x/build"], &["build/build"]),
            ("a\\,b.md", &["a,b.md"], &["a", "b.md"]),
        ] {
            let globs = globs(pattern, &[]).unwrap();
            for path in taken {
                assert!(takes(&globs, path), "{pattern} takes {path}");
            }
            for path in left {
                assert!(!takes(&globs, path), "{pattern} leaves {path}");
            }
        }
    }

    #[test]
    fn what_is_ignored_goes_with_all_below_it() {
        let globs = globs(
            "**/*.md",
            &[
                "drafts",
                "old/",
                "tmp/**",
                "deep/**/*",
                "**/*.draft.md",
                "x/y",
            ],
        )
        .unwrap();
        for path in [
            "drafts/a.md",
            "old/x/a.md",
            "tmp/a.md",
            "deep/a.md",
            "z/b.draft.md",
            "x/y/a.md",
        ] {
            assert!(!takes(&globs, path), "{path}");
        }
        assert!(!globs.enter("tmp", true), "nothing in it is looked at");
        for path in ["a.md", "z/drafts/a.md", "x/z.md", "tmp.md"] {
            assert!(takes(&globs, path), "{path}");
        }
    }

    #[test]
    fn what_leaves_a_path_out_has_a_name() {
        let globs = globs("**/*.md,!x/**", &["drafts", "**/*.tmp.md"]).unwrap();
        let unwanted = |glob: &str, of_pattern| {
            let glob = glob.to_owned();
            Some(Rule::Unwanted(Unwanted { glob, of_pattern }))
        };
        for (path, is_folder, rule) in [
            ("a.md", false, None),
            ("sub", true, None),
            ("a.txt", false, Some(Rule::Pattern)),
            ("x", true, unwanted("!x/**", true)),
            ("drafts", true, unwanted("drafts", false)),
            ("y/b.tmp.md", false, unwanted("**/*.tmp.md", false)),
            ("sub/build", true, Some(Rule::Folder("build".into()))),
            (".a.md", false, Some(Rule::Hidden(".a.md".into()))),
        ] {
            assert_eq!(globs.against(path, is_folder), rule, "{path}");
        }
    }

    #[test]
    fn bad_globs_name_themselves() {
        for (pattern, said) in [
            ("**/*.{md", "**/*.{md"),
            ("**/@(a|b).md", "{a,b}"),
            ("!drafts/**", "takes no file"),
            (" , ", "takes no file"),
            ("[z-a].md", "[z-a].md"),
        ] {
            let error = globs(pattern, &[]).err().unwrap().to_string();
            assert!(error.contains(said), "{error}");
        }
        assert!(globs("**/*.md", &["a[", "b"]).is_err());
    }

    proptest! {
        #[test]
        fn no_pattern_breaks_it(pattern in "([a-c]|[*?,{}!./\\\\]|\\[|\\]| ){0,16}", path in "[a-c./]{1,8}") {
            if let Ok(globs) = globs(&pattern, &[]) {
                let folders = path.match_indices('/').map(|(at, _)| globs.against(&path[..at], true));
                let against = folders.chain([globs.against(&path, false)]).flatten().next();
                prop_assert_eq!(takes(&globs, &path), against.is_none());
            }
        }
    }
}
