//! The shape of a source: it says what it is for, and is not too long.

use crate::source::{Source, assert_none, workspace_sources};

/// Most lines a source may have.
const CEILING: usize = 900;

/// What is wrong with a source's shape.
fn complaints(source: &Source) -> Vec<String> {
    let place = source.path.display();
    let mut complaints = Vec::new();
    if !source.text.starts_with("//! ") {
        complaints.push(format!(
            "{place}: does not begin with a `//!` line that tells its job"
        ));
    }
    let lines = source.text.lines().count();
    if lines > CEILING {
        complaints.push(format!(
            "{place}: has {lines} lines, the ceiling is {CEILING}"
        ));
    }
    complaints
}

#[test]
fn sources_tell_their_job_and_are_not_too_long() {
    let complaints: Vec<String> = workspace_sources().iter().flat_map(complaints).collect();
    assert_none(&complaints);
}

#[test]
fn a_silent_or_a_long_source_is_seen() {
    let count = |text: &str| complaints(&Source::new("qmdd/src/x.rs", text)).len();
    assert_eq!(count("use std::fs;\n//! Late.\n"), 1);
    assert_eq!(count("//!\nfn f() {}\n"), 1);
    assert_eq!(count(&format!("//! Long.\n{}", "\n".repeat(CEILING))), 1);
    assert_eq!(
        count(&format!("//! Full.\n{}", "\n".repeat(CEILING - 1))),
        0
    );
}
