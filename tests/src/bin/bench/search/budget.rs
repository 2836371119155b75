//! A slow reranker within a budget: when the first ranking comes, when the last one does, how many
//! candidates were read, and what the reading that the budget cuts off costs the next query.

use std::{
    collections::BTreeSet,
    io::Write,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use qmd_proto::v1::{
    SearchMode, SearchRequest, Stage, StageReport, search_event::Event,
    search_service_client::SearchServiceClient,
};
use qmd_tests::{calls, models};
use tonic::transport::Channel;

use crate::{
    collection::Collection,
    figures::{median, ms, percentile, spread},
    texts,
};

const BUDGET: Duration = Duration::from_millis(200);
/// Distinct queries, one after the other.
const QUERIES: usize = 500;
/// Of these, how many are followed by a look at the reranker.
const FOLLOWED: usize = 100;
/// Queries whose candidates are read without a budget, and how many of them.
const UNBOUNDED: usize = 5;
const CANDIDATES: u32 = 10;
/// Bytes of a passage that any budget leaves.
const LEAST: usize = 160;

/// What came of one query.
struct Answer {
    first: Duration,
    whole: Duration,
    rerank: StageReport,
}

pub(super) async fn measure(out: &mut impl Write, collection: &Collection) -> Result<()> {
    let daemon = super::daemon(out, collection, Some(&models::generator()?))?;
    let channel = daemon.channel().await?;
    let queries = queries(collection)?;
    writeln!(
        out,
        "{} distinct queries, {} ms, the starter generator as reranker\n",
        queries.len(),
        BUDGET.as_millis()
    )?;

    let whole = unbounded(&channel, &queries).await?;
    let cut = least(&channel, &queries, collection).await?;
    writeln!(
        out,
        "- without a budget: {whole:.2} whole passages/s, {cut:.2} of {LEAST} bytes/s"
    )?;

    let mut answers = Vec::new();
    for query in &queries {
        answers.push(ask(&channel, query, BUDGET).await?);
    }
    let times = |of: fn(&Answer) -> Duration| answers.iter().map(of).collect::<Vec<_>>();
    writeln!(
        out,
        "- first ranking: {}",
        spread(&mut times(|it| it.first))
    )?;
    writeln!(out, "- last ranking: {}", spread(&mut times(|it| it.whole)))?;
    let all: Vec<f64> = answers.iter().map(|it| it.rerank.scored.into()).collect();
    let none = all.iter().filter(|scored| **scored == 0.0).count();
    let mean = all.iter().sum::<f64>() / all.len() as f64;
    let candidates = answers.iter().map(|it| f64::from(it.rerank.candidates));
    let share = |rate: f64| 100.0 * mean / (rate * BUDGET.as_secs_f64());
    writeln!(
        out,
        "- scored: {mean:.2} of {:.0} candidates a query, at least one in {:.1} % of the queries; \
         {:.0} % of what the budget would suffice for at the pace of whole passages, {:.0} % at that \
         of {LEAST} bytes",
        median(candidates.collect()),
        100.0 * (all.len() - none) as f64 / all.len() as f64,
        share(whole),
        share(cut),
    )?;

    let (mut idle, mut behind) = (Vec::new(), Vec::new());
    for query in queries.iter().take(FOLLOWED) {
        ask(&channel, query, BUDGET).await?;
        for times in [&mut behind, &mut idle] {
            let began = Instant::now();
            calls::rerank(&channel, "anything", &["a passage".to_owned()]).await?;
            times.push(began.elapsed());
        }
    }
    writeln!(
        out,
        "- the reranker's next answer: p50 {:.1} ms, p95 {:.1} ms; when it is idle p50 {:.1} ms",
        ms(percentile(&mut behind, 0.5)),
        ms(percentile(&mut behind, 0.95)),
        ms(percentile(&mut idle, 0.5)),
    )?;
    Ok(())
}

/// The questions, and then the beginnings of pieces of documents, all different.
fn queries(collection: &Collection) -> Result<Vec<String>> {
    let mut queries = super::queries(collection)?;
    let mut known: BTreeSet<String> = queries.iter().cloned().collect();
    for text in texts::all(&collection.docs)? {
        if queries.len() >= QUERIES {
            break;
        }
        let words = text.split(|c: char| !c.is_alphanumeric() && c != '\'');
        let words: Vec<&str> = words.filter(|word| !word.is_empty()).take(12).collect();
        let query = words.join(" ");
        if known.insert(query.clone()) {
            queries.push(query);
        }
    }
    Ok(queries)
}

/// Passages a second of searches that wait for all of them.
async fn unbounded(channel: &Channel, queries: &[String]) -> Result<f64> {
    let mut pace = Vec::new();
    for query in queries.iter().rev().take(UNBOUNDED) {
        let answer = ask(channel, query, Duration::ZERO).await?;
        let seconds = Duration::from_micros(answer.rerank.elapsed_us).as_secs_f64();
        pace.push(f64::from(answer.rerank.scored) / seconds);
    }
    Ok(median(pace))
}

/// Short passages a second, of one call each query.
async fn least(channel: &Channel, queries: &[String], collection: &Collection) -> Result<f64> {
    let texts = texts::all(&collection.docs)?;
    let cut = |text: &String| text.chars().take(LEAST).collect::<String>();
    let mut pace = Vec::new();
    for (query, texts) in queries
        .iter()
        .zip(texts.chunks(CANDIDATES as usize))
        .take(UNBOUNDED)
    {
        let passages: Vec<String> = texts.iter().map(cut).collect();
        let began = Instant::now();
        let scores = calls::rerank(channel, query, &passages).await?;
        pace.push(scores.len() as f64 / began.elapsed().as_secs_f64());
    }
    Ok(median(pace))
}

async fn ask(channel: &Channel, query: &str, budget: Duration) -> Result<Answer> {
    let request = SearchRequest {
        query: query.to_owned(),
        mode: SearchMode::Hybrid.into(),
        rerank: Some(true),
        candidate_limit: if budget.is_zero() { CANDIDATES } else { 0 },
        budget_ms: budget.as_millis() as u32,
        ..SearchRequest::default()
    };
    let began = Instant::now();
    let mut client = SearchServiceClient::new(channel.clone());
    let mut events = client.search_stream(request).await?.into_inner();
    let (mut first, mut last) = (None, None);
    while let Some(event) = events.message().await? {
        if let Some(Event::Ranking(ranking)) = event.event {
            first.get_or_insert_with(|| began.elapsed());
            last = Some(ranking);
        }
    }
    let whole = began.elapsed();
    let ranking = last.and_then(|last| last.reply).context("no ranking")?;
    let mut stages = ranking.stages.into_iter();
    let rerank = stages.find(|stage| stage.stage() == Stage::Rerank);
    Ok(Answer {
        first: first.context("no first ranking")?,
        whole,
        rerank: rerank.context("no report of the reranking")?,
    })
}
