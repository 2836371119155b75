//! Tells of what was committed, to whoever listens.

use std::{collections::HashMap, path::PathBuf};

use rusqlite::{Connection, OptionalExtension, params};
use tokio::sync::broadcast;

use super::{
    Change, EmbeddedContent, Store, StoreError,
    collections::{name, renamed},
    error::Fault,
    scope::collection_id,
};
use crate::domain::{CollectionName, ContentHash, DocId};

/// Events kept for a listener that is slow. One that falls behind further is told how many it missed.
const BACKLOG: usize = 1024;

/// Something that was committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreEvent {
    /// A document is new, or has new content.
    Stored {
        /// Its collection.
        collection: CollectionName,
        /// Path inside the collection.
        path: String,
        /// Its title.
        title: String,
        /// Its content.
        docid: DocId,
        /// It was not there before.
        is_new: bool,
    },
    /// A document's file is gone.
    Removed {
        /// Its collection.
        collection: CollectionName,
        /// Path inside the collection.
        path: String,
    },
    /// A collection left with all its documents.
    CollectionRemoved {
        /// Its name.
        collection: CollectionName,
        /// How many documents went with it.
        documents: u64,
    },
    /// A collection has another name, with all its documents.
    CollectionRenamed {
        /// Its name before.
        collection: CollectionName,
        /// Its name now.
        new_name: CollectionName,
    },
    /// A document has vectors.
    Embedded {
        /// Its collection.
        collection: CollectionName,
        /// Path inside the collection.
        path: String,
        /// How many.
        chunks: u64,
    },
}

/// What tells of events.
pub(super) fn channel() -> broadcast::Sender<StoreEvent> {
    broadcast::Sender::new(BACKLOG)
}

impl Store {
    /// What is committed from now on, in its order.
    pub fn events(&self) -> broadcast::Receiver<StoreEvent> {
        self.inner.events.subscribe()
    }

    /// Runs a write, and tells of it once it is committed. What there is to tell is found out in the
    /// same transaction, before `work`, and only when somebody listens.
    pub(super) async fn write_and_tell<T: Send + 'static>(
        &self,
        events: impl FnOnce(&Connection) -> Result<Vec<StoreEvent>, Fault> + Send + 'static,
        work: impl FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, StoreError> {
        let is_heard = self.inner.events.receiver_count() > 0;
        let written = self.write(move |transaction| {
            let events = if is_heard {
                events(transaction)?
            } else {
                Vec::new()
            };
            Ok((work(transaction)?, events))
        });
        let (value, events) = written.await?;
        for event in events {
            // Who listened may have gone.
            let _ = self.inner.events.send(event);
        }
        Ok(value)
    }
}

/// What changes that are about to be applied do.
pub(super) fn of_changes(
    connection: &Connection,
    collection: &CollectionName,
    changes: &[Change],
) -> Result<Vec<StoreEvent>, Fault> {
    let id = collection_id(connection, collection)?;
    let mut events = Vec::new();
    for change in changes {
        let path = match change {
            Change::Put { file, .. } => &file.path,
            Change::Skip { file, .. } => &file.path,
            Change::Remove { path } => path,
        };
        let known = hash_of(connection, id, path)?;
        match change {
            Change::Put { file, hash, .. } if known != Some(*hash) => {
                events.push(StoreEvent::Stored {
                    collection: collection.clone(),
                    path: path.clone(),
                    title: file.title.clone(),
                    docid: hash.docid(),
                    is_new: known.is_none(),
                });
            }
            Change::Put { .. }
            | Change::Skip {
                keeps_document: true,
                ..
            } => {}
            Change::Skip { .. } | Change::Remove { .. } => {
                events.extend(known.map(|_| StoreEvent::Removed {
                    collection: collection.clone(),
                    path: path.clone(),
                }));
            }
        }
    }
    Ok(events)
}

/// The content that a document has, if it is there.
fn hash_of(
    connection: &Connection,
    collection: i64,
    path: &str,
) -> rusqlite::Result<Option<ContentHash>> {
    connection
        .prepare_cached(
            "SELECT hash FROM documents JOIN contents ON contents.id = content_id
             WHERE collection_id = ?1 AND path = ?2",
        )?
        .query_row(params![collection, path], |row| {
            Ok(ContentHash(row.get(0)?))
        })
        .optional()
}

/// Which collections go, and which get another name, when only these stay.
pub(super) fn of_sync(
    connection: &Connection,
    wanted: &[(CollectionName, PathBuf)],
) -> Result<Vec<StoreEvent>, Fault> {
    let renamed: HashMap<i64, CollectionName> = renamed(connection, wanted)?.into_iter().collect();
    let mut statement = connection.prepare_cached(
        "SELECT id, name, (SELECT count(*) FROM documents WHERE collection_id = collections.id)
         FROM collections ORDER BY name",
    )?;
    let known = statement.query_map([], |row| {
        Ok((row.get::<_, i64>(0)?, name(row, 1)?, row.get::<_, i64>(2)?))
    })?;
    let mut events = Vec::new();
    for known in known {
        let (id, collection, documents) = known?;
        if wanted.iter().any(|(wanted, _)| *wanted == collection) {
            continue;
        }
        events.push(match renamed.get(&id) {
            Some(new_name) => StoreEvent::CollectionRenamed {
                collection,
                new_name: new_name.clone(),
            },
            None => StoreEvent::CollectionRemoved {
                collection,
                documents: documents as u64,
            },
        });
    }
    Ok(events)
}

/// The documents whose contents are about to get vectors.
pub(super) fn of_vectors(
    connection: &Connection,
    contents: &[EmbeddedContent],
) -> Result<Vec<StoreEvent>, Fault> {
    let mut documents = connection.prepare_cached(
        "SELECT name, documents.path
         FROM documents JOIN collections ON collections.id = collection_id
         WHERE content_id = ?1 ORDER BY documents.id",
    )?;
    let mut events = Vec::new();
    for content in contents {
        let embedded = documents.query_map([content.content_id], |row| {
            Ok(StoreEvent::Embedded {
                collection: name(row, 0)?,
                path: row.get(1)?,
                chunks: content.chunks.len() as u64,
            })
        })?;
        for event in embedded {
            events.push(event?);
        }
    }
    Ok(events)
}
