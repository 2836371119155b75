//! Stand-ins for the `modal` program and for a deployed gateway.

use std::{
    fs::{self, Permissions},
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    process::Command,
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use anyhow::Result;
use qmd_tests::{Outcome, Sandbox, program, run};

/// A `modal` program that is a script, with what it was asked.
pub(super) struct Fake {
    folder: PathBuf,
    path: String,
}

impl Fake {
    /// One that works, in a sandbox.
    pub(super) fn new(sandbox: &Sandbox) -> Result<Self> {
        let folder = sandbox.join("bin");
        fs::create_dir(&folder)?;
        let script = folder.join("modal");
        fs::write(&script, include_str!("fake_modal.sh"))?;
        fs::set_permissions(&script, Permissions::from_mode(0o755))?;
        let outer = std::env::var("PATH")?;
        let fake = Self {
            path: format!("{}:{outer}", folder.display()),
            folder,
        };
        fake.set("version", "1.6.4")?;
        fake.set("config", r#"{"token_id": "ak-1", "token_secret": "***"}"#)?;
        fake.set("apps", "[]")?;
        fake.set("containers", "[]")?;
        Ok(fake)
    }

    /// Sets what it answers.
    pub(super) fn set(&self, name: &str, text: &str) -> Result<()> {
        Ok(fs::write(self.folder.join(name), text)?)
    }

    /// Takes that back.
    pub(super) fn unset(&self, name: &str) -> Result<()> {
        Ok(fs::remove_file(self.folder.join(name))?)
    }

    /// What it noted.
    pub(super) fn noted(&self, name: &str) -> String {
        fs::read_to_string(self.folder.join(name)).unwrap_or_default()
    }

    /// What it was asked since the last time, but for what every command begins with.
    pub(super) fn calls(&self) -> Result<Vec<String>> {
        let calls = self.noted("calls");
        if !calls.is_empty() {
            self.unset("calls")?;
        }
        let beginning = ["--version", "config show --json"];
        let calls = calls.lines().filter(|call| !beginning.contains(call));
        Ok(calls.map(str::to_owned).collect())
    }

    /// `qmdctl modal …`, which finds this program.
    pub(super) fn command(&self, sandbox: &Sandbox, arguments: &[&str]) -> Result<Command> {
        let mut command = sandbox.command(program("qmdctl")?);
        command.env("PATH", &self.path).arg("modal").args(arguments);
        Ok(command)
    }

    /// Runs that to its end.
    pub(super) fn qmdctl(&self, sandbox: &Sandbox, arguments: &[&str]) -> Result<Outcome> {
        run(&mut self.command(sandbox, arguments)?)
    }
}

/// A gateway that answers how it does, and notes the token it is shown.
pub(super) struct Gateway {
    /// Where it answers.
    pub(super) url: String,
    tokens: Arc<Mutex<Vec<String>>>,
}

impl Gateway {
    /// Starts one; it ends with the process.
    pub(super) fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let url = format!("http://{}", listener.local_addr()?);
        let tokens = Arc::default();
        let noted = Arc::clone(&tokens);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let noted = Arc::clone(&noted);
                thread::spawn(move || answer(stream, &noted));
            }
        });
        Ok(Self { url, tokens })
    }

    /// The tokens it was shown.
    pub(super) fn tokens(&self) -> Vec<String> {
        let tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.clone()
    }
}

/// Answers one request, and closes the connection.
fn answer(stream: TcpStream, tokens: &Mutex<Vec<String>>) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut first = String::new();
    reader.read_line(&mut first).ok()?;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let line = line.trim();
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("authorization")
        {
            let mut tokens = tokens.lock().unwrap_or_else(PoisonError::into_inner);
            tokens.push(value.trim().to_owned());
        }
        if line.is_empty() {
            break;
        }
    }
    let body = if first.contains("/v1/info") {
        r#"{"contract": 1, "gateway": "0.1.0", "llama_server": "b11434",
            "limits": {"body_bytes": 33554432, "items": 512, "in_flight": 64}, "models":
            {"embed": {"name": "all-MiniLM-L6-v2", "architecture": "bert", "sha256": "aa",
             "n_ctx": 512, "dimensions": 384}}}"#
    } else {
        r#"{"status": "ready", "children": {}}"#
    };
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-qmd-contract: 1\r\nconnection: close\r\n";
    let mut stream = stream;
    write!(stream, "{head}content-length: {}\r\n\r\n{body}", body.len()).ok()
}
