//! The query language, as the daemon takes it: kinds of searches, words that narrow, and faults by place.

use std::{
    fs::{self, File},
    time::{Duration, SystemTime},
};

use anyhow::{Context, Result};
use qmd_proto::{
    Reason,
    v1::{
        SearchKind, SearchMode, SearchRequest, TypedSearch,
        search_service_client::SearchServiceClient,
    },
};
use qmd_tests::Daemon;
use serde_json::Value;

/// A daemon with notes about the same in two collections, embedded.
fn daemon() -> Result<Daemon> {
    let daemon = Daemon::with_models()?;
    for (collection, files) in [
        (
            "notes",
            &[
                (
                    "draft.md",
                    "---\ntags: [wings, work/plans]\ndate: 2024-03-05\nstatus: draft\n---\n\
                     The walrus plans a swept wing.\n",
                ),
                (
                    "old.md",
                    "---\ntags: birds, ice\ndate: \"2019\"\n---\nA walrus rests on the ice.\n",
                ),
                ("plain.md", "The walrus of June swims below the ice.\n"),
            ][..],
        ),
        (
            "My papers",
            &[("far.md", "A walrus far away, on a wing.\n")],
        ),
    ] {
        let folder = daemon.join(collection);
        fs::create_dir(&folder)?;
        for (file, text) in files {
            fs::write(folder.join(file), text)?;
        }
        let path = folder.to_str().context("path")?;
        let _ = daemon
            .qmdctl(["collection", "add", path, "--name", collection])
            .ok();
    }
    // 1 June 2021.
    let changed = SystemTime::UNIX_EPOCH + Duration::from_secs(1_622_548_800);
    File::options()
        .write(true)
        .open(daemon.join("notes/plain.md"))?
        .set_modified(changed)?;
    let _ = daemon.qmdctl(["update"]).ok();
    let _ = daemon.qmdctl(["embed"]).ok();
    Ok(daemon)
}

/// The names of the files of the hits, in order of the names.
fn names(rows: &Value) -> Vec<String> {
    let rows = rows.as_array().map(Vec::as_slice).unwrap_or_default();
    let names = rows.iter().filter_map(|row| row["file"].as_str());
    let mut names: Vec<String> = names
        .filter_map(|file| file.rsplit('/').next())
        .map(|name| name.trim_end_matches(".md").to_owned())
        .collect();
    names.sort();
    names
}

fn found(daemon: &Daemon, verb: &str, query: &str) -> Vec<String> {
    let asked = [verb, query, "--json", "-n", "20", "--strict"];
    names(&daemon.qmdctl(asked).ok().json())
}

#[test]
fn a_query_says_where_to_look() -> Result<()> {
    let daemon = daemon()?;
    let all = ["draft", "far", "old", "plain"];
    for verb in ["search", "vsearch", "query"] {
        for (narrow, expected) in [
            ("", &all[..]),
            ("in:notes", &["draft", "old", "plain"]),
            ("in:\"My papers\"", &["far"]),
            ("in:notes in:\"My papers\"", &all),
            ("-in:notes", &["far"]),
            ("tag:wings", &["draft"]),
            ("tag:work", &["draft"]),
            ("tag:#Ice", &["old"]),
            ("-tag:wings in:notes", &["old", "plain"]),
            ("after:2024 before:2025", &["draft"]),
            ("before:2020", &["old"]),
            ("after:2021-06 before:2021-07", &["plain"]),
            ("after:2d", &["far"]),
            ("meta:status=draft", &["draft"]),
            ("-meta:status meta:date", &["old"]),
            ("meta:\"status = draft or date < 2020\"", &["draft", "old"]),
            ("in:notes tag:wings before:2020", &[]),
        ] {
            let query = format!("walrus {narrow}");
            assert_eq!(found(&daemon, verb, &query), expected, "{verb} {query}");
        }
    }
    Ok(())
}

#[test]
fn a_document_is_searched_line_by_line() -> Result<()> {
    let daemon = daemon()?;
    for (verb, document, expected) in [
        ("query", "lex: walrus -ice -wing", &[][..]),
        ("query", "lex: walrus -ice\nin:notes", &["draft"]),
        ("query", "LEX: \"swept wing\"\nintent: planes", &["draft"]),
        (
            "query",
            "vec: where does a walrus rest before:2020\nhyde: It rests on the ice.",
            &["old"],
        ),
        (
            "query",
            "lex: swims\nvec: animals in water\nin:notes",
            &["draft", "old", "plain"],
        ),
        ("search", "lex: swims", &["plain"]),
        ("vsearch", "vec: animals in:\"My papers\"", &["far"]),
    ] {
        assert_eq!(found(&daemon, verb, document), expected, "{document}");
    }
    Ok(())
}

#[test]
fn searches_may_come_apart() -> Result<()> {
    let daemon = daemon()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut client = SearchServiceClient::new(daemon.channel().await?);
        let request = |searches: &[(SearchKind, &str)]| SearchRequest {
            mode: SearchMode::Hybrid.into(),
            searches: (searches.iter())
                .map(|(kind, text)| TypedSearch {
                    kind: (*kind).into(),
                    text: (*text).to_owned(),
                })
                .collect(),
            ..SearchRequest::default()
        };
        let asked = request(&[
            (SearchKind::Lex, "walrus -ice in:notes"),
            (SearchKind::Hyde, "A wing that is swept.\nIt was planned."),
        ]);
        let reply = client.search(asked).await?.into_inner();
        assert_eq!(reply.hits.first().context("no hit")?.path, "draft.md");
        assert!(reply.hits.iter().all(|hit| hit.collection == "notes"));
        let broken = request(&[(SearchKind::Vec, "walrus"), (SearchKind::Lex, "an \"open")]);
        let error = client.search(broken).await.err().context("answered")?;
        assert_eq!(
            error.message(),
            "search 2, column 4: the quote is never closed"
        );
        Ok(())
    })
}

#[test]
fn a_fault_is_told_by_its_place() -> Result<()> {
    let daemon = daemon()?;
    for (query, reason, told) in [
        (
            "walrus after:soon",
            Reason::QuerySyntax,
            "line 1, column 14: `soon` is no date",
        ),
        (
            "lex: walrus\nvec: a -b",
            Reason::QuerySyntax,
            "line 2, column 8: a search by meaning cannot exclude anything: `-b`",
        ),
        (
            "lex: walrus\nvec: a\nand so on",
            Reason::QuerySyntax,
            "line 3, column 1: the line does not say how to search",
        ),
        (
            "in:notes",
            Reason::QueryEmpty,
            "the query only says where to look",
        ),
    ] {
        let failed = daemon.qmdctl(["query", "--", query]).fails(reason);
        assert!(failed.stderr.contains(told), "{failed}");
        assert!(failed.stderr.contains("hint"), "{failed}");
    }
    for unknown in ["walrus in:nowhere", "walrus -in:nowhere"] {
        let _ = daemon
            .qmdctl(["query", unknown])
            .fails(Reason::CollectionUnknown);
    }
    Ok(())
}
