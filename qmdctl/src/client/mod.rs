//! The connection to the daemon: found where it is, started where it is not.

mod dial;
mod manager;
mod patience;
mod start;

use std::{env, fmt, os::unix::ffi::OsStrExt, time::Duration};

use hyper_util::rt::TokioIo;
use qmd_proto::{
    PROTOCOL_VERSION, Reason, handshake,
    paths::{Dirs, project_root},
    v1::{
        IndexRef, control_service_client::ControlServiceClient,
        document_service_client::DocumentServiceClient, index_ref::Target,
        index_service_client::IndexServiceClient, inference_service_client::InferenceServiceClient,
        project_service_client::ProjectServiceClient, search_service_client::SearchServiceClient,
    },
};
use tonic::{
    Request, Status,
    metadata::{Binary, MetadataValue},
    service::{Interceptor, interceptor::InterceptedService},
    transport::{Channel, Endpoint},
};

use self::{dial::Link, patience::Patient};
use crate::error::{Failure, Result};

/// A request that got no sign of life from the daemon for this long is over. The daemon answers
/// pings whatever it works on.
const PING_EVERY: Duration = Duration::from_secs(10);
const PING_TIMEOUT: Duration = Duration::from_secs(10);

/// What every call goes through.
pub(crate) type Transport = Patient<InterceptedService<Channel, Handshake>>;

/// Where this user's daemon is to be found, and how it is asked.
#[derive(Debug, Clone)]
pub(crate) struct Home {
    /// The user's folders.
    pub(crate) dirs: Dirs,
    /// Name of the index that requests are about.
    index: Option<String>,
    /// The project that this is in, which requests are about unless an index is named.
    project: Option<String>,
}

impl Home {
    /// Reads the environment.
    pub(crate) fn from_process(index: Option<String>) -> Result<Self> {
        let dirs = Dirs::from_process().ok_or_else(|| {
            Failure::new(Reason::ConfigUnavailable, "this user has no home folder")
                .hint("set HOME to an absolute path")
        })?;
        let project = match &index {
            Some(_) => None,
            None => project()?,
        };
        Ok(Self {
            dirs,
            index,
            project,
        })
    }

    /// The index that requests are about: the one named, else the project's, else the default one.
    pub(crate) fn index(&self) -> Option<IndexRef> {
        let project = self.project.clone().map(Target::ProjectRoot);
        match project {
            Some(target) => Some(IndexRef {
                target: Some(target),
            }),
            None => self.named_index(),
        }
    }

    /// The index named, else the default one. For what belongs to the user whatever project this is
    /// in: models, the remote end and the daemon.
    pub(crate) fn named_index(&self) -> Option<IndexRef> {
        self.index.as_deref().map(Self::index_of)
    }

    /// The index of a name.
    pub(crate) fn index_of(name: &str) -> IndexRef {
        IndexRef {
            target: Some(Target::Name(name.to_owned())),
        }
    }

    /// Connects to the daemon, and starts it first where none runs.
    pub(crate) async fn connect(&self) -> Result<Client> {
        let link = match dial::find(&self.dirs).await? {
            Some(link) => link,
            None if autostart() => start::start(&self.dirs).await?,
            None => return Err(not_running().into()),
        };
        Client::over(link, Handshake::whole(&self.dirs)).await
    }

    /// Connects to the daemon if it runs, whatever its version and its configuration.
    pub(crate) async fn connect_running(&self) -> Result<Option<Client>> {
        match dial::find(&self.dirs).await? {
            Some(link) => Ok(Some(Client::over(link, Handshake::lenient()).await?)),
            None => Ok(None),
        }
    }

    /// Starts the daemon. False when it runs already.
    pub(crate) async fn start(&self) -> Result<bool> {
        if dial::find(&self.dirs).await?.is_some() {
            return Ok(false);
        }
        start::start(&self.dirs).await?;
        Ok(true)
    }
}

/// The project that this process works in.
fn project() -> Result<Option<String>> {
    // A folder that is gone is in no project.
    let Ok(here) = env::current_dir() else {
        return Ok(None);
    };
    let Some(root) = project_root(&here) else {
        return Ok(None);
    };
    if let Some(root) = root.to_str() {
        return Ok(Some(root.to_owned()));
    }
    let message = format!("the path of the project {} is not UTF-8", root.display());
    Err(Failure::new(Reason::InvalidArgument, message)
        .hint("rename it, or name an index with `--index`")
        .into())
}

/// No daemon runs.
pub(crate) fn not_running() -> Failure {
    Failure::new(Reason::DaemonNotRunning, "no daemon runs")
        .hint("start it with `qmdctl daemon start`")
}

fn autostart() -> bool {
    env::var_os("QMDD_AUTOSTART").is_none_or(|value| value != "0")
}

/// A connection.
pub(crate) struct Client(Transport);

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Client")
    }
}

impl Client {
    async fn over(link: Link, handshake: Handshake) -> Result<Self> {
        let mut stream = Some(TokioIo::new(link.into_stream()));
        // The one stream there is: a broken connection is reported, not silently made anew.
        let connector = tower::service_fn(move |_| {
            let stream = stream
                .take()
                .ok_or_else(|| std::io::Error::other("it was closed"));
            std::future::ready(stream)
        });
        let channel = Endpoint::from_static("http://localhost")
            .http2_keep_alive_interval(PING_EVERY)
            .keep_alive_timeout(PING_TIMEOUT)
            .connect_with_connector(connector)
            .await
            .map_err(|error| Failure::from(Status::from_error(Box::new(error))))?;
        Ok(Self(Patient(InterceptedService::new(channel, handshake))))
    }

    /// Search. Whole documents may come back, so replies have no size limit.
    pub(crate) fn search(&self) -> SearchServiceClient<Transport> {
        SearchServiceClient::new(self.0.clone()).max_decoding_message_size(usize::MAX)
    }

    /// Documents.
    pub(crate) fn documents(&self) -> DocumentServiceClient<Transport> {
        DocumentServiceClient::new(self.0.clone()).max_decoding_message_size(usize::MAX)
    }

    /// Collections, update and embed.
    pub(crate) fn index(&self) -> IndexServiceClient<Transport> {
        IndexServiceClient::new(self.0.clone()).max_decoding_message_size(usize::MAX)
    }

    /// Projects and trust.
    pub(crate) fn projects(&self) -> ProjectServiceClient<Transport> {
        ProjectServiceClient::new(self.0.clone())
    }

    /// The models themselves.
    pub(crate) fn inference(&self) -> InferenceServiceClient<Transport> {
        InferenceServiceClient::new(self.0.clone())
    }

    /// The daemon and its models.
    pub(crate) fn control(&self) -> ControlServiceClient<Transport> {
        ControlServiceClient::new(self.0.clone())
    }
}

/// What every request says of the client.
#[derive(Debug, Clone)]
pub(crate) struct Handshake {
    /// The configuration the request is meant for.
    config_home: Option<MetadataValue<Binary>>,
}

impl Handshake {
    /// Refused by a daemon of another protocol or another configuration.
    fn whole(dirs: &Dirs) -> Self {
        let config_home = dirs.config.as_os_str().as_bytes();
        Self {
            config_home: Some(MetadataValue::from_bytes(config_home)),
        }
    }

    /// Answered by every daemon: for looking at it and for ending it.
    fn lenient() -> Self {
        Self { config_home: None }
    }
}

impl Interceptor for Handshake {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let metadata = request.metadata_mut();
        metadata.insert(
            handshake::CLIENT_VERSION,
            MetadataValue::from_static(env!("CARGO_PKG_VERSION")),
        );
        if let Some(config_home) = &self.config_home {
            metadata.insert(handshake::PROTOCOL, PROTOCOL_VERSION.into());
            metadata.insert_bin(handshake::CONFIG_HOME, config_home.clone());
        }
        Ok(request)
    }
}

#[cfg(test)]
mod tests;
