//! One exchange over HTTP: request out, answer in, nothing tried twice. Knows the credentials, and
//! sends them to one address only.

use std::{
    error::Error,
    io::{self, Write},
    net::IpAddr,
    time::Duration,
};

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use reqwest::{
    Client, ClientBuilder, Method, Response, Url,
    header::{self, HeaderMap},
    redirect,
};
use rustls::crypto::ring;
use tokio::{
    task::spawn_blocking,
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    contract::{Info, VERSION, VERSION_HEADER},
    error::{self, Fault},
};
use crate::{config::Secret, domain::Role, infer::backend::InferError};

/// Bodies from this size on are compressed: below it, the network is quicker than the processor.
const COMPRESS_FROM: usize = 64 << 10;

/// How long the remote end may take for what, and how large its answers may be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// For a connection.
    pub connect: Duration,
    /// For an answer, from the request's first byte to the answer's last.
    pub answer: Duration,
    /// Before the second try of an exchange; doubled for the third.
    pub backoff: Duration,
    /// Between the first two looks whether a container is ready; grows from there.
    pub look: Duration,
    /// For a container to start.
    pub start: Duration,
    /// Largest answer, in bytes.
    pub most: usize,
}

/// What is sent.
#[derive(Debug, Clone)]
pub(super) struct Exchange {
    pub role: Role,
    pub path: &'static str,
    /// JSON, compressed or not; a question without one is a GET.
    pub body: Option<Body>,
    /// The same in every try, and in the logs of both ends.
    pub id: String,
    /// When it is no longer of use.
    pub deadline: Instant,
    /// Cancelled when nobody waits any more.
    pub cancel: CancellationToken,
}

/// A request's body.
#[derive(Debug, Clone)]
pub(super) struct Body {
    bytes: Bytes,
    gzip: bool,
    /// Bytes of the JSON.
    pub size: usize,
}

impl Body {
    /// Compresses what is large, where it holds nobody up.
    ///
    /// # Errors
    /// When there is no thread or no memory for that.
    pub(super) async fn new(json: Vec<u8>) -> Result<Self, InferError> {
        let size = json.len();
        let gzip = size >= COMPRESS_FROM;
        let bytes = if gzip {
            spawn_blocking(move || compress(&json))
                .await
                .map_err(io::Error::other)
                .flatten()
                .map_err(|error| InferError::Internal(error.to_string()))?
        } else {
            json
        };
        let bytes = bytes.into();
        Ok(Self { bytes, gzip, size })
    }
}

fn compress(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes)?;
    encoder.finish()
}

/// A client of one deployment.
pub(super) struct Http {
    client: Client,
    base: Url,
    token: Option<Secret>,
    patience: Patience,
}

impl Http {
    /// Connects to nothing yet. `pool` connections are kept open while they are idle.
    ///
    /// # Errors
    /// When the system has no certificates to trust.
    pub(super) fn new(
        base: Url,
        token: Option<Secret>,
        pool: usize,
        patience: Patience,
    ) -> Result<Self, InferError> {
        let client = client(&base)
            .connect_timeout(patience.connect)
            .pool_max_idle_per_host(pool)
            // Below the remote end's own limit, so that the request that meets a closed connection
            // stays rare.
            .pool_idle_timeout(Duration::from_secs(45))
            .tcp_keepalive(Duration::from_secs(15))
            .tcp_nodelay(true)
            .build()
            .map_err(|error| InferError::Internal(root_cause(&error)))?;
        Ok(Self {
            client,
            base,
            token,
            patience,
        })
    }

    /// One try: the body of a successful answer.
    pub(super) async fn send(&self, exchange: &Exchange) -> Result<Bytes, Fault> {
        let limit = self.patience.answer;
        match timeout(limit, self.exchange(exchange)).await {
            Ok(result) => result,
            Err(_) => Err(Fault::Final(InferError::Unreachable {
                detail: format!("no answer within {limit:?}"),
            })),
        }
    }

    /// What the remote end is. Answered as soon as its models have been loaded.
    pub(super) async fn info(&self, exchange: &Exchange) -> Result<Info, Fault> {
        let body = self.send(exchange).await?;
        let info: Info = serde_json::from_slice(&body)
            .map_err(|error| error::nonsense(format!("/v1/info is of no known form: {error}")))?;
        if info.contract != VERSION {
            return Err(error::other_contract(&info.contract.to_string()));
        }
        Ok(info)
    }

    async fn exchange(&self, exchange: &Exchange) -> Result<Bytes, Fault> {
        let url = self
            .base
            .join(exchange.path)
            .map_err(|error| Fault::Final(InferError::Internal(error.to_string())))?;
        let method = match exchange.body {
            Some(_) => Method::POST,
            None => Method::GET,
        };
        let mut request = self
            .client
            .request(method, url)
            .header(VERSION_HEADER, VERSION)
            .header("x-request-id", &exchange.id);
        if let Some(token) = &self.token {
            request = request.bearer_auth(token.expose());
        }
        if let Some(Body { bytes, gzip, .. }) = &exchange.body {
            request = request.header(header::CONTENT_TYPE, "application/json");
            if *gzip {
                request = request.header(header::CONTENT_ENCODING, "gzip");
            }
            request = request.body(bytes.clone());
        }
        let response = request
            .send()
            .await
            .map_err(|error| Fault::Broken(root_cause(&error)))?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = self.read(response).await?;
        if !status.is_success() {
            return Err(error::of_answer(status, &headers, &body, exchange.role));
        }
        speaks_our_version(&headers)?;
        Ok(body)
    }

    /// The whole body, within the limit.
    async fn read(&self, mut response: Response) -> Result<Bytes, Fault> {
        let most = self.patience.most;
        let too_large = || error::nonsense(format!("its answer has more than {most} bytes"));
        if response
            .content_length()
            .is_some_and(|length| length > most as u64)
        {
            return Err(too_large());
        }
        let mut body = Vec::new();
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) if body.len() + chunk.len() > most => return Err(too_large()),
                Ok(Some(chunk)) => body.extend_from_slice(&chunk),
                Ok(None) => return Ok(body.into()),
                Err(error) => return Err(Fault::Broken(root_cause(&error))),
            }
        }
    }
}

/// What every client of the remote end has in common.
pub(super) fn client(base: &Url) -> ClientBuilder {
    // An error says that another client of this process installed one already.
    let _ = ring::default_provider().install_default();
    let client = Client::builder()
        .user_agent(concat!("qmdd/", env!("CARGO_PKG_VERSION")))
        // Whoever redirects would be sent texts, and perhaps the token.
        .redirect(redirect::Policy::none());
    if is_loopback(base) {
        // The system's proxy is another machine, or at least another program.
        return client.no_proxy();
    }
    client
}

/// Whether an address is of this machine alone.
pub(super) fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || host
            .parse()
            .is_ok_and(|address: IpAddr| address.is_loopback())
}

/// Whatever else is at the address may well answer 200 to everything.
fn speaks_our_version(headers: &HeaderMap) -> Result<(), Fault> {
    let version = headers.get(VERSION_HEADER).map(|value| value.to_str());
    match version {
        Some(Ok(version)) if version == VERSION.to_string() => Ok(()),
        Some(version) => Err(error::other_contract(version.unwrap_or("?"))),
        None => Err(error::nonsense(
            "what answers at its address is no gateway of qmdd",
        )),
    }
}

/// What kept an exchange from being one.
fn root_cause(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        "no connection within the time for it".into()
    } else {
        innermost(error)
    }
}

/// The innermost cause, which is the one that tells something; without the address.
pub(super) fn innermost(error: &reqwest::Error) -> String {
    let mut cause: &dyn Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
