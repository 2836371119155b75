//! Tokens a second: the bare loop of llama.cpp, the engine's bulk path, and upstream's `embed -f`,
//! over the same texts with the same model.

use std::{fs, io::Write, path::Path, thread::available_parallelism, time::Instant};

use anyhow::{Context, Result};
use qmd_tests::{calls, models};
use serde_json::json;

use super::{Bench, bare::Bare};
use crate::{figures::median, upstream::Upstream};

/// How often each is measured, in turn.
const ROUNDS: usize = 5;
/// Upstream takes long.
const UPSTREAM_ROUNDS: usize = 2;

pub(super) async fn measure(out: &mut impl Write, bench: &Bench) -> Result<()> {
    let threads = available_parallelism()?.get();
    let (mut bare, mut alone, mut ours) = (Vec::new(), Vec::new(), Vec::new());
    let mut tokens = 0;
    for _ in 0..ROUNDS {
        bare.push(bare_loops(&bench.texts, 1, threads)?);
        alone.push(bare_loops(&bench.texts, threads, 1)?);
        let began = Instant::now();
        tokens = calls::bulk(&bench.channel, &bench.texts).await?;
        ours.push(tokens as f64 / began.elapsed().as_secs_f64());
    }
    let count = bench.texts.len();
    writeln!(
        out,
        "{count} texts, {tokens} tokens, {threads} threads; medians of {ROUNDS} rounds\n"
    )?;
    writeln!(out, "| | tokens/s | engine / this |\n| --- | --- | --- |")?;
    let ours = median(ours);
    let mut row =
        |name: &str, pace: f64| writeln!(out, "| {name} | {pace:.0} | {:.2} |", ours / pace);
    row("engine, bulk, over gRPC", ours)?;
    row("bare loop, one of all threads", median(bare))?;
    row("bare loops, one a thread", median(alone))?;
    if let Some(program) = &bench.upstream {
        let upstream = Upstream::new(program, "qmdd-bench-engine");
        let folder = bench.daemon.join("texts");
        let seconds = upstream_seconds(&upstream, &folder, &bench.texts)?;
        row("upstream `embed -f`", tokens as f64 / seconds)?;
    } else {
        writeln!(
            out,
            "\nupstream: not measured, {} names no program",
            crate::UPSTREAM
        )?;
    }
    Ok(())
}

/// The pace of `loops` bare loops beside each other, each over all texts, in tokens a second of all
/// together.
fn bare_loops(texts: &[String], loops: usize, threads: usize) -> Result<f64> {
    let work = json!({ "embed": texts });
    let loops = (0..loops)
        .map(|_| Bare::start(&models::embedder()?, threads, &work))
        .collect::<Result<Vec<_>>>()?;
    let mut pace = 0.0;
    for bare in loops {
        let run = bare.ended()?;
        let number = |key: &str| run[key].as_f64().with_context(|| format!("no {key}"));
        pace += number("tokens")? / number("seconds")?;
    }
    Ok(pace)
}

/// The seconds that upstream takes for the texts, beyond those it takes for one of them: its start
/// and the model's load are not held against it.
fn upstream_seconds(upstream: &Upstream, folder: &Path, texts: &[String]) -> Result<f64> {
    let mut seconds = Vec::new();
    for _ in 0..UPSTREAM_ROUNDS {
        let one = upstream_embeds(upstream, folder, &texts[..1])?;
        seconds.push(upstream_embeds(upstream, folder, texts)? - one);
    }
    Ok(seconds.into_iter().fold(f64::INFINITY, f64::min))
}

fn upstream_embeds(upstream: &Upstream, folder: &Path, texts: &[String]) -> Result<f64> {
    let _ = fs::remove_dir_all(folder);
    fs::create_dir_all(folder)?;
    for (place, text) in texts.iter().enumerate() {
        fs::write(folder.join(format!("{place:05}.md")), text)?;
    }
    upstream.index(folder)?;
    Ok(upstream.embed()?.as_secs_f64())
}
