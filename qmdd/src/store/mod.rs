//! The index database: SQLite with full text (FTS5) and vectors (sqlite-vec). One thread writes, a
//! few read; every method is async, and dropping its future ends a read at once.

mod apply;
mod changes;
mod collections;
mod connection;
mod counts;
mod documents;
mod error;
mod lexical;
mod listing;
mod lookup;
mod metadata;
mod migrations;
mod models;
mod part;
mod pending;
mod qmd;
mod scope;
mod skipped;
#[cfg(test)]
mod tests;
mod threads;
mod vectors;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, atomic::AtomicU64},
};

use rusqlite::Transaction;
use tokio::{sync::broadcast, task::spawn_blocking};

use self::{
    error::Fault,
    pending::PendingCount,
    threads::{READERS, Threads},
    vectors::Keeper,
};

pub use self::{
    apply::{Applied, Change, FileRecord},
    changes::StoreEvent,
    collections::CollectionInfo,
    counts::IndexCounts,
    documents::{DocumentRow, FileStamp, KnownFile, StoredDocument},
    error::StoreError,
    lexical::LexicalHit,
    listing::ListedDocument,
    lookup::DocumentRef,
    pending::{EmbeddedChunk, EmbeddedContent, Pending},
    qmd::{QmdCollection, QmdCut, QmdDocument, QmdError, QmdIndex, QmdMaker},
    scope::Scope,
    skipped::{Skipped, SkippedFile, Why},
    vectors::{CoarseSize, VectorHit},
};

/// An open index. Clones share it.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    path: PathBuf,
    /// `None` once closed.
    threads: Mutex<Option<Threads>>,
    /// Grows with every write.
    revision: Arc<AtomicU64>,
    /// The last count of pending contents.
    pending: Mutex<Option<PendingCount>>,
    /// Tells of what is committed.
    events: broadcast::Sender<StoreEvent>,
    /// How frequent words are.
    statistics: lexical::Newest,
    /// The vectors in memory.
    vectors: Arc<Keeper>,
}

impl Store {
    /// Opens the database file; creates it, with its folder, when there is none, and brings an
    /// older one to the newest format.
    ///
    /// # Errors
    /// When the file is damaged, of another program, of a later version, or out of reach.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        let path = path.to_owned();
        let opened = spawn_blocking(move || Self::open_blocking(path)).await;
        opened.unwrap_or_else(|panic| Err(StoreError::Internal(panic.to_string())))
    }

    fn open_blocking(path: PathBuf) -> Result<Self, StoreError> {
        let writer = connection::open_writer(&path).map_err(|fault| fault.at(&path))?;
        let readers = (0..READERS)
            .map(|_| connection::open_reader(&path))
            .collect::<Result<_, _>>()
            .map_err(|fault| fault.at(&path))?;
        let threads = Threads::start(writer, readers).map_err(|error| {
            StoreError::Internal(format!("the database threads did not start: {error}"))
        })?;
        let revision = threads.revision();
        let vectors = Keeper::start(&path);
        Ok(Self {
            inner: Arc::new(Inner {
                path,
                threads: Mutex::new(Some(threads)),
                revision,
                pending: Mutex::new(None),
                events: changes::channel(),
                statistics: lexical::Newest::default(),
                vectors,
            }),
        })
    }

    /// Finishes what is under way and closes the file in good order. Later calls fail with
    /// [`StoreError::ShuttingDown`].
    pub async fn close(&self) {
        let threads = self
            .inner
            .threads
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let vectors = Arc::clone(&self.inner.vectors);
        let close = move |threads: Threads| {
            vectors.close();
            threads.close();
        };
        if let Some(threads) = threads
            && let Err(panic) = spawn_blocking(move || close(threads)).await
        {
            tracing::error!(%panic, "the index was not closed in good order");
        }
    }

    /// Runs a read in a snapshot of its own.
    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, StoreError> {
        let reading = self.with_threads(|threads| threads.read(work))?;
        reading
            .result()
            .await
            .map_err(|fault| fault.at(&self.inner.path))
    }

    /// Runs a write in a transaction of its own, committed when this returns `Ok`.
    async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, StoreError> {
        let answer = self.with_threads(|threads| threads.write(work))?;
        let result = answer.await.unwrap_or_else(|_| Err(threads::job_lost()));
        result.map_err(|fault| fault.at(&self.inner.path))
    }

    fn with_threads<T>(
        &self,
        send: impl FnOnce(&Threads) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let threads = self
            .inner
            .threads
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        send(threads.as_ref().ok_or(StoreError::ShuttingDown)?)
    }
}

/// Ids as a JSON array, for `json_each(?)`: a list of any length in one parameter.
fn id_list(ids: impl IntoIterator<Item = i64>) -> String {
    let ids: Vec<String> = ids.into_iter().map(|id| id.to_string()).collect();
    format!("[{}]", ids.join(","))
}
