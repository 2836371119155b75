//! What is taken in, what is left out and why, and what a second look costs.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use flate2::{Compression, write::ZlibEncoder};
use qmd_tests::{Daemon, Outcome, Sandbox, pdf};
use serde_json::Value;

/// A daemon with an empty collection `n`.
fn daemon(pattern: &str) -> Result<(Daemon, PathBuf)> {
    let daemon = Daemon::start(Sandbox::new()?)?;
    let notes = daemon.join("notes");
    fs::create_dir(&notes)?;
    let path = notes.to_str().context("path")?;
    let add = ["collection", "add", path, "--name", "n", "--mask", pattern];
    let _ = daemon.qmdctl(add).ok();
    Ok((daemon, notes))
}

fn write(folder: &Path, path: &str, bytes: impl AsRef<[u8]>) -> Result<()> {
    let path = folder.join(path);
    fs::create_dir_all(path.parent().context("parent")?)?;
    Ok(fs::write(path, bytes)?)
}

fn rows(outcome: &Outcome) -> Vec<Value> {
    outcome.json().as_array().cloned().unwrap_or_default()
}

/// The files a search finds, best first.
fn found(daemon: &Daemon, words: &[&str]) -> Vec<String> {
    let arguments = ["search", "--json"].iter().chain(words);
    let hits = rows(&daemon.qmdctl(arguments).ok());
    let file = |hit: &Value| hit["file"].as_str().unwrap_or_default().to_owned();
    hits.iter().map(file).collect()
}

/// Path and reason of every file that was left out.
fn skipped(daemon: &Daemon) -> Vec<(String, String)> {
    let files = rows(&daemon.qmdctl(["ls", "--skipped", "--json"]).ok());
    let text = |file: &Value, key: &str| file[key].as_str().unwrap_or_default().to_owned();
    files
        .iter()
        .map(|file| (text(file, "path"), text(file, "reason")))
        .collect()
}

fn update(daemon: &Daemon) -> String {
    let outcome = daemon.qmdctl(["update"]).ok();
    let counts = outcome.stdout.split(" in ").next().unwrap_or_default();
    counts.trim().to_owned()
}

#[test]
fn documents_of_every_kind_are_found_at_their_place() -> Result<()> {
    let (daemon, notes) = daemon("**/*")?;
    write(&notes, "a.md", "# Alpha\n\n## Birds\n\nwalrus\n")?;
    write(&notes, "b.txt", "plain walrus\n")?;
    write(&notes, "c.org", "#+title: Gamma\n* Head\nwalrus\n")?;
    write(&notes, "d.rst", "Delta\n=====\n\n:Status: done\n\nwalrus\n")?;
    write(&notes, "e.adoc", "= Epsilon\n:status: draft\n\nwalrus\n")?;
    write(&notes, "f.rs", "/// A walrus.\nfn walrus() {}\n")?;
    let page = "<html><head><title>Zeta</title><meta name=author content=Ann></head><body>\
                <h1>Top</h1><p>heron<h2>Sea</h2><p>A <b>walrus</b> and sea_lion.</body></html>";
    write(&notes, "g.html", page)?;
    let pages: [&[&str]; 3] = [
        &["Front page"],
        &["A heron stands", "beside the walrus"],
        &["The end"],
    ];
    let info = [
        ("Title", "Eta"),
        ("Author", "Ann"),
        ("CreationDate", "D:20240501"),
    ];
    write(&notes, "h.pdf", pdf::document(&pages, &info))?;
    write(&notes, "latin.txt", b"walrus caf\xe9 \x93quoted\x94\n")?;
    let utf16: Vec<u8> = "\u{feff}walrus Größe\n"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    write(&notes, "utf16.txt", utf16)?;
    assert_eq!(
        update(&daemon),
        "10 documents added, 0 changed, 0 removed, 0 unchanged"
    );
    assert_eq!(skipped(&daemon), []);
    assert_eq!(found(&daemon, &["walrus", "-n", "20"]).len(), 10);
    assert_eq!(found(&daemon, &["café quoted"]), ["qmd://n/latin.txt"]);
    assert_eq!(found(&daemon, &["größe"]), ["qmd://n/utf16.txt"]);

    let listed = rows(&daemon.qmdctl(["ls", "n", "--json"]).ok());
    let titles: Vec<&str> = listed
        .iter()
        .filter_map(|file| file["title"].as_str())
        .collect();
    assert_eq!(
        titles,
        [
            "Alpha", "b", "Gamma", "Delta", "Epsilon", "f", "Zeta", "Eta", "latin", "utf16"
        ]
    );

    let hits = rows(
        &daemon
            .qmdctl(["search", "walrus", "--json", "-n", "20"])
            .ok(),
    );
    let hit = |file: &str| {
        let named = |hit: &&Value| hit["file"] == format!("qmd://n/{file}").as_str();
        hits.iter().find(named).cloned().unwrap_or_default()
    };
    assert_eq!(hit("a.md")["heading"], "Alpha > Birds");
    assert_eq!(hit("g.html")["heading"], "Top > Sea");
    assert_eq!(hit("g.html")["metadata"]["author"], "Ann");
    assert!(
        hit("g.html")["snippet"]
            .as_str()
            .context("snippet")?
            .contains("sea_lion")
    );
    assert_eq!(hit("h.pdf")["page"], 2);
    assert_eq!(hit("h.pdf")["metadata"]["created"], "2024-05-01");
    assert_eq!(hit("h.pdf")["metadata"]["pages"], 3);
    assert_eq!(hit("d.rst")["metadata"]["status"], "done");
    // The line that a hit names is a line of what `get` prints.
    let line = hit("h.pdf")["line"].to_string();
    let address = format!("qmd://n/h.pdf:{line}:2");
    let document = daemon.qmdctl(["get", &address, "--json"]).ok().json();
    assert_eq!(document["body"], "\u{c}A heron stands\nbeside the walrus\n");
    assert_eq!(document["page"], 2);
    for (filter, expected) in [
        ("author = ann", &["qmd://n/g.html", "qmd://n/h.pdf"][..]),
        ("status = draft", &["qmd://n/e.adoc"]),
        ("created < 2024-06 and pages >= 3", &["qmd://n/h.pdf"]),
    ] {
        let mut files = found(&daemon, &["walrus", "-n", "20", "--filter", filter]);
        files.sort();
        assert_eq!(files, expected, "{filter}");
    }
    Ok(())
}

#[test]
fn what_is_left_out_is_told_until_it_is_mended() -> Result<()> {
    let (daemon, notes) = daemon("**/*.{md,pdf,html}")?;
    let outside = daemon.join("outside");
    write(&outside, "secret.md", "walrus outside\n")?;
    write(&notes, "good.md", "walrus\n")?;
    write(&notes, "empty.md", " \n")?;
    write(&notes, "binary.md", b"\0\x01\x02")?;
    write(&notes, "broken.pdf", "%PDF-1.4\nwalrus\n")?;
    fs::File::create(notes.join("large.md"))?.set_len(17 << 20)?;
    symlink(outside.join("secret.md"), notes.join("link.md"))?;
    symlink(&outside, notes.join("folder"))?;
    write(&notes, ".hidden/h.md", "walrus\n")?;
    write(&notes, "node_modules/n.md", "walrus\n")?;
    write(&notes, ".qmdignore", "ignored.md\n")?;
    write(&notes, "ignored.md", "walrus\n")?;
    let first = daemon.qmdctl(["update"]).ok();
    assert!(first.stdout.contains("1 document added"), "{first}");
    assert!(first.stderr.contains("5 files left out"), "{first}");
    let expected = [
        ("binary.md", "FILE_BINARY"),
        ("broken.pdf", "FILE_DAMAGED"),
        ("empty.md", "FILE_EMPTY"),
        ("large.md", "FILE_TOO_LARGE"),
        ("link.md", "FILE_LINK"),
    ]
    .map(|(path, reason)| (path.to_owned(), reason.to_owned()));
    assert_eq!(skipped(&daemon), expected);
    assert_eq!(found(&daemon, &["walrus"]), ["qmd://n/good.md"]);
    let status = daemon.qmdctl(["status", "--json"]).ok().json();
    assert_eq!(status["index"]["skippedFiles"], 5);
    assert_eq!(status["index"]["skippedReasons"]["FILE_LINK"], 1);
    let shown = daemon.qmdctl(["collection", "show", "n"]).ok();
    assert!(shown.stdout.contains("5 files left out"), "{shown}");

    // They are known, and told again.
    let second = daemon.qmdctl(["update"]).ok();
    assert!(second.stderr.contains("5 files left out"), "{second}");
    assert_eq!(skipped(&daemon), expected);
    write(&notes, "empty.md", "walrus now\n")?;
    fs::remove_file(notes.join("binary.md"))?;
    fs::remove_file(notes.join("link.md"))?;
    fs::write(notes.join("good.md"), b"\0")?;
    assert_eq!(
        update(&daemon),
        "1 document added, 0 changed, 1 removed, 0 unchanged"
    );
    let paths: Vec<String> = skipped(&daemon).into_iter().map(|(path, _)| path).collect();
    assert_eq!(paths, ["broken.pdf", "good.md", "large.md"]);
    Ok(())
}

#[test]
fn a_bomb_costs_a_child_and_not_the_daemon() -> Result<()> {
    let (daemon, notes) = daemon("**/*")?;
    // Two gigabytes of blanks in a few megabytes.
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    let blanks = vec![b' '; 1 << 20];
    for _ in 0..2 << 10 {
        encoder.write_all(&blanks)?;
    }
    write(&notes, "bomb.pdf", pdf::compressed(encoder.finish()?))?;
    write(&notes, "deep.html", "<div>".repeat(10_000) + "walrus")?;
    write(&notes, "good.html", "<p>heron")?;
    write(&notes, "good.pdf", pdf::document(&[&["heron"]], &[]))?;
    let pid = daemon.pid();
    assert_eq!(
        update(&daemon),
        "2 documents added, 0 changed, 0 removed, 0 unchanged"
    );
    let reasons: Vec<String> = skipped(&daemon)
        .into_iter()
        .map(|(_, reason)| reason)
        .collect();
    assert_eq!(reasons, ["FILE_TOO_COSTLY", "FILE_TOO_COSTLY"]);
    assert_eq!(found(&daemon, &["heron"]).len(), 2);
    let status = daemon.qmdctl(["daemon", "status", "--json"]).ok().json();
    assert_eq!(status["pid"], pid, "the same daemon serves");
    Ok(())
}

#[test]
fn patterns_ignores_and_hidden_names_work_as_in_qmd() -> Result<()> {
    let sandbox = Sandbox::new()?;
    let notes = sandbox.join("notes");
    for path in [
        "a.md",
        "sub/b.md",
        "drafts/c.md",
        "x.org",
        ".notes/d.md",
        ".other/e.md",
        "y.txt",
    ] {
        write(&notes, path, format!("{path} walrus\n"))?;
    }
    let config = format!(
        "collections:\n  n:\n    path: {}\n    pattern: '**/*.md, *.{{org,rst}}, .notes/*.md'\n    \
         ignore: ['drafts/**']\n",
        notes.display()
    );
    write(&sandbox.dirs().config, "index.yml", config)?;
    let daemon = Daemon::start(sandbox)?;
    assert_eq!(
        update(&daemon),
        "4 documents added, 0 changed, 0 removed, 0 unchanged"
    );
    let listed = rows(&daemon.qmdctl(["ls", "n", "--json"]).ok());
    let files: Vec<&str> = listed
        .iter()
        .filter_map(|file| file["file"].as_str())
        .collect();
    assert_eq!(
        files,
        [
            "qmd://n/.notes/d.md",
            "qmd://n/a.md",
            "qmd://n/sub/b.md",
            "qmd://n/x.org"
        ]
    );
    let listed = rows(&daemon.qmdctl(["ls", "n/sub", "--json"]).ok());
    assert_eq!(listed.len(), 1);
    Ok(())
}

#[test]
fn moves_and_copies_cost_nothing_and_edits_are_always_seen() -> Result<()> {
    let daemon = Daemon::with_models()?;
    let notes = daemon.join("notes");
    write(&notes, "a.md", "# Alpha\n\nA walrus rests on the ice.\n")?;
    let path = notes.to_str().context("path")?;
    let _ = daemon
        .qmdctl(["collection", "add", path, "--name", "n"])
        .ok();
    let _ = daemon.qmdctl(["update"]).ok();
    let _ = daemon.qmdctl(["embed"]).ok();
    let pending = |outcome: &Outcome| outcome.stderr.contains("to embed");
    fs::create_dir(notes.join("sub"))?;
    fs::copy(notes.join("a.md"), notes.join("sub/copy.md"))?;
    fs::rename(notes.join("a.md"), notes.join("moved.md"))?;
    let moved = daemon.qmdctl(["update"]).ok();
    assert!(!pending(&moved), "{moved}");
    let files = rows(
        &daemon
            .qmdctl(["vsearch", "animal on ice", "--json", "--strict"])
            .ok(),
    );
    assert_eq!(files.len(), 2);

    // The collection's own name may change too, by command and by hand.
    let _ = daemon.qmdctl(["collection", "rename", "n", "journal"]).ok();
    let renamed = daemon.qmdctl(["update"]).ok();
    assert!(
        renamed.stdout.contains("0 documents added") && !pending(&renamed),
        "{renamed}"
    );
    let config = daemon.dirs().config.join("index.yml");
    fs::write(
        &config,
        fs::read_to_string(&config)?.replace("journal:", "diary:"),
    )?;
    let renamed = daemon.qmdctl(["update"]).ok();
    assert!(
        renamed.stdout.contains("0 documents added") && !pending(&renamed),
        "{renamed}"
    );
    let files = rows(
        &daemon
            .qmdctl(["vsearch", "ice", "--json", "--strict", "-c", "diary"])
            .ok(),
    );
    assert_eq!(files.len(), 2);

    // Of the same length, and at the same moment as the scan, as far as clocks can tell.
    for word in ["otter", "heron", "moose"] {
        write(&notes, "moved.md", word)?;
        let _ = daemon.qmdctl(["update"]).ok();
        assert_eq!(found(&daemon, &[word]), ["qmd://diary/moved.md"], "{word}");
    }
    Ok(())
}

#[test]
fn what_cannot_be_read_for_a_while_is_not_lost() -> Result<()> {
    let (daemon, notes) = daemon("**/*.md")?;
    write(&notes, "a.md", "walrus\n")?;
    write(&notes, "sub/b.md", "walrus\n")?;
    let _ = update(&daemon);
    let kept = || found(&daemon, &["walrus"]).len();
    let elsewhere = daemon.join("elsewhere");
    fs::rename(&notes, &elsewhere)?;
    let missing = daemon.qmdctl(["update"]).ok();
    assert!(missing.stderr.contains("FOLDER_MISSING"), "{missing}");
    assert_eq!(kept(), 2, "the folder is not there");
    fs::rename(&elsewhere, &notes)?;
    let back = daemon.qmdctl(["update", "--force"]).ok();
    assert!(
        back.stdout
            .contains("0 documents added, 0 changed, 0 removed, 2 unchanged"),
        "{back}"
    );
    // Permissions bind no superuser.
    if !rustix::process::getuid().is_root() {
        fs::set_permissions(notes.join("sub"), fs::Permissions::from_mode(0o000))?;
        let _ = daemon.qmdctl(["update"]).ok();
        assert_eq!(kept(), 2, "the folder cannot be read");
        fs::set_permissions(notes.join("sub"), fs::Permissions::from_mode(0o755))?;
    }
    Ok(())
}
