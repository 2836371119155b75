//! The questions of a collection, asked over the socket.

use std::{fmt::Write as _, path::Path, time::Duration};

use anyhow::{Context, Result};
use qmd_proto::v1::{
    SearchMode, SearchReply, SearchRequest, search_service_client::SearchServiceClient,
};
use qmdctl::eval::metrics;
use tonic::transport::Channel;

use crate::{
    collection::Collection,
    figures::{ms, percentile},
};

/// Hits that are judged.
const LIMIT: u32 = 100;
/// Hits that a person is shown: what times are taken of.
pub(super) const SHOWN: u32 = 10;
const NDCG_AT: usize = 10;

/// What one way of searching came to.
#[derive(Debug, Default)]
pub(super) struct Way {
    /// Sums over the queries.
    ndcg: f64,
    recall: f64,
    /// Time inside of the daemon, the snippets of ten hits included.
    times: Vec<Duration>,
    /// The search by words in it.
    stages: Vec<Duration>,
}

/// What a collection's questions came to, pruned and exhaustive.
#[derive(Debug, Default)]
pub(super) struct Answers {
    queries: usize,
    pruned: Way,
    exhaustive: Way,
    /// Of the first ten hits, how many both ways have, summed over the queries, and how many the
    /// exhaustive way has.
    common: usize,
    of: usize,
    /// The pruned ranking, as lines of query, document and score.
    pub(super) run: String,
}

/// Heads the rows that [`Answers::row`] makes.
pub(super) const HEAD: &str = "\
| | nDCG@10 | Recall@100 | p50 | p99 | exhaustive: nDCG@10 | p50 | p99 | stage p50, pruned / exhaustive | first ten alike |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |";

impl Answers {
    /// Asks every judged question within collections, or within all.
    pub(super) async fn of(
        channel: &Channel,
        collection: &Collection,
        within: &[String],
    ) -> Result<Self> {
        let mut answers = Self::default();
        for (id, text) in collection.judged() {
            let grades = collection
                .judgements(id)
                .context("a judged query has judgements")?;
            let mut first_ten: Vec<Vec<String>> = Vec::new();
            for exhaustive in [false, true] {
                let way = if exhaustive {
                    &mut answers.exhaustive
                } else {
                    &mut answers.pruned
                };
                // Judged first, which also warms what is timed then, for both ways alike.
                let reply = ask(channel, text, within, LIMIT, exhaustive).await?;
                let ranking = documents(&reply, &collection.name)?;
                if !exhaustive {
                    for ((document, _), hit) in ranking.iter().zip(&reply.hits) {
                        let _ = writeln!(answers.run, "{id}\t{document}\t{}", hit.score);
                    }
                }
                let mut places: Vec<String> = Vec::new();
                for (document, address) in ranking {
                    places.push(document);
                    if places.len() <= NDCG_AT {
                        first_ten.resize(usize::from(exhaustive) + 1, Vec::new());
                        first_ten[usize::from(exhaustive)].push(address);
                    }
                }
                way.ndcg += metrics::ndcg(&places, grades, NDCG_AT);
                way.recall += metrics::recall(&places, grades, LIMIT as usize);
                let reply = ask(channel, text, within, SHOWN, exhaustive).await?;
                way.times.push(Duration::from_micros(reply.elapsed_us));
                let stages = reply.stages.iter().map(|stage| stage.elapsed_us).sum();
                way.stages.push(Duration::from_micros(stages));
            }
            first_ten.resize(2, Vec::new());
            answers.of += first_ten[1].len();
            answers.common += first_ten[1]
                .iter()
                .filter(|document| first_ten[0].contains(document))
                .count();
            answers.queries += 1;
        }
        Ok(answers)
    }

    /// nDCG@10 of the pruned way.
    pub(super) fn ndcg(&self) -> f64 {
        self.pruned.ndcg / self.queries as f64
    }

    /// A row of a table.
    pub(super) fn row(&mut self, name: &str) -> String {
        let mean = |sum: f64| sum / self.queries as f64;
        let (ndcg, recall) = (mean(self.pruned.ndcg), mean(self.pruned.recall));
        let exhaustive = mean(self.exhaustive.ndcg);
        let at = |times: &mut Vec<Duration>, share| ms(percentile(times, share));
        format!(
            "| {name} | {ndcg:.4} | {recall:.4} | {:.2} ms | {:.2} ms | {exhaustive:.4} | {:.2} ms \
             | {:.2} ms | {:.2} / {:.2} ms | {:.1} % |",
            at(&mut self.pruned.times, 0.5),
            at(&mut self.pruned.times, 0.99),
            at(&mut self.exhaustive.times, 0.5),
            at(&mut self.exhaustive.times, 0.99),
            at(&mut self.pruned.stages, 0.5),
            at(&mut self.exhaustive.stages, 0.5),
            100.0 * self.common as f64 / self.of.max(1) as f64,
        )
    }
}

/// Searches by words.
pub(super) async fn ask(
    channel: &Channel,
    query: &str,
    within: &[String],
    limit: u32,
    exhaustive: bool,
) -> Result<SearchReply> {
    let request = SearchRequest {
        query: query.to_owned(),
        mode: SearchMode::Lexical.into(),
        collections: within.to_vec(),
        limit,
        exhaustive,
        ..SearchRequest::default()
    };
    let mut client = SearchServiceClient::new(channel.clone());
    Ok(client.search(request).await?.into_inner())
}

/// The documents found: their ids, which those of other collections lack, and their addresses.
fn documents(reply: &SearchReply, collection: &str) -> Result<Vec<(String, String)>> {
    let mut documents = Vec::new();
    for hit in &reply.hits {
        let stem = Path::new(&hit.path).file_stem().and_then(|it| it.to_str());
        let stem = stem.with_context(|| format!("no document id in {:?}", hit.path))?;
        let id = if hit.collection == collection {
            stem.to_owned()
        } else {
            hit.uri.clone()
        };
        documents.push((id, hit.uri.clone()));
    }
    Ok(documents)
}
