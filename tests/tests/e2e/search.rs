//! The main job: files in, ranked answers out.

use std::fs;

use anyhow::{Context, Result};
use qmd_tests::{Daemon, Sandbox, corpus};
use serde_json::Value;

/// The paths of a search's hits, best first.
fn files(rows: &Value) -> Vec<String> {
    let rows = rows.as_array().map(Vec::as_slice).unwrap_or_default();
    rows.iter()
        .filter_map(|row| row["file"].as_str().map(str::to_owned))
        .collect()
}

/// How many questions find their document among the first three.
fn answered(daemon: &Daemon, verb: &str) -> Result<usize> {
    let mut answered = 0;
    for question in corpus::questions()? {
        let asked = [
            verb,
            &question.query,
            "-n",
            "3",
            "--format",
            "json",
            "--strict",
        ];
        let found = files(&daemon.qmdctl(asked).ok().json());
        answered += usize::from(found.contains(&format!("qmd://notes/{}", question.document)));
    }
    Ok(answered)
}

#[test]
fn every_mode_answers_and_meaning_finds_what_words_miss() -> Result<()> {
    let daemon = Daemon::with_corpus()?;
    let asked = corpus::questions()?.len();
    let lexical = answered(&daemon, "search")?;
    let vector = answered(&daemon, "vsearch")?;
    let hybrid = answered(&daemon, "query")?;
    assert!(lexical >= asked / 3, "lexical: {lexical} of {asked}");
    assert!(vector >= asked * 3 / 4, "vector: {vector} of {asked}");
    assert!(
        hybrid >= asked * 3 / 4 && hybrid > lexical,
        "hybrid: {hybrid}, lexical: {lexical}"
    );
    Ok(())
}

#[test]
fn json_rows_have_the_fields_of_qmd() -> Result<()> {
    let daemon = Daemon::with_corpus()?;
    let rows = daemon
        .qmdctl(["query", "sourdough starter", "-n", "3", "--json"])
        .ok()
        .json();
    let rows = rows.as_array().context("no array")?;
    assert!(!rows.is_empty() && rows.len() <= 3);
    let mut last = f64::INFINITY;
    for row in rows {
        let docid = row["docid"].as_str().context("docid")?;
        assert!(docid.len() == 7 && docid.starts_with('#'), "{docid}");
        let score = row["score"].as_f64().context("score")?;
        assert!((0.0..=1.0).contains(&score) && score <= last, "{score}");
        last = score;
        assert!(
            row["file"]
                .as_str()
                .is_some_and(|file| file.starts_with("qmd://notes/"))
        );
        assert!(row["line"].as_u64().is_some_and(|line| line >= 1));
        for text in ["title", "snippet"] {
            assert!(
                row[text].as_str().is_some_and(|text| !text.is_empty()),
                "{text}: {row}"
            );
        }
        // A row's docid leads back to its document.
        let document = daemon.qmdctl(["get", docid, "--no-line-numbers"]).ok();
        assert!(document.stdout.lines().count() > 1);
    }
    let above = daemon.qmdctl([
        "query",
        "sourdough starter",
        "--json",
        "--min-score",
        "0.99",
    ]);
    assert!(files(&above.ok().json()).len() < rows.len());
    Ok(())
}

#[test]
fn names_and_words_of_many_scripts_are_found_whole_and_by_part() -> Result<()> {
    let daemon = Daemon::start(Sandbox::new()?)?;
    let folder = daemon.join("words");
    fs::create_dir(&folder)?;
    for (name, text) in [
        (
            "code.md",
            "# Code\n\nCall `std::fs::read_to_string` with --dry-run for fooBar.\n",
        ),
        (
            "error.md",
            "# Errors\n\nC++ gave error[E0308] in src/store/main.rs.\n",
        ),
        (
            "haus.md",
            "# Häuser\n\nDie Häuser am Fluss haben eine Gebäudeversicherung.\n",
        ),
        ("kniga.md", "# Книги\n\nНа столе лежали новые книги.\n"),
        ("kensaku.md", "# 全文検索\n\n日本語の全文検索です。\n"),
        ("thai.md", "# ภาษา\n\nภาษาไทยง่ายมาก\n"),
        ("some.md", "# Some\n\ncode code code code code code\n"),
    ] {
        fs::write(folder.join(name), text)?;
    }
    let folder = folder.to_str().context("UTF-8")?;
    let _ = daemon
        .qmdctl(["collection", "add", folder, "--name", "w"])
        .ok();
    let _ = daemon.qmdctl(["update"]).ok();
    for (query, document) in [
        ("read_to_string", "code.md"),
        ("foo", "code.md"),
        ("FooBar", "code.md"),
        ("dry-run", "code.md"),
        ("C++", "error.md"),
        ("e0308", "error.md"),
        ("store/main.rs", "error.md"),
        ("title:errors", "error.md"),
        ("path:err*", "error.md"),
        ("haus", "haus.md"),
        ("haeuser", "haus.md"),
        ("Versicherung", "haus.md"),
        ("книга", "kniga.md"),
        ("検索", "kensaku.md"),
        ("ไทย", "thai.md"),
        // All words go before some, however often those stand there.
        ("code and call", "code.md"),
        ("code -call", "some.md"),
    ] {
        let rows = daemon.qmdctl(["search", query, "--json", "-n", "1"]).ok();
        assert_eq!(
            files(&rows.json()),
            [format!("qmd://w/{document}")],
            "{query}"
        );
    }
    Ok(())
}

#[test]
fn collections_bound_a_search_and_leave_whole() -> Result<()> {
    let daemon = Daemon::with_corpus()?;
    let other = daemon.join("other");
    fs::create_dir(&other)?;
    fs::write(
        other.join("bread.md"),
        "# Rye bread\n\nA sourdough starter for rye.\n",
    )?;
    let path = other.to_str().context("path")?;
    let _ = daemon
        .qmdctl(["collection", "add", path, "--name", "other"])
        .ok();
    let _ = daemon.qmdctl(["update"]).ok();
    let _ = daemon.qmdctl(["embed"]).ok();
    for verb in ["search", "vsearch", "query"] {
        let rows = daemon
            .qmdctl([verb, "sourdough", "-c", "other", "--json"])
            .ok()
            .json();
        assert_eq!(files(&rows), ["qmd://other/bread.md"], "{verb}");
    }
    let _ = daemon.qmdctl(["collection", "remove", "other"]).ok();
    for verb in ["search", "vsearch", "query"] {
        let rows = daemon
            .qmdctl([verb, "sourdough rye", "--json", "-n", "50"])
            .ok()
            .json();
        assert!(
            files(&rows)
                .iter()
                .all(|file| !file.starts_with("qmd://other/")),
            "{verb}"
        );
    }
    Ok(())
}

#[test]
fn an_update_follows_changes_moves_and_removals() -> Result<()> {
    let daemon = Daemon::start(Sandbox::new()?)?;
    let notes = daemon.join("notes");
    fs::create_dir(&notes)?;
    fs::write(notes.join("a.md"), "# Alpha\n\nwalrus\n")?;
    fs::write(notes.join("b.md"), "# Beta\n\nheron\n")?;
    fs::write(notes.join("c.md"), b"\xff\xfe\x00binary")?;
    let path = notes.to_str().context("path")?;
    let _ = daemon
        .qmdctl(["collection", "add", path, "--name", "n"])
        .ok();
    let first = daemon.qmdctl(["update"]).ok();
    assert!(first.stdout.contains("2 documents added"), "{first}");
    assert!(first.stderr.contains("FILE_BINARY"), "{first}");

    let hits = |word: &str| files(&daemon.qmdctl(["search", word, "--json"]).ok().json());
    assert_eq!(hits("walrus"), ["qmd://n/a.md"]);
    fs::write(notes.join("a.md"), "# Alpha\n\notter instead\n")?;
    fs::rename(notes.join("b.md"), notes.join("moved.md"))?;
    let _ = daemon.qmdctl(["update"]).ok();
    assert_eq!(hits("walrus"), [] as [&str; 0]);
    assert_eq!(hits("otter"), ["qmd://n/a.md"]);
    assert_eq!(hits("heron"), ["qmd://n/moved.md"]);
    fs::remove_file(notes.join("a.md"))?;
    let _ = daemon.qmdctl(["update"]).ok();
    assert_eq!(hits("otter"), [] as [&str; 0]);
    Ok(())
}

#[test]
fn the_configuration_keeps_what_its_owner_wrote() -> Result<()> {
    let sandbox = Sandbox::new()?;
    let notes = sandbox.join("notes");
    fs::create_dir(&notes)?;
    let config = sandbox.dirs().config.join("index.yml");
    fs::create_dir_all(sandbox.dirs().config)?;
    let before = "# mine\ncollections:\n  # kept for its comment\n  old:\n    path: /nonexistent\n\
                  editor_uri: \"vscode://file/{path}:{line}\"  # and this\n";
    fs::write(&config, before)?;
    let daemon = Daemon::start(sandbox)?;
    let path = notes.to_str().context("path")?;
    let _ = daemon
        .qmdctl(["collection", "add", path, "--name", "new"])
        .ok();
    let after = fs::read_to_string(&config)?;
    for line in before.lines() {
        assert!(after.contains(line), "{line:?} is gone from {after}");
    }
    let listed = daemon
        .qmdctl(["collection", "list", "--format", "json"])
        .ok();
    assert!(
        listed.stdout.contains("\"new\"") && listed.stdout.contains("\"old\""),
        "{listed}"
    );
    let _ = daemon.qmdctl(["collection", "remove", "new"]).ok();
    assert_eq!(fs::read_to_string(&config)?, before);
    Ok(())
}
