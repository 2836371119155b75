//! What a search prints: formats that others read, names of files, errors.

use std::{
    fmt::Write as _,
    fs::{self, File},
    process::Command,
};

use anyhow::{Context, Result};
use qmd_tests::{Daemon, Outcome, Sandbox, Terminal, program, run};
use serde_json::Value;

/// A document with everything that formats have to escape.
const ODD: &str =
    "# Walrus, \"the\" <big> & 'small'\n\nA walrus, \"quoted\", & <tagged>\twith a tab.\n";

/// A daemon without models that has some odd documents.
fn with_notes() -> Result<Daemon> {
    let daemon = Daemon::start(Sandbox::new()?)?;
    let notes = daemon.join("home/notes");
    fs::create_dir(&notes)?;
    fs::write(notes.join("odd, \"name\" & <more>.md"), ODD)?;
    fs::write(notes.join("plain.md"), "# Plain\n\nOne walrus.\n")?;
    fs::write(
        notes.join("日本 %.md"),
        "# セイウチ\n\nセイウチ is walrus, in a language with wide characters.\n",
    )?;
    let path = notes.to_str().context("path")?;
    for arguments in [
        &["collection", "add", path, "--name", "n"][..],
        &["context", "add", "qmd://n", "Sea \"animals\", mostly"],
        &["update"],
    ] {
        let _ = daemon.qmdctl(arguments).ok();
    }
    Ok(daemon)
}

/// What another program reads in a search's output, as JSON.
fn read_by(daemon: &Daemon, script: &str, arguments: &[&str]) -> Result<Value> {
    let file = daemon.join("output");
    let mut qmdctl = daemon.command(program("qmdctl")?);
    let status = qmdctl
        .args(arguments)
        .stdout(File::create(&file)?)
        .status()?;
    anyhow::ensure!(status.success(), "{arguments:?}: {status}");
    let mut python = Command::new("python3");
    let script = format!("import csv, json, sys, xml.etree.ElementTree as tree\n{script}");
    Ok(run(python.args(["-c", &script]).arg(file))?.ok().json())
}

/// The texts that a search's JSON has under a key, sorted.
fn texts(rows: &Value, key: &str) -> Vec<String> {
    let rows = rows.as_array().map(Vec::as_slice).unwrap_or_default();
    let texts = rows.iter().filter_map(|row| row[key].as_str());
    let mut texts: Vec<String> = texts.map(str::to_owned).collect();
    texts.sort_unstable();
    texts
}

#[test]
fn other_readers_understand_every_format() -> Result<()> {
    let daemon = with_notes()?;
    let json = daemon.qmdctl(["search", "walrus", "--json"]).ok().json();
    let files = texts(&json, "file");
    assert_eq!(files.len(), 3, "{json}");

    let csv = read_by(
        &daemon,
        "print(json.dumps(list(csv.DictReader(open(sys.argv[1], newline='')))))",
        &["search", "walrus", "--csv"],
    )?;
    assert_eq!(texts(&csv, "file"), files);
    assert_eq!(texts(&csv, "title"), texts(&json, "title"));
    assert_eq!(texts(&csv, "context"), texts(&json, "context"));

    let xml = read_by(
        &daemon,
        "rows = tree.parse(sys.argv[1]).getroot().findall('file')\n\
         print(json.dumps([dict(row.attrib, text=row.text) for row in rows]))",
        &["search", "walrus", "--xml", "--full"],
    )?;
    assert_eq!(texts(&xml, "name"), files);
    assert_eq!(texts(&xml, "title"), texts(&json, "title"));
    assert!(
        texts(&xml, "text")
            .iter()
            .any(|text| text.trim() == ODD.trim()),
        "{xml}"
    );

    let lines = read_by(
        &daemon,
        "print(json.dumps([json.loads(line) for line in open(sys.argv[1])]))",
        &["search", "walrus", "--format", "jsonl"],
    )?;
    assert_eq!(lines, json);

    let run = daemon
        .qmdctl(["search", "walrus", "--format", "trec", "--trec-id", "q9"])
        .ok();
    let mut scores = Vec::new();
    for (rank, line) in (1..).zip(run.stdout.lines()) {
        let fields: Vec<&str> = line.split(' ').collect();
        let [id, q0, name, place, score, tag] = fields[..] else {
            panic!("{line}");
        };
        assert_eq!((id, q0, tag), ("q9", "Q0", "qmd-lexical"));
        assert_eq!(place, rank.to_string());
        assert!(name.starts_with("n/"), "{name}");
        scores.push(score.parse::<f64>()?);
    }
    assert_eq!(scores.len(), 3);
    assert!(scores.is_sorted_by(|a, b| a >= b), "{scores:?}");
    assert!(run.stdout.contains(" n/日本%20%25.md "), "{run}");
    Ok(())
}

#[test]
fn files_are_named_by_where_they_lie() -> Result<()> {
    let daemon = with_notes()?;
    let gone = daemon.join("home/notes/plain.md");
    let there = daemon
        .qmdctl(["search", "walrus", "--json", "--full-path"])
        .ok();
    // The client works in the home folder.
    assert!(
        texts(&there.json(), "file").contains(&"./notes/plain.md".to_owned()),
        "{there}"
    );
    assert_eq!(texts(&there.json(), "docid"), [] as [&str; 0]);
    assert_eq!(there.stderr, "");
    fs::remove_file(gone)?;
    let without = daemon
        .qmdctl(["search", "walrus", "--json", "--full-path"])
        .ok();
    assert!(
        texts(&without.json(), "file").contains(&"qmd://n/plain.md".to_owned()),
        "{without}"
    );
    assert_eq!(texts(&without.json(), "docid").len(), 1, "{without}");
    assert!(
        without.stderr.contains("1 hit named by address"),
        "{without}"
    );
    let lines = daemon
        .qmdctl(["search", "walrus", "--files", "--full-path"])
        .ok();
    assert!(
        lines
            .stdout
            .contains(",\"./notes/odd, \"\"name\"\" & <more>.md\","),
        "{lines}"
    );
    Ok(())
}

#[test]
fn a_query_may_come_from_standard_input() -> Result<()> {
    let daemon = with_notes()?;
    let qmdctl = program("qmdctl")?;
    let ask = |input: &str| -> Result<Outcome> {
        let mut shell = daemon.command("sh");
        let script = format!("printf '{input}' | \"$0\" search - --files");
        run(shell.arg("-c").arg(script).arg(&qmdctl))
    };
    let found = ask("walrus\\n")?.ok();
    assert_eq!(found.stdout.lines().count(), 3, "{found}");
    let _ = ask("")?.fails(qmd_proto::Reason::QueryEmpty);
    let _ = ask("caf\\351")?.fails(qmd_proto::Reason::InvalidArgument);
    Ok(())
}

#[test]
fn a_terminal_gets_rows_of_its_width_and_links() -> Result<()> {
    let daemon = with_notes()?;
    let show = |columns, environment: &[(&str, &str)]| -> Result<Terminal> {
        let mut qmdctl = daemon.command(program("qmdctl")?);
        qmdctl
            .args(["search", "walrus"])
            .envs(environment.iter().copied());
        let mut terminal = Terminal::run(&mut qmdctl, columns, 60)?;
        assert_eq!(terminal.ended()?, Some(0));
        Ok(terminal)
    };
    let narrow = show(30, &[])?;
    // A row that was wrapped by the terminal itself would go on without a line end.
    let rows: Vec<String> = narrow.shows().lines().map(str::to_owned).collect();
    assert!(
        rows.iter().any(|row| row.starts_with("n/日本 %.md:")),
        "{rows:?}"
    );
    let raw = narrow.raw();
    let mut wide = vt100::Parser::new(200, 200, 0);
    wide.process(raw.as_bytes());
    let printed = wide.screen().contents();
    assert_eq!(printed.lines().collect::<Vec<_>>(), rows);

    let notes = daemon.join("home/notes");
    let place = format!("\x1b]8;;file://{}/plain.md\x1b\\", notes.display());
    assert!(raw.contains(&place), "{raw:?}");
    assert!(raw.contains("\x1b[1m"), "{raw:?}");

    let plain = show(80, &[("NO_COLOR", "1")])?.raw();
    assert!(!plain.contains('\x1b'), "{plain:?}");
    let off = show(80, &[("QMD_EDITOR_URI", "none")])?.raw();
    assert!(
        off.contains("\x1b[1m") && !off.contains("\x1b]8"),
        "{off:?}"
    );

    let config = daemon.dirs().config.join("index.yml");
    let mut text = fs::read_to_string(&config)?;
    text += "editor_uri: \"vscode://file/{path}:{line}:{col}\"\n";
    fs::write(&config, text)?;
    let editor = show(80, &[])?.raw();
    let place = format!(
        "\x1b]8;;vscode://file{}/plain.md:3:1\x1b\\",
        notes.display()
    );
    assert!(editor.contains(&place), "{editor:?}");
    let own = show(80, &[("QMD_EDITOR_URI", "zed://{path}:{line}")])?.raw();
    assert!(own.contains("\x1b]8;;zed:///"), "{own:?}");

    // A pipe gets neither.
    let piped = daemon.qmdctl(["search", "walrus"]).ok();
    assert!(!piped.stdout.contains('\x1b'), "{piped}");
    Ok(())
}

#[test]
fn every_error_of_a_search() -> Result<()> {
    let daemon = with_notes()?;
    let long = "walrus ".repeat(3_000);
    let mut text = String::new();
    for arguments in [
        &["search"][..],
        &["search", ""],
        &["search", "  ?! "],
        &["search", &long],
        &["search", "walrus", "-c", "none"],
        &["search", "walrus", "--filter", "status ~~ draft"],
        &["search", "walrus", "--json", "--filter", "status ~~ draft"],
        &["--index", "none", "search", "walrus"],
        &["search", "walrus", "-n", "0"],
        &["search", "walrus", "--all", "-n", "3"],
        &["search", "walrus", "--min-score", "2"],
        &["search", "walrus", "--format", "yaml"],
        &["search", "walrus", "--json", "--xml"],
        &["search", "walrus", "--trec-id", "a b"],
        &["search", "walrus", "--frobnicate"],
        &["query", "walrus", "--budget", "soon"],
        &["query", "walrus", "--budget", "2h"],
        &["query", "walrus", "--rerank", "--no-rerank"],
        &["query", "walrus", "--chunk-strategy", "whole"],
        &["query", "walrus", "--strict"],
        &["query", "walrus", "--strict", "--format", "jsonl"],
        &["vsearch", "walrus"],
    ] {
        let outcome = daemon.qmdctl(arguments);
        assert_eq!(outcome.stdout, "", "{outcome}");
        let shown: Vec<&str> = arguments
            .iter()
            .map(|word| &word[..word.len().min(40)])
            .collect();
        let _ = writeln!(
            text,
            "$ qmdctl {}\n{}exit code {:?}\n",
            shown.join(" "),
            outcome.stderr,
            outcome.code
        );
    }
    let home = daemon.join("home");
    insta::assert_snapshot!(text.replace(home.to_str().context("path")?, "~"));
    Ok(())
}

#[test]
fn what_comes_to_nothing_is_said() -> Result<()> {
    let daemon = with_notes()?;
    let told = daemon
        .qmdctl([
            "search",
            "walrus",
            "--no-gpu",
            "--chunk-strategy",
            "regex",
            "--csv",
            "--explain",
        ])
        .ok();
    // The last line is of times.
    let remarks: Vec<&str> = told
        .stderr
        .lines()
        .filter(|line| !line.contains("hits in"))
        .collect();
    insta::assert_snapshot!(remarks.join("\n"));
    assert_eq!(remarks.len() + 1, told.stderr.lines().count(), "{told}");
    let quiet = daemon
        .qmdctl(["search", "walrus", "--no-gpu", "-q", "--json", "--explain"])
        .ok();
    assert_eq!(quiet.stderr, "");
    let row = &quiet.json()[0];
    let parts = row["explain"]["rrf"]["contributions"]
        .as_array()
        .context("contributions")?;
    let sum: f64 = parts
        .iter()
        .filter_map(|part| part["rrfContribution"].as_f64())
        .sum();
    let score = row["score"].as_f64().context("score")?;
    assert!((sum - score).abs() <= 0.005 + 1e-9, "{row}");
    assert!(
        row["explain"]["stages"][0]["elapsedMs"].as_f64().is_some(),
        "{row}"
    );
    Ok(())
}
