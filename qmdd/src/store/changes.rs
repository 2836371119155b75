//! Tells of what was committed, to whoever listens.

use std::path::PathBuf;

use rusqlite::Connection;
use tokio::sync::broadcast;

use super::{
    Change, EmbeddedContent, Store, StoreError, apply::content_of, collections::name, error::Fault,
    scope::collection_id,
};
use crate::domain::{CollectionName, DocId};

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
        let (Change::Put { path, .. } | Change::Touch { path, .. } | Change::Remove { path }) =
            change;
        let is_known = content_of(connection, id, path)?.is_some();
        match change {
            Change::Put { title, hash, .. } => events.push(StoreEvent::Stored {
                collection: collection.clone(),
                path: path.clone(),
                title: title.clone(),
                docid: hash.docid(),
                is_new: !is_known,
            }),
            Change::Remove { .. } if is_known => events.push(StoreEvent::Removed {
                collection: collection.clone(),
                path: path.clone(),
            }),
            Change::Remove { .. } | Change::Touch { .. } => {}
        }
    }
    Ok(events)
}

/// Which collections go when only these stay.
pub(super) fn of_sync(
    connection: &Connection,
    wanted: &[(CollectionName, PathBuf)],
) -> Result<Vec<StoreEvent>, Fault> {
    let known: Vec<(CollectionName, i64)> = connection
        .prepare_cached(
            "SELECT name, (SELECT count(*) FROM documents WHERE collection_id = collections.id)
             FROM collections ORDER BY name",
        )?
        .query_map([], |row| Ok((name(row, 0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    let gone = known
        .into_iter()
        .filter(|(known, _)| !wanted.iter().any(|(wanted, _)| wanted == known));
    let event = |(collection, documents)| StoreEvent::CollectionRemoved {
        collection,
        documents: documents as u64,
    };
    Ok(gone.map(event).collect())
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
