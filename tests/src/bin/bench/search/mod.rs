//! `make bench-search`: how long searches take in a warm daemon, each query asked for the first time and
//! without caches, beside upstream's warm server where it is given; what a slow reranker does within a
//! budget; and how upstream ranks the same collections.

mod budget;
mod times;
mod upstream;

use std::{
    env,
    io::{self, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use qmd_proto::v1::ModelRole;
use qmd_tests::{Daemon, Sandbox};

use crate::{
    DATA, UPSTREAM,
    collection::{self, Collection},
    quality, reranker, sections,
    upstream::Upstream,
};

const SECTIONS: [&str; 3] = ["times", "budget", "upstream"];

/// Measures the named sections, or all of them.
pub(crate) fn measure(sections: &[String]) -> Result<()> {
    let sections = sections::chosen(SECTIONS, sections)?;
    let data = env::var_os(DATA);
    let data = data.with_context(|| format!("{DATA} names no folder of judged collections"))?;
    let collections = collection::load_all(Path::new(&data))?;
    let program = env::var_os(UPSTREAM).map(PathBuf::from);
    let upstream = program.map(|program| Upstream::new(&program, "qmdd-bench-search"));
    tokio::runtime::Runtime::new()?.block_on(run(&sections, &collections, upstream.as_ref()))
}

async fn run(
    sections: &[&str],
    collections: &[Collection],
    upstream: Option<&Upstream>,
) -> Result<()> {
    let mut out = io::stdout();
    if upstream.is_none() {
        writeln!(out, "upstream: not measured, {UPSTREAM} names no program")?;
    }
    // How long a search takes hardly depends on the collection: that with the most questions.
    let most = collections.iter().max_by_key(|it| it.judged().count());
    let most = most.context("there is no collection")?;
    if sections.contains(&"times") {
        writeln!(out, "\n## times\n")?;
        times::measure(&mut out, most, upstream).await?;
    }
    if sections.contains(&"budget") {
        writeln!(out, "\n## budget\n")?;
        budget::measure(&mut out, most).await?;
    }
    if sections.contains(&"upstream")
        && let Some(upstream) = upstream
    {
        writeln!(out, "\n## upstream\n")?;
        upstream::measure(&mut out, collections, upstream)?;
    }
    Ok(())
}

/// A daemon that remembers no answers of its models, with a collection indexed and embedded, and with a
/// reranker if one is named.
fn daemon(
    out: &mut impl Write,
    collection: &Collection,
    reranker: Option<&Path>,
) -> Result<Daemon> {
    let sandbox = Sandbox::with_models()?;
    let daemon = match reranker {
        Some(reranker) => reranker::start(sandbox, reranker)?,
        None => Daemon::start_with(sandbox, [("QMDD_CACHE_MB", "0")])?,
    };
    daemon.wait_for_model(ModelRole::Embed)?;
    quality::fill(out, &daemon, collection)?;
    Ok(daemon)
}

/// Distinct queries, at least one.
fn queries(collection: &Collection) -> Result<Vec<String>> {
    let mut queries: Vec<String> = Vec::new();
    for (_, text) in collection.judged() {
        if !queries.iter().any(|known| known == text) {
            queries.push(text.to_owned());
        }
    }
    ensure!(!queries.is_empty(), "{} has no query", collection.name);
    Ok(queries)
}
