//! An index with a set of vectors: written here, asked in a process of its own, so that what that
//! process holds in memory is the index and nothing else.

use std::{
    env, fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use qmdd::{
    domain::{ChunkSpan, CollectionName, ContentHash, Metadata, TextSpan},
    store::{Change, EmbeddedChunk, EmbeddedContent, FileRecord, FileStamp, Scope, Store},
};
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use super::truth::{NEIGHBOURS, Truth};
use crate::figures::percentile;

/// The fingerprint of the vectors.
const MODEL: &str = "bench";
/// Documents of one transaction.
const BATCH: usize = 1000;
/// One batch in so many is in a collection of its own.
const SHARE: usize = 10;
/// Queries that are scanned for, where a scan takes long.
const SCANNED: usize = 20;

/// What was measured of a set.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Figures {
    /// Until the index is in memory, from its opening on.
    pub(super) load: Duration,
    /// Bytes of the process that no file backs, after all queries.
    pub(super) anonymous: u64,
    /// Bytes of the coarse index.
    pub(super) coarse: u64,
    pub(super) p50: Duration,
    pub(super) p99: Duration,
    /// Of queries for one collection of two.
    pub(super) share_p50: Duration,
    pub(super) scan_p50: Duration,
    /// The documents found for each query.
    pub(super) found: Vec<Vec<usize>>,
    /// Those of the one collection.
    pub(super) share_found: Vec<Vec<usize>>,
}

/// An index on disk.
pub(super) struct Stored {
    folder: TempDir,
    /// How long it took to store the vectors.
    pub(super) writing: Duration,
    /// Bytes that the vectors take on disk, with their chunks.
    pub(super) disk: u64,
}

fn collection(batch: usize) -> Result<CollectionName> {
    let name = if batch.is_multiple_of(SHARE) {
        "few"
    } else {
        "many"
    };
    Ok(CollectionName::new(name)?)
}

impl Stored {
    /// Stores vectors, each as the only chunk of a document with its number, from 1, as id.
    pub(super) async fn write(
        folder: &Path,
        vectors: impl Iterator<Item = Vec<f32>>,
        all: &mut Truth<'_>,
        share: &mut Truth<'_>,
    ) -> Result<Self> {
        let folder = TempDir::new_in(folder)?;
        let path = folder.path().join("index.sqlite");
        let store = Store::open(&path).await?;
        let names = [collection(0)?, collection(1)?];
        let folders = names
            .iter()
            .map(|name| (name.clone(), PathBuf::from("/bench")));
        store.sync_collections(folders.collect()).await?;
        let mut stored = Self {
            folder,
            writing: Duration::ZERO,
            disk: 0,
        };
        let mut vectors = vectors.peekable();
        let mut after = 0;
        for batch in 0.. {
            let of_batch = (batch * BATCH + 1..).zip(vectors.by_ref().take(BATCH));
            let of_batch: Vec<(usize, Vec<f32>)> = of_batch.collect();
            let Some((_, first)) = of_batch.first() else {
                break;
            };
            let dimensions = first.len();
            let views = of_batch
                .iter()
                .map(|(number, vector)| (*number, vector.as_slice()));
            let views: Vec<(usize, &[f32])> = views.collect();
            all.add(&views);
            if batch.is_multiple_of(SHARE) {
                share.add(&views);
            }
            let documents = views.iter().map(|(number, _)| document(*number)).collect();
            store.apply(&collection(batch)?, documents).await?;
            let pending = store
                .pending(MODEL, names.to_vec(), after, BATCH as i64)
                .await?;
            ensure!(pending.len() == of_batch.len(), "a document is missing");
            after = pending.last().map_or(after, |last| last.content_id);
            let contents = pending.iter().zip(of_batch);
            let contents = contents.map(|(pending, (_, vector))| EmbeddedContent {
                content_id: pending.content_id,
                chunks: vec![chunk(vector)],
            });
            let contents = contents.collect();
            let before = store.counts(None).await?.database_bytes;
            let began = Instant::now();
            store.put_chunks(MODEL, dimensions, contents).await?;
            stored.writing += began.elapsed();
            stored.disk += store.counts(None).await?.database_bytes - before;
        }
        ensure!(after > 0, "there is no vector");
        store.close().await;
        Ok(stored)
    }

    /// Asks it in a process of its own.
    pub(super) fn ask(&self, queries: &[Vec<f32>]) -> Result<Figures> {
        let file = self.folder.path().join("queries");
        let bytes = queries
            .iter()
            .flatten()
            .flat_map(|value| value.to_le_bytes());
        fs::write(&file, bytes.collect::<Vec<u8>>())?;
        let output = Command::new(env::current_exe()?)
            .arg(super::ASK)
            .arg(self.folder.path())
            .arg(queries[0].len().to_string())
            .stderr(Stdio::inherit())
            .output()?;
        ensure!(
            output.status.success(),
            "asking the index ended with {}",
            output.status
        );
        Ok(serde_json::from_slice(&output.stdout)?)
    }
}

fn document(number: usize) -> Change {
    let text = format!("{number}");
    Change::Put {
        file: FileRecord {
            path: format!("{number}.md"),
            title: text.clone(),
            metadata: Metadata::default(),
            stamp: FileStamp {
                size: text.len() as u64,
                mtime_ns: 0,
                inode: 0,
            },
            reader: 0,
        },
        hash: ContentHash::of(&text),
        text: Arc::from(text),
    }
}

fn chunk(vector: Vec<f32>) -> EmbeddedChunk {
    let span = TextSpan {
        bytes: 0..1,
        lines: (1, 1),
    };
    EmbeddedChunk {
        span: ChunkSpan {
            span,
            heading: String::new(),
        },
        tokens: 1,
        vector,
    }
}

/// The other process: prints the figures.
pub(super) async fn ask(out: &mut impl Write, folder: &Path, dimensions: usize) -> Result<()> {
    let bytes = fs::read(folder.join("queries"))?;
    let values = bytes
        .as_chunks()
        .0
        .iter()
        .map(|value| f32::from_le_bytes(*value));
    let values: Vec<f32> = values.collect();
    let queries: Vec<&[f32]> = values.chunks_exact(dimensions).collect();
    let began = Instant::now();
    let store = Store::open(&folder.join("index.sqlite")).await?;
    let coarse = store.load_vectors(MODEL).await?;
    let load = began.elapsed();
    let everything = Scope::of(vec![collection(0)?, collection(1)?]);
    let few = Scope::of(vec![collection(0)?]);
    let (mut all, mut share, mut scans) = (Vec::new(), Vec::new(), Vec::new());
    let (mut found, mut share_found) = (Vec::new(), Vec::new());
    let mut largest = 0;
    // The first round warms the files' pages, and does not count.
    for counts in [false, true] {
        for query in &queries {
            for (scope, times, lists) in [
                (&everything, &mut all, &mut found),
                (&few, &mut share, &mut share_found),
            ] {
                let began = Instant::now();
                let hits = store
                    .nearest(MODEL, query.to_vec(), scope.clone(), NEIGHBOURS)
                    .await?;
                if counts {
                    times.push(began.elapsed());
                    lists.push(hits.iter().map(|hit| hit.document as usize).collect());
                }
            }
            largest = largest.max(anonymous()?);
        }
    }
    for query in queries.iter().take(SCANNED) {
        let began = Instant::now();
        store
            .nearest_by_scan(MODEL, query.to_vec(), everything.clone(), NEIGHBOURS)
            .await?;
        scans.push(began.elapsed());
    }
    store.close().await;
    let figures = Figures {
        load,
        anonymous: largest,
        coarse: coarse.bytes as u64,
        p50: percentile(&mut all, 0.5),
        p99: percentile(&mut all, 0.99),
        share_p50: percentile(&mut share, 0.5),
        scan_p50: percentile(&mut scans, 0.5),
        found,
        share_found,
    };
    serde_json::to_writer(out, &figures)?;
    Ok(())
}

/// `RssAnon` of this process, in bytes.
fn anonymous() -> Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"));
    let kibibytes = line
        .context("no RssAnon")?
        .trim()
        .trim_end_matches(" kB")
        .parse::<u64>()?;
    Ok(kibibytes * 1024)
}
