//! What `status` shows: the daemon, an index, the models.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use qmd_proto::{
    PROTOCOL_VERSION,
    v1::{self, CacheStatus, CollectionStatus, DaemonStatus, IndexStatus, ModelStatus},
};
use tonic::Status;

use super::{App, Index, indexes::Place, listing, notices, role, status::status, watch};
use crate::{
    config::IndexConfig,
    domain::{Failure, Reason, Role},
    infer::{
        backend::{CacheReport, ModelReport, ModelState},
        prompts,
    },
    store::{IndexCounts, StoreError},
    text::chunk,
};

pub(super) fn daemon(app: &App) -> DaemonStatus {
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
        backend: app.backend().name().into(),
    }
}

pub(super) async fn index(app: &App, index: &Index) -> Result<IndexStatus, Status> {
    let config = index.config().map_err(|error| status(&error))?;
    let fingerprint = fingerprint(app);
    let counts = match index.store.counts(fingerprint.as_deref()).await {
        Ok(counts) => counts,
        // A page that cannot be read is something to show.
        Err(error) => return Ok(closed(index.place(), &error)),
    };
    let (watch_rounds, watch_whole, collection_states) =
        collections(index, &config, fingerprint.as_deref()).await?;
    let skipped = index.store.skipped_counts().await;
    let skipped = skipped.map_err(|error| status(&error))?;
    Ok(IndexStatus {
        name: index.name.clone(),
        config_file: index.config_file().to_string_lossy().into_owned(),
        database: index.database.to_string_lossy().into_owned(),
        database_bytes: counts.database_bytes,
        documents: counts.documents,
        chunks: counts.chunks,
        vectors: counts.vectors,
        pending_embedding: counts.pending,
        stale_vectors: counts.stale_vectors,
        skipped_files: counts.skipped,
        collections: config.collections.len() as u32,
        project_root: (index.project.as_deref())
            .map(|root| root.to_string_lossy().into_owned())
            .unwrap_or_default(),
        notices: notices::of_index(app, index, &config),
        collection_states,
        watch_rounds,
        watch_whole,
        skipped_reasons: listing::by_reason(skipped),
        closed: false,
    })
}

/// An index whose database cannot be opened.
pub(super) fn closed(place: Place, error: &StoreError) -> IndexStatus {
    let display = |path: PathBuf| path.to_string_lossy().into_owned();
    IndexStatus {
        name: place.name,
        config_file: display(place.config_file),
        database_bytes: std::fs::metadata(&place.database).map_or(0, |file| file.len()),
        database: display(place.database),
        project_root: place.project.map(display).unwrap_or_default(),
        notices: vec![notices::of_store(error)],
        closed: true,
        ..IndexStatus::default()
    }
}

/// Rounds of the watcher, how many of them were whole, and each collection's state.
async fn collections(
    index: &Index,
    config: &IndexConfig,
    fingerprint: Option<&str>,
) -> Result<(u64, u64, Vec<CollectionStatus>), Status> {
    let stored = index.store.collections_info().await;
    let stored = stored.map_err(|error| status(&error))?;
    let pending = match fingerprint {
        Some(fingerprint) => {
            let pending = index.store.pending_by_collection(fingerprint).await;
            pending.map_err(|error| status(&error))?
        }
        None => HashMap::new(),
    };
    let watch = index.watch().map(|watch| watch.report().borrow().clone());
    let watch = watch.unwrap_or_default();
    let states = config.collections.iter().map(|collection| {
        let info = stored.iter().find(|info| info.name == collection.name);
        CollectionStatus {
            follow: Some(watch::follow_state(
                &collection.name,
                watch.following(&collection.name),
            )),
            path: collection.path.to_string_lossy().into_owned(),
            documents: info.map_or(0, |info| info.documents),
            pending_embedding: pending.get(&collection.name).copied().unwrap_or(0),
            updated_at: info.and_then(|info| info.updated_at).unwrap_or(0),
        }
    });
    Ok((watch.rounds, watch.whole, states.collect()))
}

/// What the index holds, as the embedding model sees it.
pub(super) async fn counts(app: &App, index: &Index) -> Result<IndexCounts, StoreError> {
    index.store.counts(fingerprint(app).as_deref()).await
}

/// What the vectors of the embedding model are known by, while it is known.
fn fingerprint(app: &App) -> Option<String> {
    let model = app.backend().info(Role::Embed).ok()?;
    Some(prompts::fingerprint(&model, chunk::VERSION))
}

pub(super) fn model(report: ModelReport) -> ModelStatus {
    let path = report.path.unwrap_or_default();
    let mut proto = ModelStatus {
        file_bytes: std::fs::metadata(&path).map_or(0, |file| file.len()),
        path: path.to_string_lossy().into_owned(),
        role: role::to_proto(report.role).into(),
        name: report.name,
        worker_pid: report.worker_pid,
        worker_rss_bytes: match report.worker_pid {
            0 => 0,
            pid => resident_bytes(pid),
        },
        queue_depth: report.queue_depth,
        restarts: report.restarts,
        worst_wait_us: report.worst_wait.as_micros() as u64,
        device: report.device,
        planned_bytes: report.planned_bytes,
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

/// The cache's line in `status`.
pub(super) fn cache(report: CacheReport) -> CacheStatus {
    CacheStatus {
        entries: report.entries,
        bytes: report.bytes,
        capacity_bytes: report.capacity,
        hits: report.hits,
        misses: report.misses,
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
