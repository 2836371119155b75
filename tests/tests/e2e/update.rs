//! `update` by hand: the collections' own commands, and `--pull`.

use std::{fs, path::Path};

use anyhow::{Context, Result};
use qmd_proto::Reason;
use qmd_tests::{Daemon, Events, Outcome, Sandbox, run};

fn configure(sandbox: &Sandbox, config: &str) -> Result<()> {
    let folder = sandbox.dirs().config;
    fs::create_dir_all(&folder)?;
    Ok(fs::write(folder.join("index.yml"), config)?)
}

/// Runs git in a folder.
fn git(sandbox: &Sandbox, folder: &Path, arguments: &[&str]) -> Result<Outcome> {
    let mut git = sandbox.command("git");
    git.current_dir(folder)
        .args(["-c", "user.name=t", "-c", "user.email=t@localhost"])
        .args(["-c", "init.defaultBranch=main"]);
    Ok(run(git.args(arguments))?.ok())
}

#[test]
fn each_collections_command_runs_before_the_scan_where_its_files_are() -> Result<()> {
    let sandbox = Sandbox::new()?;
    for folder in ["a", "b"] {
        fs::create_dir(sandbox.join("home").join(folder))?;
    }
    configure(
        &sandbox,
        "collections:
  a:
    path: ~/a
    update: |
      echo \"made by $HOME\" >made.md; echo said; echo complained >&2
  b: {path: ~/b, update: \"echo '# B' >b.md\"}
",
    )?;
    let daemon = Daemon::start(sandbox)?;
    let outcome = daemon.qmdctl(["update", "-c", "a"]).ok();
    assert!(outcome.stdout.contains("1 document added"), "{outcome}");
    assert!(outcome.stderr.contains("said\ncomplained"), "{outcome}");
    assert!(!outcome.stdout.contains("said"), "{outcome}");
    let made = fs::read_to_string(daemon.join("home/a/made.md"))?;
    let home = daemon.join("home");
    assert_eq!(
        made,
        format!("made by {}\n", home.display()),
        "in the user's environment"
    );
    assert!(
        !daemon.join("home/b/b.md").exists(),
        "only of what is updated"
    );
    let quiet = daemon.qmdctl(["update", "--quiet"]).ok();
    assert_eq!(quiet.stdout, "");
    assert!(!quiet.stderr.contains("said"), "{quiet}");
    assert!(daemon.join("home/b/b.md").exists());
    Ok(())
}

#[test]
fn a_command_that_fails_is_named_and_nothing_is_updated() -> Result<()> {
    let sandbox = Sandbox::new()?;
    fs::create_dir(sandbox.join("home/a"))?;
    fs::write(sandbox.join("home/a/a.md"), "# A\n")?;
    configure(
        &sandbox,
        "collections:\n  a: {path: ~/a, update: \"exit 3\"}\n",
    )?;
    let daemon = Daemon::start(sandbox)?;
    let outcome = daemon.qmdctl(["update"]).fails(Reason::HookFailed);
    assert!(outcome.stderr.contains("exit code 3"), "{outcome}");
    assert!(outcome.stderr.contains("`exit 3`"), "{outcome}");
    let status = daemon.qmdctl(["status", "--json"]).ok().json();
    assert_eq!(status["index"]["documents"], 0);
    configure(
        &daemon,
        "collections:\n  a: {path: ~/a, update: \"kill -9 $$\"}\n",
    )?;
    let outcome = daemon.qmdctl(["update"]).fails(Reason::HookFailed);
    assert!(outcome.stderr.contains("signal 9"), "{outcome}");
    Ok(())
}

#[test]
fn the_watcher_runs_no_command() -> Result<()> {
    let sandbox = Sandbox::new()?;
    let folder = sandbox.join("home/a");
    fs::create_dir(&folder)?;
    configure(
        &sandbox,
        "collections:\n  a: {path: ~/a, update: \"touch ran.md\"}\n",
    )?;
    let daemon = Daemon::start_with(sandbox, [("QMDD_WATCH", "1")])?;
    let mut events = Events::listen(&daemon)?;
    fs::write(folder.join("a.md"), "# A\n")?;
    events.document("added", "a.md")?;
    assert!(!folder.join("ran.md").exists());
    Ok(())
}

#[test]
fn pull_brings_what_is_new_and_says_why_it_cannot() -> Result<()> {
    let sandbox = Sandbox::new()?;
    let home = sandbox.join("home");
    let text = |path: &Path| path.to_str().map(str::to_owned).context("path");
    let (origin, other, clone) = (
        home.join("origin.git"),
        home.join("other"),
        home.join("clone"),
    );
    git(
        &sandbox,
        &home,
        &["init", "--quiet", "--bare", &text(&origin)?],
    )?;
    git(
        &sandbox,
        &home,
        &["clone", "--quiet", &text(&origin)?, &text(&other)?],
    )?;
    let publish = |file: &str, words: &str| -> Result<()> {
        fs::create_dir_all(other.join("docs"))?;
        fs::write(other.join("docs").join(file), words)?;
        git(&sandbox, &other, &["add", "."])?;
        git(&sandbox, &other, &["commit", "--quiet", "--message", words])?;
        git(&sandbox, &other, &["push", "--quiet", "origin", "HEAD"])?;
        Ok(())
    };
    publish("one.md", "# One")?;
    git(
        &sandbox,
        &home,
        &["clone", "--quiet", &text(&origin)?, &text(&clone)?],
    )?;
    publish("two.md", "# Two")?;
    fs::create_dir(home.join("plain"))?;
    configure(
        &sandbox,
        "collections:\n  docs: {path: ~/clone/docs}\n  plain: {path: ~/plain}\n",
    )?;
    let sandbox = std::sync::Arc::new(sandbox);
    let daemon = Daemon::start(std::sync::Arc::clone(&sandbox))?;
    let without = daemon.qmdctl(["update"]).ok();
    assert!(without.stdout.contains("1 document added"), "{without}");
    let with = daemon.qmdctl(["update", "--pull"]).ok();
    assert!(with.stdout.contains("1 document added"), "{with}");
    assert!(with.stderr.contains("pulling"), "{with}");
    let nothing = daemon.qmdctl(["update", "--pull", "-c", "plain"]).ok();
    assert!(nothing.stderr.contains("nothing was pulled"), "{nothing}");

    // Both sides have gone on.
    fs::write(clone.join("docs/mine.md"), "# Mine")?;
    git(&sandbox, &clone, &["add", "."])?;
    git(
        &sandbox,
        &clone,
        &["commit", "--quiet", "--message", "mine"],
    )?;
    fs::write(other.join("docs/theirs.md"), "# Theirs")?;
    git(&sandbox, &other, &["add", "."])?;
    git(
        &sandbox,
        &other,
        &["commit", "--quiet", "--message", "theirs"],
    )?;
    git(&sandbox, &other, &["push", "--quiet", "origin", "HEAD"])?;
    let outcome = daemon
        .qmdctl(["update", "--pull"])
        .fails(Reason::ToolFailed);
    assert!(outcome.stderr.contains("git pull --ff-only"), "{outcome}");
    Ok(())
}
