//! Vectors of real sentences, made by the daemon with the starter model. What was made once is kept in
//! `target/bench`, sentence by sentence.

use std::{
    collections::HashMap,
    fs::{self, OpenOptions},
    io::{self, Write},
    path::Path,
    time::Instant,
};

use anyhow::{Context, Result, ensure};
use qmd_proto::v1::{EmbedKind, ModelRole};
use qmd_tests::{Daemon, Sandbox, calls};

/// Sentences that one daemon embeds: it lives ten minutes, and what it did is kept.
const PIECE: usize = 2_000;

/// Length of the starter model's vectors.
pub(super) const DIMENSIONS: usize = 384;

/// Bytes of a sentence's hash and its vector.
const RECORD: usize = size_of::<u64>() + DIMENSIONS * size_of::<f32>();

/// The vectors of texts, one after the other; those that the file has not are made and added to it.
pub(super) async fn load(
    out: &mut impl Write,
    file: &Path,
    texts: &[String],
    kind: EmbedKind,
) -> Result<Vec<f32>> {
    let mut records = match fs::read(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        read => read.with_context(|| file.display().to_string())?,
    };
    // A run that was cut off may have left half a record.
    records.truncate(records.len() / RECORD * RECORD);
    let known = places(&records);
    let missing = texts.iter().filter(|text| !known.contains_key(&hash(text)));
    let missing: Vec<String> = missing.cloned().collect();
    for (piece, done) in missing.chunks(PIECE).zip((0..).step_by(PIECE)) {
        let began = Instant::now();
        let embedded = embed(piece, kind).await?;
        let mut kept = OpenOptions::new().create(true).append(true).open(file)?;
        kept.set_len(records.len() as u64)?;
        kept.write_all(&embedded)?;
        records.extend(embedded);
        writeln!(
            out,
            "embedded {} of {} in {:.0} s",
            done + piece.len(),
            missing.len(),
            began.elapsed().as_secs_f64()
        )?;
    }
    let known = places(&records);
    let vector = |text: &String| known.get(&hash(text)).map(|at| &records[*at..][..RECORD]);
    let values = texts.iter().filter_map(vector).flat_map(|record| {
        let values = record[size_of::<u64>()..].as_chunks().0;
        values.iter().map(|value| f32::from_le_bytes(*value))
    });
    Ok(values.collect())
}

/// Where the record of each hash lies.
fn places(records: &[u8]) -> HashMap<u64, usize> {
    let starts = (0..records.len()).step_by(RECORD);
    let hashes =
        starts.filter_map(|at| Some((u64::from_le_bytes(*records[at..].first_chunk()?), at)));
    hashes.collect()
}

async fn embed(texts: &[String], kind: EmbedKind) -> Result<Vec<u8>> {
    let daemon = Daemon::start_with(Sandbox::with_models()?, [("QMDD_CACHE_MB", "0")])?;
    daemon.wait_for_model(ModelRole::Embed)?;
    let embeddings = calls::vectors(&daemon.channel().await?, texts, kind).await?;
    ensure!(embeddings.len() == texts.len(), "a vector is missing");
    let mut records = Vec::with_capacity(texts.len() * RECORD);
    for (text, embedding) in texts.iter().zip(&embeddings) {
        ensure!(
            embedding.values.len() == DIMENSIONS,
            "a vector of {} values",
            embedding.values.len()
        );
        records.extend(hash(text).to_le_bytes());
        records.extend(
            embedding
                .values
                .iter()
                .flat_map(|value| value.to_le_bytes()),
        );
    }
    Ok(records)
}

/// Tells one sentence from another (FNV-1a).
pub(super) fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    })
}
