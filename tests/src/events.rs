//! Listening to `qmdctl watch --json`.

use std::{
    ffi::OsStr,
    io::{BufRead, BufReader},
    process::{Child, Stdio},
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::{Sandbox, program};

/// Longest wait for an event: generous, because test machines are busy.
const LIMIT: Duration = Duration::from_secs(120);

/// The events of an index from some time on.
#[derive(Debug)]
pub struct Events {
    child: Child,
    lines: Receiver<Value>,
    /// What was heard so far.
    pub heard: Vec<Value>,
}

impl Events {
    /// Listens; what happens after this has returned is heard.
    ///
    /// # Errors
    /// When the client does not run, or the daemon does not answer.
    pub fn listen(sandbox: &Sandbox) -> Result<Self> {
        Self::listen_with(sandbox, [] as [&str; 0])
    }

    /// As [`Self::listen`], with arguments.
    ///
    /// # Errors
    /// As [`Self::listen`].
    pub fn listen_with<S: AsRef<OsStr>>(
        sandbox: &Sandbox,
        arguments: impl IntoIterator<Item = S>,
    ) -> Result<Self> {
        let mut child = sandbox
            .command(program("qmdctl")?)
            .args(["watch", "--json"])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()?;
        let out = child.stdout.take().context("no output")?;
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            let lines = BufReader::new(out).lines().map_while(Result::ok);
            let events = lines.filter_map(|line| serde_json::from_str(&line).ok());
            for event in events {
                if sender.send(event).is_err() {
                    return;
                }
            }
        });
        let mut events = Self {
            child,
            lines,
            heard: Vec::new(),
        };
        events.until("the first state", |event| event["event"] == "state")?;
        Ok(events)
    }

    /// Waits for an event, and returns it.
    ///
    /// # Errors
    /// When it does not come.
    pub fn until(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) -> Result<Value> {
        let deadline = Instant::now() + LIMIT;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let event = match self.lines.recv_timeout(left) {
                Ok(event) => event,
                Err(RecvTimeoutError::Timeout) => {
                    let last = &self.heard[self.heard.len().saturating_sub(20)..];
                    bail!("waited in vain for {what}; the last events were {last:#?}");
                }
                Err(RecvTimeoutError::Disconnected) => bail!("`qmdctl watch` ended before {what}"),
            };
            self.heard.push(event.clone());
            if wanted(&event) {
                return Ok(event);
            }
        }
    }

    /// Waits until a document is `added`, `changed`, `removed` or `embedded`.
    ///
    /// # Errors
    /// When that does not happen.
    pub fn document(&mut self, what: &str, path: &str) -> Result<Value> {
        self.until(&format!("{path} {what}"), |event| {
            event["event"] == what && event["path"] == path
        })
    }

    /// Waits until rounds have brought so many documents, new or changed.
    ///
    /// # Errors
    /// When they do not.
    pub fn documents(&mut self, count: u64) -> Result<()> {
        let mut seen = 0;
        while seen < count {
            let what = format!("{count} documents, {seen} so far");
            let round = self.until(&what, |event| event["event"] == "round")?;
            for kind in ["added", "changed"] {
                seen += round[kind].as_u64().context("a round without counts")?;
            }
        }
        Ok(())
    }

    /// How many events of a kind were heard.
    pub fn count(&self, what: &str) -> usize {
        let heard = self.heard.iter();
        heard.filter(|event| event["event"] == what).count()
    }

    /// The documents that events of a kind were about.
    pub fn paths(&self, what: &str) -> Vec<&str> {
        let heard = self.heard.iter().filter(|event| event["event"] == what);
        heard.filter_map(|event| event["path"].as_str()).collect()
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
