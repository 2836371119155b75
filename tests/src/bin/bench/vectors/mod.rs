//! `make bench-vectors`: how quick and how exact vector search is at sizes up to a million, through the
//! store as the daemon uses it, beside sqlite-vec's own scan.

mod embeddings;
mod sentences;
mod sets;
mod stored;
mod truth;

use std::{
    fs,
    io::{self, Write},
    path::Path,
};

use anyhow::{Context, Result, bail};
use qmd_proto::v1::EmbedKind;
use qmd_tests::workspace;

use self::{
    embeddings::DIMENSIONS,
    sentences::{QUERIES, Sentences},
    sets::{Real, normalise, random},
    stored::Stored,
    truth::Truth,
};
use crate::figures::ms;

/// The argument with which this program asks an index, in a process of its own.
pub(crate) const ASK: &str = "vectors-ask";

/// Sizes of sets; a name for each.
const SIZES: [(&str, usize); 3] = [("10k", 10_000), ("100k", 100_000), ("1m", 1_000_000)];

/// Where sets come from.
const KINDS: [&str; 2] = ["real", "random"];

/// What is measured.
struct Wanted<'a>(&'a [String]);

impl Wanted<'_> {
    /// Whether it is named, or none of its like is.
    fn has<'a>(&self, name: &str, mut like: impl Iterator<Item = &'a str>) -> bool {
        let is_named = |name: &str| self.0.iter().any(|wanted| wanted == name);
        is_named(name) || !like.any(is_named)
    }

    fn has_kind(&self, kind: &str) -> bool {
        self.has(kind, KINDS.into_iter())
    }

    fn has_size(&self, size: &str) -> bool {
        self.has(size, SIZES.into_iter().map(|(name, _)| name))
    }
}

/// Measures the named sizes and kinds, or all of them.
pub(crate) fn measure(names: &[String]) -> Result<()> {
    for name in names {
        let mut known = SIZES.iter().map(|(size, _)| *size).chain(KINDS);
        if !known.any(|known| known == name) {
            bail!("there is no {name}; there are 10k, 100k and 1m, real and random");
        }
    }
    tokio::runtime::Runtime::new()?.block_on(run(&Wanted(names)))
}

/// Asks an index that the other process wrote.
pub(crate) fn ask(arguments: &[String]) -> Result<()> {
    let [folder, dimensions] = arguments else {
        bail!("`{ASK}` takes a folder and a number of dimensions");
    };
    let dimensions = dimensions.parse()?;
    tokio::runtime::Runtime::new()?.block_on(stored::ask(
        &mut io::stdout(),
        Path::new(folder),
        dimensions,
    ))
}

async fn run(wanted: &Wanted<'_>) -> Result<()> {
    let mut out = io::stdout();
    let folder = workspace().join("target/bench/vectors");
    fs::create_dir_all(&folder)?;
    let real = if wanted.has_kind("real") {
        Some(real(&mut out, &folder).await?)
    } else {
        None
    };
    writeln!(
        out,
        "\n| vectors | stored in | on disk | loaded in | in memory | RssAnon | p50 | p99 | recall@10 \
         | a tenth: p50 | recall@10 | scan p50 | scan / p50 |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |"
    )?;
    for (name, size) in SIZES {
        if !wanted.has_size(name) {
            continue;
        }
        if let Some((real, queries)) = &real {
            let title = format!("real, {name} x 384");
            let set = real.widened().take(size);
            row(&mut out, &title, &folder, set, queries).await?;
            if name == "100k" {
                let queries: Vec<Vec<f32>> = queries.iter().map(|it| double(it)).collect();
                let set = real.doubled().take(size);
                row(&mut out, "real, 100k x 768", &folder, set, &queries).await?;
            }
        }
        if wanted.has_kind("random") {
            let queries: Vec<_> = random(5, DIMENSIONS).take(QUERIES).collect();
            let set = random(4, DIMENSIONS).take(size);
            let title = format!("random, {name} x 384");
            row(&mut out, &title, &folder, set, &queries).await?;
            if name == "100k" {
                let queries: Vec<_> = random(7, 2 * DIMENSIONS).take(QUERIES).collect();
                let set = random(6, 2 * DIMENSIONS).take(size);
                row(&mut out, "random, 100k x 768", &folder, set, &queries).await?;
            }
        }
    }
    Ok(())
}

/// The real vectors and queries.
async fn real(out: &mut impl Write, folder: &Path) -> Result<(Real, Vec<Vec<f32>>)> {
    let Sentences {
        stored,
        queries,
        of_collections,
        judged,
    } = sentences::load()?;
    writeln!(
        out,
        "{} sentences, {of_collections} of them of judged collections, the others of documentation of \
         crates; {} queries, {judged} of them judged, the others sentences held back",
        stored.len(),
        queries.len()
    )?;
    let asked = folder.join("queries.records");
    let asked = embeddings::load(out, &asked, &queries, EmbedKind::Query).await?;
    let vectors = folder.join("stored.records");
    let vectors = embeddings::load(out, &vectors, &stored, EmbedKind::Document).await?;
    let set = stored
        .iter()
        .fold(0_u64, |all, one| all.rotate_left(1) ^ embeddings::hash(one));
    let real = Real::new(out, vectors, &folder.join(format!("near-{set:016x}")))?;
    let mut asked: Vec<Vec<f32>> = asked
        .chunks_exact(DIMENSIONS)
        .map(<[f32]>::to_vec)
        .collect();
    for query in &mut asked {
        normalise(query);
    }
    Ok((real, asked))
}

/// A query for vectors of twice the length.
fn double(query: &[f32]) -> Vec<f32> {
    let mut double = [query, query].concat();
    normalise(&mut double);
    double
}

async fn row(
    out: &mut impl Write,
    name: &str,
    folder: &Path,
    set: impl Iterator<Item = Vec<f32>>,
    queries: &[Vec<f32>],
) -> Result<()> {
    let (mut all, mut share) = (Truth::new(queries), Truth::new(queries));
    let stored = Stored::write(folder, set, &mut all, &mut share)
        .await
        .with_context(|| format!("storing {name}"))?;
    let figures = stored.ask(queries)?;
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    writeln!(
        out,
        "| {name} | {:.1} s | {:.0} MiB | {:.2} s | {:.0} MiB | {:.0} MiB | {:.2} ms | {:.2} ms | {:.4} \
         | {:.2} ms | {:.4} | {:.1} ms | {:.1} |",
        stored.writing.as_secs_f64(),
        mib(stored.disk),
        figures.load.as_secs_f64(),
        mib(figures.coarse),
        mib(figures.anonymous),
        ms(figures.p50),
        ms(figures.p99),
        all.recall(&figures.found),
        ms(figures.share_p50),
        share.recall(&figures.share_found),
        ms(figures.scan_p50),
        figures.scan_p50.as_secs_f64() / figures.p50.as_secs_f64(),
    )?;
    Ok(())
}
