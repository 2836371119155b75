//! Clients in other languages: they see nothing of this workspace but the .proto files and the socket.

use std::{
    path::Path,
    process::Command,
    sync::{Mutex, PoisonError},
};

use anyhow::{Result, ensure};
use qmd_tests::{Daemon, run, workspace};

/// The languages share the machine's cores; one after the other they keep their deadlines.
static TURN: Mutex<()> = Mutex::new(());

/// Runs a client's own tests against a daemon. It is a program of the outer world, so it keeps the
/// outer environment.
fn succeeds(client: &mut Command, needs: &Path) -> Result<()> {
    ensure!(
        needs.is_dir(),
        "{} is absent: fetch it with `make foreign`",
        needs.display()
    );
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let daemon = Daemon::with_corpus()?;
    let _ = run(client.env("QMDD_SOCKET", daemon.socket()?))?.ok();
    Ok(())
}

#[test]
fn python() -> Result<()> {
    let packages = workspace().join("target/foreign/python");
    let mut pytest = Command::new("python3");
    pytest
        .args(["-m", "pytest", "--quiet", "-p", "no:cacheprovider"])
        .arg(workspace().join("tests/python"))
        .env("PYTHONPATH", &packages)
        .env("PYTHONDONTWRITEBYTECODE", "1");
    succeeds(&mut pytest, &packages)
}

#[test]
fn node() -> Result<()> {
    let folder = workspace().join("tests/node");
    let mut node = Command::new("node");
    node.args(["--test", "client.test.js"]).current_dir(&folder);
    succeeds(&mut node, &folder.join("node_modules"))
}
