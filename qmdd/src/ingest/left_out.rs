//! Why a collection does not take a file in.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
};

use ignore::{
    Match,
    gitignore::{Gitignore, GitignoreBuilder},
};

use super::{
    IngestError, blocking,
    globs::{Rule, Rules, Unwanted},
    walk::IGNORE_FILES,
};
use crate::domain::Collection;

/// What a collection makes of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// There is no such file.
    Absent,
    /// It is a folder.
    Folder,
    /// It is taken in by the next scan, if it holds text.
    Taken,
    /// A rule leaves it out.
    LeftOut(LeftOut),
}

/// The rule that leaves a file out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LeftOut {
    /// The collection's pattern does not take it.
    Pattern(String),
    /// A glob of the collection's `ignore`, or one of its pattern that begins with `!`.
    Glob {
        /// As it is written.
        glob: String,
        /// The key that it stands at.
        key: &'static str,
    },
    /// A line of an ignore file.
    IgnoreFile {
        /// The file.
        file: PathBuf,
        /// The line.
        line: String,
    },
    /// It lies in a folder that nothing is taken from.
    ExcludedFolder(String),
    /// A name that begins with a dot.
    Hidden(String),
    /// A folder on the way is a link, which is not followed.
    Link(String),
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pattern(pattern) => write!(f, "the pattern {pattern:?} does not take it"),
            Self::Glob { glob, key } => write!(f, "{glob:?} in `{key}` leaves it out"),
            Self::IgnoreFile { file, line } => {
                write!(f, "{line:?} in {} leaves it out", file.display())
            }
            Self::ExcludedFolder(name) => {
                write!(f, "nothing in a folder named {name:?} is indexed")
            }
            Self::Hidden(name) => write!(f, "{name:?} is hidden: it begins with a dot"),
            Self::Link(path) => write!(f, "{path:?} is a link, which is not followed"),
        }
    }
}

/// What a collection makes of a path inside it, of plain names with `/` between them.
///
/// # Errors
/// On a bad glob in the configuration.
pub async fn standing(collection: &Collection, path: &str) -> Result<Standing, IngestError> {
    let (collection, path) = (collection.clone(), path.to_owned());
    blocking(move || look(&collection, &path)).await
}

fn look(collection: &Collection, path: &str) -> Result<Standing, IngestError> {
    let root = &collection.path;
    let Ok(metadata) = fs::symlink_metadata(root.join(path)) else {
        return Ok(Standing::Absent);
    };
    if metadata.is_dir() {
        return Ok(Standing::Folder);
    }
    let rules = Rules::new(collection)?;
    let ends = path.match_indices('/').map(|(end, _)| (end, true));
    for (end, is_folder) in ends.chain([(path.len(), false)]) {
        let place = &path[..end];
        if is_folder && fs::symlink_metadata(root.join(place)).is_ok_and(|it| it.is_symlink()) {
            return Ok(Standing::LeftOut(LeftOut::Link(place.to_owned())));
        }
        if let Some(rule) = rules.against(place, is_folder) {
            return Ok(Standing::LeftOut(of_rule(rule, collection)));
        }
        if let Some(line) = of_files(root, place, is_folder) {
            return Ok(Standing::LeftOut(line));
        }
    }
    Ok(Standing::Taken)
}

fn of_rule(rule: Rule, collection: &Collection) -> LeftOut {
    match rule {
        Rule::Pattern => LeftOut::Pattern(collection.pattern.clone()),
        Rule::Unwanted(Unwanted { glob, of_pattern }) => LeftOut::Glob {
            glob,
            key: if of_pattern { "pattern" } else { "ignore" },
        },
        Rule::Folder(name) => LeftOut::ExcludedFolder(name),
        Rule::Hidden(name) => LeftOut::Hidden(name),
    }
}

/// The line of an ignore file that leaves out a path whose folders are not left out. In the walk's
/// order: `.qmdignore` has the first word, git's own exclusions the last; of each kind, the nearest file
/// that says anything, also from outside of a repository.
fn of_files(root: &Path, path: &str, is_folder: bool) -> Option<LeftOut> {
    let whole = root.join(path);
    let inside = |folder: &&Path| folder.starts_with(root);
    let folders: Vec<&Path> = whole.ancestors().skip(1).take_while(inside).collect();
    let [git, plain, own] = IGNORE_FILES;
    for name in [own, plain, git, ".git/info/exclude"] {
        let said = folders.iter().find_map(|folder| {
            let file = folder.join(name);
            match read(folder, &file)?.matched(&whole, is_folder) {
                Match::None => None,
                Match::Whitelist(_) => Some(None),
                Match::Ignore(glob) => Some(Some(LeftOut::IgnoreFile {
                    line: glob.original().to_owned(),
                    file,
                })),
            }
        });
        if let Some(said) = said {
            return said;
        }
    }
    None
}

/// An ignore file that speaks of what is in a folder.
fn read(folder: &Path, file: &Path) -> Option<Gitignore> {
    if !file.is_file() {
        return None;
    }
    let mut lines = GitignoreBuilder::new(folder);
    // Lines that are no globs are passed over, as in the walk.
    let _ = lines.add(file);
    lines.build().ok()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::{
        domain::CollectionName,
        ingest::walk::{Listing, walk},
    };

    const FILES: [&str; 16] = [
        "a.md",
        "b.txt",
        "kept/c.md",
        "kept/deep/local.md",
        "kept/local.md",
        "ignored/e.md",
        "node_modules/g.md",
        ".hidden/i.md",
        "drafts/j.md",
        "kept/mine.md",
        "kept/own.md",
        "repo/.git/info/exclude",
        "repo/excluded.md",
        "repo/top.md",
        "top.md",
        "kept/.secret.md",
    ];

    fn tree() -> (tempfile::TempDir, Collection) {
        let dir = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        for file in FILES {
            write(file, "text");
        }
        write(".gitignore", "/ignored/\ntop.md\n# nothing\nown.md\n");
        write("kept/.gitignore", "local.md\n");
        write("kept/deep/.gitignore", "!local.md\n");
        write(".qmdignore", "mine.md\n!own.md\n");
        write("repo/.git/info/exclude", "excluded.md\n");
        symlink("kept", dir.path().join("link")).unwrap();
        let name = CollectionName::new("c").unwrap();
        let collection = Collection {
            ignore: vec!["drafts/**".into()],
            ..Collection::new(name, dir.path().to_owned(), "**/*.md")
        };
        (dir, collection)
    }

    #[test]
    fn every_rule_names_itself() {
        let (dir, collection) = tree();
        let file = |name: &str, line: &str| LeftOut::IgnoreFile {
            file: dir.path().join(name),
            line: line.into(),
        };
        for (path, rule) in [
            ("b.txt", LeftOut::Pattern("**/*.md".into())),
            ("kept/local.md", file("kept/.gitignore", "local.md")),
            ("ignored/e.md", file(".gitignore", "/ignored/")),
            (
                "node_modules/g.md",
                LeftOut::ExcludedFolder("node_modules".into()),
            ),
            (".hidden/i.md", LeftOut::Hidden(".hidden".into())),
            ("kept/.secret.md", LeftOut::Hidden(".secret.md".into())),
            (
                "drafts/j.md",
                LeftOut::Glob {
                    glob: "drafts/**".into(),
                    key: "ignore",
                },
            ),
            ("kept/mine.md", file(".qmdignore", "mine.md")),
            (
                "repo/excluded.md",
                file("repo/.git/info/exclude", "excluded.md"),
            ),
            ("top.md", file(".gitignore", "top.md")),
            ("repo/top.md", file(".gitignore", "top.md")),
            ("link/c.md", LeftOut::Link("link".into())),
        ] {
            assert_eq!(
                look(&collection, path).unwrap(),
                Standing::LeftOut(rule),
                "{path}"
            );
        }
        for path in ["nowhere.md", "a.md/b.md"] {
            assert_eq!(look(&collection, path).unwrap(), Standing::Absent);
        }
        assert_eq!(look(&collection, "kept").unwrap(), Standing::Folder);
    }

    #[test]
    fn what_the_walk_takes_is_taken_and_nothing_else() {
        let (_dir, collection) = tree();
        let Listing { files, .. } = walk(&collection).unwrap();
        let walked: Vec<String> = files.into_iter().map(|file| file.path).collect();
        let mut taken: Vec<&str> = FILES
            .into_iter()
            .filter(|path| look(&collection, path).unwrap() == Standing::Taken)
            .collect();
        taken.sort_unstable();
        assert_eq!(taken, walked);
    }

    #[test]
    fn it_is_said_in_words() {
        let (_, collection) = tree();
        let said = of_rule(Rule::Pattern, &collection).to_string();
        assert_eq!(said, "the pattern \"**/*.md\" does not take it");
        let line = LeftOut::IgnoreFile {
            file: "/n/.gitignore".into(),
            line: "*.tmp".into(),
        };
        assert_eq!(line.to_string(), "\"*.tmp\" in /n/.gitignore leaves it out");
    }
}
