//! `make bench-remote`: the remote end, on this machine behind its real gateway and llama-server, against
//! the models in the daemon itself.

mod containers;
mod fan;
mod http;
mod overhead;
mod parity;

use std::{
    fs,
    io::{self, Write},
};

use anyhow::{Context, Result};
use qmd_proto::v1::ModelRole;
use qmd_tests::{Daemon, Gateway, Remote, Sandbox, models};

/// Results are computed each time.
const NO_CACHE: (&str, &str) = ("QMDD_CACHE_MB", "0");

/// Measures all of it.
pub(crate) fn measure() -> Result<()> {
    tokio::runtime::Runtime::new()?.block_on(run())
}

async fn run() -> Result<()> {
    let mut out = io::stdout();
    writeln!(out, "\n## containers\n")?;
    fan::measure(&mut out).await?;

    let sandbox = Sandbox::new()?;
    // Floats: with 4-bit weights the scores move with the shape of a batch.
    let reranker = sandbox.join("reranker.gguf");
    let Some(remote) = Remote::real(&reranker)? else {
        return Ok(());
    };
    models::floats(&reranker)?;
    let gateway = Gateway::start(&remote, 0, &sandbox.join("gateway.log"))?;
    let reranker = reranker
        .to_str()
        .context("the path is not UTF-8")?
        .to_owned();
    let there = start(sandbox, &gateway.url, 1)?;
    let environment = [
        NO_CACHE,
        ("QMD_RERANK_MODEL", reranker.as_str()),
        ("QMDD_RERANK_PROBE", "0"),
    ];
    let here = Daemon::start_with(Sandbox::with_models()?, environment)?;
    for role in [ModelRole::Embed, ModelRole::Rerank] {
        here.wait_for_model(role)?;
    }
    writeln!(out, "\n## overhead\n")?;
    overhead::measure(&mut out, &there, &gateway).await?;
    writeln!(out, "\n## parity\n")?;
    parity::measure(&mut out, &here, &there).await
}

/// A daemon whose models are at an address.
fn start(sandbox: Sandbox, url: &str, containers: usize) -> Result<Daemon> {
    let folder = sandbox.dirs().config;
    fs::create_dir_all(&folder)?;
    let config =
        format!("modal:\n  inference: true\n  url: {url}\n  max_containers: {containers}\n");
    fs::write(folder.join("index.yml"), config)?;
    Daemon::start_with(sandbox, [NO_CACHE])
}
