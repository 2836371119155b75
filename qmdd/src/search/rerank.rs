//! Has the best candidates read by the reranker, best first, as many as the time allows.

use std::{
    collections::VecDeque,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::{Duration, Instant},
};

use futures::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesOrdered};

use super::{Context, candidates::MOST};
use crate::infer::backend::{Call, InferError, Scored};

/// Candidates read in one call where there is time for all of them.
const TOGETHER: usize = 8;
/// Calls under way: the model never waits for the next one.
const IN_FLIGHT: usize = 2;
/// How long a reranking without a budget may take.
const LIMIT: Duration = Duration::from_secs(120);
/// Candidates that a budget should suffice for: their passages are cut to what can be read.
const WORTH: f64 = 6.0;
/// Bytes of a passage that should be read at least: a sentence.
const LEAST: usize = 96;
/// With fewer, reading says nothing.
const FEWEST: usize = 48;
/// What comes sooner was not read, but remembered.
const REMEMBERED: Duration = Duration::from_millis(2);

/// How quick the reranker is, learnt from what it has read.
#[derive(Debug, Default)]
pub struct Pace {
    /// Nanoseconds for a byte; 0 as long as nothing was read.
    per_byte: AtomicU64,
}

impl Pace {
    /// Learns from a text that was read.
    fn learn(&self, bytes: usize, took: Duration) {
        if bytes == 0 || took < REMEMBERED {
            return;
        }
        let measured = took.as_nanos() as u64 / bytes as u64;
        let known = self.per_byte.load(Relaxed);
        let next = match known {
            0 => measured,
            known => (3 * known + measured) / 4,
        };
        self.per_byte.store(next.max(1), Relaxed);
    }

    /// The most bytes of a passage that are worth reading in the time left.
    fn passage(&self, left: Duration, most: usize) -> usize {
        match self.per_byte.load(Relaxed) {
            0 => most,
            pace => {
                let bytes = left.as_nanos() as f64 / pace as f64 / WORTH;
                (bytes as usize).clamp(LEAST.min(most), most)
            }
        }
    }
}

/// Candidates being read.
pub(super) struct Reading<'a> {
    context: &'a Context<'a>,
    query: String,
    call: Call,
    /// The most bytes of a passage.
    most: usize,
    /// Documents, in parts of one call each.
    waiting: VecDeque<Vec<i64>>,
    under_way: FuturesOrdered<BoxFuture<'a, Result<Vec<Scored>, InferError>>>,
    /// What each call under way reads, and how many bytes of it.
    reads: VecDeque<(Vec<i64>, usize)>,
    last: Instant,
    /// Of the candidates read so far, in their order.
    pub scores: Vec<f64>,
    /// Why not all of them were.
    pub error: Option<InferError>,
}

impl<'a> Reading<'a> {
    /// Of candidates, the first ones first. Where time is short their passages are cut, so that it
    /// suffices for more than one or two.
    pub(super) fn new(context: &'a Context<'a>, query: String, candidates: &[i64]) -> Self {
        let (together, most) = match context.left() {
            Some(left) => (1, context.pace.passage(left, MOST)),
            None => (TOGETHER, MOST),
        };
        Self {
            context,
            query,
            call: context.call(LIMIT),
            most,
            waiting: candidates.chunks(together).map(<[i64]>::to_vec).collect(),
            under_way: FuturesOrdered::new(),
            reads: VecDeque::new(),
            last: Instant::now(),
            scores: Vec::new(),
            error: None,
        }
    }

    /// Reads on, up to the next scores; `passages` are what is read of candidates, at most so many
    /// bytes of each. False when there are none to come, or no time.
    pub(super) async fn step(&mut self, passages: impl Fn(&[i64], usize) -> Vec<String>) -> bool {
        loop {
            while self.under_way.len() < IN_FLIGHT
                && let Some(part) = self.waiting.pop_front()
            {
                let texts = passages(&part, self.most);
                let bytes = texts.iter().map(String::len).sum();
                self.reads.push_back((part, bytes));
                let backend = self.context.backend;
                let (query, call) = (self.query.clone(), self.call.clone());
                self.under_way
                    .push_back(async move { backend.rerank(query, texts, call).await }.boxed());
            }
            let next = self.under_way.next();
            let Some(result) = self.context.before_deadline(next).await else {
                self.learn();
                return false;
            };
            match result {
                None => return false,
                Some(Ok(scored)) => {
                    self.learn();
                    self.scores
                        .extend(scored.iter().map(|scored| f64::from(scored.score)));
                    return true;
                }
                // The model knows that it cannot read so much in time.
                Some(Err(InferError::Deadline { .. })) if self.is_hurried() => {
                    if self.context.is_late() || !self.shorten() {
                        return false;
                    }
                }
                Some(Err(error)) => {
                    self.error = Some(error);
                    return false;
                }
            }
        }
    }

    fn is_hurried(&self) -> bool {
        self.context.request.deadline.is_some()
    }

    /// Begins anew with shorter passages what is under way; false when they are as short as can be.
    fn shorten(&mut self) -> bool {
        if self.most <= FEWEST {
            return false;
        }
        self.most = (self.most / 2).max(FEWEST);
        self.under_way.clear();
        while let Some((part, _)) = self.reads.pop_back() {
            self.waiting.push_front(part);
        }
        true
    }

    /// Notes how long the passages took that were read last, or were not read to their end.
    fn learn(&mut self) {
        let bytes = self.reads.pop_front().map_or(0, |(_, bytes)| bytes);
        let now = Instant::now();
        self.context.pace.learn(bytes, now - self.last);
        self.last = now;
    }
}
