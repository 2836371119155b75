//! The vectors as SQLite has them, each checked by its checksum when it is read.

use rusqlite::{Connection, ErrorCode, OptionalExtension, params};

use super::{Model, coarse::Entry, table_name};
use crate::store::chunks::checksum;

/// A chunk's vector.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Stored {
    /// As it was written.
    Whole(Entry),
    /// The chunk is not there.
    Gone,
    /// Not what was written, or not to be read.
    Damaged,
}

/// Reads a chunk's vector.
pub(super) fn read(connection: &Connection, model: &Model, chunk: i64) -> rusqlite::Result<Stored> {
    let known = connection
        .prepare_cached("SELECT content_id, checksum FROM chunks WHERE id = ?1")?
        .query_row([chunk], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    match known {
        None => Ok(Stored::Gone),
        Some((content, checksum)) => read_known(connection, model, chunk, content, checksum),
    }
}

/// Chunks that follow on an id, in the order of their ids.
pub(super) struct Following {
    /// Those whose vectors are whole.
    pub(super) entries: Vec<Entry>,
    /// Those whose vectors are damaged.
    pub(super) damaged: Vec<i64>,
    /// The last one's id, whether damaged or not; `None` when none follows.
    pub(super) last: Option<i64>,
}

/// The first `limit` chunks of a model after the id `after`.
pub(super) fn following(
    connection: &Connection,
    model: &Model,
    after: i64,
    limit: usize,
) -> rusqlite::Result<Following> {
    let mut following = Following {
        entries: Vec::new(),
        damaged: Vec::new(),
        last: None,
    };
    let mut statement = connection.prepare_cached(
        "SELECT id, content_id, checksum FROM chunks
         WHERE fingerprint_id = ?1 AND id > ?2 ORDER BY id LIMIT ?3",
    )?;
    let mut rows = statement.query(params![model.id, after, limit as i64])?;
    while let Some(row) = rows.next()? {
        let chunk = row.get(0)?;
        following.last = Some(chunk);
        match read_known(connection, model, chunk, row.get(1)?, row.get(2)?)? {
            Stored::Whole(entry) => following.entries.push(entry),
            Stored::Gone | Stored::Damaged => following.damaged.push(chunk),
        }
    }
    Ok(following)
}

/// A chunk's vector as it lies there, whether whole or not; `None` when it has none.
pub(in crate::store) fn bytes(
    connection: &Connection,
    dimensions: usize,
    chunk: i64,
) -> rusqlite::Result<Option<Vec<u8>>> {
    connection
        .prepare_cached(&format!(
            "SELECT embedding FROM {} WHERE chunk_id = ?1",
            table_name(dimensions)
        ))?
        .query_row([chunk], |row| row.get(0))
        .optional()
}

fn read_known(
    connection: &Connection,
    model: &Model,
    chunk: i64,
    content: i64,
    expected: i64,
) -> rusqlite::Result<Stored> {
    let values = |bytes: &[u8]| {
        let whole =
            checksum(bytes) == expected && bytes.len() == model.dimensions * size_of::<f32>();
        let values = || bytes.as_chunks().0.iter();
        whole.then(|| values().map(|value| f32::from_ne_bytes(*value)).collect())
    };
    let read = bytes(connection, model.dimensions, chunk);
    match read.map(|bytes| bytes.as_deref().and_then(values)) {
        Ok(Some(vector)) => Ok(Stored::Whole(Entry {
            chunk,
            content,
            vector,
        })),
        // A chunk and its vector are written together: without one, its vector was lost.
        Ok(None) => Ok(Stored::Damaged),
        Err(error) if is_damage(&error) => Ok(Stored::Damaged),
        Err(error) => Err(error),
    }
}

/// Whether it says that what lies in the file makes no sense. (sqlite-vec has no code of its own for
/// that.)
fn is_damage(error: &rusqlite::Error) -> bool {
    match error {
        rusqlite::Error::FromSqlConversionFailure(..) | rusqlite::Error::InvalidColumnType(..) => {
            true
        }
        _ => matches!(
            error.sqlite_error_code(),
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::Unknown)
        ),
    }
}
