//! The threads that own the database connections: one writes, a few read. Nothing of SQLite ever
//! runs on an async worker.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{
            AtomicBool, AtomicU64,
            Ordering::{Relaxed, SeqCst},
        },
        mpsc::{self, RecvTimeoutError},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::oneshot;

use super::{
    connection,
    error::{Fault, StoreError},
    spare::Spare,
    vectors,
};

/// Reads that run at the same time. Readers never wait for the writer.
pub(super) const READERS: usize = 2;

/// Steps of SQLite's virtual machine after which a read looks whether it is still wanted. A vector
/// search takes about ten steps for a thousand vectors.
const STEPS_BETWEEN_LOOKS: i32 = 100;

/// How long nobody has written before the writing thread does what can wait.
const QUIET: Duration = Duration::from_secs(1);

type WriteJob = Box<dyn FnOnce(&mut Connection) + Send>;
type ReadJob = Box<dyn FnOnce(&mut Connection) + Send>;

/// The way to the threads.
pub(super) struct Threads {
    /// `None` where the database cannot be written.
    writer: Option<Writer>,
    reads: mpsc::Sender<ReadJob>,
    readers: Vec<JoinHandle<()>>,
    revision: Arc<AtomicU64>,
}

struct Writer {
    writes: mpsc::Sender<WriteJob>,
    thread: JoinHandle<()>,
}

impl Threads {
    /// Starts one thread for each connection. `revision` grows with every write.
    pub(super) fn start(
        writer: Option<Connection>,
        readers: Vec<Connection>,
        revision: Arc<AtomicU64>,
    ) -> std::io::Result<Self> {
        let writer = writer
            .map(|connection| {
                let (writes, jobs) = mpsc::channel::<WriteJob>();
                let thread = thread::Builder::new()
                    .name("store-write".into())
                    .spawn(move || write_until_closed(connection, &jobs))?;
                std::io::Result::Ok(Writer { writes, thread })
            })
            .transpose()?;
        let (reads, jobs) = mpsc::channel::<ReadJob>();
        let jobs = Arc::new(Mutex::new(jobs));
        let readers = readers
            .into_iter()
            .map(|reader| {
                let jobs = Arc::clone(&jobs);
                thread::Builder::new()
                    .name("store-read".into())
                    .spawn(move || read_until_closed(reader, &jobs))
            })
            .collect::<Result<_, _>>()?;
        Ok(Self {
            writer,
            reads,
            readers,
            revision,
        })
    }

    /// Queues a write: one transaction, committed before the answer comes. It runs to its end even
    /// if nobody waits for it any more.
    pub(super) fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, Fault> + Send + 'static,
    ) -> Result<oneshot::Receiver<Result<T, Fault>>, StoreError> {
        self.maintain(|connection| transact(connection, work))
    }

    /// Queues work with the writing connection, outside of any transaction.
    pub(super) fn maintain<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<T, Fault> + Send + 'static,
    ) -> Result<oneshot::Receiver<Result<T, Fault>>, StoreError> {
        let writer = self.writer.as_ref().ok_or(StoreError::ShuttingDown)?;
        let (answer, receiver) = oneshot::channel();
        let revision = Arc::clone(&self.revision);
        let job: WriteJob = Box::new(move |connection| {
            // The asker may have gone, which undoes nothing.
            let result = work(connection);
            // Before the answer: who has it must not be told what was true before.
            revision.fetch_add(1, SeqCst);
            let _ = answer.send(result);
        });
        writer
            .writes
            .send(job)
            .map_err(|_| StoreError::ShuttingDown)?;
        Ok(receiver)
    }

    /// Queues a read: one snapshot of the database. Dropping the [`Reading`] skips or interrupts it.
    pub(super) fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, Fault> + Send + 'static,
    ) -> Result<Reading<T>, StoreError> {
        let (answer, receiver) = oneshot::channel();
        let cancelled = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&cancelled);
        let job: ReadJob = Box::new(move |connection| {
            if flag.load(Relaxed) {
                return;
            }
            let _ = answer.send(read_unless(flag, connection, work));
        });
        self.reads.send(job).map_err(|_| StoreError::ShuttingDown)?;
        Ok(Reading {
            receiver,
            cancelled,
        })
    }

    /// Finishes what is queued and closes the connections in good order. Blocks.
    pub(super) fn close(self) {
        drop(self.reads);
        for reader in self.readers {
            // A job's panic is caught in the thread; there is nothing else to fail here.
            let _ = reader.join();
        }
        if let Some(Writer { writes, thread }) = self.writer {
            drop(writes);
            let _ = thread.join();
        }
    }
}

/// A read under way.
pub(super) struct Reading<T> {
    receiver: oneshot::Receiver<Result<T, Fault>>,
    cancelled: Arc<AtomicBool>,
}

impl<T> Reading<T> {
    /// Waits for its end.
    pub(super) async fn result(mut self) -> Result<T, Fault> {
        // By reference: dropped half-way, the whole of `self` goes, and with it the read.
        (&mut self.receiver)
            .await
            .unwrap_or_else(|_| Err(job_lost()))
    }
}

impl<T> Drop for Reading<T> {
    fn drop(&mut self) {
        self.cancelled.store(true, Relaxed);
    }
}

/// The answer's sender was dropped: the job panicked.
pub(super) fn job_lost() -> Fault {
    StoreError::Internal("a database job ended in the middle; the log has the details".into())
        .into()
}

/// Reads in a snapshot, and gives up soon after the flag is set. (`sqlite3_interrupt` would be lost
/// between two statements, and could hit a later read.)
pub(super) fn read_unless<T>(
    cancelled: Arc<AtomicBool>,
    connection: &mut Connection,
    work: impl FnOnce(&Transaction<'_>) -> Result<T, Fault>,
) -> Result<T, Fault> {
    connection.progress_handler(STEPS_BETWEEN_LOOKS, Some(move || cancelled.load(Relaxed)))?;
    work(&connection.transaction()?)
}

fn transact<T>(
    connection: &mut Connection,
    work: impl FnOnce(&Transaction<'_>) -> Result<T, Fault>,
) -> Result<T, Fault> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let before = transaction.total_changes();
    let value = work(&transaction)?;
    if transaction.total_changes() != before {
        vectors::advance_generation(&transaction)?;
    }
    transaction.commit()?;
    Ok(value)
}

fn write_until_closed(mut connection: Connection, jobs: &mpsc::Receiver<WriteJob>) {
    let (mut spare, mut wait) = (Spare::Nothing, QUIET);
    let mut changes = connection.total_changes();
    loop {
        let job = match spare {
            Spare::Nothing => jobs.recv().map_err(|_| RecvTimeoutError::Disconnected),
            _ => jobs.recv_timeout(wait),
        };
        match job {
            Ok(job) => {
                guard(|| job(&mut connection));
                if connection.total_changes() != changes && matches!(spare, Spare::Nothing) {
                    spare = Spare::Look;
                }
                wait = QUIET;
            }
            Err(RecvTimeoutError::Timeout) => {
                spare = spare.go_on(&mut connection);
                wait = Duration::ZERO;
            }
            Err(RecvTimeoutError::Disconnected) => break,
        }
        changes = connection.total_changes();
    }
    if let Err(error) = connection::finish(&connection) {
        tracing::warn!(%error, "the index could not be tidied up on closing");
    }
}

fn read_until_closed(mut connection: Connection, jobs: &Mutex<mpsc::Receiver<ReadJob>>) {
    loop {
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = job else { return };
        guard(|| job(&mut connection));
    }
}

/// A panicking job ends alone: its transaction rolls back and its asker gets [`job_lost`].
fn guard(job: impl FnOnce()) {
    if catch_unwind(AssertUnwindSafe(job)).is_err() {
        tracing::error!("a database job panicked");
    }
}
