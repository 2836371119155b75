//! Load: every request is let in, waits for its turn, or is refused, so that no connection gets what is
//! another's. The layer behind the gate; `docs/ARCHITECTURE.md` tells the rules.

mod arrival;
mod connection;
mod deadline;
mod pace;
mod pool;
mod scheduler;
mod table;
mod transport;
mod turn;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::Duration,
};

use futures::future::BoxFuture;
use http_body_util::Full;
use tokio::time::{Instant, sleep, timeout_at};
use tonic::{
    Status,
    body::Body,
    codegen::http::{Request, Response},
};
use tower::{Layer, Service};

pub use self::{
    connection::{Connection, Peer, incoming},
    table::MAX_INFERENCE_REQUEST,
    transport::server,
};
use self::{
    pool::{Limits, Pool},
    scheduler::Id,
    table::Kind,
    turn::{Place, Turns},
};
use super::status;
use crate::domain::Reason;

pub(super) use self::turn::held;

/// How long a refusal is held back.
const REFUSING: Duration = Duration::from_millis(100);

/// Lets requests in, in turn.
#[derive(Debug, Clone)]
pub struct Fair(Arc<Turns>);

impl Fair {
    /// Nobody is here yet.
    pub fn new() -> Self {
        Self::within(Limits::default())
    }

    fn within(limits: Limits) -> Self {
        Self(Arc::new(Turns::new(limits)))
    }
}

impl Default for Fair {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> Layer<S> for Fair {
    type Service = InTurn<S>;

    fn layer(&self, inner: S) -> InTurn<S> {
        InTurn {
            turns: Arc::clone(&self.0),
            inner,
        }
    }
}

/// A service behind [`Fair`].
#[derive(Debug, Clone)]
pub struct InTurn<S> {
    turns: Arc<Turns>,
    inner: S,
}

impl<S> Service<Request<Body>> for InTurn<S>
where
    S: Service<Request<Body>, Response = Response<Body>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Send,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Response<Body>, S::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let turns = Arc::clone(&self.turns);
        // The one that was asked whether it is ready is called.
        let next = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, next);
        let allowed = deadline::allowed(request.headers());
        let until = allowed.and_then(|allowed| Instant::now().checked_add(allowed));
        Box::pin(async move {
            let began = AtomicBool::new(false);
            let answer = async {
                match let_in(&turns, request).await {
                    Ok((request, place)) => {
                        began.store(true, Relaxed);
                        turn::holding(place, inner.call(request)).await
                    }
                    Err(refusal) => Ok(refusal.into_http()),
                }
            };
            let Some(until) = until else {
                return answer.await;
            };
            // tonic would end it with another code, and no reason.
            match timeout_at(until, answer).await {
                Ok(answer) => answer,
                Err(_) => Ok(late(began.load(Relaxed)).into_http()),
            }
        })
    }
}

/// Waits until it is a request's turn.
async fn let_in(
    turns: &Arc<Turns>,
    request: Request<Body>,
) -> Result<(Request<Body>, Place), Status> {
    let kind = Kind::of(request.uri().path());
    let place = match enter(turns, kind.pool, request.extensions().get::<Peer>()) {
        Ok(place) => place,
        Err(refusal) => {
            arrival::pass_over(request.into_body()).await;
            // Who asks again at once would otherwise keep a core busy with refusals.
            sleep(REFUSING).await;
            return Err(refusal);
        }
    };
    let Some(most) = kind.most else {
        return Ok((request, place));
    };
    let (head, body) = request.into_parts();
    let message = arrival::whole(body, most, &place).await?;
    let place = if kind.pool.waits() {
        place.turn(kind.says.pool(kind.pool, &message)).await
    } else {
        place
    };
    let body = Body::new(Full::new(message));
    Ok((Request::from_parts(head, body), place))
}

/// Lets a request in, if there is room for it.
fn enter(turns: &Arc<Turns>, pool: Pool, peer: Option<&Peer>) -> Result<Place, Status> {
    // Without one there is no connection: all of these share.
    let connection = Id(peer.map_or(0, Peer::id));
    if pool != Pool::Control
        && let Some(most) = peer.and_then(Peer::over)
    {
        return Err(connection::refusal(most));
    }
    if pool.waits() {
        turns.enter(connection, pool)
    } else {
        turns.enter_at_once(connection, pool)
    }
}

fn late(began: bool) -> Status {
    let message = if began {
        "the time that the request gave itself was up before its answer"
    } else {
        "the time that the request gave itself was up before its turn"
    };
    status::of(Reason::DeadlineExceeded, message, None)
}

#[cfg(test)]
mod tests;
