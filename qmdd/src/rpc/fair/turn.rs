//! Requests that wait for their turn, and the places of those that have it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::oneshot;
use tonic::Status;

use super::{
    pace::Pace,
    pool::{Limits, Pool},
    scheduler::{Full, Id, Scheduler, Ticket},
};
use crate::{domain::Reason, rpc::status};

tokio::task_local! {
    /// The place of the request that is being answered.
    static PLACE: Arc<Place>;
}

/// The place of the request that is being answered, for work that goes on after the answer has begun.
/// Whoever keeps it keeps the place taken.
pub(in crate::rpc) fn held() -> Option<Arc<Place>> {
    PLACE.try_with(Arc::clone).ok()
}

/// Answers a request in its place.
pub(super) async fn holding<F: Future>(place: Place, answer: F) -> F::Output {
    PLACE.scope(Arc::new(place), answer).await
}

/// Everybody who waits or works.
#[derive(Debug)]
pub(super) struct Turns(Mutex<State>);

#[derive(Debug)]
struct State {
    scheduler: Scheduler,
    pace: Pace,
    /// Those who wait, and how they are called.
    waiting: HashMap<Ticket, oneshot::Sender<()>>,
    refused: u64,
}

impl State {
    fn call_next(&mut self) {
        while let Some(ticket) = self.scheduler.next() {
            if let Some(waiting) = self.waiting.remove(&ticket) {
                // Who has just gone gives the place back by itself.
                let _ = waiting.send(());
            }
        }
    }

    /// Why nothing is left for a request, as its sender is told.
    fn refuse(&mut self, connection: Id, pool: Pool, full: Full) -> Status {
        let after = self.pace.ask_again(&self.scheduler, connection, pool, full);
        self.refused += 1;
        // Now and then: a flood of requests is no flood of lines.
        if self.refused.is_power_of_two() {
            let refused = self.refused;
            tracing::warn!(
                refused,
                connection = connection.0,
                ?full,
                "requests are refused"
            );
        }
        refusal(full, self.scheduler.limits(), after)
    }
}

impl Turns {
    /// Nobody is here.
    pub(super) fn new(limits: Limits) -> Self {
        Self(Mutex::new(State {
            scheduler: Scheduler::new(limits),
            pace: Pace::default(),
            waiting: HashMap::new(),
            refused: 0,
        }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a request in that will wait for its turn. `pool` is what it is taken for so far.
    ///
    /// # Errors
    /// The refusal, when too many wait.
    pub(super) fn enter(self: &Arc<Self>, connection: Id, pool: Pool) -> Result<Place, Status> {
        let mut state = self.state();
        let entered = state.scheduler.enter(connection);
        let ticket = entered.map_err(|full| state.refuse(connection, pool, full))?;
        Ok(self.place(ticket, connection, pool, None))
    }

    /// Lets a request in that does not wait.
    ///
    /// # Errors
    /// The refusal, when no place is free.
    pub(super) fn enter_at_once(
        self: &Arc<Self>,
        connection: Id,
        pool: Pool,
    ) -> Result<Place, Status> {
        let mut state = self.state();
        let entered = state.scheduler.enter_at_once(connection, pool);
        let ticket = entered.map_err(|full| state.refuse(connection, pool, full))?;
        Ok(self.place(ticket, connection, pool, Some(Instant::now())))
    }

    fn place(
        self: &Arc<Self>,
        ticket: Ticket,
        connection: Id,
        pool: Pool,
        began: Option<Instant>,
    ) -> Place {
        Place {
            turns: Arc::clone(self),
            ticket,
            connection,
            pool,
            began,
        }
    }
}

/// A request's place, from its arrival to its end: dropping it ends the request, and calls the next.
#[derive(Debug)]
pub(in crate::rpc) struct Place {
    turns: Arc<Turns>,
    ticket: Ticket,
    connection: Id,
    pool: Pool,
    /// When its turn came.
    began: Option<Instant>,
}

impl Place {
    /// Makes room for more bytes of the request.
    ///
    /// # Errors
    /// The refusal, when there is none.
    pub(super) fn grow(&self, bytes: usize) -> Result<(), Status> {
        let mut state = self.turns.state();
        let grown = state.scheduler.grow(self.ticket, bytes);
        grown.map_err(|full| state.refuse(self.connection, self.pool, full))
    }

    /// Waits until it is this request's turn. Dropped meanwhile, the request is gone.
    pub(super) async fn turn(mut self, pool: Pool) -> Self {
        self.pool = pool;
        let called = {
            let mut state = self.turns.state();
            let (call, called) = oneshot::channel();
            state.waiting.insert(self.ticket, call);
            state.scheduler.line_up(self.ticket, pool);
            state.call_next();
            called
        };
        // Nobody else drops the sender.
        let _ = called.await;
        self.began = Some(Instant::now());
        self
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.turns.state();
        state.waiting.remove(&self.ticket);
        state.scheduler.leave(self.ticket);
        if let Some(began) = self.began {
            state.pace.note(self.pool, began.elapsed());
        }
        state.call_next();
    }
}

fn refusal(full: Full, limits: &Limits, after: Duration) -> Status {
    let mebibytes = |bytes: usize| format!("{} MiB", bytes >> 20);
    let message = match full {
        Full::Waiting => format!(
            "{} requests of this connection wait already",
            limits.waiting_each
        ),
        Full::AllWaiting => format!("{} requests wait already", limits.waiting),
        Full::Bytes => format!(
            "the requests of this connection take {} already",
            mebibytes(limits.bytes_each)
        ),
        Full::AllBytes => format!(
            "the requests that are here take {}",
            mebibytes(limits.bytes)
        ),
        Full::Places(pool) => format!(
            "{} {} of this connection are under way already",
            limits.share(pool).each,
            pool.noun()
        ),
        Full::AllPlaces(pool) => format!(
            "{} {} are under way already",
            limits.share(pool).places,
            pool.noun()
        ),
    };
    status::later(Reason::TooManyRequests, message, after)
}
