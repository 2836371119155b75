//! How many exchanges are under way at once: as many as the remote end takes.
//!
//! The limit grows by one with every full round of successes and halves when the remote end is
//! overloaded (additive increase, multiplicative decrease): when it says so, and when bulk work takes far
//! longer than it need. What is queued there then only delays whoever asks a question.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use futures::future::BoxFuture;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};
use tower::Service;

use super::{
    contract::{EmbedRequest, Request},
    error::Fault,
    http::Exchange,
    pace::Pace,
};

/// A limit that finds its own height, up to `most`.
pub(super) struct Adaptive {
    permits: Arc<Semaphore>,
    most: usize,
    height: Mutex<Height>,
    pace: Mutex<Pace>,
}

struct Height {
    limit: usize,
    /// Permits to withdraw as they come back.
    owed: usize,
    /// Successes since the limit last changed.
    successes: usize,
    /// When it was last lowered.
    lowered: Option<Instant>,
}

impl Adaptive {
    pub(super) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self {
            permits: Arc::new(Semaphore::new(most)),
            most,
            height: Mutex::new(Height {
                limit: most,
                owed: 0,
                successes: 0,
                lowered: None,
            }),
            pace: Mutex::default(),
        })
    }

    /// The limit as it is now.
    pub(super) fn limit(&self) -> usize {
        self.lock().limit
    }

    fn lock(&self) -> MutexGuard<'_, Height> {
        self.height.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn place(self: &Arc<Self>) -> Option<Place> {
        let permit = Arc::clone(&self.permits).acquire_owned().await.ok()?;
        Some(Place {
            limit: Arc::clone(self),
            permit: Some(permit),
        })
    }

    /// Halves the limit, once for all the exchanges that were under way together.
    fn lower(&self, started: Instant, now: Instant) {
        let mut height = self.lock();
        if height.lowered.is_some_and(|lowered| started < lowered) {
            return;
        }
        let limit = (height.limit / 2).max(1);
        let fewer = height.limit - limit;
        height.owed += fewer - self.permits.forget_permits(fewer);
        height.limit = limit;
        height.successes = 0;
        height.lowered = Some(now);
    }

    /// An exchange of so many bytes went well, in the end.
    fn finished(&self, bytes: Option<usize>, started: Instant, now: Instant) {
        let slow = bytes.is_some_and(|bytes| {
            let mut pace = self.pace.lock().unwrap_or_else(PoisonError::into_inner);
            pace.is_slow(bytes, now - started)
        });
        if slow {
            self.lower(started, now);
        } else {
            self.succeeded();
        }
    }

    fn succeeded(&self) {
        let mut height = self.lock();
        height.successes += 1;
        if height.limit < self.most && height.successes >= height.limit {
            height.limit += 1;
            height.successes = 0;
            if height.owed > 0 {
                height.owed -= 1;
            } else {
                self.permits.add_permits(1);
            }
        }
    }
}

/// A place among the exchanges under way.
struct Place {
    limit: Arc<Adaptive>,
    permit: Option<OwnedSemaphorePermit>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut height = self.limit.lock();
        if height.owed > 0 {
            height.owed -= 1;
            if let Some(permit) = self.permit.take() {
                permit.forget();
            }
        }
    }
}

/// Gives each exchange a place of its own lane. What overloads the remote end costs the bulk lane
/// places, whichever lane it was.
#[derive(Clone)]
pub(super) struct Limited<S> {
    pub(super) inner: S,
    pub(super) own: Arc<Adaptive>,
    pub(super) bulk: Arc<Adaptive>,
}

impl<S, R> Service<Exchange> for Limited<S>
where
    S: Service<Exchange, Response = R, Error = Fault> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = R;
    type Error = Fault;
    type Future = BoxFuture<'static, Result<R, Fault>>;

    /// Always: who waits does so in the call, where the deadline counts and nothing is shed.
    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, exchange: Exchange) -> Self::Future {
        // The one that is ready.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        let (own, bulk) = (Arc::clone(&self.own), Arc::clone(&self.bulk));
        // Only bulk embedding is much of the same: the time of other calls tells nothing.
        let measured = Arc::ptr_eq(&own, &bulk) && exchange.path == EmbedRequest::PATH;
        let bytes = exchange.body.as_ref().filter(|_| measured);
        let bytes = bytes.map(|body| body.size);
        Box::pin(async move {
            let _place = own.place().await;
            let started = Instant::now();
            let result = inner.call(exchange).await;
            match &result {
                Ok(_) => own.finished(bytes, started, Instant::now()),
                Err(Fault::Busy { .. }) => bulk.lower(started, Instant::now()),
                Err(_) => {}
            }
            result
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::infer::modal::session::BULK_PER_CONTAINER;

    #[tokio::test]
    async fn it_halves_once_a_round_and_grows_by_one() {
        let limit = Adaptive::new(8);
        let mut places = Vec::new();
        for _ in 0..8 {
            places.push(limit.place().await.unwrap());
        }
        let started = Instant::now();
        let at = |second| started + Duration::from_secs(second);
        // All eight are told off: that is one overload.
        for _ in 0..8 {
            limit.lower(started, at(1));
        }
        assert_eq!(limit.limit(), 4);
        drop(places);
        assert_eq!(limit.permits.available_permits(), 4);
        for _ in 0..4 {
            limit.succeeded();
        }
        assert_eq!((limit.limit(), limit.permits.available_permits()), (5, 5));
        for second in 2..10 {
            limit.lower(at(second), at(second));
        }
        assert_eq!((limit.limit(), limit.permits.available_permits()), (1, 1));
        for _ in 0..100 {
            limit.succeeded();
        }
        assert_eq!((limit.limit(), limit.permits.available_permits()), (8, 8));
    }

    #[test]
    fn it_finds_how_much_computes_at_once_by_how_long_it_takes() {
        const ALONE: Duration = Duration::from_millis(200);
        // What four containers may have under way.
        const MOST: usize = 4 * BULK_PER_CONTAINER;
        for (containers, expected) in [(4, MOST..=MOST), (1, BULK_PER_CONTAINER..=13)] {
            let limit = Adaptive::new(MOST);
            let mut now = Instant::now();
            let mut limits = Vec::new();
            for _ in 0..100 {
                // As many as may be go out together, and are computed in turns.
                let (started, count) = (now, limit.limit());
                for place in 0..count {
                    now = started + ALONE * (place / containers + 1) as u32;
                    limit.finished(Some(20_000), started, now);
                }
                limits.push(limit.limit());
            }
            assert!(
                limits.iter().all(|limit| expected.contains(limit)),
                "{containers} containers: {limits:?}"
            );
        }
    }
}
