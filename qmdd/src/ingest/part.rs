//! Finds the files of a part of a collection: what a walk would find at some paths, and below them.

use std::{collections::BTreeSet, fs, path::Path};

use super::{
    IngestError,
    walk::{self, EXCLUDED_FOLDERS, Found, Listing, Rules},
};
use crate::{
    domain::{Collection, Reason},
    store::{FileStamp, Skipped},
};

/// Lists what a whole walk would list at the paths and below them. Looks at nothing else, but
/// where a path is a folder: then the folders above it are listed too. Blocks.
///
/// # Errors
/// On a bad glob.
pub(super) fn look(collection: &Collection, paths: &[String]) -> Result<Listing, IngestError> {
    let rules = Rules::new(collection)?;
    let mut walker = walk::walker(&collection.path);
    let mut ignored = walker.build_matchers();
    let mut ignored = |path: &str, is_dir| {
        let root = ignored.first_mut();
        root.is_none_or(|root| root.matched(path, is_dir).is_ignore())
    };
    let mut listing = Listing::default();
    let mut folders = BTreeSet::new();
    for path in paths {
        if !is_inside(&collection.path, path) {
            continue;
        }
        let absolute = collection.path.join(path);
        let metadata = match fs::symlink_metadata(&absolute) {
            Ok(metadata) => metadata,
            Err(error) if is_absence(&error) => continue,
            Err(error) => {
                listing.skipped.push(Skipped {
                    path: path.clone(),
                    reason: Reason::FileUnreadable,
                    message: error.to_string(),
                });
                continue;
            }
        };
        if metadata.is_dir() {
            folders.insert(path.clone());
        } else if metadata.is_file() && rules.take(path) && !ignored(path, false) {
            listing.files.push(Found {
                path: path.clone(),
                absolute,
                stamp: FileStamp::of(&metadata),
            });
        }
    }
    if !folders.is_empty() {
        let root = collection.path.clone();
        walker.filter_entry(move |entry| {
            let path = walk::relative(&root, entry.path());
            !walk::is_excluded(entry) && path.is_none_or(|path| leads_to(&path, &folders))
        });
        let mut below = walk::list(collection, &rules, &walker);
        listing.files.append(&mut below.files);
        listing.skipped.append(&mut below.skipped);
        listing.files.sort_by(|a, b| a.path.cmp(&b.path));
    }
    Ok(listing)
}

/// Whether every folder above a path is a real one that a walk would enter: a link may lead out of
/// the collection.
fn is_inside(root: &Path, path: &str) -> bool {
    path.match_indices('/').all(|(end, _)| {
        let folder = &path[..end];
        let name = folder.rsplit('/').next().unwrap_or_default();
        let metadata = fs::symlink_metadata(root.join(folder));
        !EXCLUDED_FOLDERS.contains(&name) && metadata.is_ok_and(|metadata| metadata.is_dir())
    })
}

fn is_absence(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{NotADirectory, NotFound};
    matches!(error.kind(), NotFound | NotADirectory)
}

/// Whether a path is one of the folders, below one, or on the way to one.
pub(super) fn leads_to(path: &str, folders: &BTreeSet<String>) -> bool {
    let ends = path.match_indices('/').map(|(end, _)| end);
    let is_below = ends
        .chain([path.len()])
        .any(|end| folders.contains(&path[..end]));
    let way = format!("{path}/");
    let on_the_way = folders.range(way.clone()..).next();
    path.is_empty() || is_below || on_the_way.is_some_and(|folder| folder.starts_with(&way))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use proptest::prelude::*;

    use super::*;
    use crate::domain::CollectionName;

    fn collection(root: &Path, ignore: &[&str]) -> Collection {
        let name = CollectionName::new("c").unwrap();
        Collection {
            ignore: ignore.iter().map(|glob| (*glob).to_owned()).collect(),
            ..Collection::new(name, root.to_owned(), "**/*.md")
        }
    }

    fn paths(listing: Listing) -> Vec<String> {
        listing.files.into_iter().map(|file| file.path).collect()
    }

    /// Files that are met by every rule there is.
    const FILES: [&str; 14] = [
        "a.md",
        "b.txt",
        "kept/c.md",
        "kept/deep/d.md",
        "kept/deep/.hidden.md",
        "ignored/e.md",
        "ignored/deep/f.md",
        "kept/local.md",
        "kept/deep/local.md",
        "node_modules/g.md",
        "kept/build/deep/h.md",
        ".hidden/i.md",
        "drafts/j.md",
        "kept/mine.md",
    ];

    fn tree() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        for file in FILES {
            write(file, "text");
        }
        write(".gitignore", "/ignored/\n");
        write("kept/.gitignore", "local.md\n");
        write("kept/deep/.gitignore", "!local.md\n");
        write(".qmdignore", "mine.md\n");
        dir
    }

    proptest! {
        /// Looking at a part finds what a walk finds in that part, whatever the part.
        #[test]
        fn a_part_is_the_walk_cut_down(
            chosen in proptest::sample::subsequence(FILES.to_vec(), 0..6),
            levels in proptest::collection::vec(0..3_usize, 6),
        ) {
            let dir = tree();
            let collection = collection(dir.path(), &["drafts"]);
            let parts: BTreeSet<String> = chosen
                .iter()
                .zip(levels)
                .filter_map(|(path, up)| {
                    let above = Path::new(path).ancestors().nth(up)?;
                    above.to_str().filter(|path| !path.is_empty()).map(str::to_owned)
                })
                .collect();
            let whole = walk::walk(&collection).unwrap();
            let expected: BTreeSet<String> = paths(whole)
                .into_iter()
                .filter(|path| parts.iter().any(|part| {
                    path == part || path.starts_with(&format!("{part}/"))
                }))
                .collect();
            let parts: Vec<String> = parts.into_iter().collect();
            let found: BTreeSet<String> = paths(look(&collection, &parts).unwrap())
                .into_iter()
                .collect();
            prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn a_link_in_the_way_leads_nowhere() {
        let dir = tree();
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("secret.md"), "text").unwrap();
        symlink(outside.path(), dir.path().join("link")).unwrap();
        symlink(outside.path().join("secret.md"), dir.path().join("link.md")).unwrap();
        let collection = collection(dir.path(), &[]);
        let asked = [
            "link",
            "link.md",
            "link/secret.md",
            "none.md",
            "a.md/below.md",
        ];
        let listing = look(&collection, &asked.map(str::to_owned)).unwrap();
        assert_eq!(listing.skipped, []);
        assert_eq!(paths(listing), [] as [&str; 0]);
    }
}
