//! Reranking: what the shared prefix saves, and whether scores depend on how candidates are batched.
//! The models rank nothing of use: one is a small instruct model asked for yes or no, the other has a
//! head of random weights. This measures mechanics.

use std::{fs, io::Write, path::Path, thread::available_parallelism, time::Instant};

use anyhow::{Context, Result, ensure};
use qmd_tests::{Sandbox, calls, corpus, models};
use qmdd::infer::prompts;
use serde_json::json;
use tonic::transport::Channel;

use super::bare::Bare;
use crate::{figures::median, reranker};

const CANDIDATES: usize = 40;
/// About 200 tokens.
const WORDS: usize = 145;
const ROUNDS: usize = 3;
/// Most that two scores of one text may differ.
const TOLERANCE: f64 = 1e-3;
const QUERY: &str = "how does a sourdough starter stay alive through the winter";

pub(super) async fn measure(out: &mut impl Write) -> Result<()> {
    let candidates = candidates()?;
    let sandbox = Sandbox::with_models()?;
    let decoder = sandbox.join("floats.gguf");
    models::floats(&decoder)?;
    let daemon = reranker::start(sandbox, &decoder)?;
    let channel = daemon.channel().await?;
    writeln!(out, "{CANDIDATES} candidates of {WORDS} words\n")?;
    shared_prefix(out, &channel, &decoder, &candidates).await?;
    one_by_one(out, "decoder", &channel, &candidates).await?;
    drop(daemon);

    let sandbox = Sandbox::with_models()?;
    let encoder = sandbox.join("rank-head.gguf");
    models::rank_head(&encoder)?;
    let daemon = reranker::start(sandbox, &encoder)?;
    one_by_one(out, "encoder", &daemon.channel().await?, &candidates).await
}

/// Texts out of the tests' corpus, all different.
fn candidates() -> Result<Vec<String>> {
    let mut words = Vec::new();
    let mut files: Vec<_> = fs::read_dir(corpus::folder())?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_>>()?;
    files.retain(|file| file.is_file());
    files.sort();
    for file in files {
        let text = fs::read_to_string(file)?;
        words.extend(text.split_whitespace().map(str::to_owned));
    }
    ensure!(words.len() > WORDS, "the corpus is too small");
    let candidate = |place: usize| {
        let from = place * 37 % (words.len() - WORDS);
        words[from..from + WORDS].join(" ")
    };
    Ok((0..CANDIDATES).map(candidate).collect())
}

/// The engine, which decodes the template and the query once, against a loop that decodes every
/// prompt whole.
async fn shared_prefix(
    out: &mut impl Write,
    channel: &Channel,
    model: &Path,
    candidates: &[String],
) -> Result<()> {
    let threads = available_parallelism()?.get();
    let (mut with, mut without) = (Vec::new(), Vec::new());
    let mut difference = 0_f64;
    for round in 0..ROUNDS {
        // Another query each time: the engine would still hold the prefix of the last one.
        let query = format!("{QUERY} of year {round}");
        let frame = prompts::rerank("llama", &query);
        let prompts: Vec<_> = candidates
            .iter()
            .map(|text| [&frame.before, text, &frame.after])
            .collect();
        let bare = Bare::start(model, threads, &json!({ "yes_no": prompts }))?.ended()?;
        without.push(bare["seconds"].as_f64().context("no seconds")?);
        let began = Instant::now();
        let scores = calls::rerank(channel, &query, candidates).await?;
        with.push(began.elapsed().as_secs_f64());
        let expected = bare["scores"].as_array().context("no scores")?;
        ensure!(expected.len() == scores.len(), "other scores");
        for (score, expected) in scores.iter().zip(expected) {
            let expected = expected.as_f64().context("no score")?;
            difference = difference.max((score - expected).abs());
        }
    }
    let (with, without) = (median(with), median(without));
    writeln!(
        out,
        "- decoder, shared prefix against whole prompts: {with:.2} s against {without:.2} s, {:.2} times as \
         fast; scores differ by {difference:.1e} at most",
        without / with
    )?;
    ensure!(difference <= TOLERANCE, "the scores differ");
    Ok(())
}

async fn one_by_one(
    out: &mut impl Write,
    name: &str,
    channel: &Channel,
    candidates: &[String],
) -> Result<()> {
    let began = Instant::now();
    let together = calls::rerank(channel, QUERY, candidates).await?;
    let batched = began.elapsed().as_secs_f64();
    let began = Instant::now();
    let mut alone = Vec::new();
    for candidate in candidates {
        alone.extend(calls::rerank(channel, QUERY, std::slice::from_ref(candidate)).await?);
    }
    let single = began.elapsed().as_secs_f64();
    ensure!(alone.len() == together.len(), "scores are missing");
    let difference = together
        .iter()
        .zip(&alone)
        .map(|(together, alone)| (together - alone).abs())
        .fold(0.0, f64::max);
    let (low, high) = alone
        .iter()
        .fold((1.0_f64, 0.0_f64), |(low, high), &score| {
            (low.min(score), high.max(score))
        });
    writeln!(
        out,
        "- {name}, in one call against one by one: {batched:.2} s against {single:.2} s; scores from {low:.3} \
         to {high:.3} differ by {difference:.1e} at most"
    )?;
    ensure!(difference <= TOLERANCE, "the scores differ");
    Ok(())
}
