//! Which chunks a filter lets through: a bit for each chunk of a version of the coarse index, kept for
//! as long as neither that nor the database changes.

use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::{Connection, OptionalExtension};

use super::coarse::{Index, Mask};
use crate::store::scope::Allowed;

/// Masks that are kept: users search few scopes in turn.
const KEPT: usize = 4;

/// The key in `meta` of a number that grows with every change of the database.
const GENERATION: &str = "generation";

/// The masks of late searches, the latest last.
#[derive(Debug, Default)]
pub(super) struct Masks {
    kept: Mutex<Vec<(Key, Arc<Mask>)>>,
}

/// What a mask was made of.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Key {
    index: u64,
    generation: i64,
    allowed: Allowed,
}

impl Masks {
    /// The mask of a filter in the snapshot that the connection reads; `None` when there is nothing to
    /// filter: what is not in the snapshot is dropped later anyway.
    pub(super) fn of(
        &self,
        connection: &Connection,
        index: &Index,
        allowed: &Allowed,
    ) -> rusqlite::Result<Option<Arc<Mask>>> {
        if matches!(allowed, Allowed::All) {
            return Ok(None);
        }
        let key = Key {
            index: index.serial(),
            generation: generation(connection)?,
            allowed: allowed.clone(),
        };
        if let Some(mask) = self.kept(&key) {
            return Ok(Some(mask));
        }
        let mask = Arc::new(make(connection, index, allowed)?);
        self.keep(key, &mask);
        Ok(Some(mask))
    }

    fn kept(&self, key: &Key) -> Option<Arc<Mask>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let at = kept.iter().position(|(known, _)| known == key)?;
        let found = kept.remove(at);
        let mask = Arc::clone(&found.1);
        kept.push(found);
        Some(mask)
    }

    fn keep(&self, key: Key, mask: &Arc<Mask>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT {
            kept.remove(0);
        }
        kept.push((key, Arc::clone(mask)));
    }
}

fn make(connection: &Connection, index: &Index, allowed: &Allowed) -> rusqlite::Result<Mask> {
    // A bit for each content that there may be: ids are dense.
    let largest: Option<i64> = connection
        .prepare_cached("SELECT max(id) FROM contents")?
        .query_row([], |row| row.get(0))?;
    let mut counts = vec![0_u64; largest.unwrap_or_default().max(0) as usize / 64 + 1];
    let (condition, ids) = allowed.condition("?1");
    let sql = format!("SELECT content_id FROM documents WHERE {condition}");
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query([ids])?;
    while let Some(row) = rows.next()? {
        let content = row.get::<_, i64>(0)? as usize;
        if let Some(word) = counts.get_mut(content / 64) {
            *word |= 1 << (content % 64);
        }
    }
    Ok(index.mask(|content| {
        let content = content as usize;
        counts
            .get(content / 64)
            .is_some_and(|word| word >> (content % 64) & 1 == 1)
    }))
}

/// Tells the state of the database that a connection sees from every other one.
fn generation(connection: &Connection) -> rusqlite::Result<i64> {
    let found = connection
        .prepare_cached("SELECT CAST(value AS INTEGER) FROM meta WHERE key = ?1")?
        .query_row([GENERATION], |row| row.get(0))
        .optional()?;
    Ok(found.unwrap_or_default())
}

/// Makes the state that a transaction leaves another one than it found.
pub(in crate::store) fn advance_generation(connection: &Connection) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO meta (key, value) VALUES (?1, 1)
             ON CONFLICT (key) DO UPDATE SET value = value + 1",
        )?
        .execute([GENERATION])?;
    Ok(())
}
