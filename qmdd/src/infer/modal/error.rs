//! What goes wrong between the two ends, and what of it the caller gets to know.

use std::time::Duration;

use reqwest::{StatusCode, header::HeaderMap};
use tower::BoxError;

use super::{
    contract::{Refusal, RefusalFacts, VERSION},
    stack::ADMITTED,
};
use crate::{domain::Role, infer::backend::InferError};

/// How a model of the remote end is called before its name is known.
pub(super) const UNNAMED: &str = "at Modal";

/// Longest pause that a `retry-after` is honoured with.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Why an exchange failed, by what may be done about it.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub(super) enum Fault {
    /// The connection, or something in between: another try may go better.
    #[error("{0}")]
    Broken(String),
    /// No container is ready, or its models are still loading: it has to be waited for.
    #[error("no container is ready")]
    Cold,
    /// This model is back in a moment.
    #[error("the model is being restarted")]
    Restarting,
    /// More than it takes.
    #[error("too much at once")]
    Busy {
        /// When to come back, where it says so.
        wait: Option<Duration>,
        /// How much it takes, where it says so.
        depth: usize,
    },
    /// The deadline passed.
    #[error("the deadline passed")]
    Late,
    /// Another try would end the same way.
    #[error("{0}")]
    Final(InferError),
}

impl Fault {
    /// The error of a layer: tower's own when too many wait, else a fault.
    pub(super) fn of_layer(error: BoxError) -> Self {
        error.downcast::<Self>().map_or(
            Self::Busy {
                wait: None,
                depth: ADMITTED,
            },
            |fault| *fault,
        )
    }

    /// What the caller gets.
    pub(super) fn into_error(self, role: Role) -> InferError {
        match self {
            Self::Broken(detail) => InferError::Unreachable { detail },
            Self::Cold | Self::Restarting => InferError::Loading {
                role,
                name: UNNAMED.into(),
            },
            Self::Busy { depth, .. } => InferError::QueueFull {
                role,
                depth: depth as u32,
            },
            Self::Late => InferError::Deadline { role },
            Self::Final(error) => error,
        }
    }
}

/// What makes no sense.
pub(super) fn nonsense(detail: impl Into<String>) -> Fault {
    Fault::Final(InferError::RemoteFailed {
        detail: detail.into(),
        hint: "run `qmdctl modal logs`, or deploy anew with `qmdctl modal deploy`".into(),
    })
}

/// Another version of the contract.
pub(super) fn other_contract(found: &str) -> Fault {
    Fault::Final(InferError::RemoteFailed {
        detail: format!("it speaks version {found} of the contract, this qmdd version {VERSION}"),
        hint: "deploy the gateway of this version with `qmdctl modal deploy`".into(),
    })
}

/// The fault of an answer that is no success.
pub(super) fn of_answer(status: StatusCode, headers: &HeaderMap, body: &[u8], role: Role) -> Fault {
    let wait = headers
        .get("retry-after")
        .and_then(|value| value.to_str().ok()?.parse().ok())
        .map(|seconds| Duration::from_secs(seconds).min(LONGEST_WAIT));
    match serde_json::from_slice::<Refusal>(body) {
        Ok(refusal) => of_gateway(refusal.error, wait, role),
        Err(_) => of_proxy(status, headers, wait),
    }
}

/// The gateway's own refusal.
fn of_gateway(facts: RefusalFacts, wait: Option<Duration>, role: Role) -> Fault {
    let RefusalFacts {
        reason,
        message,
        index,
        tokens,
        limit,
    } = facts;
    match reason.as_str() {
        "MODEL_LOADING" => Fault::Cold,
        "CHILD_RESTARTING" | "SHUTTING_DOWN" => Fault::Restarting,
        "OVERLOADED" => Fault::Busy { wait, depth: limit },
        "INVALID_ARGUMENT" | "BODY_TOO_LARGE" => Fault::Final(InferError::Invalid(message)),
        "INPUT_TOO_LONG" => Fault::Final(InferError::InputTooLong {
            role,
            index,
            tokens,
            limit,
        }),
        "MODEL_NOT_CONFIGURED" => Fault::Final(InferError::NotConfigured { role }),
        "UNAUTHORIZED" => unauthorized(),
        "CONTRACT_MISMATCH" => Fault::Final(InferError::RemoteFailed {
            detail: message,
            hint: "deploy the gateway of this version with `qmdctl modal deploy`".into(),
        }),
        _ => nonsense(format!("{message} ({reason})")),
    }
}

/// An answer of something in between: Modal's proxy, or whatever else is at the address.
fn of_proxy(status: StatusCode, headers: &HeaderMap, wait: Option<Duration>) -> Fault {
    match status {
        StatusCode::UNAUTHORIZED => unauthorized(),
        StatusCode::FORBIDDEN => refused(
            "the proxy token is not allowed in this environment",
            "see `qmdctl modal status`; `qmdctl modal deploy` makes a token that is",
        ),
        StatusCode::NOT_FOUND => refused(
            "no deployment is at its address",
            "run `qmdctl modal status`, then `qmdctl modal deploy`",
        ),
        StatusCode::TOO_MANY_REQUESTS => Fault::Busy { wait, depth: 0 },
        StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT => {
            Fault::Broken(format!("status {}", status.as_u16()))
        }
        StatusCode::SERVICE_UNAVAILABLE => Fault::Cold,
        status if status.is_redirection() => {
            let to = headers.get("location").and_then(|to| to.to_str().ok());
            refused(
                format!(
                    "it redirects to {:?}, where nothing is sent",
                    to.unwrap_or_default()
                ),
                "run `qmdctl modal status`, which shows the deployment's own address",
            )
        }
        status => nonsense(format!("status {}", status.as_u16())),
    }
}

fn unauthorized() -> Fault {
    refused(
        "the proxy token is missing or wrong",
        "run `qmdctl modal deploy`, which makes a new one, or set QMDD_MODAL_TOKEN",
    )
}

fn refused(detail: impl Into<String>, hint: &str) -> Fault {
    Fault::Final(InferError::Refused {
        detail: detail.into(),
        hint: hint.into(),
    })
}
