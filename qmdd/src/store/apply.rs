//! Changing documents: the index's copy of the files follows the files.

use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use rusqlite::{Connection, OptionalExtension, params};

use super::{
    FileStamp, Skipped, Store, StoreError, changes, error::Fault, kept, lexical::Entry, metadata,
    scope::collection_id,
};
use crate::{
    domain::{CollectionName, ContentHash, Metadata},
    text::words::Analyzer,
};

/// A document's file, as it was read.
#[derive(Debug, Clone)]
pub struct FileRecord {
    /// Path inside the collection.
    pub path: String,
    /// The document's title.
    pub title: String,
    /// What it says of itself.
    pub metadata: Metadata,
    /// The file's state when it was read.
    pub stamp: FileStamp,
    /// As in [`super::KnownFile`].
    pub reader: u32,
}

/// A change to what is known of a collection's files.
#[derive(Debug, Clone)]
pub enum Change {
    /// A file that was read, be its content new or as before.
    Put {
        /// The file.
        file: FileRecord,
        /// Its text.
        text: Arc<str>,
        /// The text's hash.
        hash: ContentHash,
    },
    /// A file that is left out.
    Skip {
        /// The file, and why.
        file: Skipped,
        /// Its state, if it was read.
        stamp: Option<FileStamp>,
        /// As in [`super::KnownFile`].
        reader: u32,
        /// Whether the document that it was stays.
        keeps_document: bool,
    },
    /// A file that is gone. Unknown paths are passed over.
    Remove {
        /// Path inside the collection.
        path: String,
    },
}

/// What changes came to, in documents.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Applied {
    /// New ones.
    pub added: u64,
    /// With another content than before.
    pub changed: u64,
    /// With the content they had.
    pub unchanged: u64,
    /// Gone.
    pub removed: u64,
}

impl Store {
    /// Applies changes in their order, all or none. A text that is removed here and put there, now or
    /// within some days, keeps its chunks and vectors.
    ///
    /// # Errors
    /// [`StoreError::CollectionUnknown`], besides what any write may meet.
    pub async fn apply(
        &self,
        collection: &CollectionName,
        changes: Vec<Change>,
    ) -> Result<Applied, StoreError> {
        let analyzed = Analyzed::of(changes).await?;
        self.apply_analyzed(collection, analyzed).await
    }

    /// As [`Self::apply`], of changes whose words are known.
    ///
    /// # Errors
    /// As any write.
    pub async fn apply_analyzed(
        &self,
        collection: &CollectionName,
        Analyzed { changes, entries }: Analyzed,
    ) -> Result<Applied, StoreError> {
        let (collection, changes) = (collection.clone(), Arc::new(changes));
        let (named, planned) = (collection.clone(), Arc::clone(&changes));
        self.write_and_tell(
            move |connection| changes::of_changes(connection, &named, &planned),
            move |connection| apply(connection, &collection, &changes, &entries),
        )
        .await
    }
}

/// Changes with the words of their texts: most of the work of storing them, done before the writer is
/// asked, which is one for all.
#[derive(Debug)]
pub struct Analyzed {
    changes: Vec<Change>,
    entries: Vec<Option<Entry>>,
}

impl Analyzed {
    /// Finds the words, on a thread for what blocks.
    ///
    /// # Errors
    /// When that panics.
    pub async fn of(changes: Vec<Change>) -> Result<Self, StoreError> {
        super::blocking(move || {
            Ok(Self {
                entries: entries(&changes),
                changes,
            })
        })
        .await
    }
}

/// The tokens of each document that is put.
pub(super) fn entries(changes: &[Change]) -> Vec<Option<Entry>> {
    let mut analyzer = Analyzer::new();
    let entry = |change: &Change| match change {
        Change::Put { file, text, .. } => {
            Some(Entry::new(&mut analyzer, &file.title, &file.path, text))
        }
        Change::Skip { .. } | Change::Remove { .. } => None,
    };
    changes.iter().map(entry).collect()
}

pub(super) fn apply(
    connection: &Connection,
    collection: &CollectionName,
    changes: &[Change],
    entries: &[Option<Entry>],
) -> Result<Applied, Fault> {
    let collection = collection_id(connection, collection)?;
    let mut applied = Applied::default();
    // Contents that lost a document, and may have lost their last.
    let mut released = Vec::new();
    for (change, entry) in changes.iter().zip(entries) {
        match change {
            Change::Put { file, text, hash } => {
                let known = known(connection, collection, &file.path)?;
                let content = intern(connection, hash, text)?;
                let document = upsert(connection, collection, file, content)?;
                metadata::replace(connection, document, &file.metadata)?;
                match &known {
                    None => applied.added += 1,
                    Some(known) if known.content != content => {
                        applied.changed += 1;
                        released.push(known.content);
                    }
                    Some(_) => applied.unchanged += 1,
                }
                let is_same = known
                    .is_some_and(|known| known.content == content && known.title == file.title);
                if let Some(entry) = entry
                    && !is_same
                {
                    entry.put(connection, document, collection, content)?;
                }
                unskip(connection, collection, &file.path)?;
            }
            Change::Skip {
                file,
                stamp,
                reader,
                keeps_document,
            } => {
                if !keeps_document {
                    applied.removed += remove(connection, collection, &file.path, &mut released)?;
                }
                let stamp = stamp.unwrap_or_default();
                skip(connection, collection, file, stamp, *reader)?;
            }
            Change::Remove { path } => {
                applied.removed += remove(connection, collection, path, &mut released)?;
                unskip(connection, collection, path)?;
            }
        }
    }
    kept::release(connection, released, now())?;
    Ok(applied)
}

/// What is there of a document.
struct Known {
    content: i64,
    title: String,
}

fn known(connection: &Connection, collection: i64, path: &str) -> rusqlite::Result<Option<Known>> {
    connection
        .prepare_cached(
            "SELECT content_id, title FROM documents WHERE collection_id = ?1 AND path = ?2",
        )?
        .query_row(params![collection, path], |row| {
            Ok(Known {
                content: row.get(0)?,
                title: row.get(1)?,
            })
        })
        .optional()
}

/// Removes a document, if it is there, and says how many that were.
fn remove(
    connection: &Connection,
    collection: i64,
    path: &str,
    released: &mut Vec<i64>,
) -> rusqlite::Result<u64> {
    let content: Option<i64> = connection
        .prepare_cached(
            "DELETE FROM documents WHERE collection_id = ?1 AND path = ?2 RETURNING content_id",
        )?
        .query_row(params![collection, path], |row| row.get(0))
        .optional()?;
    released.extend(content);
    Ok(u64::from(content.is_some()))
}

fn skip(
    connection: &Connection,
    collection: i64,
    file: &Skipped,
    stamp: FileStamp,
    reader: u32,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT OR REPLACE INTO skipped VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")?
        .execute(params![
            collection,
            file.path,
            file.why.reason.as_str(),
            file.why.message,
            stamp.size as i64,
            stamp.mtime_ns,
            stamp.inode as i64,
            reader
        ])?;
    Ok(())
}

fn unskip(connection: &Connection, collection: i64, path: &str) -> rusqlite::Result<()> {
    connection
        .prepare_cached("DELETE FROM skipped WHERE collection_id = ?1 AND path = ?2")?
        .execute(params![collection, path])?;
    Ok(())
}

/// The id of a content, stored if it is new, with the vectors that it had when it was here before.
fn intern(connection: &Connection, hash: &ContentHash, text: &str) -> rusqlite::Result<i64> {
    let known = connection
        .prepare_cached("SELECT id FROM contents WHERE hash = ?1")?
        .query_row([hash.0], |row| row.get(0))
        .optional()?;
    if let Some(id) = known {
        return Ok(id);
    }
    connection
        .prepare_cached("INSERT INTO contents (hash, bytes, body) VALUES (?1, ?2, ?3)")?
        .execute(params![hash.0, text.len() as i64, text])?;
    let id = connection.last_insert_rowid();
    kept::restore(connection, id, hash)?;
    Ok(id)
}

/// The id of a document, stored or brought up to date.
fn upsert(
    connection: &Connection,
    collection: i64,
    file: &FileRecord,
    content: i64,
) -> rusqlite::Result<i64> {
    connection
        .prepare_cached(
            "INSERT INTO documents
                 (collection_id, path, title, content_id, size, mtime_ns, inode, reader)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
             ON CONFLICT (collection_id, path) DO UPDATE SET
                 title = excluded.title, content_id = excluded.content_id, size = excluded.size,
                 mtime_ns = excluded.mtime_ns, inode = excluded.inode, reader = excluded.reader
             RETURNING id",
        )?
        .query_row(
            params![
                collection,
                file.path,
                file.title,
                content,
                file.stamp.size as i64,
                file.stamp.mtime_ns,
                file.stamp.inode as i64,
                file.reader
            ],
            |row| row.get(0),
        )
}

/// The time in Unix seconds.
fn now() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |time| time.as_secs() as i64)
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
