//! The gateway of `modal/` on this machine, with llama-servers behind it.

use std::{
    env,
    fs::{self, File},
    io::{self, BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::{models, outcome::run, wait, workspace};

/// What it runs on.
#[derive(Debug, Clone)]
pub struct Remote {
    /// The llama-server.
    server: PathBuf,
    /// Model files by role.
    models: Vec<(&'static str, PathBuf)>,
}

impl Remote {
    /// The stand-in for llama-server, with models of a few bytes that it makes in a folder. What
    /// `name` is goes into the models, so that another name makes other ones.
    ///
    /// # Errors
    /// When they cannot be made.
    pub fn tiny(folder: &Path, name: &str) -> Result<Self> {
        const MAKE: &str = "import sys; from pathlib import Path
from qmd_modal.contract import Role
from tests.support import tiny_model
for role in Role: tiny_model(Path(sys.argv[1]), role, general__name=sys.argv[2])";
        fs::create_dir_all(folder)?;
        let _ = run(python()?.args(["-c", MAKE]).arg(folder).arg(name))?.ok();
        let model = |role| (role, folder.join(format!("tiny-{role}.gguf")));
        Ok(Self {
            server: workspace().join("modal/tests/fake_llama_server.py"),
            models: ["embed", "rerank", "generate"].map(model).into(),
        })
    }

    /// The real llama-server with the starter models and a reranker; `None`, after a loud line, when it
    /// is not built. `QMD_REQUIRE_REAL=1` makes that a failure.
    ///
    /// # Errors
    /// When the models are absent, or the server is and must not be.
    pub fn real(reranker: &Path) -> Result<Option<Self>> {
        let script = workspace().join("modal/build_llama_server.sh");
        let found = run(Command::new(&script).arg("--path"))?;
        if found.code != Some(0) {
            ensure!(
                env::var_os("QMD_REQUIRE_REAL").is_none(),
                "no llama-server: {found}"
            );
            // Not by a macro: what those print is held back.
            let _ = writeln!(
                io::stderr(),
                "SKIPPED: no llama-server is built, so what goes through a real one is not tested; \
                 run {}",
                script.display()
            );
            return Ok(None);
        }
        Ok(Some(Self {
            server: found.stdout.trim().into(),
            models: vec![
                ("embed", models::embedder()?),
                ("generate", models::generator()?),
                ("rerank", reranker.to_owned()),
            ],
        }))
    }
}

/// A gateway that serves. Ended when dropped, with its llama-servers.
#[derive(Debug)]
pub struct Gateway {
    child: Child,
    /// Where it answers.
    pub url: String,
    /// Its port.
    pub port: u16,
}

impl Gateway {
    /// Starts one, and waits until its models are ready. Port 0 is a free one. It ends with the thread
    /// that starts it.
    ///
    /// # Errors
    /// When it ends instead.
    pub fn start(remote: &Remote, port: u16, log: &Path) -> Result<Self> {
        let mut command = python()?;
        command
            .args(["-m", "qmd_modal", "--port", &port.to_string(), "--parent"])
            .arg(std::process::id().to_string())
            .env("QMD_LLAMA_SERVER", &remote.server)
            // Several threads would spin for each other on a machine that is busy.
            .env("QMD_THREADS", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(log)?);
        for (role, file) in &remote.models {
            let role = role.to_uppercase();
            command
                .env(format!("QMD_{role}_MODEL"), file)
                .env(format!("QMD_{role}_PORT"), "0");
        }
        let mut child = command.spawn()?;
        let output = child.stdout.take().context("it has no output")?;
        let mut lines = BufReader::new(output).lines();
        let mut event = |name: &str| -> Result<Value> {
            let line = lines.next().with_context(|| {
                let said = fs::read_to_string(log).unwrap_or_default();
                format!("the gateway ended before it was {name}:\n{said}")
            })??;
            let event: Value = serde_json::from_str(&line)?;
            ensure!(event["event"] == name, "{line}");
            Ok(event)
        };
        let url = event("listening")?["url"].clone();
        event("ready")?;
        let url = url.as_str().context("no address")?.to_owned();
        let port = url.rsplit_once(':').context("no port")?.1.parse()?;
        Ok(Self { child, url, port })
    }

    /// Process ids of its llama-servers, where the system tells them.
    ///
    /// # Errors
    /// When it has none.
    pub fn children(&self) -> Result<Vec<i32>> {
        let pid = self.child.id();
        let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))?;
        Ok(text.split_whitespace().flat_map(str::parse).collect())
    }

    /// Ends it, and waits until it has ended.
    ///
    /// # Errors
    /// When it does not end.
    pub fn stop(mut self) -> Result<()> {
        self.signal(Signal::TERM)?;
        wait::until("the gateway's end", wait::LIMIT, || {
            Ok(self.child.try_wait()?)
        })?;
        Ok(())
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        let pid = Pid::from_raw(self.child.id() as i32).context("no process id")?;
        Ok(kill_process(pid, signal)?)
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|status| status.is_none()) {
            // Its children end with it, however it ends.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
        if thread::panicking() {
            let _ = writeln!(io::stderr(), "the gateway was at {}", self.url);
        }
    }
}

/// Python with what the gateway needs, in its folder.
fn python() -> Result<Command> {
    let packages = workspace().join("target/foreign/modal");
    if !packages.is_dir() {
        bail!(
            "{} is absent: fetch it with `make foreign`",
            packages.display()
        );
    }
    let mut python = Command::new("python3");
    python
        .current_dir(workspace().join("modal"))
        .env("PYTHONPATH", packages)
        .env("PYTHONDONTWRITEBYTECODE", "1");
    Ok(python)
}
