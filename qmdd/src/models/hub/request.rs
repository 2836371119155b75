//! One request to the hub: address, redirects, and what the answers' headers say.

use std::{error::Error, time::Duration};

use reqwest::{
    Response, StatusCode, Url,
    header::{self, HeaderMap},
};
use tokio::time;

use super::{
    super::{HubFile, ModelError},
    Hub,
};

const MAX_REDIRECTS: usize = 10;

/// Why a try failed.
#[derive(Debug)]
pub(super) enum Fault {
    /// Another try would end the same way.
    Final(ModelError),
    /// No connection came about.
    NoContact(String),
    /// It may go better the next time.
    Passing {
        /// What happened.
        detail: String,
        /// When to try again, where the hub says it.
        wait: Option<Duration>,
    },
}

impl Fault {
    pub(super) fn passing(detail: impl Into<String>) -> Self {
        Self::Passing {
            detail: detail.into(),
            wait: None,
        }
    }
}

/// Where to go on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Resume<'a> {
    /// Bytes already here.
    pub(super) offset: u64,
    /// The `ETag` they came with.
    pub(super) etag: Option<&'a str>,
}

/// What the hub itself says of a file. It stands in the first answers, before the redirect to the
/// host that stores the bytes; that host's own headers mean other things.
#[derive(Debug, Default)]
pub(super) struct Announced {
    /// SHA-256, hex.
    pub(super) sha256: Option<String>,
    /// Size.
    pub(super) bytes: Option<u64>,
    /// Commit.
    pub(super) revision: Option<String>,
}

impl Announced {
    fn note(&mut self, headers: &HeaderMap) {
        let hash = ["x-linked-etag", "etag"].into_iter().find_map(|name| {
            let tag = text(headers, name)?
                .trim_start_matches("W/")
                .trim_matches('"');
            is_sha256(tag).then(|| tag.to_ascii_lowercase())
        });
        self.sha256 = self.sha256.take().or(hash);
        self.bytes = self
            .bytes
            .or_else(|| text(headers, "x-linked-size")?.parse().ok());
        let revision = text(headers, "x-repo-commit").map(str::to_owned);
        self.revision = self.revision.take().or(revision);
    }
}

/// An answer with a body: status 200, 206, or 416.
pub(super) struct Reply {
    pub(super) response: Response,
    pub(super) announced: Announced,
}

impl Hub {
    /// Asks for a file, from `resume` on, and follows the hub to where the bytes are.
    pub(super) async fn request(
        &self,
        file: &HubFile,
        resume: Option<Resume<'_>>,
    ) -> Result<Reply, Fault> {
        let mut url = self.address(file).map_err(Fault::Final)?;
        let mut announced = Announced::default();
        for _ in 0..=MAX_REDIRECTS {
            let at_hub = url.origin() == self.endpoint.origin();
            let mut request = self
                .client
                .get(url.clone())
                .header(header::ACCEPT_ENCODING, "identity");
            if let Some(Resume { offset, etag }) = resume {
                request = request.header(header::RANGE, format!("bytes={offset}-"));
                if let Some(etag) = etag {
                    request = request.header(header::IF_RANGE, etag);
                }
            }
            if let Some(token) = self.config.token.as_deref().filter(|_| at_hub) {
                request = request.bearer_auth(token);
            }
            let response = match time::timeout(self.patience.idle, request.send()).await {
                Ok(Ok(response)) => response,
                Ok(Err(error)) if error.is_connect() => {
                    return Err(Fault::NoContact(root_cause(&error)));
                }
                Ok(Err(error)) => return Err(Fault::passing(root_cause(&error))),
                Err(_) => return Err(Fault::passing("the hub does not answer")),
            };
            if at_hub {
                announced.note(response.headers());
            }
            match response.status() {
                StatusCode::OK
                | StatusCode::PARTIAL_CONTENT
                | StatusCode::RANGE_NOT_SATISFIABLE => {
                    return Ok(Reply {
                        response,
                        announced,
                    });
                }
                status if status.is_redirection() => url = self.follow(file, &url, &response)?,
                status => return Err(self.refusal(file, status, response.headers(), at_hub)),
            }
        }
        Err(Fault::Final(refused(
            file,
            "it redirects without end",
            "check HF_ENDPOINT",
        )))
    }

    /// `{endpoint}/{owner}/{repo}/resolve/{revision}/{file}`
    fn address(&self, file: &HubFile) -> Result<Url, ModelError> {
        let mut url = self.endpoint.clone();
        url.path_segments_mut()
            .map_err(|()| self.unreachable("it has no path".into()))?
            .pop_if_empty()
            .extend([&*file.owner, &*file.repo, "resolve", &*file.revision])
            .extend(file.file.split('/'));
        Ok(url)
    }

    fn follow(&self, file: &HubFile, from: &Url, response: &Response) -> Result<Url, Fault> {
        let bad = |detail: &str| Fault::Final(refused(file, detail, "check HF_ENDPOINT"));
        let location = text(response.headers(), header::LOCATION.as_str());
        let url = location.and_then(|location| from.join(location).ok());
        let url = url.ok_or_else(|| bad("it redirects to nowhere"))?;
        match (self.endpoint.scheme(), url.scheme()) {
            (_, "https") | ("http", "http") => Ok(url),
            _ => Err(bad("it redirects to an address without encryption")),
        }
    }

    fn refusal(
        &self,
        file: &HubFile,
        status: StatusCode,
        headers: &HeaderMap,
        at_hub: bool,
    ) -> Fault {
        let detail = format!("it answers with status {status}");
        let wait = text(headers, header::RETRY_AFTER.as_str())
            .and_then(|seconds| seconds.parse().ok())
            .map(Duration::from_secs);
        // A link to the host that stores the bytes expires; the next try gets a new one.
        let passing = status.is_server_error()
            || matches!(
                status,
                StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT
            )
            || !at_hub;
        if passing {
            return Fault::Passing { detail, wait };
        }
        let hint = match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => match self.config.token {
                None => "if the model is gated, accept its terms on the hub and set HF_TOKEN",
                Some(_) => "see on the hub whether the account of HF_TOKEN may read the model",
            },
            StatusCode::NOT_FOUND => "check owner, repository, file and revision",
            _ => "check the address and HF_ENDPOINT",
        };
        Fault::Final(refused(file, detail, hint))
    }
}

fn refused(file: &HubFile, detail: impl Into<String>, hint: &str) -> ModelError {
    ModelError::Refused {
        what: file.to_string(),
        detail: detail.into(),
        hint: hint.to_owned(),
    }
}

/// First byte and size of the whole, of a `Content-Range: bytes FIRST-LAST/WHOLE`.
pub(super) fn content_range(response: &Response) -> Option<(u64, u64)> {
    parse_content_range(text(response.headers(), header::CONTENT_RANGE.as_str())?)
}

fn parse_content_range(text: &str) -> Option<(u64, u64)> {
    let (span, whole) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = span.split_once('-')?;
    let (first, last, whole): (u64, u64, u64) =
        (first.parse().ok()?, last.parse().ok()?, whole.parse().ok()?);
    (first <= last && last < whole).then_some((first, whole))
}

/// A header's value, if it is there and readable.
pub(super) fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The innermost cause, which is the one that tells something; without the address, which may hold
/// a signature.
pub(super) fn root_cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    if error.is_timeout() {
        "it does not answer in time".into()
    } else {
        cause.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_ranges_parse_or_are_refused() {
        assert_eq!(parse_content_range("bytes 5-9/10"), Some((5, 10)));
        for bad in [
            "bytes 5-9/*",
            "bytes */10",
            "bytes 9-5/10",
            "bytes 5-10/10",
            "5-9/10",
            "",
        ] {
            assert_eq!(parse_content_range(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_hash_is_the_linked_etag_else_an_etag_that_is_one() {
        let hash = "a".repeat(64);
        let mut headers = HeaderMap::new();
        headers.insert("etag", "\"0123\"".parse().expect("header"));
        let mut announced = Announced::default();
        announced.note(&headers);
        assert_eq!(announced.sha256, None);
        headers.insert(
            "x-linked-etag",
            format!("\"{}\"", hash.to_uppercase())
                .parse()
                .expect("header"),
        );
        headers.insert("x-linked-size", "12".parse().expect("header"));
        announced.note(&headers);
        assert_eq!((announced.sha256, announced.bytes), (Some(hash), Some(12)));
    }
}
