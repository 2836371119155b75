//! Each foreign vocabulary has one owner: the only modules that may name it.

use crate::{
    paths::{NamedPath, named_paths},
    source::{Source, assert_none, workspace_sources},
};

/// A vocabulary and who may name it.
struct Rule {
    /// The crate whose sources it binds.
    bound: &'static str,
    /// Whether a path belongs to the vocabulary.
    names: fn(&NamedPath) -> bool,
    /// What it is called in a complaint.
    what: &'static str,
    /// Modules, with all that is below them.
    owners: &'static [&'static str],
}

const RULES: [Rule; 10] = [
    Rule {
        bound: "qmdd",
        names: |path| from(path, &["rusqlite", "sqlite_vec"]),
        what: "SQLite",
        owners: &["store"],
    },
    Rule {
        bound: "qmdd",
        names: |path| from(path, &["llama_cpp_2", "llama_cpp_sys_2"]),
        what: "llama.cpp",
        owners: &["infer::llama"],
    },
    Rule {
        bound: "qmdd",
        names: |path| from(path, &["reqwest", "rustls"]),
        what: "HTTP",
        owners: &["infer::modal", "models"],
    },
    Rule {
        bound: "qmdd",
        names: |path| from(path, &["notify", "ignore"]),
        what: "the file system's walk and watch",
        owners: &["ingest"],
    },
    Rule {
        bound: "qmdd",
        names: |path| {
            let first = path.segments.first();
            first.is_some_and(|first| first.starts_with("tree_sitter"))
        },
        what: "the grammars",
        owners: &["text::syntax"],
    },
    Rule {
        bound: "qmdd",
        names: |path| {
            from(
                path,
                &[
                    "tonic",
                    "tonic_health",
                    "tonic_reflection",
                    "tonic_types",
                    "prost",
                ],
            )
        },
        what: "gRPC",
        owners: &["rpc", "daemon"],
    },
    Rule {
        bound: "qmdd",
        names: is_generated,
        what: "the generated API",
        owners: &["rpc", "daemon"],
    },
    Rule {
        bound: "qmdd",
        names: |path| starts(path, &["std", "env"]),
        what: "the process's environment",
        owners: &["config", "daemon"],
    },
    Rule {
        bound: "qmdd",
        names: |path| starts(path, &["tokio", "signal"]),
        what: "signals",
        owners: &["config", "daemon"],
    },
    Rule {
        bound: "qmdctl",
        names: prints,
        what: "standard output",
        owners: &["render"],
    },
];

/// Whether the path is of one of these crates.
fn from(path: &NamedPath, crates: &[&str]) -> bool {
    path.segments
        .first()
        .is_some_and(|first| crates.contains(&first.as_str()))
}

fn starts(path: &NamedPath, words: &[&str]) -> bool {
    path.segments.len() >= words.len() && path.segments.iter().zip(words).all(|(a, b)| a == b)
}

/// Of `qmd_proto`, the reasons, the prices and the rules for lists, folders, socket and lock are
/// everybody's.
fn is_generated(path: &NamedPath) -> bool {
    let [first, second, ..] = path.segments.as_slice() else {
        return false;
    };
    let shared = [
        "Reason", "reason", "list", "paths", "price", "socket", "instance",
    ];
    first == "qmd_proto" && !shared.contains(&second.as_str())
}

fn prints(path: &NamedPath) -> bool {
    let macros = ["print!", "println!", "eprint!", "eprintln!"];
    let [.., before, last] = path.segments.as_slice() else {
        return path
            .segments
            .first()
            .is_some_and(|name| macros.contains(&name.as_str()));
    };
    macros.contains(&last.as_str())
        || (["io", "anstream"].contains(&before.as_str())
            && ["stdout", "stderr"].contains(&last.as_str()))
}

/// What breaks a rule in a source.
fn complaints(source: &Source) -> Vec<String> {
    let Some(module) = source.module() else {
        return Vec::new();
    };
    let own = module[1..].join("::");
    let is_below = |owner: &&&str| {
        own.strip_prefix(**owner)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
    };
    let rules = RULES.iter().filter(|rule| rule.bound == module[0]);
    let rules: Vec<&Rule> = rules
        .filter(|rule| rule.owners.iter().find(is_below).is_none())
        .collect();
    let mut complaints = Vec::new();
    for path in named_paths(source) {
        for rule in rules.iter().filter(|rule| (rule.names)(&path)) {
            complaints.push(format!(
                "{}:{}: {} is of {}, which only {} may name",
                source.path.display(),
                path.line,
                path.segments.join("::"),
                rule.what,
                rule.owners.join(" and "),
            ));
        }
    }
    complaints
}

#[test]
fn only_its_owner_names_a_vocabulary() {
    let complaints: Vec<String> = workspace_sources().iter().flat_map(complaints).collect();
    assert_none(&complaints);
}

#[test]
fn a_breach_of_each_rule_is_seen() {
    let breaches = [
        ("qmdd/src/search/mod.rs", "use rusqlite::Connection;"),
        (
            "qmdd/src/infer/prompts.rs",
            "use llama_cpp_2::model::LlamaModel;",
        ),
        (
            "qmdd/src/ingest/read.rs",
            "fn f() { reqwest::Client::new(); }",
        ),
        ("qmdd/src/store/mod.rs", "use ignore::WalkBuilder;"),
        ("qmdd/src/text/chunk.rs", "use tree_sitter_rust::LANGUAGE;"),
        ("qmdd/src/search/mod.rs", "use tonic::Status;"),
        (
            "qmdd/src/search/mod.rs",
            "use qmd_proto::{Reason, v1::Hit};",
        ),
        ("qmdd/src/store/mod.rs", "use std::{env, fs};"),
        ("qmdd/src/rpc/mod.rs", "use tokio::signal::ctrl_c;"),
        ("qmdctl/src/commands/get.rs", "fn f() { println!(\"x\"); }"),
    ];
    for ((path, text), rule) in breaches.iter().zip(&RULES) {
        let seen = complaints(&Source::new(path, text));
        assert_eq!(seen.len(), 1, "{text}: {seen:?}");
        assert!(seen[0].contains(rule.what), "{text}: {seen:?}");
    }
    assert!(!complaints(&Source::new("qmdctl/src/main.rs", "use std::io::stdout;")).is_empty());
}

#[test]
fn owners_and_words_that_only_look_alike_are_left_alone() {
    let fine = [
        (
            "qmdd/src/infer/llama/worker/engine.rs",
            "use llama_cpp_2::model::LlamaModel;",
        ),
        ("qmdd/src/ingest/walk.rs", "use ignore::WalkBuilder;"),
        (
            "qmdd/src/config/index.rs",
            "struct S { ignore: Vec<String> } fn f(ignore: u8) {}",
        ),
        (
            "qmdd/src/domain/role.rs",
            "pub use qmd_proto::Reason; const V: &str = env!(\"X\");",
        ),
        (
            "qmdd/src/infer/llama/supervisor.rs",
            "fn f() { command.stdout(Stdio::null()); }",
        ),
    ];
    for (path, text) in fine {
        assert_eq!(
            complaints(&Source::new(path, text)),
            [] as [&str; 0],
            "{text}"
        );
    }
}
