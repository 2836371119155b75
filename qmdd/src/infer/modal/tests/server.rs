//! A server on the loopback that answers as told, and counts what comes: connections, requests, and
//! how many are under way at once.

use std::{
    collections::HashMap,
    io::Read,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use futures::{FutureExt, future::BoxFuture};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufStream},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// A request as it came; header names in lower case.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) path: String,
    pub(super) headers: HashMap<String, String>,
    body: Vec<u8>,
}

impl Request {
    /// Its body, decompressed.
    pub(super) fn json(&self) -> Value {
        let mut body = Vec::new();
        if self.headers.get("content-encoding").map(String::as_str) == Some("gzip") {
            flate2::read::GzDecoder::new(&self.body[..])
                .read_to_end(&mut body)
                .unwrap();
        } else {
            body.clone_from(&self.body);
        }
        serde_json::from_slice(&body).unwrap()
    }
}

/// What becomes of the connection behind an answer, or in the middle of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    KeepOpen,
    /// Closes after so many bytes of the body.
    CloseAfter(usize),
    /// Says nothing more.
    Hang,
    /// Sends byte by byte, with this much time between them.
    Drip(Duration),
}

/// An answer.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    then: Then,
    says_contract: bool,
}

impl Answer {
    pub(super) fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: body.into(),
            then: Then::KeepOpen,
            says_contract: true,
        }
    }

    pub(super) fn json(status: u16, body: &Value) -> Self {
        Self::new(status, serde_json::to_vec(body).unwrap())
    }

    /// As a proxy has it, that knows nothing of the contract.
    pub(super) fn proxy(status: u16) -> Self {
        Self {
            says_contract: false,
            ..Self::new(status, "trouble")
        }
    }

    /// A refusal of the gateway.
    pub(super) fn refusal(status: u16, reason: &str) -> Self {
        let error = serde_json::json!({"reason": reason, "message": "m", "retryable": true});
        Self::json(status, &serde_json::json!({ "error": error }))
    }

    pub(super) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    pub(super) fn cut(self, after: usize) -> Self {
        let then = Then::CloseAfter(after);
        Self { then, ..self }
    }

    pub(super) fn hang() -> Self {
        let then = Then::Hang;
        Self {
            then,
            ..Self::new(200, "")
        }
    }

    pub(super) fn drip(self, pause: Duration) -> Self {
        let then = Then::Drip(pause);
        Self { then, ..self }
    }
}

type Script = dyn Fn(Request, usize) -> BoxFuture<'static, Answer> + Send + Sync;

#[derive(Default)]
struct Counts {
    connections: AtomicUsize,
    requests: Mutex<Vec<Request>>,
    /// By path: under way now, and at most.
    under_way: Mutex<HashMap<String, (usize, usize)>>,
}

/// Runs until dropped.
pub(super) struct Server {
    pub(super) url: String,
    counts: Arc<Counts>,
    task: JoinHandle<()>,
}

impl Server {
    /// `script` gives the answer to a request, and is told how many for the path came before it.
    pub(super) async fn start(
        script: impl Fn(&Request, usize) -> Answer + Send + Sync + 'static,
    ) -> Self {
        Self::slow(move |request, number| {
            let answer = script(&request, number);
            async move { answer }.boxed()
        })
        .await
    }

    /// As [`Self::start`], with a script that may wait.
    pub(super) async fn slow(
        script: impl Fn(Request, usize) -> BoxFuture<'static, Answer> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let counts = Arc::new(Counts::default());
        let (script, seen): (Arc<Script>, _) = (Arc::new(script), Arc::clone(&counts));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                seen.connections.fetch_add(1, SeqCst);
                tokio::spawn(serve(stream, Arc::clone(&script), Arc::clone(&seen)));
            }
        });
        Self { url, counts, task }
    }

    /// Connections accepted so far.
    pub(super) fn connections(&self) -> usize {
        self.counts.connections.load(SeqCst)
    }

    /// Requests for a path so far.
    pub(super) fn seen(&self, path: &str) -> Vec<Request> {
        let requests = self.counts.requests.lock().unwrap();
        let requests = requests.iter().filter(|request| request.path == path);
        requests.cloned().collect()
    }

    /// The most requests for a path that were under way at once.
    pub(super) fn at_once(&self, path: &str) -> usize {
        let under_way = self.counts.under_way.lock().unwrap();
        under_way.get(path).map_or(0, |(_, most)| *most)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(stream: TcpStream, script: Arc<Script>, counts: Arc<Counts>) {
    let mut stream = BufStream::new(stream);
    while let Some(request) = read(&mut stream).await {
        let path = request.path.clone();
        let number = {
            let mut requests = counts.requests.lock().unwrap();
            requests.push(request.clone());
            requests.iter().filter(|seen| seen.path == path).count() - 1
        };
        {
            let mut under_way = counts.under_way.lock().unwrap();
            let (now, most) = under_way.entry(path.clone()).or_default();
            *now += 1;
            *most = (*most).max(*now);
        }
        let answer = script(request, number).await;
        if let Some((now, _)) = counts.under_way.lock().unwrap().get_mut(&path) {
            *now -= 1;
        }
        // The client may be gone: that is what some tests are about.
        if write(&mut stream, answer).await.is_none() {
            return;
        }
    }
}

/// `None` when the connection is to be closed.
async fn write(stream: &mut BufStream<TcpStream>, answer: Answer) -> Option<()> {
    if answer.then == Then::Hang {
        let _ = stream.read_u8().await;
        return None;
    }
    let mut head = format!("HTTP/1.1 {} -\r\n", answer.status);
    let length = ("content-length".to_owned(), answer.body.len().to_string());
    let version = ("x-qmd-contract".to_owned(), "1".to_owned());
    let own = answer.headers.iter().any(|(name, _)| *name == version.0);
    let version = (answer.says_contract && !own).then_some(version);
    for (name, value) in answer.headers.iter().chain([&length]).chain(&version) {
        head += &(name.clone() + ": " + value + "\r\n");
    }
    head += "\r\n";
    stream.write_all(head.as_bytes()).await.ok()?;
    match answer.then {
        Then::CloseAfter(bytes) => {
            stream.write_all(&answer.body[..bytes]).await.ok()?;
            stream.flush().await.ok()?;
            return None;
        }
        Then::Drip(pause) => {
            for byte in answer.body {
                stream.write_all(&[byte]).await.ok()?;
                stream.flush().await.ok()?;
                tokio::time::sleep(pause).await;
            }
        }
        Then::KeepOpen | Then::Hang => stream.write_all(&answer.body).await.ok()?,
    }
    stream.flush().await.ok()
}

async fn read(stream: &mut BufStream<TcpStream>) -> Option<Request> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        if line == "\r\n" {
            break;
        }
        lines.push(line.trim_end().to_owned());
    }
    let path = lines.first()?.split(' ').nth(1)?.to_owned();
    let headers: HashMap<String, String> = lines
        .iter()
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    let length = headers.get("content-length").map_or("0", String::as_str);
    let mut body = vec![0; length.parse().ok()?];
    stream.read_exact(&mut body).await.ok()?;
    Some(Request {
        path,
        headers,
        body,
    })
}
