//! Collections.

use std::{
    ffi::OsString,
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::PathBuf,
    sync::Arc,
};

use rusqlite::{Connection, params};

use super::{
    Store, StoreError, apply::delete_orphans, changes, error::Fault, kept, scope::collection_id,
};
use crate::domain::CollectionName;

/// What the store holds of a collection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CollectionInfo {
    /// Its name.
    pub name: CollectionName,
    /// Its folder.
    pub path: PathBuf,
    /// Its documents.
    pub documents: u64,
    /// Files of it that were left out.
    pub skipped: u64,
    /// When its last scan ended, Unix seconds; `None` before the first.
    pub updated_at: Option<i64>,
}

impl Store {
    /// Makes these the store's collections: new ones are added, and those that are not named are
    /// removed with all they own. One that is not named goes on under the name of a new one of the same
    /// folder, with all it owns. Returns how many documents were removed.
    pub async fn sync_collections(
        &self,
        collections: Vec<(CollectionName, PathBuf)>,
    ) -> Result<u64, StoreError> {
        let collections = Arc::new(collections);
        let planned = Arc::clone(&collections);
        self.write_and_tell(
            move |connection| changes::of_sync(connection, &planned),
            move |connection| sync(connection, &collections),
        )
        .await
    }

    /// Notes that a scan is complete, at a time in Unix seconds. Vectors of texts that have been gone for
    /// long are forgotten.
    pub async fn finish_scan(
        &self,
        collection: &CollectionName,
        at: i64,
    ) -> Result<(), StoreError> {
        let collection = collection.clone();
        self.write(move |transaction| {
            let id = collection_id(transaction, &collection)?;
            transaction
                .prepare_cached("UPDATE collections SET updated_at = ?2 WHERE id = ?1")?
                .execute([id, at])?;
            Ok(kept::collect(transaction, at)?)
        })
        .await
    }

    /// Every collection, by name.
    pub async fn collections_info(&self) -> Result<Vec<CollectionInfo>, StoreError> {
        self.read(|transaction| {
            let mut statement = transaction.prepare_cached(
                "SELECT name, path, updated_at,
                        (SELECT count(*) FROM documents WHERE collection_id = collections.id),
                        (SELECT count(*) FROM skipped WHERE collection_id = collections.id)
                 FROM collections ORDER BY name",
            )?;
            let rows = statement.query_map([], |row| {
                Ok(CollectionInfo {
                    name: name(row, 0)?,
                    path: PathBuf::from(OsString::from_vec(row.get(1)?)),
                    updated_at: row.get(2)?,
                    documents: row.get::<_, i64>(3)? as u64,
                    skipped: row.get::<_, i64>(4)? as u64,
                })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }
}

fn sync(connection: &Connection, wanted: &[(CollectionName, PathBuf)]) -> Result<u64, Fault> {
    rename(connection, wanted)?;
    let mut removed = 0;
    for (id, _) in surplus(connection, wanted)? {
        // Ahead of the cascade, which does not count.
        removed += connection
            .prepare_cached("DELETE FROM documents WHERE collection_id = ?1")?
            .execute([id])? as u64;
        connection
            .prepare_cached("DELETE FROM collections WHERE id = ?1")?
            .execute([id])?;
    }
    if removed > 0 {
        delete_orphans(connection)?;
    }
    insert_collections(connection, wanted)?;
    Ok(removed)
}

/// The collections that are not wanted: id and folder.
fn surplus(
    connection: &Connection,
    wanted: &[(CollectionName, PathBuf)],
) -> rusqlite::Result<Vec<(i64, PathBuf)>> {
    let mut statement =
        connection.prepare_cached("SELECT id, name, path FROM collections ORDER BY id")?;
    let known: Vec<(i64, CollectionName, PathBuf)> = statement
        .query_map([], |row| {
            let path = PathBuf::from(OsString::from_vec(row.get(2)?));
            Ok((row.get(0)?, name(row, 1)?, path))
        })?
        .collect::<Result<_, _>>()?;
    let is_wanted = |name: &CollectionName| wanted.iter().any(|(wanted, _)| wanted == name);
    Ok(known
        .into_iter()
        .filter(|(_, name, _)| !is_wanted(name))
        .map(|(id, _, path)| (id, path))
        .collect())
}

/// Which collections have another name when these are wanted: a new one of the folder of one that is
/// not wanted is that one. Pairs of id and new name.
pub(super) fn renamed(
    connection: &Connection,
    wanted: &[(CollectionName, PathBuf)],
) -> rusqlite::Result<Vec<(i64, CollectionName)>> {
    let mut surplus = surplus(connection, wanted)?;
    let mut renamed = Vec::new();
    let mut known = connection.prepare_cached("SELECT 1 FROM collections WHERE name = ?1")?;
    for (name, path) in wanted {
        if let Some(at) = surplus.iter().position(|(_, other)| other == path)
            && !known.exists([name.as_str()])?
        {
            renamed.push((surplus.swap_remove(at).0, name.clone()));
        }
    }
    Ok(renamed)
}

/// Gives collections their new names.
pub(super) fn rename(
    connection: &Connection,
    wanted: &[(CollectionName, PathBuf)],
) -> rusqlite::Result<()> {
    for (id, name) in renamed(connection, wanted)? {
        connection
            .prepare_cached("UPDATE collections SET name = ?2 WHERE id = ?1")?
            .execute(params![id, name.as_str()])?;
    }
    Ok(())
}

/// Adds collections, or brings their folders up to date.
pub(super) fn insert_collections(
    connection: &Connection,
    wanted: &[(CollectionName, PathBuf)],
) -> rusqlite::Result<()> {
    let mut insert = connection.prepare_cached(
        "INSERT INTO collections (name, path) VALUES (?1, ?2)
         ON CONFLICT (name) DO UPDATE SET path = excluded.path WHERE path <> excluded.path",
    )?;
    for (name, path) in wanted {
        insert.execute(params![name.as_str(), path.as_os_str().as_bytes()])?;
    }
    Ok(())
}

/// Reads a collection's name, which was checked before it was written.
pub(super) fn name(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<CollectionName> {
    let text: String = row.get(column)?;
    CollectionName::new(&text).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, error.into())
    })
}
