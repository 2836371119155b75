//! Keeps the coarse index in step with the database: it is filled by a thread of its own, which lives
//! for as long as there is something to do, and searches add the last few chunks themselves.
//!
//! All of it reads committed states, and a version of the index is right for every state later than
//! those that it was read from. The writer does not know of it: what is rolled back was never seen,
//! what a killed process left is read anew.

use std::{
    collections::HashSet,
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::Instant,
};

use arc_swap::ArcSwap;
use rusqlite::Connection;

use super::{
    CoarseSize, Model,
    coarse::{Index, Mask, ROWS},
    mask::Masks,
    stored,
};
use crate::store::{connection, error::Fault, scope::Allowed};

/// Chunks that a search adds to the index itself at most: reading them takes a few milliseconds.
const AT_ONCE: usize = 256;

/// The coarse index of a store.
#[derive(Debug)]
pub(in crate::store) struct Keeper {
    path: PathBuf,
    index: ArcSwap<Index>,
    masks: Masks,
    damaged: Mutex<Damaged>,
    /// Held while the index is filled: two at it would do the same work twice. How many chunks it had
    /// when it was last swept.
    filling: Mutex<usize>,
    thread: Mutex<Thread>,
}

/// Chunks whose vectors turned out to be damaged.
#[derive(Debug, Default)]
struct Damaged {
    known: HashSet<i64>,
    /// Those of them that nothing was done about.
    new: Vec<i64>,
}

/// The thread that fills the index, and what it has to do.
#[derive(Debug, Default)]
struct Thread {
    /// `None` when there is nothing to do.
    wish: Option<Wish>,
    running: bool,
    handle: Option<JoinHandle<()>>,
    closed: bool,
}

#[derive(Debug)]
struct Wish {
    /// The model's fingerprint; `None` for that of the newest vector.
    fingerprint: Option<String>,
    /// Whether to look for chunks that are gone, too.
    sweep: bool,
}

impl Keeper {
    /// For the database at a path; begins to fill the index.
    pub(in crate::store) fn start(path: &Path) -> Arc<Self> {
        let keeper = Arc::new(Self {
            path: path.to_owned(),
            index: ArcSwap::from_pointee(Index::new("", 0)),
            masks: Masks::default(),
            damaged: Mutex::default(),
            filling: Mutex::default(),
            thread: Mutex::default(),
        });
        keeper.wish(None, false);
        keeper
    }

    /// Ends the thread, and waits for that.
    pub(in crate::store) fn close(&self) {
        let handle = {
            let mut thread = lock(&self.thread);
            thread.closed = true;
            thread.handle.take()
        };
        if let Some(handle) = handle {
            // A panic in it was logged; there is nothing else to fail here.
            let _ = handle.join();
        }
    }

    /// The index as it is now, of whatever model.
    pub(super) fn index(&self) -> Arc<Index> {
        self.index.load_full()
    }

    /// What became of `index`, the one of before the connection's snapshot, with all chunks of a model
    /// that the snapshot has. `None` when too many are missing: they are on their way.
    pub(super) fn caught_up(
        self: &Arc<Self>,
        index: &Arc<Index>,
        connection: &Connection,
        model: &Model,
    ) -> rusqlite::Result<Option<Arc<Index>>> {
        let from = index.as_of(model);
        let missing: i64 = connection
            .prepare_cached(
                "SELECT count(*) FROM (SELECT 1 FROM chunks
                 WHERE fingerprint_id = ?1 AND id > ?2 LIMIT ?3)",
            )?
            .query_row((model.id, from.covered(), AT_ONCE as i64 + 1), |row| {
                row.get(0)
            })?;
        if missing > AT_ONCE as i64 {
            self.wish(Some(&model.fingerprint), false);
            return Ok(None);
        }
        let extended = self.extended(&from, connection, model, AT_ONCE)?;
        Ok(Some(
            extended.map_or(from, |extended| self.publish(index, extended)),
        ))
    }

    /// Which chunks of the index a filter lets through; `None` for all.
    pub(super) fn mask(
        &self,
        connection: &Connection,
        index: &Index,
        allowed: &Allowed,
    ) -> rusqlite::Result<Option<Arc<Mask>>> {
        self.masks.of(connection, index, allowed)
    }

    /// Has the thread fill the index with a model's vectors.
    pub(in crate::store) fn fill(self: &Arc<Self>, fingerprint: &str) {
        self.wish(Some(fingerprint), false);
    }

    /// Has the thread take out of the index what is gone.
    pub(super) fn sweep(self: &Arc<Self>, fingerprint: &str) {
        self.wish(Some(fingerprint), true);
    }

    /// Notes chunks whose vectors are damaged.
    pub(super) fn report_damaged(&self, chunks: impl IntoIterator<Item = i64>) {
        let mut damaged = lock(&self.damaged);
        for chunk in chunks {
            if damaged.known.insert(chunk) {
                damaged.new.push(chunk);
            }
        }
    }

    /// The chunks with damaged vectors that were noted since this was asked last.
    pub(super) fn take_damaged(&self) -> Vec<i64> {
        mem::take(&mut lock(&self.damaged).new)
    }

    fn wish(self: &Arc<Self>, fingerprint: Option<&str>, sweep: bool) {
        let mut thread = lock(&self.thread);
        if thread.closed {
            return;
        }
        thread.wish = Some(Wish {
            fingerprint: fingerprint.map(str::to_owned),
            sweep: sweep || thread.wish.as_ref().is_some_and(|wish| wish.sweep),
        });
        if thread.running {
            return;
        }
        let keeper = Arc::clone(self);
        let started = thread::Builder::new()
            .name("store-vectors".into())
            .spawn(move || keeper.work());
        match started {
            Ok(handle) => {
                thread.running = true;
                thread.handle = Some(handle);
            }
            Err(error) => tracing::warn!(%error, "no thread to load vectors: searches scan them"),
        }
    }

    /// Does what is wished until nothing is.
    fn work(&self) {
        loop {
            let wish = {
                let mut thread = lock(&self.thread);
                let wish = thread.wish.take();
                thread.running = wish.is_some() && !thread.closed;
                match wish {
                    Some(wish) if thread.running => wish,
                    _ => return,
                }
            };
            let done = catch_unwind(AssertUnwindSafe(|| self.load(&wish)));
            match done {
                Ok(Ok(())) => {}
                Ok(Err(fault)) => {
                    let error = fault.at(&self.path);
                    tracing::warn!(%error, "the vectors were not loaded: searches scan them");
                }
                Err(_) => tracing::error!("loading the vectors panicked: searches scan them"),
            }
        }
    }

    /// Waits until the index has all vectors of a model.
    pub(super) fn load_now(&self, fingerprint: &str) -> Result<CoarseSize, Fault> {
        self.load(&Wish {
            fingerprint: Some(fingerprint.to_owned()),
            sweep: false,
        })?;
        let index = self.index();
        Ok(CoarseSize {
            vectors: index.len(),
            bytes: index.bytes(),
        })
    }

    fn load(&self, wish: &Wish) -> Result<(), Fault> {
        let mut swept = lock(&self.filling);
        let mut connection = connection::open_reader(&self.path)?;
        let fingerprint = match &wish.fingerprint {
            Some(fingerprint) => Some(fingerprint.clone()),
            None => Model::newest(&connection)?,
        };
        let Some(fingerprint) = fingerprint else {
            return Ok(());
        };
        let began = Instant::now();
        let before = self.index().len();
        while !lock(&self.thread).closed {
            let index = self.index();
            let transaction = connection.transaction()?;
            let Some(model) = Model::of(&transaction, &fingerprint)? else {
                return Ok(());
            };
            let from = index.as_of(&model);
            let Some(extended) = self.extended(&from, &transaction, &model, from.room())? else {
                break;
            };
            self.publish(&index, extended);
        }
        let index = self.index();
        tracing::debug!(
            vectors = index.len(),
            new = index.len().saturating_sub(before),
            bytes = index.bytes(),
            milliseconds = began.elapsed().as_millis() as u64,
            "loaded vectors"
        );
        // A quarter more than the last time: some may have taken the place of others.
        let grown = *swept > 0 && index.len() > *swept + *swept / 4 + ROWS;
        if wish.sweep || grown {
            self.sweep_out(&connection, &fingerprint)?;
        }
        *swept = self.index().len();
        Ok(())
    }

    /// Takes out what is gone, block by block, so that the old and the new never both lie in memory as
    /// a whole.
    fn sweep_out(&self, connection: &Connection, fingerprint: &str) -> Result<(), Fault> {
        let mut living = connection
            .prepare_cached("SELECT id FROM chunks WHERE id BETWEEN ?1 AND ?2 ORDER BY id")?;
        let mut block = 0;
        while !lock(&self.thread).closed {
            let index = self.index();
            let Some(span) = index.span(block).filter(|_| index.is_of(fingerprint)) else {
                break;
            };
            let living: Vec<i64> = living
                .query_map(span, |row| row.get(0))?
                .collect::<Result<_, _>>()?;
            match index.swept(block, &living) {
                // The block after it may have moved into its place: it is looked at again.
                Some(swept) => drop(self.publish(&index, Arc::new(swept))),
                None => block += 1,
            }
        }
        Ok(())
    }

    /// An index with the first `limit` chunks that one lacks; `None` when it lacks none.
    fn extended(
        &self,
        index: &Index,
        connection: &Connection,
        model: &Model,
        limit: usize,
    ) -> rusqlite::Result<Option<Arc<Index>>> {
        let following = stored::following(connection, model, index.covered(), limit)?;
        if !following.damaged.is_empty() {
            let chunks = following.damaged.len();
            tracing::warn!(
                chunks,
                "stored vectors are damaged: their documents need `qmdctl embed`"
            );
            self.report_damaged(following.damaged);
        }
        let last = following.last;
        Ok(last.map(|last| Arc::new(index.extended(&following.entries, last))))
    }

    /// Makes a version what searches begin with, if it was made of the one that they begin with now.
    /// Else it serves this once: what it has more will be added to the other one, too.
    fn publish(&self, from: &Arc<Index>, index: Arc<Index>) -> Arc<Index> {
        self.index.compare_and_swap(from, Arc::clone(&index));
        index
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
