//! Requests that the daemon has no room for are asked again, at the time that it says.

use std::{
    error::Error,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use http_body_util::{BodyExt, Full};
use qmd_proto::{ERROR_DOMAIN, Reason};
use tokio::time::{Instant, sleep};
use tonic::{
    Code, Status,
    body::Body,
    codegen::http::{HeaderMap, Request, Response},
};
use tonic_types::StatusExt;
use tower::{Service, ServiceExt};

/// Longest that a request waits for room, in all.
const PATIENCE: Duration = Duration::from_secs(5);

type Fault = Box<dyn Error + Send + Sync>;

/// Asks again. Whatever was asked: what is refused so has not begun.
#[derive(Debug, Clone)]
pub(crate) struct Patient<S>(pub(super) S);

impl<S, B> Service<Request<Body>> for Patient<S>
where
    S: Service<Request<Body>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<Fault>,
    B: Send,
{
    type Response = Response<B>;
    type Error = Fault;
    type Future = Pin<Box<dyn Future<Output = Result<Response<B>, Fault>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        self.0.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        // The one that was asked whether it is ready is called.
        let next = self.0.clone();
        let mut inner = std::mem::replace(&mut self.0, next);
        Box::pin(async move {
            let (head, body) = request.into_parts();
            // No verb streams what it asks.
            let message = body.collect().await?.to_bytes();
            let again = || {
                let body = Body::new(Full::new(message.clone()));
                Request::from_parts(head.clone(), body)
            };
            let until = Instant::now() + PATIENCE;
            let mut response = inner.call(again()).await.map_err(Into::into)?;
            while let Some(wait) = room_after(response.headers())
                && Instant::now() + wait <= until
            {
                // Not all at the same time.
                sleep(wait.mul_f64(1.0 + fastrand::f64() / 2.0)).await;
                let ready = inner.ready().await.map_err(Into::into)?;
                response = ready.call(again()).await.map_err(Into::into)?;
            }
            Ok(response)
        })
    }
}

/// The time after which the daemon says that it may have room.
fn room_after(headers: &HeaderMap) -> Option<Duration> {
    let status = Status::from_header_map(headers)?;
    if status.code() != Code::ResourceExhausted {
        return None;
    }
    let details = status.get_error_details();
    let info = details.error_info()?;
    let is_refusal = info.domain == ERROR_DOMAIN && info.reason == Reason::TooManyRequests.as_str();
    details
        .retry_info()
        .filter(|_| is_refusal)
        .and_then(|info| info.retry_delay)
}
