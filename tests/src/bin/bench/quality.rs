//! How good the rankings are: every judged query through the qmdctl process, in three modes.

use std::{fmt::Write as _, fs, io::Write, path::Path, time::Instant};

use anyhow::{Context, Result};
use qmd_tests::{Daemon, Outcome};
use qmdctl::eval::metrics;

use crate::collection::Collection;

/// The verbs of qmdctl, and what they are called in tables.
pub(crate) const MODES: [(&str, &str); 3] = [
    ("search", "lexical"),
    ("vsearch", "vector"),
    ("query", "hybrid"),
];

/// How deep rankings are judged: nDCG and recall.
const NDCG_AT: usize = 10;
const RECALL_AT: usize = 100;

/// Starts a daemon and indexes the collection, as a user would.
pub(crate) fn index(out: &mut impl Write, collection: &Collection) -> Result<Daemon> {
    let daemon = Daemon::with_models()?;
    fill(out, &daemon, collection)?;
    Ok(daemon)
}

/// Indexes and embeds the collection.
pub(crate) fn fill(out: &mut impl Write, daemon: &Daemon, collection: &Collection) -> Result<()> {
    let docs = collection
        .docs
        .to_str()
        .context("the collection's path is not UTF-8")?;
    let began = Instant::now();
    let _ = daemon
        .qmdctl(["collection", "add", docs, "--name", &collection.name])
        .ok();
    let _ = daemon.qmdctl(["update"]).ok();
    let updated = began.elapsed();
    let _ = daemon.qmdctl(["embed"]).ok();
    let embedded = began.elapsed().saturating_sub(updated);
    let count = fs::read_dir(&collection.docs)?.count();
    writeln!(
        out,
        "\n{}: {count} documents, update {:.1} s, embed {:.1} s ({:.0} documents/s)",
        collection.name,
        updated.as_secs_f64(),
        embedded.as_secs_f64(),
        count as f64 / embedded.as_secs_f64(),
    )?;
    Ok(())
}

/// Prints the table of the modes and leaves their rankings in `runs`, as lines of query, document and
/// score.
pub(crate) fn measure(
    out: &mut impl Write,
    daemon: &Daemon,
    collection: &Collection,
    runs: &Path,
) -> Result<()> {
    let queries = collection.judged().count();
    writeln!(
        out,
        "| {} | nDCG@{NDCG_AT} | Recall@{RECALL_AT} |",
        collection.name
    )?;
    writeln!(out, "| --- | --- | --- |")?;
    for (verb, name) in MODES {
        let mut run = String::new();
        let (mut ndcg, mut recall) = (0.0, 0.0);
        for (id, text) in collection.judged() {
            let limit = RECALL_AT.to_string();
            let arguments = [
                verb, "--strict", "-n", &limit, "--format", "json", "--", text,
            ];
            let ranking = ranking(&daemon.qmdctl(arguments).ok())?;
            for (document, score) in &ranking {
                let _ = writeln!(run, "{id}\t{document}\t{score}");
            }
            let documents: Vec<String> =
                ranking.into_iter().map(|(document, _)| document).collect();
            let grades = collection
                .judgements(id)
                .context("a judged query has judgements")?;
            ndcg += metrics::ndcg(&documents, grades, NDCG_AT);
            recall += metrics::recall(&documents, grades, RECALL_AT);
        }
        let mean = |sum: f64| sum / queries as f64;
        writeln!(out, "| {name} | {:.4} | {:.4} |", mean(ndcg), mean(recall))?;
        fs::write(runs.join(format!("{}.{name}.tsv", collection.name)), run)?;
    }
    Ok(())
}

/// The documents that qmdctl listed, best first, with their scores.
fn ranking(outcome: &Outcome) -> Result<Vec<(String, f64)>> {
    let rows = outcome.json();
    let rows = rows.as_array().context("the hits are no list")?;
    rows.iter()
        .map(|row| {
            let file = row["file"].as_str().context("a hit without a file")?;
            let stem = Path::new(file).file_stem().and_then(|stem| stem.to_str());
            let document = stem.with_context(|| format!("no document id in {file:?}"))?;
            Ok((
                document.to_owned(),
                row["score"].as_f64().context("a hit without a score")?,
            ))
        })
        .collect()
}
