//! `IndexService`.

use std::{path::Path, sync::Arc, time::Instant};

use qmd_proto::v1::{
    self, AddCollectionReply, AddCollectionRequest, EmbedIndexEvent, EmbedIndexProgress,
    EmbedIndexRequest, EmbedIndexSummary, ImportQmdEvent, ImportQmdRequest, ListCollectionsReply,
    ListCollectionsRequest, RemoveCollectionReply, RemoveCollectionRequest, SkippedFile,
    UpdateEvent, UpdateRequest, WatchEvent, WatchRequest, embed_index_event,
    index_service_server::IndexService, update_event,
};
use tonic::{Request, Response, Status};

use super::{
    App, Index,
    indexes::named,
    notices, qmd,
    status::{self, status},
    stream::{Events, stream},
    watch,
};
use crate::{
    config::{DEFAULT_PATTERN, IndexConfig, edit},
    domain::{Collection, CollectionName, Failure, Reason, Role},
    infer::prompts,
    ingest,
    store::StoreError,
    text::chunk,
};

/// `IndexService` over the daemon's state.
pub struct IndexAdmin(pub Arc<App>);

#[tonic::async_trait]
impl IndexService for IndexAdmin {
    type UpdateStream = Events<UpdateEvent>;
    type EmbedStream = Events<EmbedIndexEvent>;
    type WatchStream = Events<WatchEvent>;
    type ImportQmdStream = Events<ImportQmdEvent>;

    async fn add_collection(
        &self,
        request: Request<AddCollectionRequest>,
    ) -> Result<Response<AddCollectionReply>, Status> {
        let request = request.into_inner();
        let index = self.0.indexes.get(request.index.as_ref()).await?;
        let _writing = index.writing.lock().await;
        let collection = new_collection(&request)?;
        let config = index.config().map_err(|error| status(&error))?;
        if let Some(same) = config
            .collections
            .iter()
            .find(|known| known.path == collection.path)
        {
            return Err(status::of(
                Reason::CollectionExists,
                format!(
                    "collection {:?} has this folder already",
                    same.name.as_str()
                ),
                Some(format!(
                    "run `qmdctl collection remove {}` first to rename it",
                    same.name
                )),
            ));
        }
        index
            .edit(|file| edit::add_collection(file, &collection))
            .map_err(|error| status(&error))?;
        sync(&index).await?;
        Ok(Response::new(AddCollectionReply {
            collection: Some(to_proto(&collection, 0, 0)),
            followed: self.0.settings.watch && config.watch.enabled,
        }))
    }

    async fn remove_collection(
        &self,
        request: Request<RemoveCollectionRequest>,
    ) -> Result<Response<RemoveCollectionReply>, Status> {
        let request = request.into_inner();
        let index = self.0.indexes.get(request.index.as_ref()).await?;
        let _writing = index.writing.lock().await;
        let config = index.config().map_err(|error| status(&error))?;
        // One that waits for trust needs none to go.
        let name = match config
            .known()
            .find(|known| known.name.as_str() == request.name)
        {
            Some(known) => known.name.clone(),
            None => named(&config, &request.name)?,
        };
        index
            .edit(|file| edit::remove_collection(file, &name))
            .map_err(|error| status(&error))?;
        let documents_removed = sync(&index).await?;
        Ok(Response::new(RemoveCollectionReply { documents_removed }))
    }

    async fn list_collections(
        &self,
        request: Request<ListCollectionsRequest>,
    ) -> Result<Response<ListCollectionsReply>, Status> {
        let index = self
            .0
            .indexes
            .get(request.into_inner().index.as_ref())
            .await?;
        let config = index.config().map_err(|error| status(&error))?;
        let stored = index
            .store
            .collections_info()
            .await
            .map_err(|error| status(&error))?;
        let collections = config.collections.iter().map(|collection| {
            let info = stored.iter().find(|info| info.name == collection.name);
            let (documents, updated_at) = info.map_or((0, 0), |info| {
                (info.documents, info.updated_at.unwrap_or(0))
            });
            to_proto(collection, documents, updated_at)
        });
        Ok(Response::new(ListCollectionsReply {
            collections: collections.collect(),
            notices: notices::untrusted(&config, &index),
        }))
    }

    async fn update(
        &self,
        request: Request<UpdateRequest>,
    ) -> Result<Response<Self::UpdateStream>, Status> {
        let request = request.into_inner();
        let app = Arc::clone(&self.0);
        let index = app.indexes.get(request.index.as_ref()).await?;
        let config = index.config().map_err(|error| status(&error))?;
        let collections = chosen(&config, &request.collections)?;
        let notices = notices::untrusted(&config, &index);
        Ok(stream(move |progress, cancel| async move {
            let started = Instant::now();
            let _writing = index.writing.lock().await;
            sync(&index).await?;
            let report = |step: ingest::UpdateProgress| {
                progress.send(UpdateEvent {
                    event: Some(update_event::Event::Progress(update_progress(step))),
                });
            };
            let summary = ingest::update(&index.store, &collections, report, &cancel)
                .await
                .map_err(|error| status(&error))?;
            let scope = names(&config.collections);
            let pending = pending(&app, &index, scope)
                .await
                .map_err(|error| status(&error))?;
            Ok(UpdateEvent {
                event: Some(update_event::Event::Summary(v1::UpdateSummary {
                    added: summary.added,
                    changed: summary.changed,
                    unchanged: summary.unchanged,
                    removed: summary.removed,
                    skipped: (summary.skipped.into_iter())
                        .map(|(collection, file)| SkippedFile {
                            collection: collection.to_string(),
                            path: file.path,
                            reason: file.reason.to_string(),
                            message: file.message,
                        })
                        .collect(),
                    elapsed_us: started.elapsed().as_micros() as u64,
                    pending_embedding: pending,
                    notices,
                })),
            })
        }))
    }

    async fn embed(
        &self,
        request: Request<EmbedIndexRequest>,
    ) -> Result<Response<Self::EmbedStream>, Status> {
        let request = request.into_inner();
        let app = Arc::clone(&self.0);
        let index = app.indexes.get(request.index.as_ref()).await?;
        let config = index.config().map_err(|error| status(&error))?;
        let scope = names(&chosen(&config, &request.collections)?);
        let notices = notices::of_index(&app, &index, &config);
        Ok(stream(move |progress, cancel| async move {
            let started = Instant::now();
            // Who has just added a collection means its files.
            if let Some(watch) = index.watch()
                && app.settings.watch
                && config.watch.enabled
            {
                tokio::select! {
                    () = watch.until_known(&scope) => {}
                    () = cancel.cancelled() => {}
                }
            }
            let report = |step: ingest::EmbedProgress| {
                progress.send(EmbedIndexEvent {
                    event: Some(embed_index_event::Event::Progress(EmbedIndexProgress {
                        documents_done: step.documents,
                        documents_total: step.documents_total,
                        chunks_done: step.chunks,
                        tokens_done: step.tokens,
                    })),
                });
            };
            let _embedding = index.embedding.lock().await;
            let backend = app.backend();
            let options = ingest::EmbedOptions {
                force: request.force,
                grammars: request.chunk_strategy() != v1::ChunkStrategy::Regex,
                program: index.program.clone(),
            };
            let summary =
                ingest::embed(&index.store, &**backend, &scope, &options, report, &cancel)
                    .await
                    .map_err(|error| status(&error))?;
            Ok(EmbedIndexEvent {
                event: Some(embed_index_event::Event::Summary(EmbedIndexSummary {
                    documents: summary.documents,
                    chunks: summary.chunks,
                    tokens: summary.tokens,
                    elapsed_us: started.elapsed().as_micros() as u64,
                    notices,
                })),
            })
        }))
    }

    async fn watch(
        &self,
        request: Request<WatchRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        watch::watch(&self.0, request.into_inner()).await
    }

    async fn import_qmd(
        &self,
        request: Request<ImportQmdRequest>,
    ) -> Result<Response<Self::ImportQmdStream>, Status> {
        qmd::import(&self.0, request.into_inner()).await
    }
}

/// Brings the store's collections in step with the configuration. Returns documents removed.
pub(super) async fn sync(index: &Index) -> Result<u64, Status> {
    let config = index.config().map_err(|error| status(&error))?;
    // One that waits for trust keeps what is indexed of it.
    let collections = config
        .known()
        .map(|collection| (collection.name.clone(), collection.path.clone()))
        .collect();
    index
        .store
        .sync_collections(collections)
        .await
        .map_err(|error| status(&error))
}

pub(super) fn update_progress(step: ingest::UpdateProgress) -> v1::UpdateProgress {
    v1::UpdateProgress {
        collection: step.collection.to_string(),
        files_done: step.done,
        files_total: step.total,
        current: step.current,
    }
}

/// Documents without vectors; 0 while no model says what vectors are wanted.
pub(super) async fn pending(
    app: &App,
    index: &Index,
    scope: Vec<CollectionName>,
) -> Result<u64, StoreError> {
    match app.backend().info(Role::Embed) {
        Ok(model) => {
            let fingerprint = prompts::fingerprint(&model, chunk::VERSION);
            index.store.pending_count(&fingerprint, scope).await
        }
        Err(error) => {
            tracing::debug!(%error, reason = %error.reason(), "pending documents are not known");
            Ok(0)
        }
    }
}

fn chosen(config: &IndexConfig, wanted: &[String]) -> Result<Vec<Collection>, Status> {
    if wanted.is_empty() {
        return Ok(config.collections.clone());
    }
    let wanted: Vec<CollectionName> = wanted
        .iter()
        .map(|name| named(config, name))
        .collect::<Result<_, _>>()?;
    let collections = config.collections.iter();
    Ok(collections
        .filter(|collection| wanted.contains(&collection.name))
        .cloned()
        .collect())
}

pub(super) fn names(collections: &[Collection]) -> Vec<CollectionName> {
    collections
        .iter()
        .map(|collection| collection.name.clone())
        .collect()
}

fn new_collection(request: &AddCollectionRequest) -> Result<Collection, Status> {
    let name =
        CollectionName::new(&request.name).map_err(|error| status::collection_name(&error))?;
    let path = Path::new(&request.path);
    if !path.is_absolute() {
        return Err(status::invalid("the folder must be an absolute path"));
    }
    let missing = |message: String| {
        let hint = "give an existing folder".to_owned();
        status::of(Reason::FolderMissing, message, Some(hint))
    };
    let resolved = path.canonicalize().map_err(|error| match error.kind() {
        std::io::ErrorKind::PermissionDenied => status::of(
            Reason::FileUnreadable,
            format!("{}: {error}", path.display()),
            Some("the daemon runs as you; give yourself access to the folder".into()),
        ),
        _ => missing(format!("{}: {error}", path.display())),
    })?;
    if !resolved.is_dir() {
        return Err(missing(format!("{} is not a folder", path.display())));
    }
    std::fs::read_dir(&resolved).map_err(|error| {
        status::of(
            Reason::FileUnreadable,
            format!("{}: {error}", path.display()),
            Some("the daemon runs as you; give yourself access to the folder".into()),
        )
    })?;
    let pattern = match request.pattern.trim() {
        "" => DEFAULT_PATTERN,
        pattern => pattern,
    };
    Ok(Collection::new(name, resolved, pattern))
}

fn to_proto(collection: &Collection, documents: u64, updated_at: i64) -> v1::Collection {
    v1::Collection {
        name: collection.name.to_string(),
        path: collection.path.to_string_lossy().into_owned(),
        pattern: collection.pattern.clone(),
        ignore: collection.ignore.clone(),
        include_by_default: collection.include_by_default,
        documents,
        updated_at,
        update_command: collection.update.clone().unwrap_or_default(),
    }
}
