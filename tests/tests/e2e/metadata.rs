//! Front matter as metadata, and filters over it.

use std::fs;

use anyhow::{Context, Result};
use qmd_proto::Reason;
use qmd_tests::Daemon;

/// A daemon with notes that all speak of the same, in two collections, embedded.
fn daemon() -> Result<Daemon> {
    let daemon = Daemon::with_models()?;
    for (collection, files) in [
        (
            "notes",
            &[
                (
                    "draft.md",
                    "status: draft\ntopics: [rust, search]\ndue: 2024-05-01\npriority: 3",
                ),
                (
                    "done.md",
                    "status: done\ntopics: [go]\ndue: 2024-07-15\npriority: 10",
                ),
                (
                    "qmd.md",
                    "qmd:\n  metadata:\n    status: draft\n    priority: 1",
                ),
                ("odd.md", "title: Part 2: the colon\nstatus: draft"),
            ][..],
        ),
        ("other", &[("far.md", "status: draft")]),
    ] {
        let folder = daemon.join(collection);
        fs::create_dir(&folder)?;
        for (file, front) in files {
            let text = format!("---\n{front}\n---\nThe walrus of {file} rests on the ice.\n");
            fs::write(folder.join(file), text)?;
        }
        fs::write(folder.join("plain.md"), "A walrus without front matter.\n")?;
        let path = folder.to_str().context("path")?;
        let _ = daemon
            .qmdctl(["collection", "add", path, "--name", collection])
            .ok();
    }
    let _ = daemon.qmdctl(["update"]).ok();
    let _ = daemon.qmdctl(["embed"]).ok();
    Ok(daemon)
}

fn files(daemon: &Daemon, arguments: &[&str]) -> Vec<String> {
    let rows = daemon.qmdctl(arguments).ok().json();
    let rows = rows.as_array().cloned().unwrap_or_default();
    let file = |row: &serde_json::Value| {
        let file = row["file"].as_str().unwrap_or_default();
        file.trim_start_matches("qmd://").to_owned()
    };
    let mut files: Vec<String> = rows.iter().map(file).collect();
    files.sort();
    files
}

#[test]
fn filters_bound_every_kind_of_search() -> Result<()> {
    let daemon = daemon()?;
    for verb in ["search", "vsearch", "query"] {
        for (filters, expected) in [
            (
                &["status=draft"][..],
                &[
                    "notes/draft.md",
                    "notes/odd.md",
                    "notes/qmd.md",
                    "other/far.md",
                ][..],
            ),
            (&["topics contains rust"], &["notes/draft.md"]),
            (&["due < 2024-06-01"], &["notes/draft.md"]),
            (&["due >= 2024-06", "status != draft"], &["notes/done.md"]),
            (&["priority < 5"], &["notes/draft.md", "notes/qmd.md"]),
            (
                &["status != draft"],
                &["notes/done.md", "notes/plain.md", "other/plain.md"],
            ),
            (&["title = 'Part 2: the colon'"], &["notes/odd.md"]),
            (
                &[r#"{"key":"priority","operator":"gt","value":3}"#],
                &["notes/done.md"],
            ),
        ] {
            let mut arguments = vec![verb, "walrus ice", "--json", "-n", "20", "--strict"];
            for filter in filters {
                arguments.extend(["--filter", filter]);
            }
            assert_eq!(files(&daemon, &arguments), expected, "{verb} {filters:?}");
        }
        // Within a collection, and with a single hit wanted: the filter is no sieve for a result.
        let one = [
            verb,
            "walrus",
            "--json",
            "-n",
            "1",
            "-c",
            "other",
            "--filter",
            "exists status",
        ];
        assert_eq!(files(&daemon, &one), ["other/far.md"], "{verb}");
    }
    let listed = files(&daemon, &["ls", "--json", "--filter", "topics = go"]);
    assert_eq!(listed, ["notes/done.md"]);
    let document = daemon
        .qmdctl(["get", "qmd://notes/draft.md", "--json"])
        .ok()
        .json();
    assert_eq!(
        document["metadata"]["topics"],
        serde_json::json!(["rust", "search"])
    );
    assert_eq!(document["metadata"]["priority"], 3);
    Ok(())
}

#[test]
fn a_bad_filter_names_the_place_of_the_fault() -> Result<()> {
    let daemon = Daemon::start(qmd_tests::Sandbox::new()?)?;
    for (filter, place) in [
        ("status draft", "column 8"),
        ("status = a b", "column 12"),
        (r#"{"key":"a","operator":"frob","value":1}"#, "at operator"),
        (r#"{"key":"#, "column"),
    ] {
        for command in [
            &["search", "x", "--filter", filter][..],
            &["ls", "--filter", filter],
        ] {
            let failed = daemon.qmdctl(command).fails(Reason::FilterSyntax);
            assert!(failed.stderr.contains(place), "{failed}");
        }
    }
    Ok(())
}

#[test]
fn changed_front_matter_counts_from_the_next_update_on() -> Result<()> {
    let daemon = daemon()?;
    let draft = [
        "search",
        "walrus",
        "--json",
        "-n",
        "20",
        "--filter",
        "status = draft",
    ];
    let file = daemon.join("notes/draft.md");
    let text = fs::read_to_string(&file)?;
    fs::write(&file, text.replace("status: draft", "status: final"))?;
    let _ = daemon.qmdctl(["update"]).ok();
    assert!(!files(&daemon, &draft).contains(&"notes/draft.md".to_owned()));
    let last = ["search", "walrus", "--json", "--filter", "status = final"];
    assert_eq!(files(&daemon, &last), ["notes/draft.md"]);
    fs::remove_file(&file)?;
    let _ = daemon.qmdctl(["update"]).ok();
    assert_eq!(files(&daemon, &last), [] as [&str; 0]);
    Ok(())
}
