//! `make bench-remote`: the remote end, on this machine behind its real gateway and llama-server, against
//! the models in the daemon itself; and what its faults come to.

mod containers;
mod fan;
mod faults;
mod faulty;
mod overhead;
mod parity;
mod pipeline;
mod ranks;

use std::{
    fs,
    io::{self, Write},
};

use anyhow::Result;
use qmd_proto::v1::ModelRole;
use qmd_tests::{Daemon, Gateway, Remote, Sandbox, models};

use crate::{reranker, sections};

/// Results are computed each time.
const NO_CACHE: (&str, &str) = ("QMDD_CACHE_MB", "0");
/// What is shown to a remote end.
const TOKEN: (&str, &str) = ("QMDD_MODAL_TOKEN", "wk-bench.ws-bench");

/// Those with a real llama-server come last.
const SECTIONS: [&str; 5] = ["containers", "faults", "overhead", "parity", "pipeline"];

/// Measures the named sections, or all of them.
pub(crate) fn measure(sections: &[String]) -> Result<()> {
    let sections = sections::chosen(SECTIONS, sections)?;
    tokio::runtime::Runtime::new()?.block_on(run(&sections))
}

async fn run(sections: &[&str]) -> Result<()> {
    let mut out = io::stdout();
    let mut pair = None;
    for &section in sections {
        writeln!(out, "\n## {section}\n")?;
        match section {
            "containers" => fan::measure(&mut out).await?,
            "faults" => faults::measure(&mut out).await?,
            real => {
                if pair.is_none() {
                    pair = Pair::start()?;
                }
                let Some(Pair {
                    here,
                    there,
                    gateway,
                }) = &pair
                else {
                    return Ok(());
                };
                match real {
                    "overhead" => overhead::measure(&mut out, there, gateway).await?,
                    "parity" => parity::measure(&mut out, here, there).await?,
                    _ => pipeline::measure(&mut out, here, there).await?,
                }
            }
        }
    }
    Ok(())
}

/// The same models on both ends.
struct Pair {
    here: Daemon,
    there: Daemon,
    gateway: Gateway,
}

impl Pair {
    /// `None` without a llama-server.
    fn start() -> Result<Option<Self>> {
        let sandbox = Sandbox::new()?;
        // Floats: with 4-bit weights the scores move with the shape of a batch.
        let reranker = sandbox.join("reranker.gguf");
        let Some(remote) = Remote::real(&reranker)? else {
            return Ok(None);
        };
        models::floats(&reranker)?;
        let gateway = Gateway::start(&remote, 0, &sandbox.join("gateway.log"))?;
        let there = start(sandbox, &gateway.url, 1)?;
        let here = reranker::start(Sandbox::with_models()?, &reranker)?;
        here.wait_for_model(ModelRole::Embed)?;
        Ok(Some(Self {
            here,
            there,
            gateway,
        }))
    }
}

/// A daemon whose models are at an address.
fn start(sandbox: Sandbox, url: &str, containers: usize) -> Result<Daemon> {
    point(&sandbox, url, containers)?;
    Daemon::start_with(sandbox, [NO_CACHE, TOKEN])
}

/// Has the configuration of a home name an address.
fn point(sandbox: &Sandbox, url: &str, containers: usize) -> Result<()> {
    let folder = sandbox.dirs().config;
    fs::create_dir_all(&folder)?;
    let file = folder.join("index.yml");
    // What else it holds stays.
    let rest = fs::read_to_string(&file).unwrap_or_default();
    let rest: String = rest
        .lines()
        .skip_while(|line| line.starts_with("modal:") || line.starts_with("  "))
        .flat_map(|line| [line, "\n"])
        .collect();
    let modal =
        format!("modal:\n  inference: true\n  url: {url}\n  max_containers: {containers}\n");
    Ok(fs::write(file, modal + &rest)?)
}
