//! A web server on the loopback, for tests: it answers as told and remembers what it was asked.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// A request as it came; header names in lower case.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) path: String,
    pub(super) headers: HashMap<String, String>,
}

impl Request {
    /// First byte of a `Range: bytes=N-`.
    pub(super) fn range(&self) -> Option<usize> {
        self.headers
            .get("range")?
            .strip_prefix("bytes=")?
            .strip_suffix('-')?
            .parse()
            .ok()
    }
}

/// An answer.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    cut: Option<usize>,
    stall: bool,
}

impl Answer {
    pub(super) fn new(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Vec::new(),
            cut: None,
            stall: false,
        }
    }

    /// All of `bytes`, or with status 206 the part that was asked for.
    pub(super) fn ranged(request: &Request, bytes: &[u8]) -> Self {
        match request.range() {
            None => Self::new(200).body(bytes),
            Some(first) if first >= bytes.len() => Self::new(416),
            Some(first) => {
                let range = format!("bytes {first}-{}/{}", bytes.len() - 1, bytes.len());
                Self::new(206)
                    .header("Content-Range", &range)
                    .body(&bytes[first..])
            }
        }
    }

    pub(super) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    pub(super) fn body(mut self, bytes: &[u8]) -> Self {
        self.body = bytes.into();
        self
    }

    /// Announces the whole body, sends this much of it and closes.
    pub(super) fn cut(mut self, after: usize) -> Self {
        self.cut = Some(after);
        self
    }

    /// As [`Self::cut`], but keeps the connection open in silence.
    pub(super) fn stall(self, after: usize) -> Self {
        Self {
            stall: true,
            ..self.cut(after)
        }
    }
}

type Script = dyn Fn(&Request, usize) -> Answer + Send + Sync;

/// Runs until dropped.
pub(super) struct Server {
    pub(super) url: String,
    seen: Arc<Mutex<Vec<Request>>>,
    task: JoinHandle<()>,
}

impl Server {
    /// `script` gives the answer to a request, and is told how many came before it.
    pub(super) async fn start(
        script: impl Fn(&Request, usize) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("address"));
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (script, log): (Arc<Script>, _) = (Arc::new(script), Arc::clone(&seen));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&script), Arc::clone(&log)));
            }
        });
        Self { url, seen, task }
    }

    /// What was asked so far.
    pub(super) fn seen(&self) -> Vec<Request> {
        self.seen.lock().expect("lock").clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// One request a connection.
async fn serve(mut stream: TcpStream, script: Arc<Script>, log: Arc<Mutex<Vec<Request>>>) {
    let Some(request) = read(&mut stream).await else {
        return;
    };
    let answer = {
        let mut log = log.lock().expect("lock");
        let answer = script(&request, log.len());
        log.push(request);
        answer
    };
    let length = ("Content-Length".to_owned(), answer.body.len().to_string());
    let headers: String = answer
        .headers
        .iter()
        .chain([&length])
        .map(|(name, value)| name.clone() + ": " + value + "\r\n")
        .collect();
    let head = format!(
        "HTTP/1.1 {} -\r\nConnection: close\r\n{headers}\r\n",
        answer.status
    );
    let sent = answer.cut.unwrap_or(answer.body.len());
    // The client may be gone: that is what some tests are about.
    let _ = stream.write_all(head.as_bytes()).await;
    let _ = stream.write_all(&answer.body[..sent]).await;
    if answer.stall {
        // Until the client gives up.
        let _ = stream.read(&mut [0]).await;
    }
    let _ = stream.shutdown().await;
}

async fn read(stream: &mut TcpStream) -> Option<Request> {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        bytes.push(stream.read_u8().await.ok()?);
    }
    let text = String::from_utf8(bytes).ok()?;
    let mut lines = text.lines();
    let path = lines.next()?.split(' ').nth(1)?.to_owned();
    let headers = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    Some(Request { path, headers })
}
