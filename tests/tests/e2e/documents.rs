//! Documents by address, by glob and in lists; and what is said of those that are not there.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use qmd_proto::Reason;
use qmd_tests::{Daemon, Outcome, Sandbox, program, run};
use serde_json::Value;

/// A daemon with the collections `notes`, in the home folder, and `papers`, beside it.
fn shelves() -> Result<(Daemon, PathBuf)> {
    let sandbox = Sandbox::new()?;
    let home = sandbox.join("home");
    for (path, text) in [
        ("notes/a.md", "# Alpha\n\nthird\nfourth\n"),
        ("notes/workplace/plan.md", "# Plan\n\nwalrus\n"),
        ("notes/workplace/old/plan.md", "# Old plan\n\nheron\n"),
        ("notes/workplace/copy.md", "# Plan\n\nwalrus\n"),
        ("notes/odd/a, b.md", "comma\n"),
        ("notes/odd/[x] {y}.md", "brackets\n"),
        ("notes/odd/at 10:30", "clock\n"),
        (
            "notes/big.md",
            &"long line of a big document\n".repeat(4_000),
        ),
        ("notes/drafts/secret.md", "draft\n"),
        ("notes/picture.png", "\0\u{1}\u{2}"),
        ("notes/.gitignore", "# mine\n*.tmp.md\n"),
        ("notes/x.tmp.md", "temporary\n"),
        ("notes/script.sh", "echo\n"),
        ("papers/guide.md", "# Guide\n\notter\n"),
        ("elsewhere/b.md", "# Beta\n"),
    ] {
        let path = home.join(path);
        fs::create_dir_all(path.parent().context("parent")?)?;
        fs::write(path, text)?;
    }
    symlink(home.join("notes"), home.join("link"))?;
    fs::create_dir_all(sandbox.dirs().config)?;
    fs::write(
        sandbox.dirs().config.join("index.yml"),
        "collections:\n  notes:\n    path: ~/notes\n    pattern: '**/{*.md,*.png,at *}'\n    \
         ignore: [drafts]\n    context: {/workplace: Office & more}\n  papers: {path: ~/papers}\n",
    )?;
    let daemon = Daemon::start(sandbox)?;
    let _ = daemon.qmdctl(["update"]).ok();
    Ok((daemon, home))
}

/// Runs `qmdctl` in a folder.
fn at(sandbox: &Sandbox, folder: &Path, arguments: &[&str]) -> Result<Outcome> {
    let mut command = sandbox.command(program("qmdctl")?);
    run(command.current_dir(folder).args(arguments))
}

fn files(rows: &Value) -> Vec<&str> {
    let rows = rows.as_array().map_or(&[][..], Vec::as_slice);
    rows.iter().filter_map(|row| row["file"].as_str()).collect()
}

#[test]
fn a_document_is_found_by_every_form_of_address() -> Result<()> {
    let (daemon, home) = shelves()?;
    let work = home.join("notes/workplace");
    let text = |folder: &Path, address: &str| -> Result<String> {
        let got = at(&daemon, folder, &["get", address, "--no-line-numbers"])?;
        Ok(got.ok().stdout)
    };
    let whole = "# Plan\n\nwalrus\n";
    let absolute = work.join("plan.md");
    let absolute = absolute.to_str().context("path")?;
    for address in [
        "qmd://notes/workplace/plan.md",
        "qmd:///notes/workplace/plan.md",
        "//notes/workplace/plan.md",
        "notes/workplace/plan.md",
        "./notes/workplace/plan.md",
        "~/notes/workplace/plan.md",
        "~/link/workplace/plan.md",
        "../home/notes/workplace/plan.md",
        absolute,
        "copy.md",
        "qmd://notes/workplace/plan.md?index=index",
    ] {
        assert_eq!(text(&home, address)?, whole, "{address}");
    }
    // Only after a scheme: a file may be called so.
    let no_index = ["get", "notes/workplace/plan.md?index=index"];
    let _ = daemon.qmdctl(no_index).fails(Reason::DocumentNotFound);
    assert_eq!(text(&work, "./plan.md")?, whole);
    assert_eq!(text(&work, "../a.md:3:1")?, "third\n");
    assert_eq!(text(&home.join("link/workplace"), "./plan.md")?, whole);

    // Two files of one text share the docid, the first stands for both.
    let got = daemon.qmdctl(["get", "copy.md", "--json"]).ok().json();
    let docid = got["docid"].as_str().context("docid")?;
    let by_docid = daemon.qmdctl(["get", docid, "--json"]).ok().json();
    assert_eq!(by_docid["file"], "qmd://notes/workplace/copy.md");
    assert_eq!(text(&home, docid.trim_start_matches('#'))?, whole);
    assert_eq!(text(&home, &format!("{docid}:3"))?, "walrus\n");

    // Names that look like something else.
    assert_eq!(text(&home, "odd/a, b.md")?, "comma\n");
    assert_eq!(text(&home, "[x] {y}.md")?, "brackets\n");
    assert_eq!(text(&home, "qmd://notes/odd/at 10:30")?, "clock\n");
    assert_eq!(text(&home, "~/notes/odd/at 10:30:1")?, "clock\n");
    let numbered = daemon.qmdctl(["get", "a.md:3:2"]).ok();
    assert_eq!(numbered.stdout, "3: third\n4: fourth\n");
    Ok(())
}

#[test]
fn a_document_has_a_format_and_a_file() -> Result<()> {
    let (daemon, home) = shelves()?;
    let get = |arguments: &[&str]| -> Result<String> {
        let all = [&["get", "qmd://notes/workplace/plan.md"], arguments].concat();
        Ok(at(&daemon, &home, &all)?.ok().stdout)
    };
    let md = get(&["--md"])?;
    assert!(
        md.starts_with("# Plan\n\n**file:** qmd://notes/workplace/plan.md\n"),
        "{md}"
    );
    assert!(md.contains("**context:** Office & more\n"), "{md}");
    assert!(md.ends_with("```md\n# Plan\n\nwalrus\n```\n"), "{md}");
    let xml = get(&["--format", "xml", "-l", "1"])?;
    assert!(xml.contains("context=\"Office &amp; more\" line=\"1\" lines=\"1\" total-lines=\"3\""));
    assert!(xml.ends_with("># Plan\n</file>\n"), "{xml}");
    let named = get(&["--full-path", "--no-line-numbers"])?;
    assert_eq!(named, "./notes/workplace/plan.md\n# Plan\n\nwalrus\n");
    let papers = ["get", "guide.md", "--full-path", "--json"];
    let guide = at(&daemon, &home.join("notes"), &papers)?.ok().json();
    assert_eq!(
        guide["file"].as_str(),
        home.join("papers/guide.md").to_str()
    );
    assert_eq!(guide["docid"], Value::Null);
    fs::remove_file(home.join("papers/guide.md"))?;
    let gone = at(&daemon, &home, &papers)?.ok();
    assert_eq!(gone.json()["file"], "qmd://papers/guide.md");
    assert!(gone.stderr.contains("is gone"), "{gone}");
    Ok(())
}

#[test]
fn a_miss_says_what_may_have_been_meant() -> Result<()> {
    let (daemon, home) = shelves()?;
    for (address, meant) in [
        ("notes/workplace/paln.md", "qmd://notes/workplace/plan.md"),
        (
            "qmd://note/workplace/plan.md:3",
            "qmd://notes/workplace/plan.md",
        ),
        ("~/notes/wrokplace/copy.md", "qmd://notes/workplace/copy.md"),
        ("guid", "qmd://papers/guide.md"),
        ("papers/guide.txt", "qmd://papers/guide.md"),
    ] {
        let miss = daemon
            .qmdctl(["get", address])
            .fails(Reason::DocumentNotFound);
        let hint = format!("did you mean {meant}");
        assert!(miss.stderr.contains(&hint), "{address}: {miss}");
    }
    let miss = daemon.qmdctl(["get", "paln.md", "--json"]);
    let error: Value = serde_json::from_str(&miss.stderr)?;
    let suggestions = error["error"]["suggestions"]
        .as_array()
        .context("suggestions")?;
    assert!(
        suggestions.len() <= 5 && suggestions.contains(&"qmd://notes/workplace/plan.md".into())
    );

    let several = daemon.qmdctl(["get", "plan.md", "--json"]);
    let error: Value = serde_json::from_str(&several.stderr)?;
    assert_eq!(error["error"]["reason"], Reason::DocumentAmbiguous.as_str());
    assert_eq!(
        error["error"]["suggestions"],
        serde_json::json!([
            "qmd://notes/workplace/old/plan.md",
            "qmd://notes/workplace/plan.md"
        ])
    );
    assert_eq!(
        several.code,
        Some(i32::from(Reason::DocumentAmbiguous.exit_code()))
    );
    let _ = daemon
        .qmdctl(["get", "#ffffff"])
        .fails(Reason::DocumentNotFound);
    let _ = daemon
        .qmdctl(["get", "a.md:0"])
        .fails(Reason::InvalidArgument);
    let _ = daemon
        .qmdctl(["get", "qmd://notes"])
        .fails(Reason::InvalidArgument);
    let folder = daemon
        .qmdctl(["get", "notes/workplace"])
        .fails(Reason::DocumentNotFound);
    assert!(
        folder.stderr.contains("qmdctl ls notes/workplace"),
        "{folder}"
    );
    let outside = at(&daemon, &home, &["get", "./elsewhere/b.md"])?;
    let outside = outside.fails(Reason::DocumentNotFound);
    assert!(outside.stderr.contains("is in no collection"), "{outside}");
    assert!(
        outside.stderr.contains("qmdctl collection add"),
        "{outside}"
    );
    Ok(())
}

#[test]
fn a_file_that_is_left_out_says_why() -> Result<()> {
    let (daemon, home) = shelves()?;
    let says = |address: &str, reason: Reason, said: &[&str]| -> Result<()> {
        let miss = at(&daemon, &home, &["get", address])?.fails(reason);
        for part in said {
            assert!(miss.stderr.contains(part), "{address}: {miss}");
        }
        Ok(())
    };
    for address in [
        "picture.png",
        "qmd://notes/picture.png",
        "./notes/picture.png",
    ] {
        let said = ["notes/picture.png is not indexed", "ls --skipped notes"];
        says(address, Reason::FileBinary, &said)?;
    }
    for address in [
        "drafts/secret.md",
        "notes/drafts/secret.md",
        "~/notes/drafts/secret.md",
    ] {
        let said = [
            "notes/drafts/secret.md",
            "\"drafts\" in `ignore`",
            "index.yml",
        ];
        says(address, Reason::FileIgnored, &said)?;
    }
    let said = ["\"*.tmp.md\" in ", "notes/.gitignore"];
    says("notes/x.tmp.md", Reason::FileIgnored, &said)?;
    let said = ["the pattern \"**/{*.md,*.png,at *}\" does not take it"];
    says("./notes/script.sh", Reason::FileIgnored, &said)?;
    fs::write(home.join("notes/new.md"), "new\n")?;
    let said = ["not indexed yet", "qmdctl update -c notes"];
    says("notes/new.md", Reason::DocumentNotFound, &said)
}

#[test]
fn several_documents_come_in_order_and_once() -> Result<()> {
    let (daemon, home) = shelves()?;
    let get = |patterns: &[&str]| -> Result<Vec<String>> {
        let all = [&["multi-get", "--json"], patterns].concat();
        let rows = at(&daemon, &home, &all)?.ok().json();
        Ok(files(&rows).into_iter().map(str::to_owned).collect())
    };
    let plans = [
        "qmd://notes/workplace/old/plan.md",
        "qmd://notes/workplace/plan.md",
    ];
    assert_eq!(get(&["**/plan.md"])?, plans);
    assert_eq!(get(&["notes/workplace/**/plan.md"])?, plans);
    assert_eq!(
        get(&["qmd://notes/workplace/plan.md, **/plan.md"])?,
        [plans[1], plans[0]]
    );
    assert_eq!(get(&["./notes/workplace/*.md", "!**/copy.md"])?, [plans[1]]);
    assert_eq!(
        get(&["~/notes/**/plan.md", "!notes/workplace/old"])?,
        [plans[1]]
    );
    let mixed = get(&[
        "{papers,notes/workplace}/*.md,a.md:3",
        "[x] {y}.md",
        r"odd/a\, b.md",
    ])?;
    assert_eq!(
        mixed,
        [
            "qmd://notes/workplace/copy.md",
            "qmd://notes/workplace/plan.md",
            "qmd://papers/guide.md",
            "qmd://notes/a.md",
            "qmd://notes/odd/[x] {y}.md",
            "qmd://notes/odd/a, b.md",
        ]
    );
    let rows = daemon.qmdctl(["multi-get", "a.md:3,guide.md", "-l", "1", "--json"]);
    let rows = rows.ok().json();
    assert_eq!(rows[0]["body"], "third\n");
    assert_eq!(rows[1]["body"], "# Guide\n");
    let on_disk = ["multi-get", "guide.md", "--full-path", "--files"];
    let on_disk = at(&daemon, &home, &on_disk)?.ok();
    assert_eq!(on_disk.stdout, "./papers/guide.md,\"\"\n");
    let jsonl = ["multi-get", "**/plan.md", "--format", "jsonl"];
    assert_eq!(daemon.qmdctl(jsonl).ok().stdout.lines().count(), 2);
    let cli = daemon.qmdctl(["multi-get", "**/plan.md"]).ok();
    assert!(
        cli.stdout.contains("qmd://notes/workplace/plan.md #"),
        "{cli}"
    );
    assert!(
        cli.stdout.contains("Context: Office & more\n\n1: # Plan\n"),
        "{cli}"
    );
    Ok(())
}

#[test]
fn what_is_large_or_missing_is_told_and_the_rest_delivered() -> Result<()> {
    let (daemon, _) = shelves()?;
    let large = daemon.qmdctl(["multi-get", "*.md", "--json"]).ok().json();
    assert_eq!(
        files(&large),
        [
            "qmd://notes/a.md",
            "qmd://notes/big.md",
            "qmd://papers/guide.md"
        ]
    );
    assert_eq!(large[1]["skipped"], true);
    assert_eq!(large[1]["reason"], Reason::FileTooLarge.as_str());
    assert_eq!(large[1]["bytes"], 112_000);
    let hint = large[1]["hint"].as_str().context("hint")?;
    assert!(hint.contains("qmdctl get qmd://notes/big.md"), "{hint}");
    let unbounded = [
        "multi-get",
        "big.md",
        "--max-bytes",
        "0",
        "--no-line-numbers",
    ];
    assert!(daemon.qmdctl(unbounded).ok().stdout.len() > 112_000);

    let partly = [
        "multi-get",
        "a.md,nowhere.md",
        "picture.png",
        "guide.md",
        "--json",
    ];
    let partly = daemon.qmdctl(partly);
    assert_eq!(
        partly.code,
        Some(i32::from(Reason::PartialAnswer.exit_code())),
        "{partly}"
    );
    let rows = partly.json();
    let names = [
        "qmd://notes/a.md",
        "nowhere.md",
        "picture.png",
        "qmd://papers/guide.md",
    ];
    assert_eq!(files(&rows), names);
    assert_eq!(rows[2]["reason"], Reason::FileBinary.as_str());
    assert!(
        partly.stderr.contains("no document \"nowhere.md\""),
        "{partly}"
    );
    assert!(
        partly.stderr.contains("2 of those asked for are missing"),
        "{partly}"
    );

    let nothing = daemon.qmdctl(["multi-get", "nowhere.md,notes/wrokplace/*.md"]);
    let nothing = nothing.fails(Reason::DocumentNotFound);
    assert_eq!(nothing.stdout, "");
    let glob = daemon.qmdctl(["multi-get", "notes/wrokplace/*.md"]);
    let glob = glob.fails(Reason::DocumentNotFound);
    assert!(
        glob.stderr.contains("did you mean notes/workplace/*.md"),
        "{glob}"
    );
    let _ = daemon
        .qmdctl(["multi-get", "a{"])
        .fails(Reason::InvalidArgument);
    let _ = daemon
        .qmdctl(["multi-get", "!a.md"])
        .fails(Reason::InvalidArgument);
    let two = ["multi-get", "qmd://notes/a.md?index=x,a.md"];
    let _ = daemon.qmdctl(two).fails(Reason::InvalidArgument);
    Ok(())
}

#[test]
fn lists_take_globs_and_folders_and_say_what_is_near() -> Result<()> {
    let (daemon, home) = shelves()?;
    let list = |folder: &Path, place: &str| -> Result<Vec<String>> {
        let rows = at(&daemon, folder, &["ls", place, "--json"])?.ok().json();
        Ok(files(&rows).into_iter().map(str::to_owned).collect())
    };
    let work = [
        "qmd://notes/workplace/copy.md",
        "qmd://notes/workplace/old/plan.md",
        "qmd://notes/workplace/plan.md",
    ];
    for place in [
        "notes/workplace",
        "qmd://notes/workplace",
        "notes/w*",
        "w*",
        "~/notes/workplace",
    ] {
        assert_eq!(list(&home, place)?, work, "{place}");
    }
    assert_eq!(list(&home.join("notes/workplace"), ".")?, work);
    assert_eq!(list(&home, "**/*plan*")?, work[1..]);
    assert_eq!(list(&home, "pap*")?, ["qmd://papers/guide.md"]);
    let shown = at(&daemon, &home, &["ls", "papers", "--full-path"])?.ok();
    assert!(shown.stdout.contains("./papers/guide.md"), "{shown}");

    let near = |arguments: &[&str], reason, said: &str| {
        let miss = daemon.qmdctl(arguments).fails(reason);
        assert!(miss.stderr.contains(said), "{miss}");
    };
    let unknown = Reason::CollectionUnknown;
    near(&["ls", "note"], unknown, "did you mean notes?");
    near(
        &["search", "x", "-c", "paper"],
        unknown,
        "did you mean papers?",
    );
    near(
        &["ls", "notes/wrokplace"],
        Reason::DocumentNotFound,
        "did you mean notes/workplace",
    );
    near(
        &["ls", "notes/wrokplace/*"],
        Reason::DocumentNotFound,
        "did you mean notes/workplace/*",
    );
    near(
        &["ls", "--skipped", "notes/*"],
        Reason::InvalidArgument,
        "no glob",
    );
    Ok(())
}

#[test]
fn documents_of_a_folder_without_trust_stay_closed() -> Result<()> {
    let daemon = Daemon::start(Sandbox::new()?)?;
    let root = daemon.join("home/project");
    for (path, text) in [
        ("project/docs/a.md", "# Alpha\n"),
        ("private/b.md", "# Beta\n"),
        (
            "project/.qmd/index.yml",
            "collections:\n  docs: {path: docs}\n  private: {path: ../private}\n",
        ),
    ] {
        let path = daemon.join("home").join(path);
        fs::create_dir_all(path.parent().context("parent")?)?;
        fs::write(path, text)?;
    }
    let addresses = [
        "qmd://private/b.md",
        "private/b.md",
        "b.md",
        "*/b.md",
        "../private/b.md",
    ];
    let all_fail = || -> Result<()> {
        for address in addresses {
            let got = at(&daemon, &root, &["multi-get", address])?;
            assert_ne!(got.code, Some(0), "{got}");
            assert!(!got.stdout.contains("Beta"), "{got}");
        }
        let named = at(&daemon, &root, &["get", "private/b.md"])?;
        let _ = named.fails(Reason::ConfigUntrusted);
        Ok(())
    };
    let _ = at(&daemon, &root, &["update"])?.ok();
    all_fail()?;
    let _ = at(&daemon, &root, &["trust"])?.ok();
    let _ = at(&daemon, &root, &["update"])?.ok();
    for address in addresses {
        let got = at(&daemon, &root, &["multi-get", address])?.ok();
        assert!(got.stdout.contains("Beta"), "{got}");
    }
    // What is in the index is not read either once the trust is gone.
    let _ = at(&daemon, &root, &["trust", "revoke"])?.ok();
    all_fail()
}
