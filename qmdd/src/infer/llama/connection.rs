//! The daemon's end of a worker's socket: calls under way, by id.

use std::{
    collections::HashMap,
    io,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{
    io::AsyncWriteExt,
    net::unix::{OwnedReadHalf, OwnedWriteHalf},
    sync::{mpsc, oneshot},
    time::timeout_at,
};

use super::wire::{self, FromWorker, Output, Submission, ToWorker, Work};
use crate::{
    domain::Role,
    infer::backend::{Call, InferError, Lane},
};

/// Calls a worker may have waiting or running. Beyond it callers are refused at once.
const MAX_CALLS: usize = 512;

type Answer = Result<Output, InferError>;

/// A live worker.
pub(super) struct Connection {
    role: Role,
    outgoing: mpsc::UnboundedSender<ToWorker>,
    waiting: Mutex<HashMap<u64, Caller>>,
    next_id: AtomicU64,
    /// Longest wait of an interactive call, in microseconds.
    worst_wait: AtomicU64,
}

/// Who waits for an answer.
struct Caller {
    lane: Lane,
    answer: oneshot::Sender<Answer>,
}

impl Connection {
    /// The connection, and what the writing task is to send.
    pub(super) fn new(role: Role) -> (Self, mpsc::UnboundedReceiver<ToWorker>) {
        let (outgoing, to_send) = mpsc::unbounded_channel();
        let connection = Self {
            role,
            outgoing,
            waiting: Mutex::default(),
            next_id: AtomicU64::new(1),
            worst_wait: AtomicU64::new(0),
        };
        (connection, to_send)
    }

    /// Sends a call and awaits its answer, at most until its deadline. Dropping the future cancels.
    pub(super) async fn call(&self, work: Work, call: Call) -> Answer {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let (answer, heard) = oneshot::channel();
        {
            let mut waiting = self.waiting();
            if waiting.len() >= MAX_CALLS {
                let depth = waiting.len() as u32;
                return Err(InferError::QueueFull {
                    role: self.role,
                    depth,
                });
            }
            waiting.insert(
                id,
                Caller {
                    lane: call.lane,
                    answer,
                },
            );
        }
        let mut guard = CallGuard {
            connection: self,
            id,
            answered: false,
        };
        let deadline_in = call
            .deadline
            .map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let submission = Submission {
            id,
            lane: call.lane,
            deadline_in,
            work,
        };
        if self.outgoing.send(ToWorker::Submit(submission)).is_err() {
            return Err(self.gone());
        }
        let answer = async {
            match call.deadline {
                None => Ok(heard.await),
                Some(deadline) => timeout_at(deadline.into(), heard).await,
            }
        };
        tokio::select! {
            () = call.cancel.cancelled() => Err(InferError::Cancelled),
            answer = answer => match answer {
                Err(_) => Err(InferError::Deadline { role: self.role }),
                Ok(Err(_)) => Err(self.gone()),
                Ok(Ok(answer)) => {
                    guard.answered = true;
                    answer
                }
            }
        }
    }

    /// Calls under way.
    pub(super) fn depth(&self) -> u32 {
        self.waiting().len() as u32
    }

    /// Longest wait of an interactive call so far.
    pub(super) fn worst_wait(&self) -> Duration {
        Duration::from_micros(self.worst_wait.load(Ordering::Relaxed))
    }

    /// Fails every call under way.
    pub(super) fn fail_all(&self, error: &InferError) {
        for (_, caller) in self.waiting().drain() {
            let _ = caller.answer.send(Err(error.clone()));
        }
    }

    /// Takes a worker's reply to its caller, if that still waits.
    fn deliver(&self, id: u64, waited: Duration, result: Answer) {
        let Some(caller) = self.waiting().remove(&id) else {
            return;
        };
        if caller.lane == Lane::Interactive {
            self.worst_wait
                .fetch_max(waited.as_micros() as u64, Ordering::Relaxed);
        }
        let _ = caller.answer.send(result);
    }

    fn gone(&self) -> InferError {
        InferError::WorkerCrashed {
            role: self.role,
            detail: "the connection closed".into(),
        }
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<u64, Caller>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells the worker when a caller has gone before its answer came.
struct CallGuard<'a> {
    connection: &'a Connection,
    id: u64,
    answered: bool,
}

impl Drop for CallGuard<'_> {
    fn drop(&mut self) {
        if !self.answered && self.connection.waiting().remove(&self.id).is_some() {
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
        if let FromWorker::Reply { id, waited, result } = message {
            connection.deliver(id, waited, result);
        }
    }
    Ok(())
}
