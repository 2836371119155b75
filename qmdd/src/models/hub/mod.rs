//! Downloads model files from the Hugging Face hub or a mirror of it: resumable, verified, one
//! download a file.

mod part;
mod request;
#[cfg(test)]
mod server;
#[cfg(test)]
mod tests;

use std::{fmt, fs::File, io, path::Path, time::Duration};

use reqwest::{StatusCode, Url, header};
use rustls::crypto::ring;
use tokio::time;

use self::{
    part::{Part, State},
    request::{Fault, Reply},
};
use super::{
    HubFile, ModelError, OnProgress, gguf,
    origin::Origin,
    progress::{Meter, Step},
    store::blocking,
    stream,
};

/// Tries that may fail in a row before a download is given up.
const ATTEMPTS: u32 = 5;
/// A try that brought this much counts as none that failed.
const HEADWAY: u64 = 1 << 20;
/// Longest wait that a busy hub may ask for.
const MAX_WAIT: Duration = Duration::from_secs(60);

/// Where the hub is, and who asks.
#[derive(Clone)]
pub struct HubConfig {
    /// Its address (`HF_ENDPOINT`).
    pub endpoint: String,
    /// The user's access token (`HF_TOKEN`). It is sent to this endpoint and to no other host.
    pub token: Option<String>,
}

impl HubConfig {
    /// The hub itself.
    pub const DEFAULT_ENDPOINT: &'static str = "https://huggingface.co";
}

impl Default for HubConfig {
    fn default() -> Self {
        Self {
            endpoint: Self::DEFAULT_ENDPOINT.to_owned(),
            token: None,
        }
    }
}

impl fmt::Debug for HubConfig {
    /// Without the token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HubConfig")
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}

/// A client of one hub.
#[derive(Debug)]
pub struct Hub {
    config: HubConfig,
    endpoint: Url,
    client: reqwest::Client,
    patience: Patience,
    /// Bytes this user may still write to the file system of a folder.
    free_space: fn(&Path) -> io::Result<u64>,
}

/// How long to wait for what.
#[derive(Debug, Clone, Copy)]
struct Patience {
    /// Without a byte.
    idle: Duration,
    /// Before the second try; doubled for each one after it.
    backoff: Duration,
}

impl Hub {
    /// A client; connects to nothing yet.
    ///
    /// # Errors
    /// [`ModelError::Unreachable`] when the endpoint is no web address, or the system has no
    /// certificates to trust.
    pub fn new(config: HubConfig) -> Result<Self, ModelError> {
        let client = reqwest::Client::builder();
        let patience = Patience {
            idle: Duration::from_secs(30),
            backoff: Duration::from_millis(500),
        };
        Self::build(config, client, patience, free_space)
    }

    fn build(
        config: HubConfig,
        client: reqwest::ClientBuilder,
        patience: Patience,
        free_space: fn(&Path) -> io::Result<u64>,
    ) -> Result<Self, ModelError> {
        // An error says that another client of this process installed one already.
        let _ = ring::default_provider().install_default();
        let unusable = |detail: String| ModelError::Unreachable {
            endpoint: config.endpoint.clone(),
            detail,
        };
        let endpoint = Url::parse(&config.endpoint)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
            .ok_or_else(|| unusable("it is no http or https address".into()))?;
        let client = client
            .connect_timeout(Duration::from_secs(5))
            // The hash and the size are in the headers of redirects, and the token must not follow
            // them: both need redirects to be taken by hand.
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("qmdd/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| unusable(request::root_cause(&error)))?;
        Ok(Self {
            config,
            endpoint,
            client,
            patience,
            free_space,
        })
    }

    /// Downloads a file to `target`, whose lock the caller holds, resuming what an earlier call
    /// left. On success the file and its origin are in place; else nothing is, and what has come
    /// so far is kept for the next call where it may be of use.
    pub(super) async fn download(
        &self,
        file: &HubFile,
        target: &Path,
        on_progress: &OnProgress,
    ) -> Result<Origin, ModelError> {
        let mut part = Part::open(target, &file.to_string())?;
        loop {
            let resumed = part.length > 0;
            self.fetch(file, &mut part, on_progress).await?;
            match verify(&part, file, on_progress).await {
                Ok(origin) => {
                    part.install(&origin)?;
                    return Ok(origin);
                }
                // Bytes left by an earlier call may be damaged; only a fresh copy says more.
                Err(ModelError::HashMismatch { .. }) if resumed => part.reset()?,
                Err(error) => {
                    part.discard()?;
                    return Err(error);
                }
            }
        }
    }

    /// Tries until the part is complete.
    async fn fetch(
        &self,
        file: &HubFile,
        part: &mut Part,
        on_progress: &OnProgress,
    ) -> Result<(), ModelError> {
        let mut failures = 0;
        let mut contact = false;
        while !part.is_complete() {
            let before = part.length;
            let (detail, wait) = match self.attempt(file, part, on_progress).await {
                Ok(()) => break,
                Err(Fault::Final(error)) => return Err(error),
                Err(Fault::NoContact(detail)) if !contact => return Err(self.unreachable(detail)),
                Err(Fault::NoContact(detail)) => (detail, None),
                Err(Fault::Passing { detail, wait }) => (detail, wait),
            };
            contact = true;
            if part.length >= before + HEADWAY {
                failures = 0;
            }
            failures += 1;
            if failures == ATTEMPTS {
                return Err(self.unreachable(detail));
            }
            let wait = wait.unwrap_or(self.patience.backoff * 2_u32.pow(failures - 1));
            if wait > MAX_WAIT {
                let seconds = wait.as_secs();
                return Err(self.unreachable(format!("{detail}, come back in {seconds} s")));
            }
            tracing::info!(%file, detail, wait_ms = wait.as_millis(), "the download is tried again");
            time::sleep(wait).await;
        }
        Ok(())
    }

    /// Asks for what is missing and appends what comes.
    async fn attempt(
        &self,
        file: &HubFile,
        part: &mut Part,
        on_progress: &OnProgress,
    ) -> Result<(), Fault> {
        let Reply {
            mut response,
            announced,
        } = self.request(file, part.resume()).await?;
        let range = request::content_range(&response);
        let offset = match (response.status(), range) {
            (StatusCode::PARTIAL_CONTENT, Some((start, total)))
                if start == part.length && part.state.agrees(&announced, total) =>
            {
                start
            }
            (StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE, _) => {
                part.reset()?;
                return Err(Fault::passing(
                    "the hub has another file now, or sent another part",
                ));
            }
            // The whole file: nothing was there yet, it changed, or ranges are not served.
            _ => 0,
        };
        let length = response.content_length().map(|length| offset + length);
        let state = State {
            source: file.to_string(),
            bytes: announced.bytes.or(range.map(|(_, total)| total)).or(length),
            etag: request::text(response.headers(), header::ETAG.as_str()).map(str::to_owned),
            sha256: announced.sha256,
            revision: announced.revision,
        };
        if let Some(bytes) = state.bytes {
            self.check_space(&part.target, bytes.saturating_sub(offset))?;
        }
        let mut output = part.start(offset, state).await?;
        let mut meter = Meter::new(Step::Download, part.state.bytes.unwrap_or(0), on_progress);
        meter.at(part.length);
        loop {
            let chunk = match time::timeout(self.patience.idle, response.chunk()).await {
                Ok(Ok(Some(chunk))) => chunk,
                Ok(Ok(None)) => break,
                Ok(Err(error)) => return Err(Fault::passing(request::root_cause(&error))),
                Err(_) => return Err(Fault::passing("the hub stopped sending")),
            };
            if part.length == 0
                && let Some(detail) = gguf::impostor(&chunk)
            {
                part.discard()?;
                return Err(Fault::Final(ModelError::unusable(file, detail)));
            }
            part.append(&mut output, &chunk).await?;
            meter.at(part.length);
        }
        match part.state.bytes {
            Some(bytes) if part.length < bytes => Err(Fault::passing(format!(
                "the connection ended after {} of {bytes} bytes",
                part.length
            ))),
            Some(bytes) if part.length > bytes => {
                part.reset()?;
                Err(Fault::passing(format!(
                    "the hub sent more than the {bytes} bytes announced"
                )))
            }
            _ => {
                part.state.bytes = Some(part.length);
                Ok(())
            }
        }
    }

    fn check_space(&self, target: &Path, needed: u64) -> Result<(), ModelError> {
        let folder = target.parent().unwrap_or(target);
        let free = (self.free_space)(folder).map_err(ModelError::reading(folder))?;
        if free >= needed {
            return Ok(());
        }
        Err(ModelError::DiskFull {
            path: target.to_owned(),
            needed_mib: needed.div_ceil(1 << 20),
            free_mib: free >> 20,
        })
    }

    fn unreachable(&self, detail: String) -> ModelError {
        ModelError::Unreachable {
            endpoint: self.config.endpoint.clone(),
            detail,
        }
    }
}

/// Checks a complete part: its hash, then that it is a model.
async fn verify(
    part: &Part,
    file: &HubFile,
    on_progress: &OnProgress,
) -> Result<Origin, ModelError> {
    let (path, source, on_progress) = (part.path.clone(), file.to_string(), on_progress.clone());
    let (expected, revision) = (part.state.sha256.clone(), part.state.revision.clone());
    blocking(move || {
        let opened = File::open(&path).and_then(|file| Ok((file.metadata()?.len(), file)));
        let (bytes, opened) = opened.map_err(ModelError::reading(&path))?;
        let mut meter = Meter::new(Step::Verify, bytes, &on_progress);
        let sha256 = stream::sha256(opened, |done| meter.at(done));
        let sha256 = sha256.map_err(ModelError::reading(&path))?;
        let verified = expected.is_some();
        match expected {
            Some(expected) if expected != sha256 => {
                return Err(ModelError::HashMismatch {
                    what: source,
                    expected,
                    actual: sha256,
                });
            }
            Some(_) => {}
            None => tracing::warn!(source, "the hub announced no hash for this model"),
        }
        gguf::inspect(&path).map_err(|error| error.of_source(&source))?;
        Ok(Origin {
            source,
            revision,
            sha256,
            verified,
        })
    })
    .await
}

fn free_space(folder: &Path) -> io::Result<u64> {
    let system = rustix::fs::statvfs(folder)?;
    Ok(system.f_bavail.saturating_mul(system.f_frsize))
}

impl From<ModelError> for Fault {
    fn from(error: ModelError) -> Self {
        Self::Final(error)
    }
}
