//! Vectors of texts that no document has any more. A text that comes back, be it from another branch,
//! by an undo, or in another collection, gets them back and is not embedded again.

use std::borrow::Cow;

use rusqlite::{Connection, OptionalExtension, params};

use super::{
    chunks::{self, ChunkRow, Fingerprint, WithVector},
    id_list,
};
use crate::domain::ContentHash;

/// Seconds that they are kept.
const KEEP: i64 = 7 * 24 * 3600;

/// Chunks that may be kept however small the index is ...
const LEAST: i64 = 20_000;
/// ... and the part of its chunks that may be, as a divisor.
const SHARE: i64 = 4;

/// Deletes those of the contents that no document has, and keeps their vectors. `now` is in Unix
/// seconds.
pub(super) fn release(
    connection: &Connection,
    contents: impl IntoIterator<Item = i64>,
    now: i64,
) -> rusqlite::Result<()> {
    let orphans: Vec<i64> = connection
        .prepare_cached(
            "SELECT id FROM contents
             WHERE id IN (SELECT value FROM json_each(?1))
               AND NOT EXISTS (SELECT 1 FROM documents WHERE content_id = contents.id)",
        )?
        .query_map([id_list(contents)], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let mut delete = connection.prepare_cached("DELETE FROM contents WHERE id = ?1")?;
    for content in orphans {
        keep(connection, content, now)?;
        delete.execute([content])?;
    }
    Ok(())
}

/// Gives a new content the vectors that its text had.
pub(super) fn restore(
    connection: &Connection,
    content: i64,
    hash: &ContentHash,
) -> rusqlite::Result<()> {
    let newest: Option<i64> = connection
        .prepare_cached(
            "SELECT id FROM kept WHERE hash = ?1 ORDER BY kept_at DESC, id DESC LIMIT 1",
        )?
        .query_row([hash.0], |row| row.get(0))
        .optional()?;
    let Some(newest) = newest else {
        return Ok(());
    };
    if let Some((fingerprint, chunks)) = read(connection, newest)? {
        chunks::insert(connection, content, hash, fingerprint, &chunks)?;
    } else {
        tracing::warn!(%hash, "kept vectors are damaged; the text is to be embedded again");
    }
    connection
        .prepare_cached("DELETE FROM kept WHERE hash = ?1")?
        .execute([hash.0])?;
    Ok(())
}

/// Keeps vectors of a text that has no document.
pub(super) fn store(
    connection: &Connection,
    hash: &ContentHash,
    fingerprint: Fingerprint,
    chunks: &[WithVector<'_>],
    now: i64,
) -> rusqlite::Result<()> {
    let kept: i64 = connection
        .prepare_cached(
            "INSERT INTO kept (hash, fingerprint_id, chunks, checksum, kept_at)
             VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT DO UPDATE SET kept_at = excluded.kept_at RETURNING id",
        )?
        .query_row(
            params![
                hash.0,
                fingerprint.id,
                chunks.len() as i64,
                chunks::rows_checksum(hash, chunks.iter().map(|(row, _)| row)),
                now
            ],
            |row| row.get(0),
        )?;
    let mut insert = connection.prepare_cached(&format!(
        "INSERT OR IGNORE INTO kept_chunks (kept_id, vector, {})
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        chunks::COLUMNS
    ))?;
    for (row, vector) in chunks {
        insert.execute(params![
            kept,
            vector,
            row.seq,
            row.bytes.0,
            row.bytes.1,
            row.lines.0,
            row.lines.1,
            row.heading,
            row.tokens,
            row.checksum
        ])?;
    }
    Ok(())
}

/// Forgets what was kept long enough, and of the rest the oldest where there is too much. `now` is in
/// Unix seconds.
pub(super) fn collect(connection: &Connection, now: i64) -> rusqlite::Result<()> {
    connection
        .prepare_cached("DELETE FROM kept WHERE kept_at < ?1")?
        .execute([now - KEEP])?;
    let kept: i64 = connection
        .prepare_cached("SELECT coalesce(sum(chunks), 0) FROM kept")?
        .query_row([], |row| row.get(0))?;
    if kept <= LEAST {
        return Ok(());
    }
    let chunks: i64 = connection
        .prepare_cached("SELECT count(*) FROM chunks")?
        .query_row([], |row| row.get(0))?;
    connection
        .prepare_cached(
            "DELETE FROM kept WHERE id IN (
                 SELECT id FROM (
                     SELECT id, sum(chunks) OVER (ORDER BY kept_at DESC, id DESC) AS sum FROM kept
                 ) WHERE sum > ?1)",
        )?
        .execute([(chunks / SHARE).max(LEAST)])?;
    Ok(())
}

/// Forgets what was kept of at most `limit` texts. Returns whether there was anything.
pub(super) fn forget(connection: &Connection, limit: i64) -> rusqlite::Result<bool> {
    let forgotten = connection
        .prepare_cached("DELETE FROM kept WHERE id IN (SELECT id FROM kept LIMIT ?1)")?
        .execute([limit])?;
    Ok(forgotten > 0)
}

/// Keeps the vectors of a content that is about to go.
fn keep(connection: &Connection, content: i64, now: i64) -> rusqlite::Result<()> {
    let embedded: Vec<(Fingerprint, ContentHash, i64)> = connection
        .prepare_cached(
            "SELECT fingerprint_id, dimensions, hash, checksum
             FROM embedded
             JOIN fingerprints ON fingerprints.id = fingerprint_id
             JOIN contents ON contents.id = content_id
             WHERE content_id = ?1 AND chunks > 0",
        )?
        .query_map([content], |row| {
            let fingerprint = Fingerprint {
                id: row.get(0)?,
                dimensions: row.get::<_, i64>(1)? as usize,
            };
            Ok((fingerprint, ContentHash(row.get(2)?), row.get(3)?))
        })?
        .collect::<Result<_, _>>()?;
    for (fingerprint, hash, checksum) in embedded {
        let chunks = chunks::load(connection, content, fingerprint)?;
        // Damaged ones are of no use to anybody.
        if chunks::are_whole(&chunks, &hash, fingerprint, checksum) {
            store(connection, &hash, fingerprint, &chunks, now)?;
        }
    }
    Ok(())
}

/// The chunks kept of one text, in their order; `None` when they are not all there, or one is not what
/// was stored.
pub(super) fn read(
    connection: &Connection,
    kept: i64,
) -> rusqlite::Result<Option<(Fingerprint, Vec<WithVector<'static>>)>> {
    let (fingerprint, hash, checksum) = connection
        .prepare_cached(
            "SELECT fingerprint_id, dimensions, hash, checksum
             FROM kept JOIN fingerprints ON fingerprints.id = fingerprint_id WHERE kept.id = ?1",
        )?
        .query_row([kept], |row| {
            let fingerprint = Fingerprint {
                id: row.get(0)?,
                dimensions: row.get::<_, i64>(1)? as usize,
            };
            Ok((fingerprint, ContentHash(row.get(2)?), row.get(3)?))
        })?;
    let chunks: Vec<WithVector<'static>> = connection
        .prepare_cached(&format!(
            "SELECT vector, {} FROM kept_chunks WHERE kept_id = ?1 ORDER BY seq",
            chunks::COLUMNS
        ))?
        .query_map([kept], |row| {
            let vector: Vec<u8> = row.get(0)?;
            Ok((ChunkRow::read(row, 1)?, Cow::Owned(vector)))
        })?
        .collect::<Result<_, _>>()?;
    let whole = chunks::are_whole(&chunks, &hash, fingerprint, checksum);
    Ok(whole.then_some((fingerprint, chunks)))
}
