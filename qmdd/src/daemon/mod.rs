//! The daemon's life: lock, socket, services, drain.

mod backend;
#[cfg(feature = "llama")]
mod cores;
mod descriptors;
mod error;
mod listen;
mod lock;
mod telemetry;

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use qmd_proto::{
    DESCRIPTOR_SET,
    instance::InstanceRecord,
    v1::{
        control_service_server::ControlServiceServer,
        document_service_server::DocumentServiceServer, index_service_server::IndexServiceServer,
        inference_service_server::InferenceServiceServer,
        project_service_server::ProjectServiceServer, search_service_server::SearchServiceServer,
    },
};
use sd_notify::NotifyState;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use self::{
    backend::{executable, maker},
    listen::listen,
    lock::InstanceLock,
};
use crate::{
    config::Settings,
    rpc::{
        App, Backends, Control, DEFAULT_INDEX, Document, Fair, Gate, IndexAdmin, Indexes,
        Inference, MAX_INFERENCE_REQUEST, Projects, Roles, Search, incoming, server,
    },
    search::Pace,
};

pub use error::DaemonError;

/// How long requests under way may take once the daemon is to end.
const DRAIN: Duration = Duration::from_secs(10);

/// Serves until told to end.
///
/// # Errors
/// When it cannot start: another daemon runs, or the socket or the folders cannot be had.
pub async fn run(settings: Settings) -> Result<(), DaemonError> {
    let mut lock = InstanceLock::take(&settings.dirs)?;
    telemetry::start(&settings.dirs, settings.log.as_deref())?;
    let listener = listen(&settings.socket)?;
    let socket = local_path(&listener.socket).unwrap_or_else(|| settings.socket.clone());
    let record = InstanceRecord {
        pid: std::process::id(),
        version: env!("CARGO_PKG_VERSION").into(),
        socket: socket.clone(),
    };
    if let Err(error) = lock.record(&record) {
        // On a full or read-only disk. Who has the same environment finds the socket all the same.
        tracing::warn!(%error, "the lock file does not tell where this daemon is");
    }

    let shutdown = CancellationToken::new();
    let roles = Roles::new(&settings);
    let modal = Roles::modal(&settings);
    let backends = Arc::new(Backends::new(maker(&settings)?, &settings, &modal));
    let app = Arc::new(App {
        pace: Pace::default(),
        indexes: Indexes::new(
            settings.dirs.clone(),
            Arc::clone(&backends),
            executable()?,
            settings.watch,
        ),
        backends,
        roles,
        settings,
        socket: socket.clone(),
        started: Instant::now(),
        shutdown: shutdown.clone(),
    });
    tokio::spawn(listen_to_signals(Arc::clone(&app))?);
    // Models warm up while lexical search already answers.
    let warming = Arc::clone(&app);
    tokio::spawn(async move { warming.roles.assign(&warming).await });
    tokio::spawn(follow(Arc::clone(&app)));

    tracing::info!(version = env!("CARGO_PKG_VERSION"), socket = %socket.display(), "serving");
    // Absent a service manager this does nothing.
    let _ = sd_notify::notify(&[NotifyState::Ready]);
    let served = serve(&app, listener.socket, shutdown.clone());
    let drained = async {
        shutdown.cancelled().await;
        let _ = sd_notify::notify(&[NotifyState::Stopping]);
        tokio::time::sleep(DRAIN).await;
    };
    let result = tokio::select! {
        result = served => result.map_err(|error| DaemonError::Serve(error.to_string())),
        () = drained => {
            tracing::warn!("requests under way after {DRAIN:?} were cut off");
            Ok(())
        }
    };
    drop(listener.file);
    app.indexes.close().await;
    app.backend().shutdown().await;
    tracing::info!("ended");
    drop(lock);
    result
}

/// Opens the default index, so that its folders are followed before anybody asks. Others are, from
/// their first request on.
async fn follow(app: Arc<App>) {
    let is_configured = app.settings.dirs.index_config(DEFAULT_INDEX).exists();
    if app.settings.watch
        && is_configured
        && let Err(error) = app.indexes.get(None).await
    {
        tracing::warn!(error = error.message(), "no folders are followed");
    }
}

async fn serve(
    app: &Arc<App>,
    socket: tokio::net::UnixListener,
    shutdown: CancellationToken,
) -> Result<(), tonic::transport::Error> {
    let (health, health_service) = tonic_health::server::health_reporter();
    health.set_serving::<SearchServiceServer<Search>>().await;
    health
        .set_serving::<DocumentServiceServer<Document>>()
        .await;
    health.set_serving::<IndexServiceServer<IndexAdmin>>().await;
    health
        .set_serving::<InferenceServiceServer<Inference>>()
        .await;
    health.set_serving::<ProjectServiceServer<Projects>>().await;
    health.set_serving::<ControlServiceServer<Control>>().await;
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1();
    let reflection = match reflection {
        Ok(reflection) => Some(reflection),
        Err(error) => {
            tracing::error!(%error, "no server reflection");
            None
        }
    };
    let uid = rustix::process::getuid().as_raw();
    let connections = descriptors::connections(descriptors::raise());
    server()
        .layer(Gate::new(uid, app.settings.dirs.config.clone()))
        .layer(Fair::new())
        .add_service(health_service)
        .add_optional_service(reflection)
        .add_service(SearchServiceServer::new(Search(Arc::clone(app))))
        .add_service(DocumentServiceServer::new(Document(Arc::clone(app))))
        .add_service(IndexServiceServer::new(IndexAdmin(Arc::clone(app))))
        .add_service(
            InferenceServiceServer::new(Inference(Arc::clone(app)))
                .max_decoding_message_size(MAX_INFERENCE_REQUEST),
        )
        .add_service(ProjectServiceServer::new(Projects(Arc::clone(app))))
        .add_service(ControlServiceServer::new(Control(Arc::clone(app))))
        .serve_with_incoming_shutdown(incoming(socket, connections), shutdown.cancelled_owned())
        .await
}

/// SIGTERM and SIGINT end the daemon, SIGHUP makes it read its configuration again.
fn listen_to_signals(
    app: Arc<App>,
) -> Result<impl Future<Output = ()> + Send + 'static, DaemonError> {
    let listen = |kind| {
        signal(kind).map_err(|source| DaemonError::Io {
            path: PathBuf::from("signals"),
            source,
        })
    };
    let mut terminate = listen(SignalKind::terminate())?;
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut hangup = listen(SignalKind::hangup())?;
    Ok(async move {
        loop {
            tokio::select! {
                _ = terminate.recv() => break,
                _ = interrupt.recv() => break,
                _ = hangup.recv() => {
                    for index in app.indexes.opened() {
                        index.config_changed();
                    }
                    app.roles.assign(&app).await;
                }
            }
        }
        tracing::info!("told to end");
        app.shutdown.cancel();
    })
}

fn local_path(socket: &tokio::net::UnixListener) -> Option<PathBuf> {
    socket.local_addr().ok()?.as_pathname().map(PathBuf::from)
}
