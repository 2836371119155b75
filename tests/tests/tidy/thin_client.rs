//! The client stays thin: it links no inference, no database and no HTTP.

use std::process::Command;

use qmd_tests::{run, workspace};

/// Packages that belong to the daemon alone.
const HEAVY: [&str; 6] = [
    "llama-cpp-2",
    "llama-cpp-sys-2",
    "rusqlite",
    "libsqlite3-sys",
    "reqwest",
    "qmdd",
];

/// The heavy packages among the lines of `cargo tree --prefix none`.
fn heavy(tree: &str) -> Vec<&str> {
    let packages = tree
        .lines()
        .filter_map(|line| line.split_whitespace().next());
    packages.filter(|package| HEAVY.contains(package)).collect()
}

#[test]
fn qmdctl_links_nothing_heavy() {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .current_dir(workspace())
        .args(["tree", "--locked", "--offline", "--package", "qmdctl"])
        .args(["--edges", "normal,build", "--prefix", "none"]);
    let tree = run(&mut cargo).unwrap().ok().stdout;
    assert!(tree.contains("tonic "), "no tree: {tree}");
    assert_eq!(heavy(&tree), [] as [&str; 0]);
}

#[test]
fn a_heavy_package_is_seen() {
    let tree = "qmdctl v0.1.0 (/q/qmdctl)\ntonic v0.14.9\nrusqlite v0.43.0\nreqwest v0.13.5 (*)\n";
    assert_eq!(heavy(tree), ["rusqlite", "reqwest"]);
}
