//! Collections, contexts and named indexes, by command and in the file.

use std::fs;

use anyhow::{Context, Result};
use qmd_proto::Reason;
use qmd_tests::{Daemon, Sandbox};

/// A daemon with the collections `notes` and `archive`.
fn daemon() -> Result<Daemon> {
    let daemon = Daemon::start(Sandbox::new()?)?;
    for collection in ["notes", "archive"] {
        let folder = daemon.join(collection);
        fs::create_dir_all(folder.join("team/deep"))?;
        fs::write(
            folder.join("team/deep/a.md"),
            format!("walrus of {collection}\n"),
        )?;
        fs::write(
            folder.join("b.md"),
            format!("walrus at the top of {collection}\n"),
        )?;
        let path = folder.to_str().context("path")?;
        let _ = daemon
            .qmdctl(["collection", "add", path, "--name", collection])
            .ok();
    }
    let _ = daemon.qmdctl(["update"]).ok();
    Ok(daemon)
}

/// Each hit's file, and its context.
fn hits(daemon: &Daemon, arguments: &[&str]) -> Vec<(String, String)> {
    let all = ["search", "walrus", "--json"].iter().chain(arguments);
    let rows = daemon.qmdctl(all).ok().json();
    let text =
        |row: &serde_json::Value, key: &str| row[key].as_str().unwrap_or_default().to_owned();
    let mut hits: Vec<_> = rows
        .as_array()
        .into_iter()
        .flatten()
        .map(|row| (text(row, "file"), text(row, "context")))
        .collect();
    hits.sort();
    hits
}

#[test]
fn descriptions_go_from_the_general_to_the_specific() -> Result<()> {
    let daemon = daemon()?;
    let team = daemon.join("notes/team");
    let team = team.to_str().context("path")?;
    for (place, text) in [
        (team, "Meetings"),
        ("qmd://notes", "All notes"),
        ("/", "Of a small team"),
        ("qmd://notes/team/deep/a.md", "This very one"),
        ("qmd://notes/tea", "no folder of that name"),
    ] {
        let _ = daemon.qmdctl(["context", "add", place, text]).ok();
    }
    let contexts: Vec<String> = hits(&daemon, &["-c", "notes"])
        .into_iter()
        .map(|(_, text)| text)
        .collect();
    assert_eq!(
        contexts,
        [
            "Of a small team\n\nAll notes",
            "Of a small team\n\nAll notes\n\nMeetings\n\nThis very one"
        ]
    );
    let listed = daemon.qmdctl(["context", "list", "--json"]).ok().json();
    let listed = listed.as_array().context("array")?;
    assert_eq!(listed[0]["place"], "/");
    assert!(
        listed
            .iter()
            .any(|row| row["place"] == "qmd://notes/team" && row["context"] == "Meetings")
    );
    let shown = daemon
        .qmdctl(["collection", "show", "notes", "--json"])
        .ok()
        .json();
    assert_eq!(shown["context"]["/team"], "Meetings");

    let _ = daemon
        .qmdctl(["context", "add", "qmd://notes/team", "Talks"])
        .ok();
    let _ = daemon
        .qmdctl(["context", "rm", "qmd://notes/team/deep/a.md"])
        .ok();
    let _ = daemon.qmdctl(["context", "remove", "/"]).ok();
    assert_eq!(hits(&daemon, &["-c", "notes"])[1].1, "All notes\n\nTalks");
    let _ = daemon
        .qmdctl(["context", "rm", "/"])
        .fails(Reason::ContextUnknown);
    let _ = daemon
        .qmdctl(["context", "add", "qmd://none", "x"])
        .fails(Reason::CollectionUnknown);
    let _ = daemon
        .qmdctl(["context", "add", "/tmp", "x"])
        .fails(Reason::CollectionUnknown);
    Ok(())
}

#[test]
fn a_collection_may_be_searched_only_when_named() -> Result<()> {
    let daemon = daemon()?;
    let files = |arguments: &[&str]| hits(&daemon, arguments).len();
    assert_eq!(files(&[]), 4);
    let _ = daemon.qmdctl(["collection", "exclude", "archive"]).ok();
    assert_eq!(files(&[]), 2);
    assert_eq!(files(&["-c", "archive"]), 2);
    assert_eq!(files(&["-c", "archive", "-c", "notes"]), 4);
    let _ = daemon.qmdctl(["collection", "include", "archive"]).ok();
    assert_eq!(files(&[]), 4);
    let _ = daemon
        .qmdctl(["collection", "exclude", "none"])
        .fails(Reason::CollectionUnknown);
    Ok(())
}

#[test]
fn a_rename_keeps_the_file_and_the_index() -> Result<()> {
    let daemon = daemon()?;
    let config = daemon.dirs().config.join("index.yml");
    let text = format!("# mine\n{}", fs::read_to_string(&config)?);
    fs::write(&config, &text)?;
    let _ = daemon.qmdctl(["collection", "mv", "notes", "journal"]).ok();
    assert_eq!(
        fs::read_to_string(&config)?,
        text.replace("notes:", "journal:")
    );
    let found = hits(&daemon, &["-c", "journal"]);
    assert_eq!(found[0].0, "qmd://journal/b.md");
    let _ = daemon
        .qmdctl(["search", "walrus", "-c", "notes"])
        .fails(Reason::CollectionUnknown);
    let _ = daemon
        .qmdctl(["collection", "rename", "journal", "archive"])
        .fails(Reason::CollectionExists);
    let _ = daemon
        .qmdctl(["collection", "rename", "journal", "a/b"])
        .fails(Reason::CollectionNameInvalid);
    let _ = daemon
        .qmdctl(["collection", "show", "notes"])
        .fails(Reason::CollectionUnknown);
    Ok(())
}

#[test]
fn named_indexes_are_made_by_their_first_collection_and_stay_apart() -> Result<()> {
    let daemon = daemon()?;
    let _ = daemon
        .qmdctl(["--index", "work", "ls"])
        .fails(Reason::IndexUnknown);
    let _ = daemon
        .qmdctl(["--index", "work", "collection", "add", "none"])
        .fails(Reason::FolderMissing);
    let folder = daemon.join("apart");
    fs::create_dir(&folder)?;
    fs::write(folder.join("c.md"), "walrus apart\n")?;
    let path = folder.to_str().context("path")?;
    let add = [
        "--index",
        "work",
        "collection",
        "add",
        path,
        "--name",
        "notes",
    ];
    let _ = daemon.qmdctl(add).ok();
    let _ = daemon.qmdctl(["--index", "work", "update"]).ok();
    assert!(daemon.dirs().config.join("work.yml").is_file());
    let apart = hits(&daemon, &["--index", "work"]);
    assert_eq!(apart.len(), 1);
    assert_eq!(apart[0].0, "qmd://notes/c.md");
    assert_eq!(hits(&daemon, &[]).len(), 4);
    Ok(())
}
