//! The index database: SQLite with full text (FTS5) and vectors (sqlite-vec). One thread writes, a
//! few read; every method is async, and dropping its future ends a read at once.

mod apply;
mod beside;
mod changes;
mod check;
mod chunks;
mod cleanup;
mod collections;
mod connection;
mod counts;
mod documents;
mod error;
mod kept;
mod lexical;
mod listing;
mod lookup;
mod metadata;
mod migrations;
mod models;
mod part;
mod pending;
mod qmd;
mod rebuild;
mod schema;
mod scope;
mod skipped;
mod spare;
#[cfg(test)]
mod tests;
mod threads;
mod vectors;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::AtomicU64},
};

use rusqlite::{Connection, Transaction};
use tokio::{
    sync::{broadcast, oneshot},
    task::spawn_blocking,
};

use self::{error::Fault, pending::PendingCount, threads::Threads, vectors::Keeper};

pub use self::{
    apply::{Analyzed, Applied, Change, FileRecord},
    beside::{Beside, Leftover},
    changes::StoreEvent,
    check::{Checked, Depth, Part},
    cleanup::{Waste, Wasted},
    collections::CollectionInfo,
    counts::IndexCounts,
    documents::{DocumentRow, FileStamp, KnownFile, StoredDocument},
    error::StoreError,
    lexical::LexicalHit,
    listing::ListedDocument,
    lookup::DocumentRef,
    pending::{EmbeddedChunk, EmbeddedContent, Pending},
    qmd::{QmdCollection, QmdCut, QmdDocument, QmdError, QmdIndex, QmdMaker},
    rebuild::Rebuilt,
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
    access: Mutex<Access>,
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

/// What can be done with the file.
enum Access {
    /// Everything.
    Full(Threads),
    /// Reading: why it cannot be written.
    ReadOnly(Threads, StoreError),
    /// Nothing: what whoever asks is told.
    Closed(StoreError),
}

impl Access {
    /// Opens the database file. Where it can be read and not written, that is what it is opened for.
    fn open(path: &Path, revision: &Arc<AtomicU64>) -> Result<Self, StoreError> {
        let full = connection::open_writer(path)
            .and_then(|writer| Ok((writer, connection::open_readers(path)?)))
            .map_err(|fault| fault.at(path));
        match full {
            Ok((writer, readers)) => Ok(Self::Full(start(Some(writer), readers, revision)?)),
            Err(why) if why.is_refusal() && path.is_file() => {
                Self::open_to_read(path, revision, why)
            }
            Err(why) => Err(why),
        }
    }

    /// Opens a file that cannot be written, for the reason `why`.
    fn open_to_read(
        path: &Path,
        revision: &Arc<AtomicU64>,
        why: StoreError,
    ) -> Result<Self, StoreError> {
        let Ok(readers) = connection::open_readers(path) else {
            return Err(why);
        };
        tracing::warn!(error = %why, "the index is opened for reading only");
        Ok(Self::ReadOnly(start(None, readers, revision)?, why))
    }

    fn threads(&self) -> Result<&Threads, StoreError> {
        match self {
            Self::Full(threads) | Self::ReadOnly(threads, _) => Ok(threads),
            Self::Closed(why) => Err(why.clone()),
        }
    }
}

fn start(
    writer: Option<Connection>,
    readers: Vec<Connection>,
    revision: &Arc<AtomicU64>,
) -> Result<Threads, StoreError> {
    Threads::start(writer, readers, Arc::clone(revision)).map_err(|error| {
        StoreError::Internal(format!("the database threads did not start: {error}"))
    })
}

impl Store {
    /// Opens the database file; creates it, with its folder, when there is none, and brings an
    /// older one to the newest format. One that can be read and not written is opened for reading.
    ///
    /// # Errors
    /// When the file is damaged, of another program, of a later version, or out of reach.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        let path = path.to_owned();
        blocking(move || {
            let revision = Arc::default();
            let access = Access::open(&path, &revision)?;
            let vectors = Keeper::start(&path);
            Ok(Self {
                inner: Arc::new(Inner {
                    path,
                    access: Mutex::new(access),
                    revision,
                    pending: Mutex::new(None),
                    events: changes::channel(),
                    statistics: lexical::Newest::default(),
                    vectors,
                }),
            })
        })
        .await
    }

    /// Why the index cannot be written at this time, if so.
    pub fn read_only(&self) -> Option<StoreError> {
        match &*self.access() {
            Access::ReadOnly(_, why) => Some(why.clone()),
            Access::Full(_) | Access::Closed(_) => None,
        }
    }

    /// Finishes what is under way and closes the file in good order. Later calls fail with
    /// [`StoreError::ShuttingDown`].
    pub async fn close(&self) {
        self.close_with(StoreError::ShuttingDown).await;
    }

    /// As [`Self::close`]; later calls fail with `why`.
    async fn close_with(&self, why: StoreError) {
        let access = std::mem::replace(&mut *self.access(), Access::Closed(why));
        let vectors = Arc::clone(&self.inner.vectors);
        let close = move |threads: Threads| {
            vectors.close();
            threads.close();
        };
        if let Access::Full(threads) | Access::ReadOnly(threads, _) = access
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
        let reading = self.access().threads()?.read(work)?;
        reading
            .result()
            .await
            .map_err(|fault| fault.at(&self.inner.path))
    }

    /// Runs a write in a transaction of its own, committed when this returns `Ok`: then it outlives
    /// a power cut.
    async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.make_writable().await?;
        let answer = self.access().threads()?.write(work)?;
        self.written(answer).await
    }

    /// Runs maintenance with the writing connection, outside of a transaction.
    async fn maintain<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.make_writable().await?;
        let answer = self.access().threads()?.maintain(work)?;
        self.written(answer).await
    }

    async fn written<T>(
        &self,
        answer: oneshot::Receiver<Result<T, Fault>>,
    ) -> Result<T, StoreError> {
        let result = answer.await.unwrap_or_else(|_| Err(threads::job_lost()));
        result.map_err(|fault| fault.at(&self.inner.path))
    }

    /// Opens a file again that could only be read, when its disk is writable by now.
    async fn make_writable(&self) -> Result<(), StoreError> {
        if self.read_only().is_none() {
            return Ok(());
        }
        let store = self.clone();
        blocking(move || {
            let path = &store.inner.path;
            connection::ask_to_write(path)?;
            let mut access = store.access();
            // Another call may have been quicker, or the store was closed.
            if !matches!(*access, Access::ReadOnly(..)) {
                return Ok(());
            }
            // First the readers go: what they have open for reading only, SQLite would share with the
            // writer.
            let old = std::mem::replace(&mut *access, Access::Closed(StoreError::ShuttingDown));
            if let Access::ReadOnly(threads, _) = old {
                threads.close();
            }
            let revision = &store.inner.revision;
            *access = Access::open(path, revision)
                .or_else(|why| Access::open_to_read(path, revision, why))
                .unwrap_or_else(Access::Closed);
            match &*access {
                Access::Full(_) => Ok(()),
                Access::ReadOnly(_, why) | Access::Closed(why) => Err(why.clone()),
            }
        })
        .await
    }

    fn access(&self) -> MutexGuard<'_, Access> {
        self.inner
            .access
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs what blocks on a thread of its own.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    let done = spawn_blocking(work).await;
    done.unwrap_or_else(|panic| Err(StoreError::Internal(panic.to_string())))
}

/// Ids as a JSON array, for `json_each(?)`: a list of any length in one parameter.
fn id_list(ids: impl IntoIterator<Item = i64>) -> String {
    let ids: Vec<String> = ids.into_iter().map(|id| id.to_string()).collect();
    format!("[{}]", ids.join(","))
}
