//! How long each mode takes, for whole questions and for three words.

use std::{
    collections::BTreeSet,
    io::Write,
    time::{Duration, Instant},
};

use anyhow::Result;
use qmd_proto::v1::SearchMode;
use qmd_tests::calls;
use tonic::transport::Channel;

use crate::{
    collection::Collection,
    figures::{ms, percentile},
    upstream::{Server, Upstream},
};

/// Hits of a search: as many as a person is shown.
const SHOWN: u32 = 10;
/// Queries asked before, which are not timed.
const WARMING: usize = 10;
/// Three-word queries, which upstream is asked too.
const SHORT: usize = 100;
/// Letters of a word that says something.
const TELLING: usize = 4;

const MODES: [(SearchMode, &str, &[&str]); 3] = [
    (SearchMode::Lexical, "lexical", &["lex"]),
    (SearchMode::Vector, "vector", &["vec"]),
    (SearchMode::Hybrid, "hybrid", &["lex", "vec"]),
];

/// Times of one mode.
#[derive(Debug, Default)]
struct Times {
    /// From the request to the reply, at the client.
    whole: Vec<Duration>,
    /// What the daemon says of it.
    inside: Vec<Duration>,
    theirs: Vec<Duration>,
}

pub(super) async fn measure(
    out: &mut impl Write,
    collection: &Collection,
    upstream: Option<&Upstream>,
) -> Result<()> {
    let daemon = super::daemon(out, collection, None)?;
    let channel = daemon.channel().await?;
    let whole = super::queries(collection)?;
    let short = three_words(&whole);
    for query in whole.iter().take(WARMING) {
        for (mode, _, _) in MODES {
            calls::search(&channel, &format!("{query} again"), mode, SHOWN).await?;
        }
    }
    let mut server = None;
    if let Some(upstream) = upstream {
        upstream.index(&collection.docs)?;
        upstream.embed()?;
        let mut started = upstream.serve()?;
        for query in whole.iter().take(WARMING) {
            for (_, _, kinds) in MODES {
                started.search(kinds, query, SHOWN)?;
            }
        }
        server = Some(started);
    }
    writeln!(
        out,
        "{} questions and {} times three words, distinct, {SHOWN} hits; no cache of vectors\n",
        whole.len(),
        short.len()
    )?;
    writeln!(
        out,
        "| | over gRPC: p50 | p95 | in the daemon: p50 | p95 | upstream: p50 | upstream / this |"
    )?;
    writeln!(out, "| --- | --- | --- | --- | --- | --- | --- |")?;
    for (what, queries, server) in [
        ("question", &whole, None),
        ("three words", &short, server.as_mut()),
    ] {
        for ((_, name, _), mut times) in MODES.iter().zip(ask(&channel, queries, server).await?) {
            writeln!(out, "| {what}, {name} | {}", times.cells())?;
        }
    }
    Ok(())
}

impl Times {
    fn cells(&mut self) -> String {
        let at = |times: &mut Vec<Duration>, share| ms(percentile(times, share));
        let own = at(&mut self.whole, 0.5);
        let theirs = if self.theirs.is_empty() {
            "- | - |".to_owned()
        } else {
            let theirs = at(&mut self.theirs, 0.5);
            format!("{theirs:.2} ms | {:.1} |", theirs / own)
        };
        format!(
            "{own:.2} ms | {:.2} ms | {:.2} ms | {:.2} ms | {theirs}",
            at(&mut self.whole, 0.95),
            at(&mut self.inside, 0.5),
            at(&mut self.inside, 0.95),
        )
    }
}

/// Asks each query once in each mode, upstream in turn.
async fn ask(
    channel: &Channel,
    queries: &[String],
    mut server: Option<&mut Server>,
) -> Result<[Times; 3]> {
    let mut all = MODES.map(|_| Times::default());
    for query in queries {
        for (times, (mode, _, kinds)) in all.iter_mut().zip(MODES) {
            let began = Instant::now();
            let reply = calls::search(channel, query, mode, SHOWN).await?;
            times.whole.push(began.elapsed());
            times.inside.push(Duration::from_micros(reply.elapsed_us));
            if let Some(server) = &mut server {
                let began = Instant::now();
                server.search(kinds, query, SHOWN)?;
                times.theirs.push(began.elapsed());
            }
        }
    }
    Ok(all)
}

/// The first three telling words of each question, as people type them.
fn three_words(questions: &[String]) -> Vec<String> {
    let of = |question: &String| {
        let words = question.split(|c: char| !c.is_alphanumeric());
        let telling: Vec<&str> = words.filter(|word| word.len() >= TELLING).take(3).collect();
        telling.join(" ")
    };
    let distinct: BTreeSet<String> = questions.iter().map(of).collect();
    let three = |query: &String| query.split(' ').count() == 3;
    distinct.into_iter().filter(three).take(SHORT).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_telling_words_once_each() {
        let questions = [
            "what is the flow past a heated wing ?",
            "the flow past heated plates",
            "is it so?",
        ];
        let questions = questions.map(str::to_owned);
        assert_eq!(
            three_words(&questions),
            ["flow past heated", "what flow past"]
        );
    }
}
