//! A call inside the worker: its units, what came of them, and the one reply.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::Sender,
    },
    time::{Duration, Instant},
};

use crate::{
    domain::Role,
    infer::{
        backend::{Embedding, Generation, InferError, Scored},
        llama::wire::{FromWorker, Output},
    },
};

/// What one unit yields.
#[derive(Debug, Clone)]
pub(super) enum UnitOutput {
    Embedding(Embedding),
    Score(Scored),
    Generation(Generation),
}

/// A call in the queue or in a batch. Shared by its units.
pub(super) struct Job {
    pub id: u64,
    pub deadline: Option<Instant>,
    arrived: Instant,
    /// Set once the reply is sent, or is wanted no more.
    over: AtomicBool,
    progress: Mutex<Progress>,
    replies: Sender<FromWorker>,
}

struct Progress {
    waited: Option<Duration>,
    results: Vec<Option<UnitOutput>>,
    missing: usize,
    /// Which unit answers each input: equal inputs share one.
    order: Vec<usize>,
}

impl Job {
    /// A call of `units` units; input `i` is answered by unit `order[i]`.
    pub(super) fn new(
        id: u64,
        deadline: Option<Instant>,
        units: usize,
        order: Vec<usize>,
        replies: Sender<FromWorker>,
    ) -> Arc<Self> {
        let progress = Progress {
            waited: None,
            results: vec![None; units],
            missing: units,
            order,
        };
        Arc::new(Self {
            id,
            deadline,
            arrived: Instant::now(),
            over: AtomicBool::new(false),
            progress: Mutex::new(progress),
            replies,
        })
    }

    /// Whether work on it would be wasted. A passed deadline is answered here.
    pub(super) fn is_over(&self, role: Role) -> bool {
        if self.over.load(Ordering::Acquire) {
            return true;
        }
        let expired = self
            .deadline
            .is_some_and(|deadline| Instant::now() >= deadline);
        if expired {
            self.fail(InferError::Deadline { role });
        }
        expired
    }

    /// The caller has gone: nothing is sent any more.
    pub(super) fn abandon(&self) {
        self.over.store(true, Ordering::Release);
    }

    /// Called when its first unit enters a batch.
    pub(super) fn start(&self) {
        let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        progress
            .waited
            .get_or_insert_with(|| self.arrived.elapsed());
    }

    /// Sends more of the call's text.
    pub(super) fn piece(&self, text: String) {
        // A closed channel means that the daemon has gone, and this process with it.
        let _ = self.replies.send(FromWorker::Piece { id: self.id, text });
    }

    /// Takes a unit's result; the last one sends the reply.
    pub(super) fn complete(&self, unit: usize, output: UnitOutput) {
        let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        if progress.results[unit].replace(output).is_none() {
            progress.missing -= 1;
        }
        if progress.missing == 0 {
            let output = gather(&progress);
            self.reply(progress.waited.unwrap_or_default(), output);
        }
    }

    /// Ends the call with an error, unless it is over.
    pub(super) fn fail(&self, error: InferError) {
        let waited = self
            .progress
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .waited;
        self.reply(waited.unwrap_or_else(|| self.arrived.elapsed()), Err(error));
    }

    fn reply(&self, waited: Duration, result: Result<Output, InferError>) {
        if !self.over.swap(true, Ordering::AcqRel) {
            // A closed channel means that the daemon has gone, and this process with it.
            let _ = self.replies.send(FromWorker::Reply {
                id: self.id,
                waited,
                result,
            });
        }
    }
}

/// Puts the results in the order of the inputs.
fn gather(progress: &Progress) -> Result<Output, InferError> {
    let outputs = || {
        progress
            .order
            .iter()
            .filter_map(|&unit| progress.results[unit].clone())
    };
    let mixed = || InferError::Internal("a worker mixed up its outputs".into());
    match progress.results.first() {
        Some(Some(UnitOutput::Embedding(_))) => outputs()
            .map(|output| match output {
                UnitOutput::Embedding(embedding) => Ok(embedding),
                _ => Err(mixed()),
            })
            .collect::<Result<_, _>>()
            .map(Output::Embeddings),
        Some(Some(UnitOutput::Score(_))) => outputs()
            .map(|output| match output {
                UnitOutput::Score(scored) => Ok(scored),
                _ => Err(mixed()),
            })
            .collect::<Result<_, _>>()
            .map(Output::Scores),
        Some(Some(UnitOutput::Generation(generation))) => Ok(Output::Generated(generation.clone())),
        _ => Err(mixed()),
    }
}
