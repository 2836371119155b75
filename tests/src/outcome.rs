//! Running a program to its end, and what came of it.

use std::{
    fmt,
    fs::File,
    io::{Read, Seek},
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result};
use qmd_proto::Reason;

use crate::wait;

/// No command of a test takes longer.
const LIMIT: Duration = Duration::from_secs(300);

/// What a program printed, and how it ended.
#[derive(Debug, Clone)]
pub struct Outcome {
    command: String,
    /// Exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

/// Runs a program without input. Its output goes through files: a daemon that it leaves behind may
/// hold them open without making this wait.
///
/// # Errors
/// When it cannot be run, or hangs: then it is killed.
pub fn run(command: &mut Command) -> Result<Outcome> {
    let (out, err) = (tempfile::tempfile()?, tempfile::tempfile()?);
    let mut child = command
        .stdin(Stdio::null())
        .stdout(out.try_clone()?)
        .stderr(err.try_clone()?)
        .spawn()
        .with_context(|| format!("{} cannot be run", command.get_program().display()))?;
    let line = format!("{command:?}");
    let status = wait::until(&line, LIMIT, || Ok(child.try_wait()?));
    if status.is_err() {
        child.kill()?;
        child.wait()?;
    }
    let code = status?.code();
    Ok(Outcome {
        command: line,
        code,
        stdout: text(out)?,
        stderr: text(err)?,
    })
}

fn text(mut file: File) -> Result<String> {
    file.rewind()?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

impl Outcome {
    /// Itself, when the program succeeded.
    ///
    /// # Panics
    /// When it did not, with all it printed.
    #[track_caller]
    #[must_use]
    pub fn ok(self) -> Self {
        assert_eq!(self.code, Some(0), "{self}");
        self
    }

    /// Itself, when `qmdctl` or `qmdd` failed for this reason: its exit code, its text, and a hint.
    ///
    /// # Panics
    /// When it did not, with all it printed.
    #[track_caller]
    #[must_use]
    pub fn fails(self, reason: Reason) -> Self {
        assert_eq!(
            self.code,
            Some(i32::from(reason.exit_code())),
            "not {reason}: {self}"
        );
        assert!(
            self.stderr.contains(reason.as_str()),
            "{reason} is not named: {self}"
        );
        assert!(self.stderr.contains("hint"), "no hint: {self}");
        self
    }

    /// Standard output as JSON.
    ///
    /// # Panics
    /// When it is none.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        match serde_json::from_str(&self.stdout) {
            Ok(value) => value,
            Err(error) => panic!("no JSON, {error}: {self}"),
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            command,
            code,
            stdout,
            stderr,
        } = self;
        write!(
            f,
            "{command} ended with {code:?}\n--- stdout\n{stdout}\n--- stderr\n{stderr}\n---"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Outcome {
        run(Command::new("sh").args(["-c", script])).unwrap()
    }

    #[test]
    fn output_and_exit_code_are_kept_apart() {
        let outcome = shell("echo '{\"a\": 1}'; echo trouble >&2; exit 3");
        assert_eq!(outcome.code, Some(3));
        assert_eq!(outcome.json()["a"], 1);
        assert_eq!(outcome.stderr, "trouble\n");
    }

    #[test]
    fn a_left_behind_child_holds_nothing_up() {
        let outcome = shell("sleep 600 & echo $!").ok();
        let kill = format!("kill {}", outcome.stdout.trim());
        let _ = shell(&kill).ok();
    }

    #[test]
    fn a_failure_has_the_reason_it_is_expected_to_have() {
        let code = Reason::QueryEmpty.exit_code();
        let script =
            format!("echo 'error: no words (QUERY_EMPTY)' >&2; echo 'hint: x' >&2; exit {code}");
        let _ = shell(&script).fails(Reason::QueryEmpty);
    }

    #[test]
    #[should_panic(expected = "not QUERY_SYNTAX")]
    fn another_reason_is_a_failure() {
        let _ = shell("exit 10").fails(Reason::QuerySyntax);
    }
}
