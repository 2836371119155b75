//! Asks the remote end once how it does, outside of any session: a deployment is looked at before
//! it is used.

use std::time::{Duration, Instant};

use reqwest::{RequestBuilder, StatusCode, Url};
use serde::Deserialize;

use super::{
    contract::{Refusal, VERSION, VERSION_HEADER},
    http::{self, innermost},
};
use crate::domain::{Failure, Reason, Role};

/// Longest body that is read, in bytes.
const LONGEST: usize = 1 << 20;

/// What the remote end said of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pong {
    /// How it does.
    pub state: State,
    /// HTTP status of the answer.
    pub status: u16,
    /// From the request to the whole answer.
    pub elapsed: Duration,
    /// What it is, once it is ready.
    pub info: Option<Info>,
}

/// How the remote end does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Every model answers.
    Ready,
    /// Asleep, or on its way.
    Starting(String),
    /// Something is wrong with it.
    Failed(String),
}

/// What a gateway is.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Info {
    /// Version of its contract.
    pub contract: u32,
    /// Its version.
    pub gateway: String,
    /// Build of its llama-server.
    pub llama_server: String,
    models: Models,
}

impl Info {
    /// The models it has: role, name, SHA-256.
    pub fn models(&self) -> impl Iterator<Item = (Role, &str, &str)> {
        let Models {
            embed,
            rerank,
            generate,
        } = &self.models;
        [
            (Role::Embed, embed),
            (Role::Rerank, rerank),
            (Role::Generate, generate),
        ]
        .into_iter()
        .filter_map(|(role, model)| {
            let model = model.as_ref()?;
            Some((role, model.name.as_str(), model.sha256.as_str()))
        })
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Models {
    embed: Option<Model>,
    rerank: Option<Model>,
    generate: Option<Model>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Model {
    name: String,
    sha256: String,
}

/// Why there is no answer to go by.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PingError {
    /// No such address.
    #[error("{0:?} is no http or https address")]
    Address(String),
    /// No connection, or no answer in time.
    #[error("{url} does not answer: {detail}")]
    Unreachable {
        /// Where.
        url: String,
        /// Why.
        detail: String,
    },
    /// The token is missing or wrong.
    #[error("{url} refuses the proxy token: HTTP {status}")]
    Refused {
        /// Where.
        url: String,
        /// 401 or 403.
        status: u16,
    },
    /// Nothing is deployed there.
    #[error("{url} has no deployment: HTTP 404")]
    Absent {
        /// Where.
        url: String,
    },
}

impl Failure for PingError {
    fn reason(&self) -> Reason {
        match self {
            Self::Address(_) => Reason::InvalidArgument,
            Self::Unreachable { .. } => Reason::RemoteUnreachable,
            Self::Refused { .. } | Self::Absent { .. } => Reason::RemoteRefused,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Address(_) => "set `url` under `modal:` in index.yml right".into(),
            Self::Unreachable { .. } => "see `qmdctl modal status`, and your network".into(),
            Self::Refused { status: 403, .. } => {
                "the token is of another Modal environment: run `qmdctl modal deploy --new-token`"
                    .into()
            }
            Self::Refused { .. } => "run `qmdctl modal deploy --new-token`".into(),
            Self::Absent { .. } => "run `qmdctl modal deploy`".into(),
        })
    }
}

/// Asks once. A deployment that sleeps is woken by that, and answers that it is starting.
///
/// # Errors
/// When there is no answer, or it says that asking again is of no use.
pub async fn ping(url: &str, token: Option<&str>, limit: Duration) -> Result<Pong, PingError> {
    let base = url.trim_end_matches('/');
    let address = Url::parse(base)
        .ok()
        .filter(|address| matches!(address.scheme(), "http" | "https"))
        .ok_or_else(|| PingError::Address(url.to_owned()))?;
    let unreachable = |error: reqwest::Error| PingError::Unreachable {
        url: base.to_owned(),
        detail: innermost(&error),
    };
    let client = http::client(&address)
        .timeout(limit)
        .build()
        .map_err(unreachable)?;
    let ask = |path: &str| {
        let request = client.get(format!("{base}{path}"));
        match token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    };
    let begin = Instant::now();
    let (status, body) = answer(ask("/health")).await.map_err(unreachable)?;
    let elapsed = begin.elapsed();
    let pong = |state, info| Pong {
        state,
        status: status.as_u16(),
        elapsed,
        info,
    };
    match status {
        StatusCode::OK => {}
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => return Err(refused(base, status)),
        StatusCode::NOT_FOUND => return Err(PingError::Absent { url: base.into() }),
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => {
            return Ok(pong(State::Starting(told(&body, status)), None));
        }
        _ => return Ok(pong(State::Failed(told(&body, status)), None)),
    }
    let info = ask("/v1/info").header(VERSION_HEADER, VERSION);
    let (status, body) = answer(info).await.map_err(unreachable)?;
    let state = match status {
        StatusCode::OK => match serde_json::from_slice::<Info>(&body) {
            Ok(info) if info.contract == VERSION => return Ok(pong(State::Ready, Some(info))),
            Ok(info) => State::Failed(format!(
                "it speaks version {} of the contract, this daemon {VERSION}",
                info.contract
            )),
            Err(error) => State::Failed(format!("its /v1/info makes no sense: {error}")),
        },
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => return Err(refused(base, status)),
        StatusCode::SERVICE_UNAVAILABLE => State::Starting(told(&body, status)),
        _ => State::Failed(told(&body, status)),
    };
    Ok(pong(state, None))
}

fn refused(url: &str, status: StatusCode) -> PingError {
    PingError::Refused {
        url: url.to_owned(),
        status: status.as_u16(),
    }
}

/// Status and body, the latter no longer than is of use.
async fn answer(request: RequestBuilder) -> reqwest::Result<(StatusCode, Vec<u8>)> {
    let mut response = request.send().await?;
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await? {
        if body.len() + piece.len() > LONGEST {
            break;
        }
        body.extend_from_slice(&piece);
    }
    Ok((response.status(), body))
}

/// What an answer that is no success says.
fn told(body: &[u8], status: StatusCode) -> String {
    serde_json::from_slice::<Refusal>(body).map_or_else(
        |_| format!("HTTP {}", status.as_u16()),
        |it| it.error.message,
    )
}
