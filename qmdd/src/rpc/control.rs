//! `ControlService`.

use std::{path::Path, sync::Arc};

use qmd_proto::{
    PROTOCOL_VERSION,
    v1::{
        self, CatalogueEntry, DaemonStatus, ImportModelRequest, IndexStatus, ListModelsReply,
        ListModelsRequest, ModelDone, ModelEvent, ModelProgress, ModelStatus, PullModelsRequest,
        ReloadConfigReply, ReloadConfigRequest, ShutdownReply, ShutdownRequest, StatusReply,
        StatusRequest, control_service_server::ControlService, model_event,
    },
};
use tokio::task::spawn_blocking;
use tonic::{Request, Response, Status};

use super::{
    App, Index,
    roles::configured,
    status::{self, status},
    stream::{Events, Progress, stream},
};
use crate::{
    domain::{Failure, Reason, Role},
    infer::{
        backend::{ModelReport, ModelState},
        prompts,
    },
    models::{
        Entry, Hub, HubConfig, Installed, ModelError, ModelSpec, OnProgress, Profile, Source,
    },
    text::chunk,
};

/// `ControlService` over the daemon's state.
pub struct Control(pub Arc<App>);

#[tonic::async_trait]
impl ControlService for Control {
    type ImportModelStream = Events<ModelEvent>;
    type PullModelsStream = Events<ModelEvent>;

    async fn status(
        &self,
        request: Request<StatusRequest>,
    ) -> Result<Response<StatusReply>, Status> {
        let index = self
            .0
            .indexes
            .get(request.into_inner().index.as_ref())
            .await?;
        let reports = self.0.backend.report();
        Ok(Response::new(StatusReply {
            daemon: Some(daemon_status(&self.0)),
            index: Some(index_status(&self.0, &index).await?),
            models: reports.into_iter().map(model_status).collect(),
        }))
    }

    async fn list_models(
        &self,
        _: Request<ListModelsRequest>,
    ) -> Result<Response<ListModelsReply>, Status> {
        let roles = &self.0.roles;
        let choices = configured(&self.0.settings).map_err(|error| status(&error))?;
        let profile = roles.profile(&choices).map_err(|error| status(&error))?;
        let chosen = roles.choices(&choices).map_err(|error| status(&error))?;
        let entries = roles
            .store
            .list()
            .into_iter()
            .map(|listing| CatalogueEntry {
                profile: listing.entry.profile.as_str().into(),
                role: role_to_proto(listing.entry.role).into(),
                name: listing.entry.name.into(),
                source: listing.entry.source.to_string(),
                present: listing.path.is_some(),
                path: listing
                    .path
                    .map(|path| path.to_string_lossy().into_owned())
                    .unwrap_or_default(),
                bytes: listing.bytes,
                active: chosen
                    .iter()
                    .any(|choice| choice.model.as_deref() == Some(listing.entry.name)),
                sha256: listing.entry.sha256.unwrap_or_default().into(),
            });
        let entries = entries.collect();
        Ok(Response::new(ListModelsReply {
            entries,
            profile: profile.as_str().into(),
        }))
    }

    async fn import_model(
        &self,
        request: Request<ImportModelRequest>,
    ) -> Result<Response<Self::ImportModelStream>, Status> {
        let request = request.into_inner();
        let entry = Entry::named(&request.name)
            .ok_or_else(|| status(&ModelError::Unknown(request.name.clone())))?;
        let path = Path::new(&request.path).to_owned();
        if !path.is_absolute() {
            return Err(status::invalid("the model's file must be an absolute path"));
        }
        let app = Arc::clone(&self.0);
        Ok(stream(move |progress, _| async move {
            let store = app.roles.store.clone();
            let report = reporter(Arc::new(progress), entry.name);
            let installed = spawn_blocking(move || store.import(entry, &path, &report))
                .await
                .map_err(|panic| status::of(Reason::Internal, panic.to_string(), None))?
                .map_err(|error| status(&error))?;
            app.roles.assign(&app).await;
            Ok(done(entry.name, installed))
        }))
    }

    async fn pull_models(
        &self,
        request: Request<PullModelsRequest>,
    ) -> Result<Response<Self::PullModelsStream>, Status> {
        let profile: Profile = request
            .into_inner()
            .profile
            .parse()
            .map_err(|error| status(&error))?;
        let hub = &self.0.settings.hub;
        let hub = Hub::new(HubConfig {
            endpoint: hub
                .endpoint
                .clone()
                .unwrap_or_else(|| HubConfig::DEFAULT_ENDPOINT.into()),
            token: hub.token.clone(),
        })
        .map_err(|error| status(&error))?;
        // Models of a package come through `ImportModel`: only the client can run pip.
        let entries: Vec<&'static Entry> = profile
            .entries()
            .filter(|entry| matches!(entry.source, Source::Hub(_)))
            .collect();
        if entries.is_empty() {
            let profile = profile.as_str();
            return Err(status::invalid(format!(
                "profile {profile} has no models from a hub"
            )));
        }
        let app = Arc::clone(&self.0);
        Ok(stream(move |progress, cancel| async move {
            let progress = Arc::new(progress);
            let mut last = None;
            for entry in entries {
                if let Some(event) = last.take() {
                    progress.deliver(event).await;
                }
                let report = reporter(Arc::clone(&progress), entry.name);
                let spec = ModelSpec::Catalogue(entry);
                let installed = tokio::select! {
                    installed = app.roles.store.pull(&spec, &hub, report) => installed,
                    () = cancel.cancelled() => {
                        return Err(status::of(Reason::Cancelled, "the call was cancelled", None));
                    }
                };
                last = Some(done(entry.name, installed.map_err(|error| status(&error))?));
            }
            app.roles.assign(&app).await;
            last.ok_or_else(|| status::of(Reason::Internal, "no model was pulled", None))
        }))
    }

    async fn reload_config(
        &self,
        request: Request<ReloadConfigRequest>,
    ) -> Result<Response<ReloadConfigReply>, Status> {
        let index = self
            .0
            .indexes
            .get(request.into_inner().index.as_ref())
            .await?;
        index.config().map_err(|error| status(&error))?;
        self.0.roles.assign(&self.0).await;
        Ok(Response::new(ReloadConfigReply {}))
    }

    async fn shutdown(
        &self,
        _: Request<ShutdownRequest>,
    ) -> Result<Response<ShutdownReply>, Status> {
        tracing::info!("asked to end");
        self.0.shutdown.cancel();
        Ok(Response::new(ShutdownReply {
            pid: std::process::id(),
        }))
    }
}

fn daemon_status(app: &App) -> DaemonStatus {
    let display = |path: &Path| path.to_string_lossy().into_owned();
    let settings = &app.settings;
    DaemonStatus {
        version: env!("CARGO_PKG_VERSION").into(),
        protocol: PROTOCOL_VERSION,
        pid: std::process::id(),
        uptime_s: app.started.elapsed().as_secs(),
        socket: display(&app.socket),
        config_home: display(&settings.dirs.config),
        data_home: display(&settings.dirs.data),
        log_file: display(&settings.dirs.log_file()),
        rss_bytes: resident_bytes(std::process::id()),
        backend: app.backend.name().into(),
    }
}

async fn index_status(app: &App, index: &Index) -> Result<IndexStatus, Status> {
    let config = index.config().map_err(|error| status(&error))?;
    let fingerprint = app.backend.info(Role::Embed).ok();
    let fingerprint = fingerprint.map(|model| prompts::fingerprint(&model, chunk::VERSION));
    let counts = index.store.counts(fingerprint.as_deref()).await;
    let counts = counts.map_err(|error| status(&error))?;
    Ok(IndexStatus {
        name: index.name.clone(),
        config_file: index.config_file.to_string_lossy().into_owned(),
        database: index.database.to_string_lossy().into_owned(),
        database_bytes: counts.database_bytes,
        documents: counts.documents,
        chunks: counts.chunks,
        vectors: counts.vectors,
        pending_embedding: counts.pending,
        stale_vectors: counts.stale_vectors,
        skipped_files: counts.skipped,
        collections: config.collections.len() as u32,
    })
}

fn model_status(report: ModelReport) -> ModelStatus {
    let path = report.path.unwrap_or_default();
    let mut proto = ModelStatus {
        file_bytes: std::fs::metadata(&path).map_or(0, |file| file.len()),
        path: path.to_string_lossy().into_owned(),
        role: role_to_proto(report.role).into(),
        name: report.name,
        worker_pid: report.worker_pid,
        worker_rss_bytes: match report.worker_pid {
            0 => 0,
            pid => resident_bytes(pid),
        },
        queue_depth: report.queue_depth,
        restarts: report.restarts,
        worst_wait_us: report.worst_wait.as_micros() as u64,
        ..ModelStatus::default()
    };
    let state = match report.state {
        ModelState::NotConfigured => v1::ModelState::NotConfigured,
        ModelState::Unloaded => v1::ModelState::Unloaded,
        ModelState::Loading => v1::ModelState::Loading,
        ModelState::Ready(model) => {
            proto.fingerprint = model.sha256;
            proto.context_tokens = model.context_tokens;
            proto.dimensions = model.dimensions;
            v1::ModelState::Ready
        }
        ModelState::Failed(error) => {
            proto.reason = error.reason().to_string();
            proto.message = error.to_string();
            proto.hint = error.hint().unwrap_or_default();
            match error.reason() {
                Reason::ModelMissing => v1::ModelState::Missing,
                _ => v1::ModelState::Failed,
            }
        }
    };
    proto.state = state.into();
    proto
}

fn role_to_proto(role: Role) -> v1::ModelRole {
    match role {
        Role::Embed => v1::ModelRole::Embed,
        Role::Rerank => v1::ModelRole::Rerank,
        Role::Generate => v1::ModelRole::Generate,
    }
}

/// Sends a model's progress to the client.
fn reporter(progress: Arc<Progress<ModelEvent>>, name: &'static str) -> OnProgress {
    Arc::new(move |step| {
        progress.send(ModelEvent {
            event: Some(model_event::Event::Progress(ModelProgress {
                name: name.into(),
                step: step.step.as_str().into(),
                bytes_done: step.bytes_done,
                bytes_total: step.bytes_total,
            })),
        });
    })
}

fn done(name: &str, installed: Installed) -> ModelEvent {
    ModelEvent {
        event: Some(model_event::Event::Done(ModelDone {
            name: name.into(),
            path: installed.path.to_string_lossy().into_owned(),
            sha256: installed.sha256,
            bytes: installed.bytes,
            already_present: installed.already_present,
        })),
    }
}

/// A process's resident memory, 0 where the system does not tell it this way.
fn resident_bytes(pid: u32) -> u64 {
    let Ok(text) = std::fs::read_to_string(format!("/proc/{pid}/statm")) else {
        return 0;
    };
    let pages = text
        .split(' ')
        .nth(1)
        .and_then(|pages| pages.parse::<u64>().ok());
    pages.unwrap_or(0) * rustix::param::page_size() as u64
}
