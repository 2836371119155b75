//! The user's `modal` program: found, checked and run, never longer than it may take.

use std::{collections::VecDeque, io, process::Stdio, time::Duration};

use qmd_proto::Reason;
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader, Split},
    process::Command,
    time::timeout,
};

use crate::error::{Failure, Result};

/// What installs the program.
const INSTALL: &str = "run `pip install 'modal~=1.6'`";
/// What makes credentials.
const SIGN_IN: &str = "run `modal token new`, or set MODAL_TOKEN_ID and MODAL_TOKEN_SECRET";

/// Versions that are known to work: 1.6 and what comes after it, up to 2.
const MAJOR: u32 = 1;
const LEAST_MINOR: u32 = 6;

/// Lines of a failed program that are looked at for its reason.
const TAIL: usize = 40;

/// The `modal` program.
#[derive(Debug, Clone)]
pub(super) struct Tool {
    /// What it is started by.
    words: &'static [&'static str],
    /// Longest that a question to Modal may take.
    limit: Duration,
}

/// How a program ended.
#[derive(Debug)]
pub(super) struct Ending {
    /// It succeeded.
    pub(super) ok: bool,
    /// Its standard output, or its last lines where they were shown as they came.
    pub(super) stdout: String,
    /// Its standard error.
    pub(super) stderr: String,
}

impl Tool {
    /// Finds the program and checks its version.
    pub(super) async fn find(limit: Duration) -> Result<Self> {
        let mut found = None;
        for words in [&["modal"][..], &["python3", "-m", "modal"]] {
            let tool = Self { words, limit };
            match tool.run(&["--version"]).await? {
                Some(ending) if ending.ok => {
                    found = Some((tool, ending.stdout));
                    break;
                }
                _ => {}
            }
        }
        let Some((tool, said)) = found else {
            return Err(Failure::new(
                Reason::ModalToolMissing,
                "the modal program is not installed",
            )
            .hint(INSTALL)
            .into());
        };
        match version(&said) {
            Some((MAJOR, minor)) if minor >= LEAST_MINOR => Ok(tool),
            _ => {
                let version = said
                    .trim()
                    .trim_start_matches("modal client version:")
                    .trim();
                Err(Failure::new(
                    Reason::ModalToolMissing,
                    format!("modal is of version {version}, and 1.6 or a later 1.x is needed"),
                )
                .hint("run `pip install --upgrade 'modal~=1.6'`")
                .into())
            }
        }
    }

    /// Checks that there are credentials, in a file or in the environment. Asks nobody.
    pub(super) async fn check_credentials(&self) -> Result<()> {
        let config = self.json(&["config", "show", "--json"]).await?;
        let has = |key: &str| config[key].as_str().is_some_and(|value| !value.is_empty());
        if (has("token_id") && has("token_secret")) || has("oauth_refresh_token") {
            return Ok(());
        }
        Err(Failure::new(
            Reason::ModalCredentialsMissing,
            "there are no credentials for a Modal account",
        )
        .hint(SIGN_IN)
        .into())
    }

    /// What a question is answered with.
    pub(super) async fn json(&self, arguments: &[&str]) -> Result<Value> {
        let ending = self.ask(arguments).await?;
        if !ending.ok {
            return Err(self.failed(arguments, &ending).into());
        }
        serde_json::from_str(&ending.stdout).map_err(|error| {
            let what = self.line(arguments);
            Failure::new(
                Reason::ToolFailed,
                format!("`{what}` printed no JSON: {error}"),
            )
            .hint(INSTALL)
            .into()
        })
    }

    /// Asks a question, and waits for its end.
    pub(super) async fn ask(&self, arguments: &[&str]) -> Result<Ending> {
        self.run(arguments).await?.ok_or_else(|| {
            Failure::new(Reason::ModalToolMissing, "the modal program went away")
                .hint(INSTALL)
                .into()
        })
    }

    /// Runs it to its end; `None` when there is no such program.
    async fn run(&self, arguments: &[&str]) -> Result<Option<Ending>> {
        let output = self.command(arguments).output();
        match timeout(self.limit, output).await {
            Ok(Ok(output)) => Ok(Some(Ending {
                ok: output.status.success(),
                stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
                stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            })),
            Ok(Err(error)) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Ok(Err(error)) => {
                let message = format!("`{}` cannot be run: {error}", self.line(arguments));
                Err(Failure::new(Reason::ModalToolMissing, message)
                    .hint(INSTALL)
                    .into())
            }
            Err(_) => Err(self.overdue(arguments, self.limit).into()),
        }
    }

    /// The program with arguments, ended when it is dropped.
    pub(super) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.words[0]);
        command
            .args(&self.words[1..])
            .args(arguments)
            // Its output is read by this program.
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }

    /// It took too long: as it does, for close to a minute, when it cannot reach Modal.
    pub(super) fn overdue(&self, arguments: &[&str], limit: Duration) -> Failure {
        Failure::new(
            Reason::ModalUnreachable,
            format!("`{}` did not end within {limit:?}", self.line(arguments)),
        )
        .hint("see your network and https://status.modal.com, or allow more with `--timeout`")
    }

    /// Why it failed.
    pub(super) fn failed(&self, arguments: &[&str], ending: &Ending) -> Failure {
        let said = format!("{}\n{}", ending.stdout, ending.stderr);
        let last = last_complaint(&said);
        let message = format!("`{}` failed: {last}", self.line(arguments));
        let heard = |words: &[&str]| words.iter().any(|word| said.contains(word));
        if heard(&[
            "Token missing",
            "Token validation failed",
            "token_id",
            "AuthError",
        ]) {
            Failure::new(Reason::ModalCredentialsMissing, message).hint(SIGN_IN)
        } else if heard(&["Could not connect", "Deadline exceeded", "ConnectionError"]) {
            Failure::new(Reason::ModalUnreachable, message)
                .hint("see your network and https://status.modal.com")
        } else {
            Failure::new(Reason::ToolFailed, message).hint("run it by hand to see more")
        }
    }

    fn line(&self, arguments: &[&str]) -> String {
        let line = self.words.iter().chain(arguments);
        line.copied().collect::<Vec<_>>().join(" ")
    }
}

/// Runs a program to its end within a time limit, and hands its lines on as they come; `None` when
/// the time was not enough.
pub(super) async fn watch(
    mut command: Command,
    limit: Duration,
    mut heard: impl FnMut(&str) -> Result<()>,
) -> Result<Option<Ending>> {
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| {
            Failure::new(Reason::ToolFailed, format!("modal cannot be run: {error}"))
        })?;
    let mut out = child.stdout.take().map(lines);
    let mut err = child.stderr.take().map(lines);
    let mut tail = VecDeque::new();
    let to_the_end = async {
        while out.is_some() || err.is_some() {
            let line = tokio::select! {
                line = next(&mut out) => line,
                line = next(&mut err) => line,
            };
            if let Some(line) = line {
                heard(&line)?;
                tail.push_back(line);
                if tail.len() > TAIL {
                    tail.pop_front();
                }
            }
        }
        let status = child.wait().await.map_err(|error| {
            Failure::new(
                Reason::ToolFailed,
                format!("modal was lost sight of: {error}"),
            )
        })?;
        Ok::<_, crate::error::Error>(status)
    };
    let Ok(status) = timeout(limit, to_the_end).await else {
        return Ok(None);
    };
    Ok(Some(Ending {
        ok: status?.success(),
        stdout: Vec::from(tail).join("\n"),
        stderr: String::new(),
    }))
}

type Lines<R> = Split<BufReader<R>>;

fn lines<R: AsyncRead + Unpin>(pipe: R) -> Lines<R> {
    BufReader::new(pipe).split(b'\n')
}

/// The next line of a pipe, which is `None` from its end on; never, when it has ended already.
async fn next<R: AsyncRead + Unpin>(pipe: &mut Option<Lines<R>>) -> Option<String> {
    let Some(open) = pipe else {
        return std::future::pending().await;
    };
    let Ok(Some(line)) = open.next_segment().await else {
        *pipe = None;
        return None;
    };
    let line = String::from_utf8_lossy(&line);
    Some(line.trim_end_matches('\r').to_owned())
}

/// Major and minor of `modal client version: 1.6.4`.
fn version(said: &str) -> Option<(u32, u32)> {
    let text = said.trim().rsplit(' ').next()?;
    let mut parts = text.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// The last line that says what is wrong. Its frames, where it draws them, are left out.
pub(super) fn last_complaint(said: &str) -> String {
    let plain = |line: &str| {
        let text = line.trim_matches(|c: char| c.is_whitespace() || "│╭╮╰╯─".contains(c));
        text.trim_start_matches("Error:")
            .trim_start_matches("error:")
            .trim()
            .to_owned()
    };
    let mut lines = said.lines().map(plain).filter(|line| !line.is_empty());
    lines
        .next_back()
        .unwrap_or_else(|| "it did not say why".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read() {
        assert_eq!(version("modal client version: 1.6.4\n"), Some((1, 6)));
        assert_eq!(version("1.10"), Some((1, 10)));
        assert_eq!(version("modal: oops"), None);
        assert_eq!(version(""), None);
    }

    #[test]
    fn the_last_complaint_counts_without_its_frame() {
        assert_eq!(
            last_complaint("a\nError: Token missing.\n\n"),
            "Token missing."
        );
        let framed = "╭─ Error ───╮\n│ No such App │\n╰───────────╯\n";
        assert_eq!(last_complaint(framed), "No such App");
        assert_eq!(last_complaint(""), "it did not say why");
    }

    #[test]
    fn failures_have_their_reasons() {
        let tool = Tool {
            words: &["modal"],
            limit: Duration::from_secs(1),
        };
        let reason = |said: &str| {
            let ending = Ending {
                ok: false,
                stdout: String::new(),
                stderr: said.into(),
            };
            tool.failed(&["app", "list"], &ending).reason
        };
        assert_eq!(
            reason("Error: Token missing. Could"),
            "MODAL_CREDENTIALS_MISSING"
        );
        assert_eq!(
            reason("Error: Could not connect to the Modal server."),
            "MODAL_UNREACHABLE"
        );
        assert_eq!(reason("No App with name"), "TOOL_FAILED");
    }

    #[tokio::test]
    async fn lines_are_heard_as_they_come_and_a_program_that_blocks_is_ended() {
        let mut heard = Vec::new();
        let mut command = Command::new("sh");
        command.args(["-c", "echo a; echo b >&2; exit 3"]);
        let ending = watch(command, Duration::from_secs(60), |line| {
            heard.push(line.to_owned());
            Ok(())
        });
        let ending = ending.await.unwrap().unwrap();
        heard.sort();
        assert_eq!(
            (heard, ending.ok),
            (vec!["a".to_owned(), "b".to_owned()], false)
        );

        let mut command = Command::new("sleep");
        command.arg("1000").kill_on_drop(true);
        let ending = watch(command, Duration::from_millis(1), |_| Ok(()));
        assert!(ending.await.unwrap().is_none());
    }
}
