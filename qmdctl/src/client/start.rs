//! Starts the daemon: one of them, however many clients want it at the same time.

use std::{
    env,
    ffi::OsString,
    fs::{DirBuilder, File, OpenOptions, TryLockError},
    io::{self, Read, Seek},
    os::unix::{
        fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

use qmd_proto::{Reason, paths::Dirs, socket::SocketEnv};
use tokio::time::{Instant, sleep};

use super::{
    dial::{self, Link},
    manager,
};
use crate::error::{Failure, Result};

/// How long the daemon may take until it accepts connections.
const LIMIT: Duration = Duration::from_secs(10);
/// How often that is tried.
const POLL: Duration = Duration::from_millis(5);
/// How soon it is started again when an older daemon is still ending.
const AGAIN: Duration = Duration::from_millis(100);
/// How much of what a failed start printed is looked at, in bytes from its end.
const OUTPUT: u64 = 16 << 10;

/// Starts the daemon and waits until it accepts connections.
pub(super) async fn start(dirs: &Dirs) -> Result<Link> {
    check_user()?;
    if let Some(command) = manager::start_command() {
        let message = "no daemon runs, and the service manager that looks after it is not asked to";
        return Err(Failure::new(Reason::DaemonNotRunning, message)
            .hint(format!("start it with `{command}`"))
            .into());
    }
    let deadline = Instant::now() + LIMIT;
    let lock = open_lock(&dirs.start_lock_file()).map_err(|error| {
        let path = dirs.start_lock_file();
        Failure::new(
            Reason::DaemonStartFailed,
            format!("the daemon cannot be started: {}: {error}", path.display()),
        )
        .hint("make the folder writable, or set XDG_DATA_HOME")
    })?;
    // Whoever holds the lock starts the daemon; the others wait for it or for their turn.
    let mut turn = false;
    let mut starting: Option<Starting> = None;
    loop {
        if let Some(link) = dial::find(dirs).await? {
            return Ok(link);
        }
        match &mut starting {
            Some(attempt) => match attempt.ended(dirs)? {
                Some(Ended::AnotherRuns) => {
                    starting = None;
                    sleep(AGAIN).await;
                }
                None => sleep(POLL).await,
            },
            None if turn => starting = Some(Starting::spawn()?),
            None => match lock.try_lock() {
                // Looks once more before it starts one: the last holder may have.
                Ok(()) => turn = true,
                Err(TryLockError::WouldBlock) => sleep(POLL).await,
                Err(TryLockError::Error(error)) => {
                    return Err(Failure::of_path(
                        &dirs.start_lock_file(),
                        &error,
                        Reason::DaemonStartFailed,
                    )
                    .into());
                }
            },
        }
        if Instant::now() > deadline {
            return Err(Failure::new(
                Reason::DaemonStartFailed,
                format!(
                    "the daemon did not open its socket within {} s",
                    LIMIT.as_secs()
                ),
            )
            .hint(format!(
                "see `qmdctl daemon logs` ({})",
                dirs.log_file().display()
            ))
            .into());
        }
    }
}

/// Root, with another user's environment, must not put a daemon of its own in that user's place.
fn check_user() -> Result<()> {
    let socket = SocketEnv::from_process().path().map_err(Failure::from)?;
    let place = socket
        .ancestors()
        .find_map(|path| Some((path, path.metadata().ok()?)));
    match place {
        Some((path, found)) if rustix::process::getuid().is_root() && found.uid() != 0 => {
            let owner = found.uid();
            let message = format!("{} belongs to user {owner}, you are root", path.display());
            Err(Failure::new(Reason::SocketRefused, message)
                .hint("run qmdctl as that user, without sudo")
                .into())
        }
        _ => Ok(()),
    }
}

fn open_lock(path: &Path) -> io::Result<File> {
    if let Some(folder) = path.parent() {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
    }
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
}

/// How a started daemon can end that is no failure.
enum Ended {
    /// Another one runs: it comes up, or is about to end.
    AnotherRuns,
}

/// A daemon that was started and does not accept connections yet.
struct Starting {
    child: Child,
    /// What it prints.
    output: File,
}

impl Starting {
    /// Starts the daemon apart from this terminal.
    fn spawn() -> Result<Self> {
        let program = program();
        let failed = |error: io::Error| {
            let name = program.display();
            let failure = Failure::new(
                Reason::DaemonStartFailed,
                format!("the daemon `{name}` cannot be started: {error}"),
            );
            failure.hint("install qmdd beside qmdctl or on the PATH, or set QMDD_BIN to its place")
        };
        let output = tempfile::tempfile().map_err(failed)?;
        let child = Command::new(&program)
            .arg("serve")
            .current_dir("/")
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(output.try_clone().map_err(failed)?)
            .stderr(output.try_clone().map_err(failed)?)
            .spawn()
            .map_err(failed)?;
        Ok(Self { child, output })
    }

    /// Whether it has ended. An end that is a failure is an error.
    fn ended(&mut self, dirs: &Dirs) -> Result<Option<Ended>> {
        match self.child.try_wait() {
            Ok(None) => Ok(None),
            Ok(Some(status))
                if status.code() == Some(i32::from(Reason::DaemonRunning.exit_code())) =>
            {
                Ok(Some(Ended::AnotherRuns))
            }
            Ok(Some(status)) => {
                let printed = tail(&mut self.output).unwrap_or_default();
                Err(explain(&printed, status, &dirs.log_file()).into())
            }
            Err(error) => Err(Failure::internal(format!("the daemon was lost: {error}")).into()),
        }
    }
}

/// `QMDD_BIN`, else the one beside this program, else the one on the PATH.
fn program() -> OsString {
    if let Some(program) = env::var_os("QMDD_BIN").filter(|program| !program.is_empty()) {
        // The daemon starts in another folder.
        return std::path::absolute(&program).map_or(program, PathBuf::into_os_string);
    }
    let sibling = env::current_exe()
        .ok()
        .map(|path| path.with_file_name("qmdd"));
    match sibling {
        Some(path) if path.is_file() => path.into(),
        _ => "qmdd".into(),
    }
}

fn tail(output: &mut File) -> io::Result<String> {
    let length = output.metadata()?.len();
    output.seek(io::SeekFrom::Start(length.saturating_sub(OUTPUT)))?;
    let mut bytes = Vec::new();
    output.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Makes a failure of what a daemon that did not start has printed: its own last
/// `error: MESSAGE (REASON)` and the `hint:` after it, else its last line.
fn explain(printed: &str, status: ExitStatus, log: &Path) -> Failure {
    let lines: Vec<&str> = printed
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    let see_log = || format!("see `qmdctl daemon logs` ({})", log.display());
    let reported = lines.iter().enumerate().rev().find_map(|(at, line)| {
        let (message, reason) = line.strip_prefix("error: ")?.rsplit_once(" (")?;
        let reason = reason.strip_suffix(')')?.parse::<Reason>().ok()?;
        let hint = lines
            .get(at + 1)
            .and_then(|line| line.strip_prefix("hint: "));
        let hint = hint.map_or_else(see_log, str::to_owned);
        Some(Failure::new(reason, format!("the daemon did not start: {message}")).hint(hint))
    });
    reported.unwrap_or_else(|| {
        let last = lines
            .last()
            .map(|line| format!(": {line}"))
            .unwrap_or_default();
        let message = format!("the daemon did not start, it ended with {status}{last}");
        Failure::new(Reason::DaemonStartFailed, message).hint(see_log())
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use proptest::prelude::*;

    use super::*;

    fn explained(printed: &str) -> (String, String, String) {
        let failure = explain(
            printed,
            ExitStatus::from_raw(1 << 8),
            Path::new("/s/qmdd.log"),
        );
        (
            failure.reason.into_owned(),
            failure.message,
            failure.hint.unwrap_or_default(),
        )
    }

    #[test]
    fn the_daemons_own_error_is_passed_on() {
        let printed = "2026-01-01 INFO loading\n\
                       error: index.yml: line 3, column 5: bad (indent) (CONFIG_INVALID)\n\
                       hint: mend the file\n";
        let (reason, message, hint) = explained(printed);
        assert_eq!(reason, "CONFIG_INVALID");
        assert_eq!(
            message,
            "the daemon did not start: index.yml: line 3, column 5: bad (indent)"
        );
        assert_eq!(hint, "mend the file");
    }

    #[test]
    fn an_error_without_a_hint_names_the_log() {
        let (reason, _, hint) = explained("error: disk full (DISK_FULL)\n");
        assert_eq!(
            (reason.as_str(), hint.as_str()),
            ("DISK_FULL", "see `qmdctl daemon logs` (/s/qmdd.log)")
        );
    }

    #[test]
    fn anything_else_is_shown_as_it_is() {
        let (reason, message, _) = explained("ld: libgomp.so.1: not found\n\n");
        assert_eq!(reason, "DAEMON_START_FAILED");
        assert_eq!(
            message,
            "the daemon did not start, it ended with exit status: 1: ld: libgomp.so.1: not found"
        );
        assert_eq!(explained("").0, "DAEMON_START_FAILED");
    }

    proptest! {
        #[test]
        fn every_output_has_an_explanation(printed in "(error: |hint: |\\(|\\)|DISK_FULL|\n|[a-zé ]){0,30}") {
            prop_assert!(explained(&printed).1.starts_with("the daemon did not start"));
        }
    }
}
