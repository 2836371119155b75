//! The layers of the daemon: a module may use only what stands to its left in [`ORDER`].

use crate::{
    paths::named_paths,
    source::{Source, assert_none, workspace_sources},
};

/// From left to right. Those in one row are siblings, which never see each other.
const ORDER: [&[&str]; 9] = [
    &["domain"],
    &["text", "rank"],
    &["config"],
    &["store", "infer", "models"],
    &["ingest", "search"],
    &["rpc"],
    &["daemon"],
    &["main"],
    // Declares the modules, and uses none.
    &["lib"],
];

fn row(module: &str) -> Option<usize> {
    ORDER.iter().position(|row| row.contains(&module))
}

/// What breaks the rule in a source of the daemon.
fn complaints(source: &Source) -> Vec<String> {
    let Some(module) = source.module().filter(|module| module[0] == "qmdd") else {
        return Vec::new();
    };
    let own = module.get(1).map_or("lib", String::as_str);
    let place = source.path.display();
    let Some(own_row) = row(own) else {
        return vec![format!("{place}: {own} is in no layer")];
    };
    let mut complaints = Vec::new();
    for path in named_paths(source) {
        // The executable sees the library from outside.
        let root = if own == "main" { "qmdd" } else { "crate" };
        let [first, used, ..] = path.segments.as_slice() else {
            continue;
        };
        if first != root || used == own {
            continue;
        }
        let why = match row(used) {
            None => "is in no layer",
            Some(used_row) if used_row < own_row => continue,
            Some(used_row) if used_row == own_row => "stands beside it",
            Some(_) => "stands to its right",
        };
        complaints.push(format!(
            "{place}:{}: {own} uses {used}, which {why}",
            path.line
        ));
    }
    complaints
}

#[test]
fn modules_use_only_what_stands_left_of_them() {
    let complaints: Vec<String> = workspace_sources().iter().flat_map(complaints).collect();
    assert_none(&complaints);
}

#[test]
fn a_breach_is_seen() {
    let seen = |path, text| !complaints(&Source::new(path, text)).is_empty();
    // To the right, in each way that a path can be written.
    assert!(seen(
        "qmdd/src/store/documents.rs",
        "use crate::rpc::status;"
    ));
    assert!(seen(
        "qmdd/src/text/chunk.rs",
        "use crate::{domain::Span, store::Store};"
    ));
    assert!(seen(
        "qmdd/src/infer/llama/wire.rs",
        "use super::super::super::search::search;"
    ));
    assert!(seen(
        "qmdd/src/rank/rrf.rs",
        "fn f() { crate::ingest::walk(); }"
    ));
    assert!(seen(
        "qmdd/src/domain/hit.rs",
        "#[cfg(test)] mod tests { use crate::text::title; }"
    ));
    // Beside.
    assert!(seen(
        "qmdd/src/infer/backend.rs",
        "use crate::models::Catalogue;"
    ));
    assert!(seen("qmdd/src/text/mod.rs", "use crate::rank::rrf;"));
    // A layer that nobody has placed.
    assert!(seen("qmdd/src/extra/mod.rs", ""));
    assert!(seen("qmdd/src/rpc/mod.rs", "use crate::extra::X;"));
    // What is right.
    assert!(!seen(
        "qmdd/src/store/documents.rs",
        "use crate::{domain::Span, store::Store, text};"
    ));
    assert!(!seen(
        "qmdd/src/main.rs",
        "use qmdd::{config::Settings, daemon};"
    ));
    assert!(!seen("qmdd/src/lib.rs", "pub mod config; pub mod daemon;"));
}
