//! Finds the files of a part of a collection: what a walk would find at some paths, and below them.

use std::{collections::BTreeSet, fs, path::Path, sync::Arc};

use super::{
    IngestError,
    globs::Rules,
    walk::{self, Listing},
};
use crate::domain::Collection;

/// Lists what a whole walk would list at the paths and below them. Looks at nothing else, but
/// where a path is a folder: then the folders above it are listed too. Blocks.
///
/// # Errors
/// On a bad glob.
pub(super) fn look(collection: &Collection, paths: &[String]) -> Result<Listing, IngestError> {
    let rules = Arc::new(Rules::new(collection)?);
    let mut walker = walk::walker(&collection.path, &rules);
    let mut ignored = walker.build_matchers();
    let mut ignored = |path: &str, is_dir| {
        let root = ignored.first_mut();
        root.is_none_or(|root| root.matched(path, is_dir).is_ignore())
    };
    let mut listing = Listing::default();
    let mut folders = BTreeSet::new();
    for path in paths {
        if !is_inside(&collection.path, &rules, path) {
            continue;
        }
        let metadata = fs::symlink_metadata(collection.path.join(path));
        let kind = metadata.as_ref().map(fs::Metadata::file_type).ok();
        if kind.is_some_and(|kind| kind.is_dir()) {
            folders.insert(path.clone());
        } else if kind.is_some() && (!rules.take(path) || ignored(path, false)) {
            // No walk would meet it.
        } else if let Some(kind) = kind.filter(|kind| !kind.is_file()) {
            listing.leave_out_special(path.clone(), kind.is_symlink());
        } else {
            listing.add(path.clone(), metadata);
        }
    }
    if !folders.is_empty() {
        let (root, entering) = (collection.path.clone(), Arc::clone(&rules));
        walker.filter_entry(move |entry| {
            let path = walk::relative(&root, entry.path());
            walk::enters(&entering, &root, entry)
                && path.is_none_or(|path| leads_to(&path, &folders))
        });
        let mut below = walk::list(collection, &rules, &walker);
        listing.files.append(&mut below.files);
        listing.unfit.append(&mut below.unfit);
        listing.unread.append(&mut below.unread);
    }
    listing.files.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    Ok(listing)
}

/// Whether every folder above a path is a real one that a walk would enter: a link may lead out of
/// the collection.
fn is_inside(root: &Path, rules: &Rules, path: &str) -> bool {
    path.match_indices('/').all(|(end, _)| {
        let folder = &path[..end];
        let metadata = fs::symlink_metadata(root.join(folder));
        rules.enter(folder, true) && metadata.is_ok_and(|metadata| metadata.is_dir())
    })
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

    fn collection(root: &Path, pattern: &str, ignore: &[&str]) -> Collection {
        let name = CollectionName::new("c").unwrap();
        Collection {
            ignore: ignore.iter().map(|glob| (*glob).to_owned()).collect(),
            ..Collection::new(name, root.to_owned(), pattern)
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
            pattern in proptest::sample::select(vec!["**/*.md", "**/*.md, **/.hidden/*.md", "*/*.md"]),
        ) {
            let dir = tree();
            let collection = collection(dir.path(), pattern, &["drafts"]);
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
        let collection = collection(dir.path(), "**/*.md", &[]);
        let asked = [
            "link",
            "link.md",
            "link/secret.md",
            "none.md",
            "a.md/below.md",
        ];
        let listing = look(&collection, &asked.map(str::to_owned)).unwrap();
        let told: Vec<&str> = listing
            .unfit
            .iter()
            .map(|file| file.path.as_str())
            .collect();
        assert_eq!(told, ["link.md"]);
        assert_eq!(paths(listing), [] as [&str; 0]);
    }
}
