//! What an index goes through, and comes out of whole.

use std::{fs, io, path::PathBuf, sync::Arc};

use anyhow::{Context, Result};
use qmd_proto::Reason;
use qmd_tests::{
    Daemon, Outcome, Random, Sandbox,
    durability::{
        disk::SmallDisk,
        flips::{self, CHECKS},
        kills,
    },
};
use rusqlite::Connection;
use rustix::process::Signal;
use serde_json::Value;

/// A daemon that follows no folder: nothing changes but by what is asked.
fn start(sandbox: impl Into<Arc<Sandbox>>) -> Result<Daemon> {
    Daemon::start_with(sandbox, [("QMDD_WATCH", "0")])
}

/// A daemon with two notes, without models.
fn with_notes() -> Result<Daemon> {
    let daemon = start(Sandbox::new()?)?;
    let notes = daemon.join("notes");
    fs::create_dir(&notes)?;
    fs::write(notes.join("a.md"), "# Alpha\n\nwalrus\n")?;
    fs::write(notes.join("b.md"), "# Beta\n\nnarwhal\n")?;
    let path = notes.to_str().context("path")?;
    let _ = daemon
        .qmdctl(["collection", "add", path, "--name", "n"])
        .ok();
    let _ = daemon.qmdctl(["update"]).ok();
    Ok(daemon)
}

/// Ends a daemon in good order, so that its database is one file.
fn stopped(daemon: Daemon) -> Result<Arc<Sandbox>> {
    let sandbox = daemon.sandbox();
    daemon.signal(Signal::TERM)?;
    let status = daemon.ended()?;
    assert!(status.success(), "{status}");
    Ok(sandbox)
}

/// The check of that name.
fn check<'a>(checks: &'a Value, name: &str) -> &'a Value {
    let found = checks
        .as_array()
        .and_then(|checks| checks.iter().find(|check| check["name"] == name));
    found.unwrap_or_else(|| panic!("no check {name}: {checks}"))
}

fn doctor(daemon: &Daemon) -> Outcome {
    daemon.qmdctl(["doctor", "--format", "json"])
}

#[test]
fn a_whole_index_passes_every_check() -> Result<()> {
    let daemon = with_notes()?;
    let checks = doctor(&daemon).json();
    for name in [
        "database",
        "structure",
        "references",
        "texts",
        "vectors",
        "words",
    ] {
        assert_eq!(check(&checks, name)["state"], "ok", "{checks}");
    }
    let quick = daemon
        .qmdctl(["doctor", "--quick", "--format", "json"])
        .json();
    assert_eq!(check(&quick, "references")["state"], "ok");
    Ok(())
}

#[test]
fn a_database_that_cannot_be_opened_leaves_doctor_and_a_way_out() -> Result<()> {
    let daemon = with_notes()?;
    let database = daemon.dirs().data.join("index.sqlite");
    let sandbox = stopped(daemon)?;
    fs::write(&database, "no database any more ".repeat(1000))?;
    let daemon = start(sandbox)?;
    let outcome = daemon
        .qmdctl(["search", "walrus"])
        .fails(Reason::StoreCorrupt);
    assert!(outcome.stderr.contains("doctor --repair"), "{outcome}");
    let outcome = doctor(&daemon).fails(Reason::StoreCorrupt);
    assert_eq!(
        check(&outcome.json(), "database")["reason"],
        "STORE_CORRUPT"
    );
    Ok(())
}

#[test]
fn a_repair_makes_an_index_of_what_was_none() -> Result<()> {
    let daemon = with_notes()?;
    let database = daemon.dirs().data.join("index.sqlite");
    let whole = daemon.qmdctl(["doctor", "--repair", "--json"]).json();
    assert_eq!(check(&whole, "repair")["state"], "info", "{whole}");
    let sandbox = stopped(daemon)?;
    fs::write(&database, "no database any more ".repeat(1000))?;
    let daemon = start(sandbox)?;
    let repaired = daemon.qmdctl(["doctor", "--repair", "--json"]).json();
    let detail = check(&repaired, "repair")["detail"].to_string();
    assert!(detail.contains("2 documents"), "{repaired}");
    assert!(detail.contains("all vectors are lost"), "{repaired}");
    assert_eq!(check(&repaired, "structure")["state"], "ok", "{repaired}");
    let beside = check(&repaired, "beside it")["detail"].to_string();
    assert!(beside.contains("index.sqlite.broken-"), "{repaired}");
    let found = daemon.qmdctl(["search", "walrus"]).ok();
    assert!(found.stdout.contains("a.md"), "{found}");
    Ok(())
}

#[test]
fn a_repair_keeps_the_documents_of_a_folder_that_is_away() -> Result<()> {
    let daemon = with_notes()?;
    let database = daemon.dirs().data.join("index.sqlite");
    let sandbox = stopped(daemon)?;
    fs::rename(sandbox.join("notes"), sandbox.join("elsewhere"))?;
    let raw = Connection::open(&database)?;
    raw.execute(
        "UPDATE contents SET body = 'other' WHERE body LIKE '%narwhal%'",
        [],
    )?;
    drop(raw);
    let daemon = start(sandbox)?;
    let repaired = daemon.qmdctl(["doctor", "--repair", "--json"]).json();
    let detail = check(&repaired, "repair")["detail"].to_string();
    assert!(detail.contains("1 documents"), "{repaired}");
    let found = daemon.qmdctl(["search", "walrus"]).ok();
    assert!(found.stdout.contains("a.md"), "{found}");
    Ok(())
}

#[test]
fn a_newer_format_is_told_and_left_alone() -> Result<()> {
    let daemon = with_notes()?;
    let database = daemon.dirs().data.join("index.sqlite");
    let sandbox = stopped(daemon)?;
    let raw = Connection::open(&database)?;
    raw.execute_batch("UPDATE meta SET value = 99 WHERE key = 'format'; PRAGMA user_version = 99")?;
    drop(raw);
    let before = fs::read(&database)?;
    let daemon = start(sandbox)?;
    let _ = daemon
        .qmdctl(["search", "walrus"])
        .fails(Reason::StoreTooNew);
    let status = daemon.qmdctl(["status", "--json"]).ok().json();
    assert_eq!(status["index"]["notices"][0]["reason"], "STORE_TOO_NEW");
    let outcome = daemon.qmdctl(["doctor", "--repair", "--json"]);
    let outcome = outcome.fails(Reason::StoreTooNew);
    assert_eq!(check(&outcome.json(), "repair")["state"], "info");
    assert_eq!(fs::read(&database)?, before);
    Ok(())
}

#[test]
fn while_another_program_writes_the_index_is_searched_and_writes_are_refused() -> Result<()> {
    let daemon = with_notes()?;
    fs::write(daemon.join("notes/c.md"), "# Gamma\n\ndugong\n")?;
    let other = Connection::open(daemon.dirs().data.join("index.sqlite"))?;
    other.execute_batch("BEGIN IMMEDIATE")?;
    let outcome = daemon.qmdctl(["update"]).fails(Reason::StoreLocked);
    assert!(outcome.stderr.contains("fuser"), "{outcome}");
    let _ = daemon.qmdctl(["search", "walrus"]).ok();
    other.execute_batch("ROLLBACK")?;
    let _ = daemon.qmdctl(["update"]).ok();
    let found = daemon.qmdctl(["search", "dugong"]).ok();
    assert!(found.stdout.contains("c.md"), "{found}");
    Ok(())
}

#[test]
fn a_database_cut_short_under_a_running_daemon_does_not_end_it() -> Result<()> {
    let daemon = with_notes()?;
    let pid = daemon.pid();
    let database = daemon.dirs().data.join("index.sqlite");
    let _ = daemon.qmdctl(["search", "walrus"]).ok();
    // What is in the log goes into the file first, so that the file is what is read.
    let other = Connection::open(&database)?;
    other.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    drop(other);
    fs::OpenOptions::new()
        .write(true)
        .open(&database)?
        .set_len(4096)?;
    let _ = daemon
        .qmdctl(["search", "narwhal"])
        .fails(Reason::StoreCorrupt);
    let status = daemon.qmdctl(["status", "--json"]).ok().json();
    assert_eq!(status["daemon"]["pid"], pid);
    let repaired = daemon.qmdctl(["doctor", "--repair", "--json"]).json();
    assert_eq!(check(&repaired, "structure")["state"], "ok", "{repaired}");
    let found = daemon.qmdctl(["search", "narwhal"]).ok();
    assert!(found.stdout.contains("b.md"), "{found}");
    Ok(())
}

/// A daemon whose index is on a disk of its own, and a folder with a note, which it is told of. `None`
/// where the system lends no such disk.
fn on_a_small_disk() -> Result<Option<(SmallDisk, PathBuf, Daemon)>> {
    let sandbox = Arc::new(Sandbox::new()?);
    let Some(disk) = SmallDisk::below(&sandbox, 8)? else {
        return Ok(None);
    };
    let notes = sandbox.join("notes");
    fs::create_dir(&notes)?;
    fs::write(notes.join("a.md"), "# Alpha\n\nwalrus\n")?;
    let daemon = disk.daemon()?;
    let path = notes.to_str().context("path")?;
    let _ = daemon
        .qmdctl(["collection", "add", path, "--name", "n"])
        .ok();
    Ok(Some((disk, notes, daemon)))
}

#[test]
fn on_a_full_disk_what_is_there_is_found_and_nothing_is_lost() -> Result<()> {
    let Some((disk, notes, daemon)) = on_a_small_disk()? else {
        return Ok(());
    };
    let _ = daemon.qmdctl(["update"]).ok();
    // More than there is room for.
    let mut random = Random::new(7);
    for number in 0..30 {
        let words: Vec<String> = (0..40_000).map(|_| random.number().to_string()).collect();
        fs::write(notes.join(format!("long-{number}.md")), words.join(" "))?;
    }
    let outcome = daemon.qmdctl(["update"]).fails(Reason::DiskFull);
    assert!(outcome.stderr.contains("free some space"), "{outcome}");
    let walrus = |daemon: &Daemon| {
        let found = daemon.qmdctl(["search", "walrus"]).ok();
        assert!(found.stdout.contains("a.md"), "{found}");
        for part in CHECKS {
            let checks = doctor(daemon).json();
            assert_eq!(check(&checks, part)["state"], "ok", "{checks}");
        }
    };
    walrus(&daemon);
    // To the last byte, and killed: the next daemon has not even room to begin with.
    disk.fill()?;
    let _ = daemon.qmdctl(["update"]).fails(Reason::DiskFull);
    daemon.signal(Signal::KILL)?;
    daemon.ended()?;
    let daemon = disk.daemon()?;
    let found = daemon.qmdctl(["search", "walrus"]).ok();
    assert!(found.stdout.contains("a.md"), "{found}");
    let _ = daemon.qmdctl(["update"]).fails(Reason::DiskFull);
    disk.free()?;
    for number in 3..30 {
        fs::remove_file(notes.join(format!("long-{number}.md")))?;
    }
    let updated = daemon.qmdctl(["update"]).ok();
    assert!(updated.stdout.contains("removed"), "{updated}");
    walrus(&daemon);
    Ok(())
}

#[test]
fn on_a_read_only_disk_the_index_is_searched_until_it_is_writable_again() -> Result<()> {
    let Some((disk, notes, daemon)) = on_a_small_disk()? else {
        return Ok(());
    };
    drop(daemon);
    // Once closed in good order, once killed with a log that has to be read.
    for end in [Signal::TERM, Signal::KILL] {
        fs::write(notes.join("b.md"), format!("# Beta\n\nnarwhal {end:?}\n"))?;
        let daemon = disk.daemon()?;
        let _ = daemon.qmdctl(["update"]).ok();
        daemon.signal(end)?;
        daemon.ended()?;
        disk.set_read_only(true)?;
        let daemon = disk.daemon()?;
        for word in ["walrus", "narwhal"] {
            let found = daemon.qmdctl(["search", word]).ok();
            assert!(found.stdout.contains(".md"), "{found}");
        }
        fs::write(notes.join("c.md"), "# Gamma\n\ndugong\n")?;
        let _ = daemon.qmdctl(["update"]).fails(Reason::StoreReadOnly);
        let status = daemon.qmdctl(["status", "--json"]).ok().json();
        let notice = &status["index"]["notices"][0];
        assert_eq!(notice["reason"], "STORE_READ_ONLY", "{status}");
        let checks = doctor(&daemon).json();
        assert_eq!(check(&checks, "database")["state"], "warning", "{checks}");
        assert_eq!(check(&checks, "structure")["state"], "ok", "{checks}");
        disk.set_read_only(false)?;
        let _ = daemon.qmdctl(["update"]).ok();
        let found = daemon.qmdctl(["search", "dugong"]).ok();
        assert!(found.stdout.contains("c.md"), "{found}");
        fs::remove_file(notes.join("c.md"))?;
        let _ = daemon.qmdctl(["update"]).ok();
        daemon.signal(Signal::TERM)?;
        daemon.ended()?;
    }
    Ok(())
}

/// The full counts are those of `make bench-durability`.
#[test]
fn kills_at_any_moment_lose_nothing_that_was_acknowledged() -> Result<()> {
    let report = kills::run(1, 8, &mut io::sink())?;
    assert_eq!(report.total().kills, 8, "{report}");
    Ok(())
}

/// As above.
#[test]
fn flipped_bytes_are_found_and_mended() -> Result<()> {
    let report = flips::run(1, 12, &mut io::sink())?;
    assert_eq!(report.flips, 12, "{report}");
    Ok(())
}

#[test]
fn a_cleanup_gives_space_back_and_counts_it() -> Result<()> {
    let daemon = with_notes()?;
    let notes = daemon.join("notes");
    let words: Vec<String> = (0..40_000).map(|word| format!("word{word}")).collect();
    fs::write(notes.join("long.md"), words.join(" "))?;
    let _ = daemon.qmdctl(["update"]).ok();
    fs::remove_file(notes.join("long.md"))?;
    let _ = daemon.qmdctl(["update"]).ok();
    let pages = |outcome: &Outcome| {
        let json = outcome.json();
        let items = json["items"].as_array().cloned().unwrap_or_default();
        let pages = items.iter().find(|item| item["kind"] == "free_pages");
        pages.and_then(|pages| pages["bytes"].as_u64())
    };
    let dry = daemon.qmdctl(["cleanup", "--dry-run", "--json"]).ok();
    assert!(pages(&dry) > Some(200_000), "{dry}");
    assert_eq!(dry.json()["bytesBefore"], dry.json()["bytesAfter"]);
    let cleaned = daemon.qmdctl(["cleanup", "--json"]).ok().json();
    let bytes = |key: &str| cleaned[key].as_u64();
    assert!(bytes("bytesAfter") < bytes("bytesBefore"), "{cleaned}");
    let again = daemon.qmdctl(["cleanup", "--dry-run", "--json"]).ok();
    assert_eq!(pages(&again), Some(0), "{again}");
    let found = daemon.qmdctl(["search", "walrus"]).ok();
    assert!(found.stdout.contains("a.md"), "{found}");
    Ok(())
}
