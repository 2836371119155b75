//! Many callers at once, and callers that leave.

use std::{
    collections::BTreeMap,
    io::Write,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use qmd_proto::v1::{
    DetokenizeRequest, ExpandRequest, ModelRole, Priority, TokenIds, TokenizeRequest,
    inference_service_client::InferenceServiceClient,
};
use qmd_tests::{Random, calls};
use tokio::task::JoinSet;
use tonic::{Code, Status, transport::Channel};
use tonic_types::StatusExt;

use super::{Bench, idle};
use crate::{figures::spread, process::Process};

const CLIENTS: usize = 64;
const REQUESTS: usize = 50;
const CANCELLED: usize = 1000;
/// Time an expansion gets in the crowd.
const EXPAND_LIMIT_MS: u32 = 2000;

/// Each client has a connection of its own and asks at random: to tokenise, to detokenise, for the
/// vector of a query, for vectors of documents, now and then for an expansion.
pub(super) async fn mixed(out: &mut impl Write, bench: &Bench) -> Result<()> {
    let mut clients = JoinSet::new();
    let began = Instant::now();
    for client in 0..CLIENTS {
        let channel = bench.daemon.channel().await?;
        let texts = bench.texts.clone();
        clients.spawn(async move {
            let mut random = Random::new(client as u64);
            let mut results = Vec::with_capacity(REQUESTS);
            for _ in 0..REQUESTS {
                let began = Instant::now();
                let kind = random.below(100);
                let result = one(&channel, kind, &texts, &mut random).await;
                results.push((
                    kind_name(kind),
                    began.elapsed(),
                    result.map_err(|status| reason(&status)),
                ));
            }
            results
        });
    }
    let mut times: BTreeMap<&str, Vec<Duration>> = BTreeMap::new();
    let mut refusals: BTreeMap<String, usize> = BTreeMap::new();
    while let Some(results) = clients.join_next().await {
        for (kind, time, result) in results? {
            match result {
                Ok(()) => times.entry(kind).or_default().push(time),
                Err(reason) => *refusals.entry(reason).or_default() += 1,
            }
        }
    }
    let answered: usize = times.values().map(Vec::len).sum();
    writeln!(
        out,
        "{CLIENTS} clients x {REQUESTS} requests in {:.1} s: {answered} answered, refused {refusals:?}",
        began.elapsed().as_secs_f64()
    )?;
    for (kind, times) in &mut times {
        writeln!(out, "- {} x {kind}: {}", times.len(), spread(times))?;
    }
    let allowed = ["QUEUE_FULL", "DEADLINE_EXCEEDED"];
    ensure!(
        refusals
            .keys()
            .all(|reason| allowed.contains(&reason.as_str())),
        "an unclean refusal"
    );
    emptied(bench).await
}

fn kind_name(kind: usize) -> &'static str {
    match kind {
        0..30 => "tokenize",
        30..50 => "detokenize",
        50..85 => "embed a query",
        85..99 => "embed 4 documents",
        _ => "expand",
    }
}

async fn one(
    channel: &Channel,
    kind: usize,
    texts: &[String],
    random: &mut Random,
) -> Result<(), Status> {
    let text = texts[random.below(texts.len())].clone();
    let mut client = InferenceServiceClient::new(channel.clone());
    match kind_name(kind) {
        "tokenize" => {
            let request = TokenizeRequest {
                texts: vec![text],
                ..TokenizeRequest::default()
            };
            client.tokenize(request).await.map(drop)
        }
        "detokenize" => {
            let ids = (0..50).map(|_| 1000 + random.below(5000) as i32).collect();
            let request = DetokenizeRequest {
                items: vec![TokenIds { ids }],
                ..DetokenizeRequest::default()
            };
            client.detokenize(request).await.map(drop)
        }
        "embed a query" => {
            let words: Vec<_> = text.split(' ').take(6).collect();
            calls::query(channel, &words.join(" ")).await.map(drop)
        }
        "embed 4 documents" => {
            let from = random.below(texts.len().saturating_sub(4).max(1));
            let some = &texts[from..texts.len().min(from + 4)];
            calls::documents(channel, some, Priority::Bulk)
                .await
                .map(drop)
        }
        _ => {
            let request = ExpandRequest {
                query: text.chars().take(40).collect(),
                limit_ms: EXPAND_LIMIT_MS,
                ..ExpandRequest::default()
            };
            client.expand(request).await.map(drop)
        }
    }
}

fn reason(status: &Status) -> String {
    status
        .get_details_error_info()
        .map_or_else(|| format!("{:?}", status.code()), |info| info.reason)
}

/// Callers that hang up at random, alone and in flocks.
pub(super) async fn cancelled(out: &mut impl Write, bench: &Bench) -> Result<()> {
    let worker = calls::model(&bench.channel, ModelRole::Embed).await?;
    let processes = [
        Process::new("daemon", bench.daemon.pid()),
        Process::new("worker", worker.worker_pid),
    ];
    let mut random = Random::new(7);
    flock(bench, CANCELLED / 2, &mut random).await?;
    emptied(bench).await?;
    let before = processes.each_ref().map(Process::resident);
    let answered = flock(bench, CANCELLED, &mut random).await?;
    emptied(bench).await?;
    writeln!(
        out,
        "{CANCELLED} calls cancelled at random ({answered} were answered before); the queues are empty"
    )?;
    for (process, before) in processes.iter().zip(before) {
        idle::resident(out, process, before?)?;
    }
    Ok(())
}

async fn flock(bench: &Bench, count: usize, random: &mut Random) -> Result<usize> {
    const ASIDE: usize = 20;
    let mut calls = JoinSet::new();
    let mut answered = 0;
    for call in 0..count {
        let from = random.below(bench.texts.len());
        let texts: Vec<String> = bench.texts[from..].iter().take(4).cloned().collect();
        let channel = bench.channel.clone();
        let patience = Duration::from_millis(random.below(2_000) as u64);
        let priority = if call % 2 == 0 {
            Priority::Bulk
        } else {
            Priority::Interactive
        };
        calls.spawn(async move {
            let call = calls::documents(&channel, &texts, priority);
            match tokio::time::timeout(patience, call).await {
                Err(_) => Ok(false),
                Ok(Ok(_)) => Ok(true),
                Ok(Err(status)) if status.code() == Code::ResourceExhausted => Ok(false),
                Ok(Err(status)) => Err(status),
            }
        });
        if calls.len() >= ASIDE
            && let Some(done) = calls.join_next().await
        {
            answered += usize::from(done??);
        }
    }
    while let Some(done) = calls.join_next().await {
        answered += usize::from(done??);
    }
    Ok(answered)
}

/// Waits until nobody is in a queue any more.
async fn emptied(bench: &Bench) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(30);
    for role in [ModelRole::Embed, ModelRole::Generate] {
        while calls::model(&bench.channel, role).await?.queue_depth > 0 {
            ensure!(Instant::now() < deadline, "the queue of {role:?} stays");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    Ok(())
}
