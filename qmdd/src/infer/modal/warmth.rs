//! Whether a container is up: Cold → Warming → Warm. However many callers find it cold, one flight
//! looks after it, on its own time, and goes on when they give up.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;

use super::{
    error::Fault,
    http::{Exchange, Http, Patience},
    identity::Identity,
    retry::jittered,
};
use crate::{domain::Role, infer::backend::InferError};

/// Longest pause between two looks.
const LONGEST_LOOK: Duration = Duration::from_secs(2);

/// Looks in a row that may fail for want of a connection.
const BROKEN_LOOKS: u32 = 3;

/// What came of a flight.
type Landing = Option<Result<(), InferError>>;

/// The state, as `status` shows it.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum State {
    /// Nothing was heard of it for a while: it may well have ended.
    Cold,
    /// On its way.
    Warming,
    /// Answered a moment ago.
    Warm,
    /// The last that was heard of it was this.
    Failed(InferError),
}

pub(super) struct Warmth {
    http: Arc<Http>,
    identity: Arc<Identity>,
    patience: Patience,
    /// How long a container lives on after its last exchange.
    lives_on: Duration,
    ending: CancellationToken,
    now: Mutex<Now>,
}

#[derive(Default)]
struct Now {
    /// The flight under way.
    flight: Option<watch::Receiver<Landing>>,
    answered: Option<Instant>,
    latency: Option<Duration>,
    failed: Option<InferError>,
}

impl Warmth {
    pub(super) fn new(
        http: Arc<Http>,
        identity: Arc<Identity>,
        patience: Patience,
        lives_on: Duration,
        ending: CancellationToken,
    ) -> Arc<Self> {
        Arc::new(Self {
            http,
            identity,
            patience,
            lives_on,
            ending,
            now: Mutex::default(),
        })
    }

    pub(super) fn state(&self) -> State {
        let now = self.lock();
        match (&now.flight, now.answered, &now.failed) {
            (Some(_), ..) => State::Warming,
            (None, _, Some(error)) => State::Failed(error.clone()),
            (None, Some(at), None) if at.elapsed() < self.lives_on => State::Warm,
            (None, _, None) => State::Cold,
        }
    }

    /// How long the last exchange took.
    pub(super) fn latency(&self) -> Option<Duration> {
        self.lock().latency
    }

    /// An exchange came to an end, well or not.
    pub(super) fn note(&self, started: Instant, error: Option<&InferError>) {
        let mut now = self.lock();
        now.failed = match error {
            None => {
                now.answered = Some(Instant::now());
                now.latency = Some(started.elapsed());
                None
            }
            Some(
                error @ (InferError::Unreachable { .. }
                | InferError::Refused { .. }
                | InferError::RemoteFailed { .. }),
            ) => Some(error.clone()),
            Some(_) => now.failed.take(),
        };
    }

    /// Waits until a container is up. A caller that found it cold before it was last seen up need
    /// not: `found` is when its exchange began.
    ///
    /// # Errors
    /// What keeps it from coming up.
    pub(super) async fn rise(self: &Arc<Self>, found: Instant) -> Result<(), InferError> {
        let mut landing = {
            let mut now = self.lock();
            if now.answered.is_some_and(|answered| answered > found) {
                return Ok(());
            }
            if let Some(landing) = &now.flight {
                landing.clone()
            } else {
                let (tell, landing) = watch::channel(None);
                now.flight = Some(landing.clone());
                tokio::spawn(Arc::clone(self).fly(tell));
                landing
            }
        };
        let landed = landing.wait_for(Option::is_some).await;
        landed.map_or(Err(InferError::ShuttingDown), |landed| {
            landed.clone().unwrap_or(Err(InferError::ShuttingDown))
        })
    }

    async fn fly(self: Arc<Self>, tell: watch::Sender<Landing>) {
        let started = Instant::now();
        let result = tokio::select! {
            result = self.look_until_up(started) => result,
            () = self.ending.cancelled() => Err(InferError::ShuttingDown),
        };
        {
            let mut now = self.lock();
            now.flight = None;
            if result.is_ok() {
                now.answered = Some(Instant::now());
            }
            now.failed = result.as_ref().err().cloned();
        }
        let seconds = started.elapsed().as_secs_f32();
        match &result {
            Ok(()) => tracing::info!(seconds, "the remote end is up"),
            Err(error) => tracing::warn!(seconds, %error, "the remote end did not come up"),
        }
        // Nobody waits any more when this fails.
        let _ = tell.send(Some(result));
    }

    /// Asks what it is, again and again, until it answers.
    async fn look_until_up(&self, started: Instant) -> Result<(), InferError> {
        let end = started + self.patience.start;
        let mut pause = self.patience.look;
        let mut broken = 0;
        loop {
            let wait = match self.http.info(&self.question(end)).await {
                Ok(info) => {
                    self.identity.learn(info);
                    return Ok(());
                }
                Err(Fault::Broken(detail)) => {
                    broken += 1;
                    if broken == BROKEN_LOOKS {
                        return Err(InferError::Unreachable { detail });
                    }
                    None
                }
                Err(Fault::Busy { wait, .. }) => wait,
                Err(Fault::Cold | Fault::Restarting) => {
                    broken = 0;
                    None
                }
                Err(fault) => return Err(fault.into_error(Role::Embed)),
            };
            let wait = jittered(wait.unwrap_or(pause));
            if Instant::now() + wait >= end {
                let seconds = self.patience.start.as_secs();
                let detail = format!("no container came up within {seconds} s");
                return Err(InferError::Unreachable { detail });
            }
            tokio::time::sleep(wait).await;
            pause = pause.mul_f64(1.5).min(LONGEST_LOOK.max(self.patience.look));
        }
    }

    fn question(&self, deadline: Instant) -> Exchange {
        Exchange {
            // For errors, and none of a role comes of this question.
            role: Role::Embed,
            path: "/v1/info",
            body: None,
            id: super::session::request_id(),
            deadline,
            cancel: self.ending.clone(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
