//! HTTP/1.1 as much as a bench needs: requests and answers with a length or in chunks, over connections
//! that stay.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    time::Duration,
};

use anyhow::{Context, Result};

/// One end of a connection.
#[derive(Debug)]
pub(crate) struct Connection(BufReader<TcpStream>);

/// What came: the first line, and the body.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) start: String,
    pub(crate) body: Vec<u8>,
}

impl Connection {
    pub(crate) fn new(stream: TcpStream) -> Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Self(BufReader::new(stream)))
    }

    /// Waits no longer than this for anything to come.
    pub(crate) fn set_patience(&self, patience: Duration) -> Result<()> {
        Ok(self.0.get_ref().set_read_timeout(Some(patience))?)
    }

    /// Sends a message in one piece.
    pub(crate) fn send(&mut self, start: &str, headers: &str, body: &[u8]) -> Result<()> {
        self.begin(start, headers, body.len(), body)
    }

    /// Sends the beginning of a message with a body of so many bytes.
    pub(crate) fn begin(
        &mut self,
        start: &str,
        headers: &str,
        length: usize,
        body: &[u8],
    ) -> Result<()> {
        let mut message = format!(
            "{start}\r\nhost: localhost\r\ncontent-type: application/json\r\n\
             content-length: {length}\r\n{headers}\r\n"
        )
        .into_bytes();
        message.extend_from_slice(body);
        self.go_on(&message)
    }

    /// Sends more of it.
    pub(crate) fn go_on(&mut self, bytes: &[u8]) -> Result<()> {
        Ok(self.0.get_mut().write_all(bytes)?)
    }

    /// Waits for a message; `None` when the other end has closed.
    pub(crate) fn receive(&mut self) -> Result<Option<Message>> {
        let mut start = String::new();
        if self.0.read_line(&mut start)? == 0 {
            return Ok(None);
        }
        let (mut length, mut chunked) = (0, false);
        loop {
            let line = self.line()?.to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().context("a length")?;
            }
            chunked |= line.starts_with("transfer-encoding:") && line.ends_with("chunked");
        }
        let mut body = Vec::new();
        if chunked {
            loop {
                let length =
                    usize::from_str_radix(&self.line()?, 16).context("a chunk's length")?;
                self.read(length, &mut body)?;
                self.line()?;
                if length == 0 {
                    break;
                }
            }
        } else {
            self.read(length, &mut body)?;
        }
        let start = start.trim_end().to_owned();
        Ok(Some(Message { start, body }))
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        self.0.read_line(&mut line)?;
        Ok(line.trim_end().to_owned())
    }

    /// Appends so many bytes.
    fn read(&mut self, length: usize, to: &mut Vec<u8>) -> Result<()> {
        let from = to.len();
        to.resize(from + length, 0);
        Ok(self.0.read_exact(&mut to[from..])?)
    }
}
