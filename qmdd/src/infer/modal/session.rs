//! A session with one deployment: pooled connections, two lanes, and what is known of the other end.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use reqwest::Url;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::{
    contract::{Info, RemoteModel, Reply, Request},
    error::{Fault, UNNAMED, nonsense},
    http::{Body, Exchange, Http, Patience},
    identity::{self, Identity},
    keep_warm::{KeepWarm, Spending},
    limit::Adaptive,
    stack::{Stack, stack},
    warmth::{State, Warmth},
};
use crate::{
    config::Secret,
    domain::Role,
    infer::backend::{Call, InferError, Lane},
};

/// Exchanges of the interactive lane under way at once. Bulk work never takes these places.
pub(super) const INTERACTIVE: usize = 16;

/// Bulk exchanges a container is given at once: while one computes, the next ones are on their way.
pub(super) const BULK_PER_CONTAINER: usize = 4;

/// How a session is had.
pub(super) struct Setup {
    pub url: Url,
    pub token: Option<Secret>,
    pub containers: usize,
    pub lives_on: Duration,
    pub keep_warm: Option<KeepWarm>,
    pub patience: Patience,
    pub memory: PathBuf,
}

pub(super) struct Session {
    warmth: Arc<Warmth>,
    identity: Arc<Identity>,
    interactive: Stack,
    bulk: Stack,
    bulk_places: Arc<Adaptive>,
    patience: Patience,
    ending: CancellationToken,
    /// When somebody last waited for an answer.
    asked: Mutex<Option<Instant>>,
}

impl Session {
    /// A session that has not connected yet. To be called inside a tokio runtime.
    ///
    /// # Errors
    /// When the system has no certificates to trust.
    pub(super) fn new(setup: Setup) -> Result<Arc<Self>, InferError> {
        let Setup { url, patience, .. } = setup;
        let interactive = Adaptive::new(INTERACTIVE);
        let bulk = Adaptive::new((setup.containers * BULK_PER_CONTAINER).max(1));
        let pool = INTERACTIVE + bulk.limit();
        let identity = Arc::new(Identity::read(url.to_string(), setup.memory));
        let http = Arc::new(Http::new(url, setup.token, pool, patience)?);
        let ending = CancellationToken::new();
        let warmth = Warmth::new(
            Arc::clone(&http),
            Arc::clone(&identity),
            patience,
            setup.lives_on,
            ending.clone(),
        );
        let lane = |own: &Arc<Adaptive>| {
            stack(
                Arc::clone(&http),
                Arc::clone(&warmth),
                Arc::clone(own),
                Arc::clone(&bulk),
                patience,
                ending.clone(),
            )
        };
        let session = Arc::new(Self {
            interactive: lane(&interactive),
            bulk: lane(&bulk),
            bulk_places: bulk,
            warmth,
            identity,
            patience,
            ending,
            asked: Mutex::default(),
        });
        if let Some(bounds) = setup.keep_warm {
            tokio::spawn(keep_warm(Arc::downgrade(&session), bounds));
        }
        Ok(session)
    }

    /// One exchange with the model that the caller reckons with.
    pub(super) async fn call<R: Request>(
        &self,
        role: Role,
        model: &RemoteModel,
        request: &R,
        call: &Call,
    ) -> Result<R::Reply, InferError> {
        let started = Instant::now();
        let result = self.exchange(role, request, call).await;
        self.warmth.note(started, result.as_ref().err());
        let reply: R::Reply = result?;
        if let Err(error) = identity::same(role, &model.sha256, reply.model()) {
            // Whoever asks next is to know the new one.
            self.up(role, call).await?;
            return Err(error);
        }
        Ok(reply)
    }

    async fn exchange<R: Request>(
        &self,
        role: Role,
        request: &R,
        call: &Call,
    ) -> Result<R::Reply, InferError> {
        let json =
            serde_json::to_vec(request).map_err(|error| InferError::Internal(error.to_string()))?;
        let exchange = Exchange {
            role,
            path: R::PATH,
            body: Some(Body::new(json).await?),
            id: request_id(),
            deadline: self.deadline(call),
            cancel: call.cancel.clone(),
        };
        let lane = match call.lane {
            Lane::Interactive => {
                *self.asked.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
                &self.interactive
            }
            Lane::Bulk => &self.bulk,
        };
        let answer = lane.clone().oneshot(exchange).await;
        let body = answer.map_err(|fault| self.explain(fault, role, call))?;
        serde_json::from_slice(&body).map_err(|error| {
            nonsense(format!("its answer is of no known form: {error}")).into_error(role)
        })
    }

    /// What the remote end is, for a call to a role's model; asked when that is not known yet.
    pub(super) async fn info(&self, role: Role, call: &Call) -> Result<Arc<Info>, InferError> {
        if let Some(info) = self.identity.for_call(role) {
            return Ok(info);
        }
        let up = self.up(role, call).await;
        up.and_then(|()| self.identity.get().ok_or_else(|| loading(role)))
    }

    /// Waits until the remote end has answered, now.
    pub(super) async fn up(&self, role: Role, call: &Call) -> Result<(), InferError> {
        tokio::select! {
            up = self.warmth.rise(Instant::now()) => up,
            () = tokio::time::sleep_until(self.deadline(call)) => {
                Err(self.explain(Fault::Late, role, call))
            }
            () = call.cancel.cancelled() => Err(InferError::Cancelled),
        }
    }

    /// What is known of the remote end without asking it.
    pub(super) fn known(&self) -> Option<Arc<Info>> {
        self.identity.get()
    }

    pub(super) fn state(&self) -> State {
        self.warmth.state()
    }

    pub(super) fn latency(&self) -> Option<Duration> {
        self.warmth.latency()
    }

    /// Bulk exchanges worth having under way now.
    pub(super) fn width(&self) -> usize {
        self.bulk_places.limit()
    }

    /// Ends everything under way.
    pub(super) fn end(&self) {
        self.ending.cancel();
    }

    /// A call without a deadline of its own gets the longest that may make sense.
    fn deadline(&self, call: &Call) -> Instant {
        let longest = Instant::now() + self.patience.start + self.patience.answer;
        let own = call.deadline.map(Instant::from_std);
        own.map_or(longest, |own| own.min(longest))
    }

    /// A deadline that passes during a warm-up is no fault of the exchange.
    fn explain(&self, fault: Fault, role: Role, call: &Call) -> InferError {
        match (fault, self.warmth.state()) {
            (Fault::Late, State::Warming) => loading(role),
            (Fault::Late, _) if call.deadline.is_none() => InferError::Unreachable {
                detail: "no answer in time".into(),
            },
            (fault, _) => fault.into_error(role),
        }
    }
}

/// Looks in on the container while somebody is active, which keeps it from ending. Ends with the session.
async fn keep_warm(session: Weak<Session>, bounds: KeepWarm) {
    let mut spending = Spending::new(bounds, Instant::now());
    loop {
        tokio::time::sleep(bounds.every).await;
        let Some(session) = session.upgrade().filter(|it| !it.ending.is_cancelled()) else {
            return;
        };
        let asked = *session.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if spending.look(asked, now) {
            // What comes of it, `status` shows.
            let _ = session.warmth.rise(now).await;
        }
    }
}

fn loading(role: Role) -> InferError {
    InferError::Loading {
        role,
        name: UNNAMED.into(),
    }
}

/// A request's name in the logs of both ends.
pub(super) fn request_id() -> String {
    format!("{:016x}", fastrand::u64(..))
}
