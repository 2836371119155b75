//! How long a query's vector takes over the socket: alone, while bulk work takes all cores, and from
//! the cache.

use std::{
    io::Write,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::Result;
use qmd_proto::v1::ModelRole;
use tokio::task::JoinHandle;
use tonic::transport::Channel;

use qmd_tests::calls;

use super::Bench;
use crate::figures::{ms, percentile, spread};

/// Queries of a measurement.
const QUERIES: usize = 200;
/// A person at work asks about this often.
const EVERY: Duration = Duration::from_millis(250);
/// Words of a query: a few, as people type; some; a whole question.
const WORDS: [usize; 3] = [3, 6, 12];

pub(super) async fn measure(out: &mut impl Write, bench: &Bench) -> Result<()> {
    writeln!(out, "{QUERIES} distinct queries, caches off")?;
    let mut queries = Vec::new();
    for words in WORDS {
        queries = queries_of(&bench.texts, words);
        // The first ones touch memory for the first time.
        ask(&bench.channel, &queries[..10], Duration::ZERO).await?;
        let mut idle = ask(&bench.channel, &queries, Duration::ZERO).await?;
        let tokens = mean_tokens(&bench.channel, &queries).await?;
        writeln!(
            out,
            "- idle, {words} words, {tokens:.0} tokens: {}",
            spread(&mut idle)
        )?;
    }

    let solo = Load::start(bench);
    tokio::time::sleep(EVERY * QUERIES as u32 / 4).await;
    let solo = solo.end().await?;
    let load = Load::start(bench);
    let mut busy = ask(&bench.channel, &queries, EVERY).await?;
    let shared = load.end().await?;
    writeln!(
        out,
        "- the last ones while bulk work takes all cores, one every {} ms: {}",
        EVERY.as_millis(),
        spread(&mut busy)
    )?;
    writeln!(
        out,
        "- bulk meanwhile: {shared:.0} tokens/s, alone {solo:.0}: {:.0} %",
        100.0 * shared / solo
    )?;
    let model = calls::model(&bench.channel, ModelRole::Embed).await?;
    writeln!(
        out,
        "- longest wait for the model that `status` shows: {:.1} ms",
        model.worst_wait_us as f64 / 1e3
    )?;

    let cached = super::start([])?;
    let channel = cached.channel().await?;
    ask(&channel, &queries, Duration::ZERO).await?;
    let mut again = ask(&channel, &queries, Duration::ZERO).await?;
    writeln!(out, "- asked again, with the cache: {}", spread(&mut again))?;
    let mut nothing = Vec::new();
    for _ in 0..QUERIES {
        let began = Instant::now();
        calls::model(&channel, ModelRole::Embed).await?;
        nothing.push(began.elapsed());
    }
    writeln!(
        out,
        "- a call of `Status`, for comparison: {:.2} ms at p50",
        ms(percentile(&mut nothing, 0.5))
    )?;
    Ok(())
}

fn queries_of(texts: &[String], words: usize) -> Vec<String> {
    let query = |place: usize| {
        let text = &texts[place % texts.len()];
        let all = text.split_whitespace().skip(10 + place / texts.len());
        all.take(words).collect::<Vec<_>>().join(" ")
    };
    (0..QUERIES).map(query).collect()
}

async fn mean_tokens(channel: &Channel, queries: &[String]) -> Result<f64> {
    let mut tokens = 0;
    for query in queries {
        let reply = calls::query(channel, query).await?;
        tokens += reply.embeddings.iter().map(|one| one.tokens).sum::<u32>();
    }
    Ok(f64::from(tokens) / queries.len() as f64)
}

/// Asks one after the other, no sooner than `every`.
async fn ask(channel: &Channel, queries: &[String], every: Duration) -> Result<Vec<Duration>> {
    let mut times = Vec::with_capacity(queries.len());
    for query in queries {
        let began = Instant::now();
        calls::query(channel, query).await?;
        times.push(began.elapsed());
        tokio::time::sleep_until((began + every).into()).await;
    }
    Ok(times)
}

/// Bulk work without end.
struct Load {
    ended: Arc<AtomicBool>,
    tokens: Arc<AtomicU64>,
    tasks: Vec<JoinHandle<Result<()>>>,
    began: Instant,
}

impl Load {
    fn start(bench: &Bench) -> Self {
        let ended = Arc::new(AtomicBool::new(false));
        let tokens = Arc::new(AtomicU64::new(0));
        let tasks = (0..2).map(|_| {
            let (ended, tokens) = (Arc::clone(&ended), Arc::clone(&tokens));
            let (channel, texts) = (bench.channel.clone(), bench.texts.clone());
            tokio::spawn(async move {
                for texts in texts.chunks(64).cycle() {
                    if ended.load(Ordering::Relaxed) {
                        break;
                    }
                    let done = calls::bulk(&channel, texts).await?;
                    tokens.fetch_add(done, Ordering::Relaxed);
                }
                Ok(())
            })
        });
        let tasks = tasks.collect();
        Self {
            ended,
            tokens,
            tasks,
            began: Instant::now(),
        }
    }

    /// Tokens a second.
    async fn end(self) -> Result<f64> {
        self.ended.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await??;
        }
        Ok(self.tokens.load(Ordering::Relaxed) as f64 / self.began.elapsed().as_secs_f64())
    }
}
