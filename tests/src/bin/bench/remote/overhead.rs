//! What the daemon's session and the gateway add to a call of llama-server.

use std::{
    fs,
    io::Write,
    net::TcpStream,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use qmd_tests::{Daemon, Gateway, calls};
use serde_json::json;

use crate::{
    figures::{ms, percentile, spread},
    http::Connection,
};

const CALLS: usize = 300;
/// llama-server closes a connection after a hundred.
const CALLS_A_CONNECTION: usize = 50;

pub(super) async fn measure(out: &mut impl Write, there: &Daemon, gateway: &Gateway) -> Result<()> {
    let channel = there.channel().await?;
    let port = embedding_port(gateway)?;
    let connect = || Connection::new(TcpStream::connect(("127.0.0.1", port))?);
    let (mut direct, mut through) = (Vec::new(), Vec::new());
    let mut server = connect()?;
    for call in 0..CALLS {
        if call % CALLS_A_CONNECTION == CALLS_A_CONNECTION - 1 {
            server = connect()?;
        }
        let text = format!("how do herons fish, {call}");
        let began = Instant::now();
        ask(&mut server, &text)?;
        direct.push(began.elapsed());
        let began = Instant::now();
        calls::query(&channel, &text).await?;
        through.push(began.elapsed());
    }
    writeln!(out, "{CALLS} calls each, in turn")?;
    writeln!(out, "- llama-server itself: {}", spread(&mut direct))?;
    writeln!(
        out,
        "- qmdd, its session and the gateway: {}",
        spread(&mut through)
    )?;
    let median = |times: &mut Vec<Duration>| ms(percentile(times, 0.5));
    writeln!(
        out,
        "- between the medians: {:.1} ms",
        median(&mut through) - median(&mut direct)
    )?;
    Ok(())
}

fn ask(server: &mut Connection, text: &str) -> Result<()> {
    let body = serde_json::to_vec(&json!({ "content": text }))?;
    server.send("POST /embedding HTTP/1.1", "", &body)?;
    let answer = server.receive()?.context("llama-server closed")?;
    ensure!(answer.start.contains(" 200 "), "{}", answer.start);
    Ok(())
}

/// Where the llama-server that embeds listens, told by its command line.
fn embedding_port(gateway: &Gateway) -> Result<u16> {
    for pid in gateway.children()? {
        let line = fs::read_to_string(format!("/proc/{pid}/cmdline"))?;
        let words: Vec<&str> = line.split('\0').collect();
        let port = words
            .windows(2)
            .find_map(|pair| (pair[0] == "--port").then_some(pair[1]));
        if let Some(port) = port
            && words.contains(&"--embedding")
            && !words.contains(&"rank")
        {
            return Ok(port.parse()?);
        }
    }
    anyhow::bail!("no llama-server embeds")
}
