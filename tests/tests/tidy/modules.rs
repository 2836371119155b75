//! No source is forgotten: each is the root of a crate, or declared as a module by another one.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use proc_macro2::{TokenStream, TokenTree};

use crate::source::{Source, assert_none, workspace_sources};

/// Whether cargo finds the source by itself.
fn is_root(path: &Path) -> bool {
    let inside: PathBuf = path.iter().skip(1).collect();
    let inside = inside.to_str().unwrap_or_default();
    let parts: Vec<&str> = inside.split('/').collect();
    matches!(
        parts.as_slice(),
        ["build.rs"]
            | ["src", "lib.rs" | "main.rs"]
            | ["src", "bin", _]
            | ["src", "bin", _, "main.rs"]
            | ["tests" | "benches" | "examples", _]
            | ["tests" | "benches" | "examples", _, "main.rs"]
    )
}

/// The files that a source may declare as its modules.
fn declared(source: &Source) -> Vec<PathBuf> {
    let folder = source.path.parent().unwrap_or(Path::new(""));
    let stem = source
        .path
        .file_stem()
        .and_then(|stem| stem.to_str())
        .unwrap_or_default();
    let is_folder_itself = stem == "mod" || is_root(&source.path);
    let base = if is_folder_itself {
        folder.to_owned()
    } else {
        folder.join(stem)
    };
    let tokens: Vec<TokenTree> = source
        .text
        .parse::<TokenStream>()
        .map(|tokens| tokens.into_iter().collect())
        .unwrap();
    let words = |at: usize| tokens.get(at).map(ToString::to_string).unwrap_or_default();
    (0..tokens.len())
        .filter(|&at| words(at) == "mod" && words(at + 2) == ";")
        .map(|at| words(at + 1))
        .flat_map(|name| {
            [
                base.join(format!("{name}.rs")),
                base.join(name).join("mod.rs"),
            ]
        })
        .collect()
}

/// The sources that no crate is made of.
fn complaints(sources: &[Source]) -> Vec<String> {
    let declared: BTreeSet<PathBuf> = sources.iter().flat_map(declared).collect();
    sources
        .iter()
        .filter(|source| !is_root(&source.path) && !declared.contains(&source.path))
        .map(|source| format!("{}: no module declares it", source.path.display()))
        .collect()
}

#[test]
fn no_source_is_forgotten() {
    assert_none(&complaints(&workspace_sources()));
}

#[test]
fn a_forgotten_source_is_seen() {
    let sources = [
        Source::new(
            "tests/tests/e2e/main.rs",
            "mod flow; #[cfg(test)] pub(crate) mod deep;",
        ),
        Source::new("tests/tests/e2e/flow.rs", "mod inner;"),
        Source::new("tests/tests/e2e/flow/inner.rs", ""),
        Source::new("tests/tests/e2e/deep/mod.rs", "// mod lost;\nmod here {}"),
        Source::new("tests/tests/e2e/deep/lost.rs", ""),
        Source::new("tests/tests/e2e/forgotten.rs", ""),
    ];
    let complaints = complaints(&sources).join("\n");
    assert_eq!(complaints.lines().count(), 2, "{complaints}");
    assert!(complaints.contains("forgotten.rs") && complaints.contains("deep/lost.rs"));
}
