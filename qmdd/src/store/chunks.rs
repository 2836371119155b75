//! Chunks as their tables have them: rows with a vector each, and checksums over both.

use std::borrow::Cow;

use rusqlite::{Connection, Row, params};
use sha2::{Digest, Sha256};

use super::vectors;
use crate::domain::ContentHash;

/// The columns of [`ChunkRow`].
pub(super) const COLUMNS: &str =
    "seq, byte_start, byte_end, line_start, line_end, heading, tokens, checksum";

/// A chunk without its text, its vector and its owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ChunkRow {
    pub seq: i64,
    /// First byte in the text, and the one after the last.
    pub bytes: (i64, i64),
    /// First and last line.
    pub lines: (i64, i64),
    pub heading: String,
    pub tokens: i64,
    /// [`checksum`] of the vector.
    pub checksum: i64,
}

/// A chunk with its vector: 32-bit floats, little-endian.
pub(super) type WithVector<'a> = (ChunkRow, Cow<'a, [u8]>);

/// A model's vectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fingerprint {
    /// In `fingerprints`.
    pub id: i64,
    /// Length of its vectors.
    pub dimensions: usize,
}

impl ChunkRow {
    /// Reads [`COLUMNS`], of which the first is number `first`.
    pub(super) fn read(row: &Row<'_>, first: usize) -> rusqlite::Result<Self> {
        Ok(Self {
            seq: row.get(first)?,
            bytes: (row.get(first + 1)?, row.get(first + 2)?),
            lines: (row.get(first + 3)?, row.get(first + 4)?),
            heading: row.get(first + 5)?,
            tokens: row.get(first + 6)?,
            checksum: row.get(first + 7)?,
        })
    }
}

/// Stores the chunks of a content that has none of this model, and notes that these are all. The
/// model's table of vectors must be there.
pub(super) fn insert(
    connection: &Connection,
    content: i64,
    hash: &ContentHash,
    fingerprint: Fingerprint,
    chunks: &[WithVector<'_>],
) -> rusqlite::Result<()> {
    let table = vectors::table_name(fingerprint.dimensions);
    let mut insert_chunk = connection.prepare_cached(&format!(
        "INSERT INTO chunks (content_id, fingerprint_id, {COLUMNS})
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)"
    ))?;
    let mut insert_vector = connection.prepare_cached(&format!(
        "INSERT INTO {table} (chunk_id, embedding) VALUES (?1, ?2)"
    ))?;
    for (row, vector) in chunks {
        insert_chunk.execute(params![
            content,
            fingerprint.id,
            row.seq,
            row.bytes.0,
            row.bytes.1,
            row.lines.0,
            row.lines.1,
            row.heading,
            row.tokens,
            row.checksum
        ])?;
        insert_vector.execute(params![connection.last_insert_rowid(), vector])?;
    }
    connection
        .prepare_cached("INSERT INTO embedded VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![
            content,
            fingerprint.id,
            chunks.len() as i64,
            rows_checksum(hash, chunks.iter().map(|(row, _)| row))
        ])?;
    Ok(())
}

/// The rows of a content's chunks with their ids, in their order.
pub(super) fn rows(
    connection: &Connection,
    content: i64,
    fingerprint: i64,
) -> rusqlite::Result<Vec<(i64, ChunkRow)>> {
    connection
        .prepare_cached(&format!(
            "SELECT id, {COLUMNS} FROM chunks
             WHERE content_id = ?1 AND fingerprint_id = ?2 ORDER BY seq"
        ))?
        .query_map([content, fingerprint], |row| {
            Ok((row.get(0)?, ChunkRow::read(row, 1)?))
        })?
        .collect()
}

/// A content's chunks with their vectors, in their order. A chunk without a vector is left out.
pub(super) fn load(
    connection: &Connection,
    content: i64,
    fingerprint: Fingerprint,
) -> rusqlite::Result<Vec<WithVector<'static>>> {
    let mut chunks = Vec::new();
    for (id, row) in rows(connection, content, fingerprint.id)? {
        let vector = vectors::bytes(connection, fingerprint.dimensions, id)?;
        chunks.extend(vector.map(|vector| (row, Cow::Owned(vector))));
    }
    Ok(chunks)
}

/// Whether the chunks are all that a text has, each with its own vector. `checksum` is the one that
/// was stored when they were.
pub(super) fn are_whole(
    chunks: &[WithVector<'_>],
    hash: &ContentHash,
    fingerprint: Fingerprint,
    checksum: i64,
) -> bool {
    let bytes = fingerprint.dimensions * size_of::<f32>();
    rows_checksum(hash, chunks.iter().map(|(row, _)| row)) == checksum
        && chunks
            .iter()
            .all(|(row, vector)| vector.len() == bytes && self::checksum(vector) == row.checksum)
}

/// Of a vector's bytes: what `chunks.checksum` holds.
pub(super) fn checksum(vector: &[u8]) -> i64 {
    first_bytes(Sha256::digest(vector).as_slice())
}

/// Of a text's hash and its chunks, in their order: what `embedded.checksum` holds.
pub(super) fn rows_checksum<'a>(
    text: &ContentHash,
    rows: impl IntoIterator<Item = &'a ChunkRow>,
) -> i64 {
    let mut hash = Sha256::new_with_prefix(text.0);
    for row in rows {
        for number in [
            row.seq,
            row.bytes.0,
            row.bytes.1,
            row.lines.0,
            row.lines.1,
            row.tokens,
            row.checksum,
            row.heading.len() as i64,
        ] {
            hash.update(number.to_le_bytes());
        }
        hash.update(row.heading.as_bytes());
    }
    first_bytes(hash.finalize().as_slice())
}

/// The first eight of a digest.
fn first_bytes(digest: &[u8]) -> i64 {
    digest
        .iter()
        .take(8)
        .fold(0, |sum, byte| sum << 8 | i64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_a_row_counts() {
        let row = ChunkRow {
            seq: 0,
            bytes: (0, 10),
            lines: (1, 2),
            heading: "a > b".into(),
            tokens: 3,
            checksum: 7,
        };
        let text = ContentHash::of("text");
        let whole = rows_checksum(&text, [&row, &row]);
        assert_ne!(
            rows_checksum(&ContentHash::of("other"), [&row, &row]),
            whole
        );
        let changes: [fn(&mut ChunkRow); 8] = [
            |row| row.seq = 1,
            |row| row.bytes.0 = 1,
            |row| row.bytes.1 = 11,
            |row| row.lines.0 = 2,
            |row| row.lines.1 = 3,
            |row| row.heading = "a > c".into(),
            |row| row.tokens = 4,
            |row| row.checksum = 8,
        ];
        for change in changes {
            let mut other = row.clone();
            change(&mut other);
            assert_ne!(rows_checksum(&text, [&row, &other]), whole, "{other:?}");
        }
        assert_ne!(rows_checksum(&text, [&row]), whole);
        assert_ne!(checksum(&[0, 0, 128, 63]), checksum(&[0, 0, 128, 62]));
    }
}
