//! The gate every request passes: same user, same protocol, same configuration.

use std::{
    ffi::OsStr,
    os::unix::ffi::OsStrExt,
    path::PathBuf,
    sync::Arc,
    task::{Context, Poll},
};

use futures::future::BoxFuture;
use qmd_proto::{PROTOCOL_VERSION, handshake};
use tonic::{
    Status,
    body::Body,
    codegen::http::{HeaderValue, Request, Response},
    metadata::MetadataMap,
};
use tower::{Layer, Service};

use super::{fair::Peer, status};
use crate::domain::Reason;

/// Checks requests and stamps responses with the daemon's version.
#[derive(Debug, Clone)]
pub struct Gate(Arc<Rules>);

#[derive(Debug)]
struct Rules {
    uid: u32,
    config_home: PathBuf,
}

impl Gate {
    /// Admits requests of this user that are meant for this configuration folder.
    pub fn new(uid: u32, config_home: PathBuf) -> Self {
        Self(Arc::new(Rules { uid, config_home }))
    }
}

impl Rules {
    fn check<B>(&self, request: &Request<B>) -> Result<(), Status> {
        self.check_peer(request.extensions().get::<Peer>())?;
        let metadata = MetadataMap::from_headers(request.headers().clone());
        if let Some(protocol) = metadata.get(handshake::PROTOCOL)
            && protocol.to_str().ok().and_then(|text| text.parse().ok()) != Some(PROTOCOL_VERSION)
        {
            return Err(status::of(
                Reason::ProtocolMismatch,
                format!(
                    "this daemon is version {} and speaks protocol {PROTOCOL_VERSION}, the client \
                     speaks protocol {}",
                    env!("CARGO_PKG_VERSION"),
                    protocol.to_str().unwrap_or("(unreadable)"),
                ),
                Some("install qmdd and qmdctl of one version, then `qmdctl daemon restart`".into()),
            ));
        }
        if let Some(config_home) = metadata.get_bin(handshake::CONFIG_HOME)
            && let Ok(bytes) = config_home.to_bytes()
            && OsStr::from_bytes(&bytes) != self.config_home.as_os_str()
        {
            return Err(status::of(
                Reason::ConfigHomeMismatch,
                format!(
                    "the running daemon serves the configuration in {}, not {}",
                    self.config_home.display(),
                    OsStr::from_bytes(&bytes).display(),
                ),
                Some(
                    "run `qmdctl daemon restart`, or give each configuration its own \
                     XDG_RUNTIME_DIR and XDG_DATA_HOME"
                        .into(),
                ),
            ));
        }
        Ok(())
    }

    /// The socket's modes keep others out; this holds where they were loosened.
    fn check_peer(&self, peer: Option<&Peer>) -> Result<(), Status> {
        let uid = peer.and_then(Peer::uid);
        if uid == Some(self.uid) {
            return Ok(());
        }
        tracing::warn!(peer_uid = ?uid, "connection of another user refused");
        Err(status::of(
            Reason::PeerRefused,
            format!("this daemon serves user {} alone", self.uid),
            Some("start a daemon of your own: `qmdctl daemon start`".into()),
        ))
    }
}

impl<S> Layer<S> for Gate {
    type Service = Gated<S>;

    fn layer(&self, inner: S) -> Gated<S> {
        Gated {
            rules: Arc::clone(&self.0),
            inner,
        }
    }
}

/// A service behind the [`Gate`].
#[derive(Debug, Clone)]
pub struct Gated<S> {
    rules: Arc<Rules>,
    inner: S,
}

impl<S, B> Service<Request<B>> for Gated<S>
where
    S: Service<Request<B>, Response = Response<Body>> + Send,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Response<Body>, S::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        match self.rules.check(&request) {
            Ok(()) => {
                let response = self.inner.call(request);
                Box::pin(async move { response.await.map(stamped) })
            }
            Err(refusal) => Box::pin(async move { Ok(stamped(refusal.into_http())) }),
        }
    }
}

fn stamped(mut response: Response<Body>) -> Response<Body> {
    response.headers_mut().insert(
        handshake::SERVER_VERSION,
        HeaderValue::from_static(env!("CARGO_PKG_VERSION")),
    );
    response
}
