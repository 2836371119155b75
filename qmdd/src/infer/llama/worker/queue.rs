//! The worker's queue: two lanes of units, cut into batches by token budget.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak},
};

use super::job::Job;
use crate::{domain::Role, infer::backend::Lane};

/// One sequence to decode.
pub(super) struct Unit<P> {
    pub job: Arc<Job>,
    /// Its place among the job's units.
    pub index: usize,
    /// Tokens it adds to a batch.
    pub tokens: usize,
    /// Only units of one group share a batch.
    pub group: u64,
    pub payload: P,
}

/// How large a batch may grow.
#[derive(Debug, Clone, Copy)]
pub(super) struct Budget {
    pub interactive_tokens: usize,
    /// Kept small: whoever waits for a bulk batch waits for no more than this.
    pub bulk_tokens: usize,
    pub sequences: usize,
}

/// Which work a model thread takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Share {
    /// Everything, interactive work first: the only thread of its model.
    Whole,
    /// Interactive work: it never waits behind bulk work.
    Front,
    /// Bulk work, and interactive work that is more than one batch.
    Back,
}

impl Share {
    fn takes<P>(self, lane: Lane, lanes: &Lanes<P>, budget: Budget) -> bool {
        match (self, lane) {
            (Self::Whole, _) | (Self::Front, Lane::Interactive) | (Self::Back, Lane::Bulk) => true,
            (Self::Front, Lane::Bulk) => false,
            (Self::Back, Lane::Interactive) => {
                let mut tokens = 0;
                lanes.interactive.iter().any(|unit| {
                    tokens += unit.tokens;
                    tokens > budget.interactive_tokens
                })
            }
        }
    }
}

/// Filled by the reader thread, emptied by the model threads.
pub(super) struct Queue<P> {
    lanes: Mutex<Lanes<P>>,
    filled: Condvar,
    role: Role,
}

struct Lanes<P> {
    interactive: VecDeque<Unit<P>>,
    bulk: VecDeque<Unit<P>>,
    /// Calls whose units wait or are in a batch, and some that have ended.
    jobs: HashMap<u64, Weak<Job>>,
}

impl<P> Queue<P> {
    /// An empty queue of a worker of this role.
    pub(super) fn new(role: Role) -> Self {
        let lanes = Lanes {
            interactive: VecDeque::new(),
            bulk: VecDeque::new(),
            jobs: HashMap::new(),
        };
        Self {
            lanes: Mutex::new(lanes),
            filled: Condvar::new(),
            role,
        }
    }

    /// Appends a call's units to its lane.
    pub(super) fn push(
        &self,
        job: &Arc<Job>,
        lane: Lane,
        units: impl IntoIterator<Item = Unit<P>>,
    ) {
        let mut lanes = self.lock();
        lanes.jobs.retain(|_, job| job.strong_count() > 0);
        lanes.jobs.insert(job.id, Arc::downgrade(job));
        lanes.lane(lane).extend(units);
        self.filled.notify_all();
    }

    /// Ends a call: its waiting units are dropped, and those in a batch no longer than it takes the
    /// engine to look.
    pub(super) fn cancel(&self, id: u64) {
        let mut lanes = self.lock();
        if let Some(job) = lanes.jobs.remove(&id).as_ref().and_then(Weak::upgrade) {
            job.abandon();
        }
        for lane in [Lane::Interactive, Lane::Bulk] {
            lanes.lane(lane).retain(|unit| unit.job.id != id);
        }
    }

    /// Waits for work and takes the next batch: units of one lane, interactive before bulk, of one
    /// group, in order, within the budget (a single unit may exceed it). Units whose call is over
    /// are dropped.
    pub(super) fn next_batch(&self, share: Share, budget: Budget) -> Vec<Unit<P>> {
        let mut lanes = self.lock();
        loop {
            for lane in [Lane::Interactive, Lane::Bulk] {
                if !share.takes(lane, &lanes, budget) {
                    continue;
                }
                let batch = take(lanes.lane(lane), lane, budget, self.role);
                if !batch.is_empty() {
                    return batch;
                }
            }
            lanes = self
                .filled
                .wait(lanes)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Lanes<P>> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<P> Lanes<P> {
    fn lane(&mut self, lane: Lane) -> &mut VecDeque<Unit<P>> {
        match lane {
            Lane::Interactive => &mut self.interactive,
            Lane::Bulk => &mut self.bulk,
        }
    }
}

fn take<P>(
    waiting: &mut VecDeque<Unit<P>>,
    lane: Lane,
    budget: Budget,
    role: Role,
) -> Vec<Unit<P>> {
    let limit = match lane {
        Lane::Interactive => budget.interactive_tokens,
        Lane::Bulk => budget.bulk_tokens,
    };
    let mut batch: Vec<Unit<P>> = Vec::new();
    let mut tokens = 0;
    while let Some(next) = waiting.front() {
        if next.job.is_over(role) {
            waiting.pop_front();
            continue;
        }
        let fits = batch.first().is_none_or(|first| {
            first.group == next.group
                && tokens + next.tokens <= limit
                && batch.len() < budget.sequences
        });
        if !fits {
            break;
        }
        tokens += next.tokens;
        if let Some(unit) = waiting.pop_front() {
            unit.job.start();
            batch.push(unit);
        }
    }
    batch
}

#[cfg(test)]
mod tests {
    use std::{
        sync::mpsc::{Receiver, channel},
        time::Instant,
    };

    use super::*;
    use crate::infer::{backend::InferError, llama::wire::FromWorker};

    const BUDGET: Budget = Budget {
        interactive_tokens: 100,
        bulk_tokens: 20,
        sequences: 3,
    };

    fn queue() -> Queue<()> {
        Queue::new(Role::Embed)
    }

    fn push(
        queue: &Queue<()>,
        id: u64,
        lane: Lane,
        deadline: Option<Instant>,
        sizes: &[usize],
        group: u64,
    ) -> Receiver<FromWorker> {
        let (replies, heard) = channel();
        let order = (0..sizes.len()).collect();
        let job = Job::new(id, deadline, sizes.len(), order, replies);
        queue.push(
            &job,
            lane,
            sizes.iter().enumerate().map(|(index, &tokens)| Unit {
                job: Arc::clone(&job),
                index,
                tokens,
                group,
                payload: (),
            }),
        );
        heard
    }

    fn ids(batch: &[Unit<()>]) -> Vec<(u64, usize)> {
        batch.iter().map(|unit| (unit.job.id, unit.index)).collect()
    }

    #[test]
    fn interactive_goes_first_and_lanes_do_not_mix() {
        let queue = queue();
        let _bulk = push(&queue, 1, Lane::Bulk, None, &[8, 8, 8], 0);
        let _interactive = push(&queue, 2, Lane::Interactive, None, &[50], 0);
        assert_eq!(ids(&queue.next_batch(Share::Whole, BUDGET)), [(2, 0)]);
        assert_eq!(
            ids(&queue.next_batch(Share::Whole, BUDGET)),
            [(1, 0), (1, 1)]
        );
        assert_eq!(ids(&queue.next_batch(Share::Whole, BUDGET)), [(1, 2)]);
    }

    #[test]
    fn the_back_leaves_the_front_what_it_takes_in_one_batch() {
        let queue = queue();
        let _bulk = push(&queue, 1, Lane::Bulk, None, &[8, 8], 0);
        let _one = push(&queue, 2, Lane::Interactive, None, &[60, 40], 0);
        assert_eq!(
            ids(&queue.next_batch(Share::Back, BUDGET)),
            [(1, 0), (1, 1)]
        );
        let _more = push(&queue, 3, Lane::Interactive, None, &[1], 0);
        assert_eq!(
            ids(&queue.next_batch(Share::Back, BUDGET)),
            [(2, 0), (2, 1)]
        );
        assert_eq!(ids(&queue.next_batch(Share::Front, BUDGET)), [(3, 0)]);
    }

    #[test]
    fn a_batch_keeps_to_tokens_sequences_and_group() {
        let queue = queue();
        let _a = push(&queue, 1, Lane::Bulk, None, &[30, 1, 1, 1, 1], 0);
        let _b = push(&queue, 2, Lane::Bulk, None, &[1], 7);
        assert_eq!(
            ids(&queue.next_batch(Share::Whole, BUDGET)),
            [(1, 0)],
            "an oversize unit goes alone"
        );
        assert_eq!(
            ids(&queue.next_batch(Share::Whole, BUDGET)),
            [(1, 1), (1, 2), (1, 3)]
        );
        assert_eq!(ids(&queue.next_batch(Share::Whole, BUDGET)), [(1, 4)]);
        assert_eq!(ids(&queue.next_batch(Share::Whole, BUDGET)), [(2, 0)]);
    }

    #[test]
    fn a_call_in_a_batch_hears_that_it_is_cancelled() {
        let queue = queue();
        let _heard = push(&queue, 1, Lane::Interactive, None, &[1], 0);
        let batch = queue.next_batch(Share::Whole, BUDGET);
        assert!(!batch[0].job.is_over(Role::Embed));
        queue.cancel(1);
        assert!(batch[0].job.is_over(Role::Embed));
    }

    #[test]
    fn cancelled_and_late_calls_leave_the_queue() {
        let queue = queue();
        let cancelled = push(&queue, 1, Lane::Bulk, None, &[1, 1], 0);
        let expired = push(&queue, 2, Lane::Bulk, Some(Instant::now()), &[1], 0);
        let _alive = push(&queue, 3, Lane::Bulk, None, &[1], 0);
        queue.cancel(1);
        assert_eq!(ids(&queue.next_batch(Share::Whole, BUDGET)), [(3, 0)]);
        assert!(cancelled.try_recv().is_err());
        assert!(matches!(
            expired.try_recv(),
            Ok(FromWorker::Reply {
                id: 2,
                result: Err(InferError::Deadline { .. }),
                ..
            })
        ));
    }
}
