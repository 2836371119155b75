//! Builds a damaged database anew. Vectors and texts that can be read and match their checksums go
//! into a new file beside it, which takes its place in one step; the damaged one is kept aside. What
//! is missing comes from the files, by an update.

mod old;
mod walk;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use rusqlite::{Connection, params};

use self::old::{Old, OldDocument, OldVectors};
use super::{
    Change, FileRecord, FileStamp, Store, StoreError, apply,
    beside::{self, named},
    chunks::Fingerprint,
    collections::insert_collections,
    connection,
    error::Fault,
    kept, pending, vectors,
};
use crate::domain::{CollectionName, ContentHash, Metadata};

/// Documents, or texts with vectors, in one transaction.
const BATCH: usize = 256;

/// What came of a damaged database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rebuilt {
    /// It could be read in part.
    pub readable: bool,
    /// Chunks whose vectors were kept.
    pub vectors: u64,
    /// Chunks whose vectors are to be computed again, as far as they were still known.
    pub lost: u64,
    /// Where the damaged database lies now.
    pub broken: PathBuf,
}

impl Store {
    /// Closes the store for a repair. Later calls fail with [`StoreError::UnderRepair`].
    pub async fn close_for_repair(&self) {
        self.close_with(StoreError::UnderRepair).await;
    }

    /// Replaces a damaged database that nobody has open. Documents have the texts that the damaged one
    /// had; an update is to follow. `now` is in Unix seconds.
    ///
    /// # Errors
    /// When the new one cannot be written; then nothing has changed.
    pub async fn rebuild(path: &Path, now: i64) -> Result<Rebuilt, StoreError> {
        let path = path.to_owned();
        super::blocking(move || {
            rebuild(&path, now).map_err(|fault| match fault.at(&path) {
                // The new one is not damaged; it could not be written.
                StoreError::Corrupt { detail, .. } => StoreError::Internal(detail),
                other => other,
            })
        })
        .await
    }
}

fn rebuild(path: &Path, now: i64) -> Result<Rebuilt, Fault> {
    let size = |suffix| fs::metadata(named(path, suffix)).map_or(0, |file| file.len());
    beside::require_room(path, size("") + size("-wal"))?;
    let draft = beside::Draft::begin(path)?;
    let mut new = connection::open_writer(draft.path())?;
    // Nobody relies on it before it is complete, and on the disk as a whole.
    new.pragma_update(None, "synchronous", "OFF")?;
    let mut rebuilt = Rebuilt {
        readable: false,
        vectors: 0,
        lost: 0,
        broken: PathBuf::new(),
    };
    match Old::open(path) {
        Ok(old) => {
            rebuilt.readable = true;
            let known = take_vectors(&old, &mut new, now, &mut rebuilt.vectors)?;
            rebuilt.lost = known.saturating_sub(rebuilt.vectors);
            take_documents(&old, &mut new)?;
        }
        Err(fault) => {
            let error = fault.at(path);
            tracing::warn!(%error, "nothing of the damaged index can be read");
        }
    }
    connection::finish(&new)?;
    drop(new);
    rebuilt.broken = draft.take_place(path)?;
    Ok(rebuilt)
}

/// Lays the vectors aside by the hashes of their texts, as those of texts that are gone: a text that
/// comes takes its own along. Returns the chunks that were known.
fn take_vectors(old: &Old, new: &mut Connection, now: i64, taken: &mut u64) -> Result<u64, Fault> {
    let mut batch = Vec::new();
    let known = old.vectors(|vectors| {
        *taken += vectors.chunks.len() as u64;
        batch.push(vectors);
        if batch.len() >= BATCH {
            keep(new, &std::mem::take(&mut batch), now)?;
        }
        Ok(())
    })?;
    keep(new, &batch, now)?;
    Ok(known)
}

fn keep(new: &mut Connection, batch: &[OldVectors], now: i64) -> Result<(), Fault> {
    let transaction = new.transaction()?;
    for old in batch {
        let fingerprint = Fingerprint {
            id: pending::intern(&transaction, &old.model, old.dimensions)?,
            dimensions: old.dimensions,
        };
        vectors::ensure_table(&transaction, old.dimensions)?;
        kept::store(&transaction, &old.hash, fingerprint, &old.chunks, now)?;
    }
    Ok(transaction.commit()?)
}

/// Stores the documents as an update would that found their texts in the files. Their files are read
/// by the next update, since their states are not known.
fn take_documents(old: &Old, new: &mut Connection) -> Result<(), Fault> {
    let mut batch = Vec::new();
    old.documents(|document| {
        batch.push(document);
        if batch.len() >= BATCH {
            put(new, std::mem::take(&mut batch))?;
        }
        Ok(())
    })?;
    put(new, batch)
}

fn put(new: &mut Connection, batch: Vec<OldDocument>) -> Result<(), Fault> {
    let transaction = new.transaction()?;
    for document in batch {
        let Ok(collection) = CollectionName::new(&document.collection) else {
            continue;
        };
        // The configuration has the folder; the next update writes it down.
        insert_collections(&transaction, &[(collection.clone(), PathBuf::new())])?;
        transaction
            .prepare_cached("UPDATE collections SET device = ?2 WHERE name = ?1")?
            .execute(params![collection.as_str(), document.device])?;
        let changes = [Change::Put {
            file: FileRecord {
                path: document.path,
                title: document.title,
                metadata: Metadata::default(),
                stamp: FileStamp::UNKNOWN,
                reader: 0,
            },
            hash: ContentHash::of(&document.text),
            text: Arc::from(document.text),
        }];
        let entries = apply::entries(&changes);
        apply::apply(&transaction, &collection, &changes, &entries)?;
    }
    Ok(transaction.commit()?)
}
