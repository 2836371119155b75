//! The Rust sources of the workspace.

use std::{
    fs,
    path::{Path, PathBuf},
};

use qmd_tests::workspace;

/// The crates, by folder.
const CRATES: [&str; 4] = ["proto", "qmdd", "qmdctl", "tests"];

/// A Rust source.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    /// Its path inside the workspace.
    pub(crate) path: PathBuf,
    /// Its text.
    pub(crate) text: String,
}

impl Source {
    /// A source that exists only here.
    pub(crate) fn new(path: &str, text: &str) -> Self {
        Self {
            path: path.into(),
            text: text.into(),
        }
    }

    /// The modules that the path stands for, its crate first: `qmdd/src/infer/llama/wire.rs` is
    /// `[qmdd, infer, llama, wire]`. The crate's roots are `[qmdd]` and `[qmdd, main]`. `None` for what
    /// is not in a `src` folder.
    pub(crate) fn module(&self) -> Option<Vec<String>> {
        let mut parts = self.path.iter().map(|part| part.to_str());
        let mut module = vec![parts.next()??.to_owned()];
        if parts.next()?? != "src" {
            return None;
        }
        for part in parts {
            module.push(part?.trim_end_matches(".rs").to_owned());
        }
        let last = module.last()?;
        if last == "mod" || (last == "lib" && module.len() == 2) {
            module.pop();
        }
        Some(module)
    }
}

/// Every Rust source of the workspace, in the order of their paths.
pub(crate) fn workspace_sources() -> Vec<Source> {
    let mut paths = Vec::new();
    for folder in CRATES {
        collect(&workspace().join(folder), &mut paths);
    }
    paths.sort();
    let source = |path: PathBuf| Source {
        text: fs::read_to_string(&path).unwrap(),
        path: path.strip_prefix(workspace()).unwrap().to_owned(),
    };
    paths.into_iter().map(source).collect()
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, paths);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            paths.push(path);
        }
    }
}

/// Fails with every complaint, one a line.
#[track_caller]
pub(crate) fn assert_none(complaints: &[String]) {
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

#[test]
fn paths_stand_for_modules() {
    let module = |path| {
        Source::new(path, "")
            .module()
            .map(|module| module.join("::"))
    };
    assert_eq!(module("qmdd/src/lib.rs").as_deref(), Some("qmdd"));
    assert_eq!(module("qmdd/src/main.rs").as_deref(), Some("qmdd::main"));
    assert_eq!(module("qmdd/src/rpc/mod.rs").as_deref(), Some("qmdd::rpc"));
    assert_eq!(
        module("qmdd/src/infer/llama/wire.rs").as_deref(),
        Some("qmdd::infer::llama::wire")
    );
    assert_eq!(module("qmdd/build.rs"), None);
}

#[test]
fn the_sources_are_found() {
    let sources = workspace_sources();
    for path in [
        "proto/build.rs",
        "qmdd/src/main.rs",
        "qmdctl/src/main.rs",
        file!(),
    ] {
        assert!(
            sources.iter().any(|source| source.path == Path::new(path)),
            "{path}"
        );
    }
}
