//! `make bench-engine`: the inference engine by itself, with the starter models. Every comparison runs
//! side by side, alternating, in one run.

mod bare;
mod crowd;
mod expand;
mod idle;
mod latency;
mod rerank;
mod throughput;

use std::{
    env,
    io::{self, Write},
    path::PathBuf,
};

use anyhow::Result;
use qmd_proto::v1::ModelRole;
use qmd_tests::{Daemon, Sandbox, calls};
use tonic::transport::Channel;

use crate::{sections, texts};

/// What the sections share.
struct Bench {
    /// Caches nothing, so that every text is computed.
    daemon: Daemon,
    channel: Channel,
    texts: Vec<String>,
    upstream: Option<PathBuf>,
}

const SECTIONS: [&str; 7] = [
    "throughput",
    "latency",
    "crowd",
    "cancel",
    "rerank",
    "expand",
    "idle",
];

/// Measures the named sections, or all of them.
pub(crate) fn measure(sections: &[String]) -> Result<()> {
    let sections = sections::chosen(SECTIONS, sections)?;
    tokio::runtime::Runtime::new()?.block_on(run(&sections))
}

async fn run(sections: &[&str]) -> Result<()> {
    let mut out = io::stdout();
    let daemon = start([("QMDD_CACHE_MB", "0")])?;
    let channel = daemon.channel().await?;
    let texts = texts::load(&mut out)?;
    let device = calls::model(&channel, ModelRole::Embed).await?.device;
    writeln!(out, "on {device}")?;
    let bench = Bench {
        daemon,
        channel,
        texts,
        upstream: env::var_os(crate::UPSTREAM).map(PathBuf::from),
    };
    for &section in sections {
        writeln!(out, "\n## {section}\n")?;
        match section {
            "throughput" => throughput::measure(&mut out, &bench).await?,
            "latency" => latency::measure(&mut out, &bench).await?,
            "crowd" => crowd::mixed(&mut out, &bench).await?,
            "cancel" => crowd::cancelled(&mut out, &bench).await?,
            "rerank" => rerank::measure(&mut out).await?,
            "expand" => expand::measure(&mut out, &bench).await?,
            _ => idle::measure(&mut out, &bench).await?,
        }
    }
    Ok(())
}

/// A daemon with the starter models ready.
fn start<const N: usize>(environment: [(&str, &str); N]) -> Result<Daemon> {
    let daemon = Daemon::start_with(Sandbox::with_models()?, environment)?;
    daemon.wait_for_model(ModelRole::Embed)?;
    daemon.wait_for_model(ModelRole::Generate)?;
    Ok(daemon)
}
