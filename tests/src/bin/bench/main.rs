//! `make bench`: how good the three modes rank judged collections, and how long qmdctl takes as a
//! whole process, beside upstream QMD where it is given. `make bench-engine`: the inference engine by
//! itself. `make bench-remote`: the remote end against this machine. `make bench-watch`: how soon a
//! saved file is found, and what watching costs. `make bench-chunk`: the cutting of documents.
//! `make bench-lexical`: search by words. `make bench-vectors`: vector search at scale.
//! `make bench-update`: scans of many files. `make bench-durability`: what an index outlives.
//! `make bench-fusion`: the weights of hybrid search. `make bench-search`: how long searches take in a
//! warm daemon, and within a budget. `make bench-load`: many connections, and a greedy one beside an
//! editor; `make bench-soak`: a day's requests. docs/benchmarks.md tells the method.

mod chunk;
mod collection;
mod durability;
mod engine;
mod figures;
mod fusion;
mod http;
mod latency;
mod lexical;
mod load;
mod process;
mod quality;
mod remote;
mod reranker;
mod search;
mod sections;
mod soak;
mod texts;
mod update;
mod upstream;
mod vectors;
mod watch;

use std::{
    env, fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

use anyhow::{Result, bail};
use qmd_tests::{Daemon, corpus, workspace};

use crate::upstream::Upstream;

/// Folder of judged collections.
const DATA: &str = "QMD_BENCH_DATA";
/// Program that takes the arguments of upstream QMD.
const UPSTREAM: &str = "QMD_BENCH_UPSTREAM";

/// What measures one part, or those of its sections that are named.
type Measure = fn(&[String]) -> Result<()>;

/// The parts beside search itself.
const PARTS: &[(&str, Measure)] = &[
    ("chunk", chunk::measure),
    ("durability", durability::measure),
    ("engine", engine::measure),
    ("fusion", fusion::measure),
    ("lexical", lexical::measure),
    ("load", load::measure),
    ("remote", remote::measure),
    ("search", search::measure),
    ("soak", soak::measure),
    ("update", update::measure),
    ("vectors", vectors::measure),
    ("watch", watch::measure),
];

fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let Some((first, sections)) = arguments.split_first() else {
        return whole();
    };
    // By itself.
    if first == vectors::ASK {
        return vectors::ask(sections);
    }
    if first == load::GREEDY {
        return load::be_greedy(sections);
    }
    let Some((_, measure)) = PARTS.iter().find(|(name, _)| name == first) else {
        let names: Vec<&str> = PARTS.iter().map(|(name, _)| *name).collect();
        bail!(
            "there are `bench` and `bench PART [SECTION]...`, with one of {} as PART",
            names.join(", ")
        );
    };
    measure(sections)
}

/// Quality, and the speed of whole processes.
fn whole() -> Result<()> {
    let mut out = io::stdout();
    let upstream = env::var_os(UPSTREAM).map(PathBuf::from);
    let Some(data) = env::var_os(DATA) else {
        writeln!(
            out,
            "quality: not measured, {DATA} names no folder of judged collections"
        )?;
        writeln!(out, "speed: on the small corpus of the tests")?;
        let daemon = Daemon::with_corpus()?;
        let queries: Vec<String> = corpus::questions()?
            .into_iter()
            .map(|question| question.query)
            .collect();
        return speed(
            &mut out,
            &daemon,
            &corpus::folder(),
            &queries,
            upstream.as_deref(),
        );
    };
    let runs = workspace().join("target/bench");
    fs::create_dir_all(&runs)?;
    for (at, collection) in collection::load_all(Path::new(&data))?.iter().enumerate() {
        let daemon = quality::index(&mut out, collection)?;
        quality::measure(&mut out, &daemon, collection, &runs)?;
        // Speed hardly depends on the collection: the first one stands for all.
        if at == 0 {
            let queries: Vec<String> = collection
                .judged()
                .map(|(_, text)| text.to_owned())
                .collect();
            speed(
                &mut out,
                &daemon,
                &collection.docs,
                &queries,
                upstream.as_deref(),
            )?;
        }
    }
    writeln!(out, "the rankings are in {}", runs.display())?;
    Ok(())
}

fn speed(
    out: &mut impl Write,
    daemon: &Daemon,
    docs: &Path,
    queries: &[String],
    upstream: Option<&Path>,
) -> Result<()> {
    let upstream = upstream.map(|program| Upstream::new(program, "qmdd-bench"));
    match &upstream {
        Some(upstream) => drop(upstream.index(docs)?),
        None => writeln!(out, "upstream: not measured, {UPSTREAM} names no program")?,
    }
    latency::measure(out, daemon, queries, upstream.as_ref())
}
