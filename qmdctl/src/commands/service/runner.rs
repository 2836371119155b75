//! Runs the programs of the service manager, and asks them for what they know.

use std::{io, path::Path, process::Stdio, time::Duration};

use tokio::{
    process::Command,
    time::{Instant, sleep, timeout},
};

use super::{
    failures,
    manager::{Manager, SERVICE, SOCKET, Words, target},
    state::{self, State},
};
use crate::error::{Failure, Result};

/// Longest that an answer may take.
const ANSWER: Duration = Duration::from_secs(10);
/// Longest that a change may take: a start of the daemon, after the end of another one.
const CHANGE: Duration = Duration::from_secs(120);
/// launchd unloads in the background; how long it may refuse to load meanwhile.
const UNLOADING: Duration = Duration::from_secs(20);
const AGAIN: Duration = Duration::from_millis(500);

/// How a program ended.
#[derive(Debug)]
struct Ending {
    ok: bool,
    stdout: String,
    stderr: String,
}

/// Runs a program to its end.
async fn run(words: &Words, limit: Duration) -> io::Result<Ending> {
    let [program, arguments @ ..] = words.words() else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let output = Command::new(program)
        .args(arguments)
        // What it prints is read by this program.
        .env("LC_ALL", "C")
        .env("SYSTEMD_PAGER", "")
        .env("SYSTEMD_COLORS", "0")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = timeout(limit, output)
        .await
        .map_err(|_| io::Error::other(format!("no end within {} s", limit.as_secs())))??;
    Ok(Ending {
        ok: output.status.success(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

/// Has the manager do something.
pub(super) async fn act(manager: Manager, words: &Words) -> Result<()> {
    let deadline = Instant::now() + UNLOADING;
    let is_load = words.words().get(1).is_some_and(|word| word == "bootstrap");
    loop {
        let said = match run(words, CHANGE).await {
            Ok(ending) if ending.ok => return Ok(()),
            Ok(ending) => format!("{}\n{}", ending.stdout, ending.stderr),
            Err(error) => error.to_string(),
        };
        if !is_load || Instant::now() > deadline {
            return Err(failures::command_failed(manager, words, &said).into());
        }
        sleep(AGAIN).await;
    }
}

/// What the manager knows of the service; a failure when it cannot be asked.
pub(super) async fn ask(manager: Manager, runtime: Option<&Path>) -> Result<State, Failure> {
    match manager {
        Manager::Systemd => {
            reachable(runtime).map_err(|why| failures::unreachable(manager, &why))?;
            let words = Words::of("systemctl --user show")
                .and(state::PROPERTIES)
                .and(SOCKET)
                .and(SERVICE);
            Ok(state::of_systemd(&answer(manager, &words).await?))
        }
        Manager::Launchd { user } => {
            let words = Words::of("launchctl print").and(target(user));
            // It fails for an agent that is not loaded.
            let ending = run(&words, ANSWER).await.map_err(|error| {
                failures::unreachable(manager, &format!("launchctl cannot be run: {error}"))
            })?;
            Ok(state::of_launchd(ending.ok.then_some(&ending.stdout)))
        }
    }
}

/// Whether the user's systemd has its socket where it belongs.
fn reachable(runtime: Option<&Path>) -> Result<(), String> {
    let Some(runtime) = runtime.filter(|runtime| !runtime.as_os_str().is_empty()) else {
        return Err("XDG_RUNTIME_DIR is not set".to_owned());
    };
    let socket = runtime.join("systemd/private");
    match socket.symlink_metadata() {
        Ok(_) => Ok(()),
        Err(error) => Err(format!("{}: {error}", socket.display())),
    }
}

/// What the manager answers to a question that it has an answer to.
async fn answer(manager: Manager, words: &Words) -> Result<String, Failure> {
    let program = words.words().first().map(String::as_str);
    let program = program.unwrap_or_default();
    match run(words, ANSWER).await {
        Ok(ending) if ending.ok => Ok(ending.stdout),
        Ok(ending) => Err(failures::unreachable(manager, ending.stderr.trim())),
        Err(error) => {
            let why = format!("{program} cannot be run: {error}");
            Err(failures::unreachable(manager, &why))
        }
    }
}

/// Refuses a folder that the manager does not look into.
pub(super) async fn check_folder(manager: Manager, folder: &Path) -> Result<(), Failure> {
    if manager != Manager::Systemd {
        return Ok(());
    }
    let said = answer(
        manager,
        &Words::of("systemctl --user show --property=UnitPath"),
    )
    .await?;
    match folder.to_str() {
        Some(path) if !state::reads_units_from(&said, path) => {
            Err(failures::folder_not_read(folder))
        }
        _ => Ok(()),
    }
}

/// Whether the user's services outlast the last session; `None` when nobody knows.
pub(super) async fn lingering(manager: Manager) -> Option<bool> {
    if manager != Manager::Systemd {
        return None;
    }
    let user = rustix::process::getuid().as_raw();
    let words = Words::of("loginctl show-user")
        .and(user.to_string())
        .and("--property=Linger");
    let ending = run(&words, ANSWER).await.ok()?;
    state::lingering(&ending.stdout)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_without_systemd_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        assert!(reachable(None).is_err());
        assert!(reachable(Some(Path::new(""))).is_err());
        assert!(reachable(Some(dir.path())).is_err());
        std::fs::create_dir(dir.path().join("systemd")).unwrap();
        std::fs::write(dir.path().join("systemd/private"), "").unwrap();
        assert!(reachable(Some(dir.path())).is_ok());
    }

    #[tokio::test]
    async fn a_failure_says_what_the_program_said_last() {
        let words = Words::of("sh -c").and("echo first >&2; echo last >&2; exit 1");
        let error = act(Manager::Systemd, &words).await.unwrap_err();
        let crate::error::Error::Failed(failure) = error else {
            panic!("{error:?}");
        };
        assert_eq!(failure.reason, "TOOL_FAILED");
        assert!(failure.message.ends_with("failed: last"), "{failure:?}");
        assert!(failure.hint.unwrap().contains("systemctl --user status"));
        let absent = Words::of("no-such-program-of-any-system");
        assert!(act(Manager::Systemd, &absent).await.is_err());
    }
}
