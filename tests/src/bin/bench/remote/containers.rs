//! Containers that take their time: they speak the gateway's contract, and each answers one call at a
//! time.

use std::{
    net::{TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex, PoisonError},
    thread,
    time::Duration,
};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::http::Connection;

/// What a call takes.
pub(super) const LATENCY: Duration = Duration::from_millis(200);
/// The model they have.
pub(super) const SHA256: &str = "4242424242424242424242424242424242424242424242424242424242424242";

/// Containers that wait for work.
#[derive(Debug)]
struct Free(Mutex<usize>, Condvar);

/// Starts so many behind one address, for as long as the process lives.
pub(super) fn start(count: usize) -> Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let url = format!("http://{}", listener.local_addr()?);
    let free = Arc::new(Free(Mutex::new(count), Condvar::new()));
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let free = Arc::clone(&free);
            // A client that goes away is none of its business.
            thread::spawn(move || serve(stream, &free).ok());
        }
    });
    Ok(url)
}

fn serve(stream: TcpStream, free: &Free) -> Result<()> {
    let mut connection = Connection::new(stream)?;
    while let Some(message) = connection.receive()? {
        let path = message.start.split(' ').nth(1).context("no path")?;
        let body = if path == "/v1/embed" {
            free.work();
            embed(&serde_json::from_slice(&message.body)?)
        } else {
            info()
        };
        let body = serde_json::to_vec(&body)?;
        connection.send("HTTP/1.1 200 OK", "x-qmd-contract: 1\r\n", &body)?;
    }
    Ok(())
}

impl Free {
    fn work(&self) {
        let count = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut count = self
            .1
            .wait_while(count, |count| *count == 0)
            .unwrap_or_else(PoisonError::into_inner);
        *count -= 1;
        drop(count);
        thread::sleep(LATENCY);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.1.notify_one();
    }
}

/// The same vector of two numbers for every text.
pub(super) fn embed(request: &Value) -> Value {
    let count = request["texts"].as_array().map_or(0, Vec::len);
    json!({
        "dimensions": 2,
        "encoding": "f32le-base64",
        // 1 and 0.
        "embeddings": vec!["AACAPwAAAAA="; count],
        "tokens": vec![3; count],
        "model": SHA256,
    })
}

/// The same three tokens for every text.
pub(super) fn tokens(request: &Value) -> Value {
    let count = request["texts"].as_array().map_or(0, Vec::len);
    json!({ "items": vec![[1, 2, 3]; count], "model": SHA256 })
}

/// What they say of themselves.
pub(super) fn info() -> Value {
    json!({
        "contract": 1,
        "gateway": "bench",
        "llama_server": "none",
        "limits": {"body_bytes": 1 << 25, "items": 512, "in_flight": 64},
        "models": {"embed": {
            "file": "bench.gguf", "bytes": 1, "sha256": SHA256, "architecture": "bert",
            "name": "bench", "n_ctx": 512, "n_vocab": 100, "dimensions": 2, "chat_template": null,
        }},
    })
}
