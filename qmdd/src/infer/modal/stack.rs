//! What an exchange passes through on its way, outermost first: admission, deadline, warm-up, tries,
//! a place in its lane.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures::future::BoxFuture;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use tower::{Service, ServiceBuilder, layer::layer_fn, util::BoxCloneSyncService};

use super::{
    error::Fault,
    http::{Exchange, Http, Patience},
    limit::{Adaptive, Limited},
    retry::{Tries, jittered},
    warmth::Warmth,
};
use crate::infer::backend::InferError;

/// Exchanges a lane holds, waiting ones included; further ones are turned away at once.
pub(super) const ADMITTED: usize = 1024;

/// Times an exchange may find that there is no container after all.
const WARM_UPS: u32 = 5;

/// A lane, ready to be cloned for an exchange.
pub(super) type Stack = BoxCloneSyncService<Exchange, Bytes, Fault>;

/// Builds a lane whose places are `own`; see [`Limited`].
pub(super) fn stack(
    http: Arc<Http>,
    warmth: Arc<Warmth>,
    own: Arc<Adaptive>,
    bulk: Arc<Adaptive>,
    patience: Patience,
    ending: CancellationToken,
) -> Stack {
    let service = ServiceBuilder::new()
        .map_err(Fault::of_layer)
        .load_shed()
        .concurrency_limit(ADMITTED)
        .layer(layer_fn(move |inner| Timed {
            inner,
            ending: ending.clone(),
        }))
        .layer(layer_fn(move |inner| Warmed {
            inner,
            warmth: Arc::clone(&warmth),
            patience,
        }))
        .retry(Tries::new(&patience))
        .layer(layer_fn(move |inner| Limited {
            inner,
            own: Arc::clone(&own),
            bulk: Arc::clone(&bulk),
        }))
        .service_fn(move |exchange: Exchange| {
            let http = Arc::clone(&http);
            async move { http.send(&exchange).await }
        });
    BoxCloneSyncService::new(service)
}

/// Ends an exchange at its deadline, when nobody waits for it any more, and with the daemon.
#[derive(Clone)]
struct Timed<S> {
    inner: S,
    ending: CancellationToken,
}

impl<S, R> Service<Exchange> for Timed<S>
where
    S: Service<Exchange, Response = R, Error = Fault>,
    S::Future: Send + 'static,
    R: Send + 'static,
{
    type Response = R;
    type Error = Fault;
    type Future = BoxFuture<'static, Result<R, Fault>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, exchange: Exchange) -> Self::Future {
        let (deadline, cancel) = (exchange.deadline, exchange.cancel.clone());
        let ending = self.ending.clone();
        let answer = self.inner.call(exchange);
        Box::pin(async move {
            tokio::select! {
                answer = timeout_at(deadline, answer) => answer.unwrap_or(Err(Fault::Late)),
                () = cancel.cancelled() => Err(Fault::Final(InferError::Cancelled)),
                () = ending.cancelled() => Err(Fault::Final(InferError::ShuttingDown)),
            }
        })
    }
}

/// Has a container brought up for an exchange that finds none, and sends it again.
#[derive(Clone)]
struct Warmed<S> {
    inner: S,
    warmth: Arc<Warmth>,
    patience: Patience,
}

impl<S, R> Service<Exchange> for Warmed<S>
where
    S: Service<Exchange, Response = R, Error = Fault> + Clone + Send + 'static,
    S::Future: Send + 'static,
    R: Send + 'static,
{
    type Response = R;
    type Error = Fault;
    type Future = BoxFuture<'static, Result<R, Fault>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, exchange: Exchange) -> Self::Future {
        // The one that is ready; what lies below it is always.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        let (warmth, look) = (Arc::clone(&self.warmth), self.patience.look);
        Box::pin(async move {
            let mut warm_ups = 0;
            loop {
                let began = Instant::now();
                match inner.call(exchange.clone()).await {
                    Err(Fault::Cold) if warm_ups < WARM_UPS => {
                        warm_ups += 1;
                        warmth.rise(began).await.map_err(Fault::Final)?;
                        if warm_ups > 1 {
                            // It says that it is up, and takes nothing.
                            tokio::time::sleep(jittered(look)).await;
                        }
                    }
                    result => return result,
                }
            }
        })
    }
}
