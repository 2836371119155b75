//! A deployment that fails in a chosen way: until it is to, and afterwards, it speaks the gateway's
//! contract.

use std::{
    net::{TcpListener, TcpStream},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};

use anyhow::{Context, Result};
use serde_json::Value;

use super::containers::{SHA256, embed, info, tokens};
use crate::http::{Connection, Message};

/// Between two bytes of a slow answer.
const DRIP: Duration = Duration::from_millis(100);

const OK: &str = "HTTP/1.1 200 OK";
/// What a gateway's answer is known by.
const OURS: &str = "x-qmd-contract: 1\r\n";

/// What becomes of a request for vectors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// No answer.
    Hang,
    /// The connection ends in the middle of the body.
    Cut,
    /// Byte by byte.
    Drip,
    /// The status of something in between, with a further header.
    Proxy(u16, &'static str),
    /// A redirection to this address.
    Redirect(String),
    /// The gateway's own refusal.
    Restarting,
    /// Vectors of another model.
    OtherModel,
    /// Another version of the contract.
    OtherContract,
    /// An answer of a gibibyte.
    Oversize,
    /// No JSON.
    Nonsense,
}

/// Says what becomes of a request: its text, and how many for that text came before it.
type Script = dyn Fn(&str, usize) -> Option<Fault> + Send + Sync;

/// What came to it.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Connections.
    pub(super) connections: AtomicUsize,
    /// The text of each request for a vector, and whether it was answered well and whole.
    pub(super) texts: Mutex<Vec<(String, bool)>>,
    /// Looks whether it is up: how many, how many now, how many at once.
    pub(super) looks: Mutex<[usize; 3]>,
}

/// Starts one, for as long as the process lives. `asleep` looks at it find no container.
pub(super) fn start(
    asleep: usize,
    script: impl Fn(&str, usize) -> Option<Fault> + Send + Sync + 'static,
) -> Result<(String, Arc<Seen>)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let url = format!("http://{}", listener.local_addr()?);
    let seen = Arc::new(Seen::default());
    let faulty = Arc::new(Faulty {
        asleep,
        script: Box::new(script),
        seen: Arc::clone(&seen),
    });
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            faulty.seen.connections.fetch_add(1, SeqCst);
            let faulty = Arc::clone(&faulty);
            // A client that goes away is none of its business.
            thread::spawn(move || faulty.serve(stream).ok());
        }
    });
    Ok((url, seen))
}

struct Faulty {
    asleep: usize,
    script: Box<Script>,
    seen: Arc<Seen>,
}

impl Faulty {
    fn serve(&self, stream: TcpStream) -> Result<()> {
        let mut connection = Connection::new(stream)?;
        while let Some(message) = connection.receive()? {
            let path = message.start.split(' ').nth(1).context("no path")?;
            if path == "/v1/embed" {
                self.answer(&mut connection, &message)?;
            } else if path == "/v1/tokenize" {
                well(
                    &mut connection,
                    &tokens(&serde_json::from_slice(&message.body)?),
                )?;
            } else if self.look() {
                well(&mut connection, &info())?;
            } else {
                proxy(&mut connection, 503, "")?;
            }
        }
        Ok(())
    }

    /// Whether it is up, which takes a moment to find out.
    fn look(&self) -> bool {
        let looks = || {
            self.seen
                .looks
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
        };
        let number = {
            let mut looks = looks();
            looks[0] += 1;
            looks[1] += 1;
            looks[2] = looks[2].max(looks[1]);
            looks[0]
        };
        thread::sleep(Duration::from_millis(5));
        looks()[1] -= 1;
        number > self.asleep
    }

    fn answer(&self, connection: &mut Connection, message: &Message) -> Result<()> {
        let request: Value = serde_json::from_slice(&message.body)?;
        let text = request["texts"][0].as_str().unwrap_or_default().to_owned();
        let asleep = {
            let looks = self
                .seen
                .looks
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            looks[0] <= self.asleep
        };
        let texts = || {
            self.seen
                .texts
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
        };
        let before = texts().iter().filter(|(seen, _)| *seen == text).count();
        let fault = if asleep {
            Some(Fault::Proxy(503, ""))
        } else {
            (self.script)(&text, before)
        };
        texts().push((text, fault.is_none()));
        let Some(fault) = fault else {
            return well(connection, &embed(&request));
        };
        let body = serde_json::to_vec(&embed(&request))?;
        match fault {
            Fault::Hang => {
                // Until the other end gives up.
                let _ = connection.receive()?;
                anyhow::bail!("nobody waits any more")
            }
            Fault::Cut => {
                connection.begin(OK, OURS, body.len(), &body[..body.len() / 2])?;
                anyhow::bail!("cut off")
            }
            Fault::Drip => {
                connection.begin(OK, OURS, 1000, &[])?;
                for _ in 0..1000 {
                    connection.go_on(b" ")?;
                    thread::sleep(DRIP);
                }
                Ok(())
            }
            Fault::Proxy(status, header) => proxy(connection, status, header),
            Fault::Redirect(to) => proxy(connection, 303, &format!("location: {to}\r\n")),
            Fault::Restarting => {
                let refusal = br#"{"error": {"reason": "CHILD_RESTARTING", "message": "m", "retryable": true}}"#;
                connection.send("HTTP/1.1 503 -", OURS, refusal)
            }
            Fault::OtherModel => {
                let mut reply = embed(&request);
                reply["model"] = SHA256.replace('4', "5").into();
                well(connection, &reply)
            }
            Fault::OtherContract => connection.send(OK, "x-qmd-contract: 2\r\n", &body),
            Fault::Oversize => connection.begin(OK, OURS, 1 << 30, b" "),
            Fault::Nonsense => connection.send(OK, OURS, b"<html>"),
        }
    }
}

/// An answer of the gateway.
fn well(connection: &mut Connection, body: &Value) -> Result<()> {
    let body = serde_json::to_vec(body)?;
    connection.send(OK, OURS, &body)
}

/// An answer of something that knows nothing of the contract.
fn proxy(connection: &mut Connection, status: u16, header: &str) -> Result<()> {
    connection.send(&format!("HTTP/1.1 {status} -"), header, b"trouble")
}
