//! Changing documents: the index's copy of the files follows the files.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, params};

use tokio::task::spawn_blocking;

use super::{
    FileStamp, Store, StoreError, changes, error::Fault, id_list, lexical::Entry,
    scope::collection_id,
};
use crate::{
    domain::{CollectionName, ContentHash},
    text::words::Analyzer,
};

/// A change to a collection's documents.
#[derive(Debug, Clone)]
pub enum Change {
    /// A file that is new or has new content.
    Put {
        /// Path inside the collection.
        path: String,
        /// Its title.
        title: String,
        /// Its text.
        text: Arc<str>,
        /// The text's hash.
        hash: ContentHash,
        /// Its state when it was read.
        stamp: FileStamp,
    },
    /// A file of another stamp and the same content.
    Touch {
        /// Path inside the collection.
        path: String,
        /// Its state now.
        stamp: FileStamp,
    },
    /// A file that is gone. Unknown paths are passed over.
    Remove {
        /// Path inside the collection.
        path: String,
    },
}

impl Store {
    /// Applies changes in their order, all or none. A content moved by the same call (removed here,
    /// put there) keeps its chunks and vectors.
    ///
    /// # Errors
    /// [`StoreError::CollectionUnknown`], besides what any write may meet.
    pub async fn apply(
        &self,
        collection: &CollectionName,
        changes: Vec<Change>,
    ) -> Result<(), StoreError> {
        // Before the writer is asked: it is one for all, and this is most of the work.
        let analyzed = spawn_blocking(move || (entries(&changes), changes)).await;
        let (entries, changes) =
            analyzed.map_err(|panic| StoreError::Internal(panic.to_string()))?;
        let (collection, changes) = (collection.clone(), Arc::new(changes));
        let (named, planned) = (collection.clone(), Arc::clone(&changes));
        self.write_and_tell(
            move |connection| changes::of_changes(connection, &named, &planned),
            move |connection| apply(connection, &collection, &changes, &entries),
        )
        .await
    }
}

/// The tokens of each document that is put.
fn entries(changes: &[Change]) -> Vec<Option<Entry>> {
    let mut analyzer = Analyzer::new();
    let entry = |change: &Change| match change {
        Change::Put {
            path, title, text, ..
        } => Some(Entry::new(&mut analyzer, title, path, text)),
        Change::Touch { .. } | Change::Remove { .. } => None,
    };
    changes.iter().map(entry).collect()
}

fn apply(
    connection: &Connection,
    collection: &CollectionName,
    changes: &[Change],
    entries: &[Option<Entry>],
) -> Result<(), Fault> {
    let collection = collection_id(connection, collection)?;
    // Contents that lost a document, and may have lost their last.
    let mut released = Vec::new();
    for (change, entry) in changes.iter().zip(entries) {
        match change {
            Change::Put {
                path,
                title,
                text,
                hash,
                stamp,
            } => {
                released.extend(content_of(connection, collection, path)?);
                let content = intern(connection, hash, text)?;
                let document = upsert(connection, collection, path, title, content, stamp)?;
                if let Some(entry) = entry {
                    entry.put(connection, document, collection, content)?;
                }
            }
            Change::Touch { path, stamp } => {
                connection
                    .prepare_cached(
                        "UPDATE documents SET size = ?3, mtime_ns = ?4, inode = ?5
                         WHERE collection_id = ?1 AND path = ?2",
                    )?
                    .execute(params![
                        collection,
                        path,
                        stamp.size as i64,
                        stamp.mtime_ns,
                        stamp.inode as i64
                    ])?;
            }
            Change::Remove { path } => {
                released.extend(content_of(connection, collection, path)?);
                connection
                    .prepare_cached("DELETE FROM documents WHERE collection_id = ?1 AND path = ?2")?
                    .execute(params![collection, path])?;
            }
        }
    }
    connection
        .prepare_cached(
            "DELETE FROM contents
             WHERE id IN (SELECT value FROM json_each(?1))
               AND NOT EXISTS (SELECT 1 FROM documents WHERE content_id = contents.id)",
        )?
        .execute([id_list(released)])?;
    Ok(())
}

/// The content that a document has, if it is there.
pub(super) fn content_of(
    connection: &Connection,
    collection: i64,
    path: &str,
) -> rusqlite::Result<Option<i64>> {
    connection
        .prepare_cached("SELECT content_id FROM documents WHERE collection_id = ?1 AND path = ?2")?
        .query_row(params![collection, path], |row| row.get(0))
        .optional()
}

/// The id of a content, stored if it is new.
fn intern(connection: &Connection, hash: &ContentHash, text: &str) -> rusqlite::Result<i64> {
    connection
        .prepare_cached(
            "INSERT INTO contents (hash, bytes, body) VALUES (?1, ?2, ?3)
             ON CONFLICT (hash) DO NOTHING",
        )?
        .execute(params![hash.0, text.len() as i64, text])?;
    connection
        .prepare_cached("SELECT id FROM contents WHERE hash = ?1")?
        .query_row([hash.0], |row| row.get(0))
}

/// The id of a document, stored or brought up to date.
fn upsert(
    connection: &Connection,
    collection: i64,
    path: &str,
    title: &str,
    content: i64,
    stamp: &FileStamp,
) -> rusqlite::Result<i64> {
    connection
        .prepare_cached(
            "INSERT INTO documents
                 (collection_id, path, title, content_id, size, mtime_ns, inode)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
             ON CONFLICT (collection_id, path) DO UPDATE SET
                 title = excluded.title, content_id = excluded.content_id,
                 size = excluded.size, mtime_ns = excluded.mtime_ns, inode = excluded.inode
             RETURNING id",
        )?
        .query_row(
            params![
                collection,
                path,
                title,
                content,
                stamp.size as i64,
                stamp.mtime_ns,
                stamp.inode as i64
            ],
            |row| row.get(0),
        )
}

/// Deletes every content that no document points at, with its chunks and vectors.
pub(super) fn delete_orphans(connection: &Connection) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "DELETE FROM contents
             WHERE NOT EXISTS (SELECT 1 FROM documents WHERE content_id = contents.id)",
        )?
        .execute([])?;
    Ok(())
}
