//! A project's own index: found from anywhere inside, and what its configuration reaches for withheld
//! until the user trusts it.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use qmd_proto::Reason;
use qmd_tests::{Daemon, Outcome, Sandbox, program, run};

/// A daemon, and a project beside a folder that is none of its business.
fn with_project(config: &str) -> Result<(Daemon, PathBuf)> {
    let daemon = Daemon::start(Sandbox::new()?)?;
    let root = daemon.join("home/project");
    fs::create_dir_all(root.join("docs/deep"))?;
    fs::write(root.join("docs/a.md"), "# Alpha\n\nwalrus\n")?;
    fs::create_dir(daemon.join("home/private"))?;
    fs::write(
        daemon.join("home/private/b.md"),
        "# Beta\n\nwalrus secret\n",
    )?;
    fs::create_dir(root.join(".qmd"))?;
    fs::write(root.join(".qmd/index.yml"), config)?;
    Ok((daemon, root))
}

/// Runs `qmdctl` in a folder.
fn at(sandbox: &Sandbox, folder: &Path, arguments: &[&str]) -> Result<Outcome> {
    let mut command = sandbox.command(program("qmdctl")?);
    run(command.current_dir(folder).args(arguments))
}

/// The paths that a search finds from a folder.
fn found(sandbox: &Sandbox, folder: &Path, query: &str) -> Result<Vec<String>> {
    let hits = at(sandbox, folder, &["search", query, "--json"])?
        .ok()
        .json();
    let hits = hits.as_array().context("no array")?;
    Ok(hits
        .iter()
        .filter_map(|hit| hit["file"].as_str().map(str::to_owned))
        .collect())
}

#[test]
fn a_project_has_an_index_of_its_own_that_is_found_from_inside() -> Result<()> {
    let (daemon, root) = with_project("collections:\n  docs: {path: docs}\n")?;
    let deep = root.join("docs/deep");
    let _ = at(&daemon, &deep, &["update"])?.ok();
    assert_eq!(found(&daemon, &deep, "walrus")?, ["qmd://docs/a.md"]);
    let status = at(&daemon, &root, &["status", "--json"])?.ok().json();
    let index = &status["index"];
    let real = root.canonicalize()?;
    assert_eq!(index["projectRoot"].as_str(), real.to_str());
    assert_eq!(index["notices"].as_array().map(Vec::len), Some(0));
    let database = index["database"].as_str().context("database")?;
    assert!(
        Path::new(database).starts_with(daemon.dirs().projects()),
        "{database}"
    );
    let left: Vec<_> = fs::read_dir(root.join(".qmd"))?.collect();
    assert_eq!(left.len(), 1, "nothing is written into the project");

    // Elsewhere, and by name, it is the user's own index.
    let home = daemon.join("home");
    assert!(found(&daemon, &home, "walrus")?.is_empty());
    let own = at(
        &daemon,
        &deep,
        &["--index", "index", "search", "walrus", "--json"],
    )?;
    assert_eq!(own.ok().json().as_array().map(Vec::len), Some(0));
    // Models and the daemon are the user's own anywhere.
    let _ = at(&daemon, &deep, &["models", "list"])?.ok();
    let _ = at(&daemon, &deep, &["daemon", "status"])?.ok();

    fs::remove_file(root.join(".qmd/index.yml"))?;
    assert!(
        found(&daemon, &deep, "walrus")?.is_empty(),
        "no project any more"
    );
    Ok(())
}

#[test]
fn init_makes_a_project_once_and_not_of_the_home_folder() -> Result<()> {
    let daemon = Daemon::start(Sandbox::new()?)?;
    let root = daemon.join("home/new");
    fs::create_dir(&root)?;
    fs::write(root.join("a.md"), "# Alpha\n\nwalrus\n")?;
    let made = at(&daemon, &root, &["init"])?.ok();
    let file = root.canonicalize()?.join(".qmd/index.yml");
    assert!(
        made.stdout.contains(&file.display().to_string()),
        "{}",
        made.stdout
    );
    let again = at(&daemon, &root, &["init"])?.ok();
    assert!(again.stdout.contains("already"), "{}", again.stdout);

    let _ = at(
        &daemon,
        &root,
        &["collection", "add", ".", "--name", "My notes (new)"],
    )?
    .ok();
    let _ = at(&daemon, &root, &["update"])?.ok();
    assert_eq!(
        found(&daemon, &root, "walrus")?,
        ["qmd://My notes (new)/a.md"]
    );
    let text = fs::read_to_string(&file)?;
    assert!(
        text.starts_with('#') && text.contains("path: .\n"),
        "{text}"
    );
    let read = at(&daemon, &root, &["get", "qmd://My notes (new)/a.md:3"])?.ok();
    assert!(read.stdout.contains("walrus"), "{}", read.stdout);

    let home = daemon.join("home");
    let _ = at(&daemon, &home, &["init"])?.fails(Reason::InvalidArgument);
    let _ = at(&daemon, &home, &["init", "none"])?.fails(Reason::FolderMissing);
    let _ = at(&daemon, &home, &["trust"])?.fails(Reason::InvalidArgument);
    Ok(())
}

#[test]
fn what_reaches_beyond_the_project_waits_for_trust() -> Result<()> {
    let config =
        "collections:\n  docs: {path: docs, update: touch ../ran}\n  private: {path: ../private}\n";
    let (daemon, root) = with_project(config)?;
    let warned = |outcome: &Outcome| outcome.stderr.contains(Reason::ConfigUntrusted.as_str());
    let update = at(&daemon, &root, &["update"])?.ok();
    assert!(
        warned(&update) && update.stderr.contains("qmdctl trust"),
        "{}",
        update.stderr
    );
    assert!(!root.join("ran").exists());
    let search = at(&daemon, &root, &["search", "walrus", "--json"])?.ok();
    assert!(
        warned(&search) && !search.stdout.contains("Beta"),
        "{}",
        search.stderr
    );
    let strict = at(&daemon, &root, &["search", "walrus", "--strict"])?;
    let _ = strict.fails(Reason::PartialAnswer);
    let named = at(&daemon, &root, &["search", "walrus", "-c", "private"])?;
    let _ = named.fails(Reason::ConfigUntrusted);
    let listed = at(&daemon, &root, &["collection", "list"])?.ok();
    assert!(
        warned(&listed) && !listed.stdout.contains("private"),
        "{}",
        listed.stderr
    );
    let status = at(&daemon, &root, &["status", "--json"])?.ok().json();
    let notices = status["index"]["notices"].as_array().context("notices")?;
    assert_eq!(notices.len(), 2, "{status}");

    // Showing trusts nothing; trusting shows what is trusted.
    let shown = at(&daemon, &root, &["trust", "show", "--json"])?
        .ok()
        .json();
    assert_eq!(shown["state"], "untrusted");
    assert!(warned(&at(&daemon, &root, &["search", "walrus"])?.ok()));
    let trusted = at(&daemon, &root, &["trust"])?.ok();
    for part in ["touch ../ran", "private"] {
        assert!(trusted.stdout.contains(part), "{}", trusted.stdout);
    }
    let _ = at(&daemon, &root, &["update"])?.ok();
    assert!(
        root.join("ran").exists(),
        "the command is run in its folder"
    );
    let both = found(&daemon, &root, "walrus")?;
    assert_eq!(both.len(), 2, "{both:?}");
    let list = at(&daemon, &root, &["trust", "list"])?.ok();
    assert!(list.stdout.contains(".qmd/index.yml"), "{}", list.stdout);

    // What the user adds by a command is trusted with the rest; what comes otherwise is not.
    let home = daemon.join("home");
    let home = home.to_str().context("home")?;
    let _ = at(
        &daemon,
        &root,
        &["collection", "add", home, "--name", "all"],
    )?
    .ok();
    assert_eq!(
        at(&daemon, &root, &["trust", "show", "--json"])?
            .ok()
            .json()["state"],
        "trusted"
    );
    let file = root.join(".qmd/index.yml");
    let text = fs::read_to_string(&file)?;
    fs::write(&file, text.replace("touch ../ran", "touch ../ran2"))?;
    assert!(warned(&at(&daemon, &root, &["search", "walrus"])?.ok()));
    assert_eq!(found(&daemon, &root, "walrus")?, ["qmd://docs/a.md"]);
    let _ = at(
        &daemon,
        &root,
        &["collection", "add", "docs/deep", "--name", "deep"],
    )?
    .ok();
    assert!(
        warned(&at(&daemon, &root, &["update"])?.ok()),
        "an edit trusts nothing that waits"
    );

    // What is indexed of it is kept meanwhile.
    let _ = at(&daemon, &root, &["trust"])?.ok();
    assert!(found(&daemon, &root, "walrus")?.contains(&"qmd://private/b.md".to_owned()));
    let _ = at(&daemon, &root, &["trust", "revoke"])?.ok();
    assert_eq!(found(&daemon, &root, "walrus")?, ["qmd://docs/a.md"]);
    Ok(())
}

#[test]
fn a_link_that_leads_out_is_outside() -> Result<()> {
    let (daemon, root) = with_project("collections:\n  docs: {path: docs}\n")?;
    let _ = at(&daemon, &root, &["update"])?.ok();
    fs::remove_dir_all(root.join("docs"))?;
    std::os::unix::fs::symlink("../private", root.join("docs"))?;
    let update = at(&daemon, &root, &["update"])?.ok();
    assert!(
        update.stderr.contains(Reason::ConfigUntrusted.as_str()),
        "{}",
        update.stderr
    );
    assert!(found(&daemon, &root, "secret")?.is_empty());
    Ok(())
}

#[test]
fn models_of_another_index_are_not_used_and_that_is_said() -> Result<()> {
    let config = "models: {embed: hf:some/where/other.gguf}\ncollections:\n  docs: {path: docs}\n";
    let (daemon, root) = with_project(config)?;
    let said = |folder: &Path| -> Result<bool> {
        let status = at(&daemon, folder, &["status"])?.ok();
        Ok(status.stdout.contains(Reason::ModelsNotShared.as_str()))
    };
    assert!(said(&root)?);
    assert!(!said(&daemon.join("home"))?);
    Ok(())
}
