//! The threads that own the database connections: one writes, a few read. Nothing of SQLite ever
//! runs on an async worker.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc},
    thread::{self, JoinHandle},
};

use rusqlite::{Connection, InterruptHandle, Transaction, TransactionBehavior};
use tokio::sync::oneshot;

use super::{
    connection,
    error::{Fault, StoreError},
};

/// Reads that run at the same time. Readers never wait for the writer.
pub(super) const READERS: usize = 2;

type WriteJob = Box<dyn FnOnce(&mut Connection) + Send>;
type ReadJob = Box<dyn FnOnce(&mut Connection, &Arc<InterruptHandle>) + Send>;

/// The way to the threads.
pub(super) struct Threads {
    writes: mpsc::Sender<WriteJob>,
    reads: mpsc::Sender<ReadJob>,
    writer: JoinHandle<()>,
    readers: Vec<JoinHandle<()>>,
}

impl Threads {
    /// Starts one thread for each connection.
    pub(super) fn start(writer: Connection, readers: Vec<Connection>) -> std::io::Result<Self> {
        let (writes, jobs) = mpsc::channel::<WriteJob>();
        let writer = thread::Builder::new()
            .name("store-write".into())
            .spawn(move || write_until_closed(writer, &jobs))?;
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
            writes,
            reads,
            writer,
            readers,
        })
    }

    /// Queues a write: one transaction, committed before the answer comes. It runs to its end even
    /// if nobody waits for it any more.
    pub(super) fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, Fault> + Send + 'static,
    ) -> Result<oneshot::Receiver<Result<T, Fault>>, StoreError> {
        let (answer, receiver) = oneshot::channel();
        let job: WriteJob = Box::new(move |connection| {
            // The asker may have gone, which undoes nothing.
            let _ = answer.send(transact(connection, work));
        });
        self.writes
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
        let running = Running::default();
        let slot = running.clone();
        let job: ReadJob = Box::new(move |connection, interrupt| {
            let here = slot.enter(interrupt);
            // A future dropped before `enter` found no handle, but closed the channel.
            if answer.is_closed() {
                return;
            }
            let result = connection
                .transaction()
                .map_err(Fault::from)
                .and_then(|t| work(&t));
            drop(here);
            let _ = answer.send(result);
        });
        self.reads.send(job).map_err(|_| StoreError::ShuttingDown)?;
        Ok(Reading { receiver, running })
    }

    /// Finishes what is queued and closes the connections in good order. Blocks.
    pub(super) fn close(self) {
        drop(self.reads);
        for reader in self.readers {
            // A job's panic is caught in the thread; there is nothing else to fail here.
            let _ = reader.join();
        }
        drop(self.writes);
        let _ = self.writer.join();
    }
}

/// A read under way.
pub(super) struct Reading<T> {
    receiver: oneshot::Receiver<Result<T, Fault>>,
    running: Running,
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
        self.receiver.close();
        self.running.interrupt();
    }
}

/// The interrupt handle of the connection on which a read runs, while it runs there: an interrupt
/// can never hit the next read of the same connection.
#[derive(Clone, Default)]
struct Running(Arc<Mutex<Option<Arc<InterruptHandle>>>>);

impl Running {
    fn enter(&self, handle: &Arc<InterruptHandle>) -> Here<'_> {
        *self.slot() = Some(Arc::clone(handle));
        Here(self)
    }

    fn interrupt(&self) {
        // Under the lock, so that the read cannot end and make way for another meanwhile.
        if let Some(handle) = self.slot().as_ref() {
            handle.interrupt();
        }
    }

    fn slot(&self) -> MutexGuard<'_, Option<Arc<InterruptHandle>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// While it lives, the read can be interrupted.
struct Here<'a>(&'a Running);

impl Drop for Here<'_> {
    fn drop(&mut self) {
        *self.0.slot() = None;
    }
}

/// The answer's sender was dropped: the job panicked.
pub(super) fn job_lost() -> Fault {
    StoreError::Internal("a database job ended in the middle; the log has the details".into())
        .into()
}

fn transact<T>(
    connection: &mut Connection,
    work: impl FnOnce(&Transaction<'_>) -> Result<T, Fault>,
) -> Result<T, Fault> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let value = work(&transaction)?;
    transaction.commit()?;
    Ok(value)
}

fn write_until_closed(mut connection: Connection, jobs: &mpsc::Receiver<WriteJob>) {
    for job in jobs {
        guard(|| job(&mut connection));
    }
    if let Err(error) = connection::finish(&connection) {
        tracing::warn!(%error, "the index could not be tidied up on closing");
    }
}

fn read_until_closed(mut connection: Connection, jobs: &Mutex<mpsc::Receiver<ReadJob>>) {
    let interrupt = Arc::new(connection.get_interrupt_handle());
    loop {
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = job else { return };
        guard(|| job(&mut connection, &interrupt));
    }
}

/// A panicking job ends alone: its transaction rolls back and its asker gets [`job_lost`].
fn guard(job: impl FnOnce()) {
    if catch_unwind(AssertUnwindSafe(job)).is_err() {
        tracing::error!("a database job panicked");
    }
}
