//! Upstream QMD, beside which things are measured: its commands, and its server. It has an index of its
//! own for each bench, apart from the user's.

use std::{
    net::{TcpListener, TcpStream},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use qmd_tests::{models, run, wait};
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::{Value, json};

use crate::{http::Connection, latency::time};

/// Longest wait for its server.
const STARTING: Duration = Duration::from_secs(60);
/// Longest wait for an answer of it.
const PATIENCE: Duration = Duration::from_secs(120);

/// The program, and what its index and its collection are called.
#[derive(Debug)]
pub(crate) struct Upstream {
    program: PathBuf,
    index: &'static str,
}

impl Upstream {
    /// The program with an index of this name.
    pub(crate) fn new(program: &Path, index: &'static str) -> Self {
        Self {
            program: program.to_owned(),
            index,
        }
    }

    /// A command of its. Where the model is here that qmdd has, it embeds with that: it writes the model
    /// into the configuration of a new index, which counts from then on.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(["--index", self.index]);
        if let Ok(model) = models::embedder() {
            command.env("QMD_EMBED_MODEL", model);
        }
        command
    }

    /// Indexes a folder in place of what an earlier run left, perhaps of other documents; the time that
    /// the indexing itself took.
    pub(crate) fn index(&self, folder: &Path) -> Result<Duration> {
        run(self.command().args(["collection", "remove", self.index]))?;
        run(self.command().arg("cleanup"))?;
        let mut add = self.command();
        add.args(["collection", "add"]);
        time(add.arg(folder).args(["--name", self.index]))
    }

    /// Embeds what is indexed, with the model that qmdd has; the time it took.
    pub(crate) fn embed(&self) -> Result<Duration> {
        time(self.with_model()?.args(["embed", "-f"]))
    }

    /// As [`Self::command`], which would fetch another model if that is not here.
    fn with_model(&self) -> Result<Command> {
        models::embedder()?;
        Ok(self.command())
    }

    /// Starts its server, with that model.
    pub(crate) fn serve(&self) -> Result<Server> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let child = self
            .with_model()?
            .args(["mcp", "--http", "--port", &port.to_string()])
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let connection = wait::until("upstream's server", STARTING, || {
            let stream = ["127.0.0.1", "::1"].map(|host| TcpStream::connect((host, port)).ok());
            stream
                .into_iter()
                .flatten()
                .next()
                .map(Connection::new)
                .transpose()
        })?;
        connection.set_patience(PATIENCE)?;
        Ok(Server { child, connection })
    }
}

/// Its server. Killed when dropped.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    connection: Connection,
}

impl Server {
    /// Searches by words, by meaning or by both, without the reranker; the names of the files without
    /// folder and ending, the best first.
    pub(crate) fn search(
        &mut self,
        kinds: &[&str],
        query: &str,
        limit: u32,
    ) -> Result<Vec<String>> {
        // It takes a dash before a word for "not", which its search by meaning refuses.
        let query = query.replace('-', " ");
        let typed = |kind: &&str| json!({ "type": kind, "query": query });
        let searches: Vec<Value> = kinds.iter().map(typed).collect();
        let body = json!({ "searches": searches, "limit": limit, "rerank": false });
        let body = serde_json::to_vec(&body)?;
        self.connection.send("POST /query HTTP/1.1", "", &body)?;
        let answer = self.connection.receive()?.context("upstream hung up")?;
        let text = String::from_utf8_lossy(&answer.body);
        ensure!(answer.start.contains(" 200"), "{}: {text}", answer.start);
        let answer: Value = serde_json::from_slice(&answer.body)?;
        let results = answer["results"].as_array().context("no results")?;
        let stem = |hit: &Value| -> Result<String> {
            let file = hit["file"].as_str().context("a hit without a file")?;
            let stem = Path::new(file).file_stem().and_then(|stem| stem.to_str());
            Ok(stem.context("a file without a name")?.to_owned())
        };
        results.iter().map(stem).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
        let _ = self.child.wait();
    }
}
