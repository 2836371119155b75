//! The daemon's end of a worker's socket: calls under way, by id.

use std::{
    collections::HashMap,
    io,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{
    io::AsyncWriteExt,
    net::unix::{OwnedReadHalf, OwnedWriteHalf},
    sync::{Notify, mpsc, oneshot},
    time::{sleep_until, timeout_at},
};

use super::wire::{self, FromWorker, Output, Submission, ToWorker, Work};
use crate::{
    domain::Role,
    infer::backend::{Call, InferError, Lane, Pieces},
};

/// How long a caller on the way in is given before it is looked for again.
const ON_THE_WAY: Duration = Duration::from_millis(20);

/// How much longer than its deadline a call waits for what the worker has by then: the text that a
/// generation came to, or the worker's own refusal.
const GRACE: Duration = Duration::from_millis(250);

/// Calls a worker may have waiting or running. Beyond it callers are refused at once.
const MAX_CALLS: usize = 512;

type Answer = Result<Output, InferError>;

/// A live worker.
pub(super) struct Connection {
    role: Role,
    outgoing: mpsc::UnboundedSender<ToWorker>,
    callers: Mutex<Callers>,
    /// Told when the last call under way ends.
    quiet: Notify,
    next_id: AtomicU64,
    /// Longest wait of an interactive call, in microseconds.
    worst_wait: AtomicU64,
}

struct Callers {
    waiting: HashMap<u64, Caller>,
    /// When the last call ended.
    quiet_since: Instant,
    /// The worker is about to end: nobody is let in any more.
    closed: bool,
}

/// Who waits for an answer.
struct Caller {
    lane: Lane,
    answer: oneshot::Sender<Answer>,
    pieces: Option<Pieces>,
}

impl Connection {
    /// The connection, and what the writing task is to send.
    pub(super) fn new(role: Role) -> (Self, mpsc::UnboundedReceiver<ToWorker>) {
        let (outgoing, to_send) = mpsc::unbounded_channel();
        let callers = Callers {
            waiting: HashMap::new(),
            quiet_since: Instant::now(),
            closed: false,
        };
        let connection = Self {
            role,
            outgoing,
            callers: Mutex::new(callers),
            quiet: Notify::new(),
            next_id: AtomicU64::new(1),
            worst_wait: AtomicU64::new(0),
        };
        (connection, to_send)
    }

    /// Takes a place among the calls under way; `None` when the worker is about to end.
    ///
    /// # Errors
    /// [`InferError::QueueFull`].
    pub(super) fn enter(
        self: &Arc<Self>,
        lane: Lane,
        pieces: Option<Pieces>,
    ) -> Result<Option<Ticket>, InferError> {
        let mut callers = self.callers();
        if callers.closed {
            return Ok(None);
        }
        if callers.waiting.len() >= MAX_CALLS {
            let depth = callers.waiting.len() as u32;
            return Err(InferError::QueueFull {
                role: self.role,
                depth,
            });
        }
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let (answer, heard) = oneshot::channel();
        let caller = Caller {
            lane,
            answer,
            pieces,
        };
        callers.waiting.insert(id, caller);
        Ok(Some(Ticket {
            connection: Arc::clone(self),
            id,
            heard,
        }))
    }

    /// Calls under way.
    pub(super) fn depth(&self) -> u32 {
        self.callers().waiting.len() as u32
    }

    /// Longest wait of an interactive call so far.
    pub(super) fn worst_wait(&self) -> Duration {
        Duration::from_micros(self.worst_wait.load(Ordering::Relaxed))
    }

    /// Waits until no call has come for `limit` and nobody is on the way in, then lets nobody in any
    /// more.
    pub(super) async fn close_when_unused(&self, limit: Duration, awaited: &AtomicU32) {
        loop {
            let quiet = self.quiet.notified();
            let until = {
                let mut callers = self.callers();
                let mut until = callers.quiet_since + limit;
                let busy = !callers.waiting.is_empty();
                if !busy && Instant::now() >= until {
                    if awaited.load(Ordering::Acquire) == 0 {
                        callers.closed = true;
                        return;
                    }
                    until = Instant::now() + ON_THE_WAY;
                }
                (!busy).then_some(until)
            };
            match until {
                None => quiet.await,
                Some(until) => sleep_until(until.into()).await,
            }
        }
    }

    /// Fails every call under way, and lets nobody in any more.
    pub(super) fn fail_all(&self, error: &InferError) {
        let mut callers = self.callers();
        callers.closed = true;
        for (_, caller) in callers.waiting.drain() {
            let _ = caller.answer.send(Err(error.clone()));
        }
    }

    /// Takes a worker's reply to its caller, if that still waits.
    fn deliver(&self, id: u64, waited: Duration, result: Answer) {
        let Some(caller) = self.leave(id) else {
            return;
        };
        if caller.lane == Lane::Interactive {
            self.worst_wait
                .fetch_max(waited.as_micros() as u64, Ordering::Relaxed);
        }
        let _ = caller.answer.send(result);
    }

    /// Takes a piece of text to its caller, if that still listens.
    fn relay(&self, id: u64, text: String) {
        if let Some(pieces) = self
            .callers()
            .waiting
            .get(&id)
            .and_then(|caller| caller.pieces.as_ref())
        {
            let _ = pieces.send(text);
        }
    }

    fn leave(&self, id: u64) -> Option<Caller> {
        let mut callers = self.callers();
        let caller = callers.waiting.remove(&id);
        if caller.is_some() && callers.waiting.is_empty() {
            callers.quiet_since = Instant::now();
            self.quiet.notify_one();
        }
        caller
    }

    fn gone(&self) -> InferError {
        InferError::WorkerCrashed {
            role: self.role,
            detail: "the connection closed".into(),
        }
    }

    fn callers(&self) -> MutexGuard<'_, Callers> {
        self.callers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place among the calls under way. Dropping it tells the worker that the caller has gone.
pub(super) struct Ticket {
    connection: Arc<Connection>,
    id: u64,
    heard: oneshot::Receiver<Answer>,
}

impl Ticket {
    /// Sends the call and awaits its answer, at most until its deadline.
    pub(super) async fn call(mut self, work: Work, call: Call) -> Answer {
        let submission = Submission {
            id: self.id,
            lane: call.lane,
            deadline_in: call
                .deadline
                .map(|deadline| deadline.saturating_duration_since(Instant::now())),
            work,
        };
        let sent = self.connection.outgoing.send(ToWorker::Submit(submission));
        if sent.is_err() {
            return Err(self.connection.gone());
        }
        let heard = &mut self.heard;
        let answer = async {
            match call.deadline {
                None => Ok(heard.await),
                Some(deadline) => timeout_at((deadline + GRACE).into(), heard).await,
            }
        };
        tokio::select! {
            () = call.cancel.cancelled() => Err(InferError::Cancelled),
            answer = answer => match answer {
                Err(_) => Err(InferError::Deadline { role: self.connection.role }),
                Ok(Err(_)) => Err(self.connection.gone()),
                Ok(Ok(answer)) => answer,
            }
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        // An answered call has left already.
        if self.connection.leave(self.id).is_some() {
            let _ = self.connection.outgoing.send(ToWorker::Cancel(self.id));
        }
    }
}

/// Sends until the worker or the connection is gone.
pub(super) async fn write_all(
    mut to: OwnedWriteHalf,
    mut messages: mpsc::UnboundedReceiver<ToWorker>,
) -> io::Result<()> {
    while let Some(message) = messages.recv().await {
        to.write_all(&wire::encode(&message)?).await?;
    }
    Ok(())
}

/// Delivers replies until the worker closes.
pub(super) async fn read_all(
    from: &mut tokio::io::BufReader<OwnedReadHalf>,
    connection: &Connection,
) -> io::Result<()> {
    while let Some(message) = wire::read_async(from).await? {
        match message {
            FromWorker::Reply { id, waited, result } => connection.deliver(id, waited, result),
            FromWorker::Piece { id, text } => connection.relay(id, text),
            FromWorker::Ready { .. } | FromWorker::LoadFailed(_) => {}
        }
    }
    Ok(())
}
