//! `bench soak [FRACTION]`: as many requests as a day brings, a million by words, 20,000 by meaning and 2,000
//! updates of the index, or a fraction of each; and whether the daemon has grown.

use std::{
    io::{self, Write},
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use qmd_proto::v1::{
    EmbedIndexRequest, ModelRole, SearchMode, UpdateRequest,
    index_service_client::IndexServiceClient,
};
use qmd_tests::{Daemon, Random, Sandbox, calls};
use tokio::task::JoinSet;
use tonic::transport::Channel;

use crate::process::Process;

const LEXICAL: f64 = 1_000_000.0;
const VECTOR: f64 = 20_000.0;
const UPDATES: f64 = 2_000.0;

/// All kinds of requests are mixed in so many rounds, with a look at the processes after each.
const ROUNDS: usize = 20;
/// The first rounds fill caches.
const WARM_UP: usize = 4;
/// Clients, each with one request at a time.
const CLIENTS: usize = 4;
/// Notes of the index.
const NOTES: usize = 500;
/// How much more memory may be in use at the end than after the caches were filled.
const GROWTH: f64 = 1.05;

const WORDS: [&str; 24] = [
    "water", "stone", "letter", "garden", "winter", "engine", "paper", "river", "music", "copper",
    "harbour", "needle", "orchard", "signal", "timber", "window", "bread", "lantern", "meadow",
    "anchor", "velvet", "thunder", "compass", "saddle",
];

/// Runs it.
pub(crate) fn measure(arguments: &[String]) -> Result<()> {
    let fraction: f64 = match arguments {
        [] => 1.0,
        [fraction] => fraction.parse().context("the fraction is no number")?,
        _ => bail!("`bench soak` takes a fraction of a day, 1 by default"),
    };
    ensure!(fraction > 0.0, "the fraction is not above 0");
    tokio::runtime::Runtime::new()?.block_on(run(fraction))
}

async fn run(fraction: f64) -> Result<()> {
    let mut out = io::stdout();
    // Small caches are full soon.
    let daemon = Daemon::start_for(LIFE, Sandbox::with_models()?, [("QMDD_CACHE_MB", "1")])?;
    daemon.wait_for_model(ModelRole::Embed)?;
    let folder = daemon.join("home/notes");
    for number in 0..NOTES {
        write(&folder, number, 0)?;
    }
    let path = folder.to_str().context("the folder's path")?;
    let add = ["collection", "add", path, "--name", "notes"];
    let _ = daemon.qmdctl(add).ok();
    let _ = daemon.qmdctl(["update"]).ok();
    let _ = daemon.qmdctl(["embed"]).ok();

    let channel = daemon.channel().await?;
    let worker = calls::model(&channel, ModelRole::Embed).await?.worker_pid;
    let processes = [
        Process::new("daemon", daemon.pid()),
        Process::new("worker", worker),
    ];
    let of = |count: f64| ((count * fraction / ROUNDS as f64).ceil() as usize).max(1);
    let (lexical, vector, updates) = (of(LEXICAL), of(VECTOR), of(UPDATES));
    writeln!(
        out,
        "{NOTES} notes; each of {ROUNDS} rounds: {lexical} searches by words, {vector} by meaning, \
         {updates} updates\n"
    )?;
    writeln!(
        out,
        "| round | s | daemon MiB | descriptors | threads | worker MiB | descriptors | threads |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- |"
    )?;
    let began = Instant::now();
    let mut seen = Vec::new();
    for round in 0..ROUNDS {
        let mut work = JoinSet::new();
        for client in 0..CLIENTS {
            let channel = daemon.channel().await?;
            let seed = (round * CLIENTS + client) as u64;
            let (lexical, vector) = (lexical / CLIENTS, vector / CLIENTS);
            work.spawn(async move { ask(&channel, seed, lexical, vector).await });
        }
        let (channel, folder) = (channel.clone(), folder.clone());
        work.spawn(async move { update(&channel, &folder, round, updates).await });
        while let Some(done) = work.join_next().await {
            done??;
        }
        let now = processes.each_ref().map(Size::of);
        let [daemon, worker] = now;
        let (daemon, worker) = (daemon?, worker?);
        writeln!(
            out,
            "| {} | {:.0} | {daemon} | {worker} |",
            round + 1,
            began.elapsed().as_secs_f64()
        )?;
        seen.push(daemon);
    }
    flat(&mut out, &seen)
}

/// Longest that it may take.
const LIFE: Duration = Duration::from_secs(3 * 3_600);

/// What a process takes.
#[derive(Debug, Clone, Copy)]
struct Size {
    kibibytes: u64,
    descriptors: usize,
    threads: usize,
}

impl Size {
    fn of(process: &Process) -> Result<Self> {
        Ok(Self {
            kibibytes: process.resident()?,
            descriptors: process.descriptors()?,
            threads: process.switches()?.0,
        })
    }
}

impl std::fmt::Display for Size {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            kibibytes,
            descriptors,
            threads,
        } = self;
        let mebibytes = *kibibytes as f64 / 1024.0;
        write!(f, "{mebibytes:.1} | {descriptors} | {threads}")
    }
}

/// Says whether the daemon has stayed as it was once its caches were full.
fn flat(out: &mut impl Write, seen: &[Size]) -> Result<()> {
    let (Some(before), Some(after)) = (seen.get(WARM_UP), seen.last()) else {
        bail!("too few rounds");
    };
    let growth = after.kibibytes as f64 / before.kibibytes as f64;
    writeln!(
        out,
        "\nfrom round {} to the last: memory x {growth:.3}, {:+} descriptors, {:+} threads",
        WARM_UP + 1,
        after.descriptors as i64 - before.descriptors as i64,
        after.threads as i64 - before.threads as i64,
    )?;
    // A connection or a helper thread more or less is no growth.
    ensure!(growth <= GROWTH, "its memory grows");
    ensure!(
        after.descriptors <= before.descriptors + 4,
        "its descriptors grow"
    );
    ensure!(after.threads <= before.threads + 4, "its threads grow");
    Ok(())
}

/// Asks by words, and now and then by meaning.
async fn ask(channel: &Channel, seed: u64, lexical: usize, vector: usize) -> Result<()> {
    let mut random = Random::new(seed);
    let between = (lexical / vector.max(1)).max(1);
    for number in 0..lexical {
        let mut word = || WORDS[random.below(WORDS.len())];
        let query = format!("{} {} {}", word(), word(), word());
        calls::search(channel, &query, SearchMode::Lexical, 10).await?;
        if number % between == 0 {
            // Never asked before, so that the model works.
            let query = format!("{query} {seed} {number}");
            calls::search(channel, &query, SearchMode::Vector, 10).await?;
        }
    }
    Ok(())
}

/// Changes notes, one at a time, and has each taken in and embedded.
async fn update(channel: &Channel, folder: &Path, round: usize, count: usize) -> Result<()> {
    let mut index = IndexServiceClient::new(channel.clone());
    for number in 0..count {
        write(folder, (round * count + number) % NOTES, round + 1)?;
        let mut events = index.update(UpdateRequest::default()).await?.into_inner();
        while events.message().await?.is_some() {}
        let request = EmbedIndexRequest::default();
        let mut events = index.embed(request).await?.into_inner();
        while events.message().await?.is_some() {}
    }
    Ok(())
}

/// Writes a note of some hundred words, in that edition.
fn write(folder: &Path, number: usize, edition: usize) -> Result<()> {
    std::fs::create_dir_all(folder)?;
    let mut random = Random::new((edition << 32 | number) as u64);
    let mut text = format!("# Note {number}, edition {edition}\n\n");
    for _ in 0..120 {
        text += WORDS[random.below(WORDS.len())];
        text += " ";
    }
    Ok(std::fs::write(folder.join(format!("{number}.md")), text)?)
}
