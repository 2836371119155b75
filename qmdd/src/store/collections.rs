//! Collections and what their last scan left out.

use std::{
    collections::HashMap,
    ffi::OsString,
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::PathBuf,
    sync::Arc,
};

use rusqlite::{Connection, params};

use super::{
    Store, StoreError, apply::delete_orphans, changes, error::Fault, scope::collection_id,
};
use crate::domain::{CollectionName, Reason};

/// A file that a scan did not take in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// Its path inside the collection.
    pub path: String,
    /// Why, stable.
    pub reason: Reason,
    /// Why, in words.
    pub message: String,
}

/// A skipped file with its collection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SkippedFile {
    /// The collection.
    pub collection: CollectionName,
    /// The file.
    pub file: Skipped,
}

/// What the store holds of a collection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CollectionInfo {
    /// Its name.
    pub name: CollectionName,
    /// Its folder.
    pub path: PathBuf,
    /// Its documents.
    pub documents: u64,
    /// When its last scan ended, Unix seconds; `None` before the first.
    pub updated_at: Option<i64>,
}

impl Store {
    /// Makes these the store's collections: new ones are added, and those that are not named are
    /// removed with all they own. Returns how many documents that removed.
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

    /// Notes that a scan is complete, at a time in Unix seconds, and what it left out.
    pub async fn finish_scan(
        &self,
        collection: &CollectionName,
        skipped: Vec<Skipped>,
        at: i64,
    ) -> Result<(), StoreError> {
        let collection = collection.clone();
        self.write(move |transaction| {
            let id = collection_id(transaction, &collection)?;
            transaction
                .prepare_cached("UPDATE collections SET updated_at = ?2 WHERE id = ?1")?
                .execute([id, at])?;
            transaction
                .prepare_cached("DELETE FROM skipped WHERE collection_id = ?1")?
                .execute([id])?;
            insert_skipped(transaction, id, &skipped)?;
            Ok(())
        })
        .await
    }

    /// What the last scan of each collection left out, by collection and path.
    pub async fn skipped(&self) -> Result<Vec<SkippedFile>, StoreError> {
        self.read(|transaction| {
            let mut statement = transaction.prepare_cached(
                "SELECT name, skipped.path, reason, message
                 FROM skipped JOIN collections ON collections.id = collection_id
                 ORDER BY name, skipped.path",
            )?;
            let rows = statement.query_map([], |row| {
                let reason: String = row.get(2)?;
                Ok(SkippedFile {
                    collection: name(row, 0)?,
                    file: Skipped {
                        path: row.get(1)?,
                        // A reason of a later version reads as the most general one.
                        reason: reason.parse().unwrap_or(Reason::Internal),
                        message: row.get(3)?,
                    },
                })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// Every collection, by name.
    pub async fn collections_info(&self) -> Result<Vec<CollectionInfo>, StoreError> {
        self.read(|transaction| {
            let mut statement = transaction.prepare_cached(
                "SELECT name, path, updated_at,
                        (SELECT count(*) FROM documents WHERE collection_id = collections.id)
                 FROM collections ORDER BY name",
            )?;
            let rows = statement.query_map([], |row| {
                Ok(CollectionInfo {
                    name: name(row, 0)?,
                    path: PathBuf::from(OsString::from_vec(row.get(1)?)),
                    updated_at: row.get(2)?,
                    documents: row.get::<_, i64>(3)? as u64,
                })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }
}

/// Adds to what is known of the files that a collection leaves out.
pub(super) fn insert_skipped(
    connection: &Connection,
    collection: i64,
    skipped: &[Skipped],
) -> rusqlite::Result<()> {
    let mut insert = connection.prepare_cached("INSERT INTO skipped VALUES (?1, ?2, ?3, ?4)")?;
    for file in skipped {
        insert.execute(params![
            collection,
            file.path,
            file.reason.as_str(),
            file.message
        ])?;
    }
    Ok(())
}

fn sync(connection: &Connection, wanted: &[(CollectionName, PathBuf)]) -> Result<u64, Fault> {
    let known: HashMap<String, i64> = connection
        .prepare_cached("SELECT name, id FROM collections")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    let mut removed = 0;
    for (name, id) in &known {
        if wanted.iter().any(|(wanted, _)| wanted.as_str() == name) {
            continue;
        }
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
