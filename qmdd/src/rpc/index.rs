//! `IndexService`.

use std::{collections::HashMap, sync::Arc, time::Instant};

use qmd_proto::v1::{
    self, AddCollectionReply, AddCollectionRequest, CleanupReply, CleanupRequest, EmbedIndexEvent,
    EmbedIndexProgress, EmbedIndexRequest, EmbedIndexSummary, ImportQmdEvent, ImportQmdRequest,
    IncludeCollectionReply, IncludeCollectionRequest, ListCollectionsReply, ListCollectionsRequest,
    ListContextsReply, ListContextsRequest, ListSkippedReply, ListSkippedRequest, ReasonCount,
    RemoveCollectionReply, RemoveCollectionRequest, RemoveContextReply, RemoveContextRequest,
    RenameCollectionReply, RenameCollectionRequest, SetContextReply, SetContextRequest,
    UpdateEvent, UpdateRequest, WatchEvent, WatchRequest, embed_index_event,
    index_service_server::IndexService, update_event,
};
use tonic::{Request, Response, Status};

use super::{
    App, Index, cleanup, collections, contexts,
    indexes::named,
    listing, notices, qmd,
    status::status,
    stream::{Events, stream},
    watch,
};
use crate::{
    config::IndexConfig,
    domain::{Collection, CollectionName, Failure, Reason, Role},
    infer::prompts,
    ingest::{self, UpdateOptions},
    store::{Scope, Skipped, StoreError},
    text::chunk,
};

/// Most skipped files that a summary names; `ListSkipped` names all.
const SKIPPED_TOLD: usize = 100;

/// `IndexService` over the daemon's state.
pub struct IndexAdmin(pub Arc<App>);

#[tonic::async_trait]
impl IndexService for IndexAdmin {
    type UpdateStream = Events<UpdateEvent>;
    type EmbedStream = Events<EmbedIndexEvent>;
    type ListSkippedStream = Events<ListSkippedReply>;
    type WatchStream = Events<WatchEvent>;
    type ImportQmdStream = Events<ImportQmdEvent>;

    async fn add_collection(
        &self,
        request: Request<AddCollectionRequest>,
    ) -> Result<Response<AddCollectionReply>, Status> {
        let request = request.into_inner();
        let collection = collections::new_collection(&request)?;
        let index = self.0.indexes.get_or_create(request.index.as_ref()).await?;
        let added = collections::add(&index, &collection).await?;
        let config = index.config().map_err(|error| status(&error))?;
        Ok(Response::new(AddCollectionReply {
            collection: Some(added),
            followed: self.0.settings.watch && config.watch.enabled,
        }))
    }

    async fn remove_collection(
        &self,
        request: Request<RemoveCollectionRequest>,
    ) -> Result<Response<RemoveCollectionReply>, Status> {
        let request = request.into_inner();
        let index = self.0.indexes.get(request.index.as_ref()).await?;
        let documents_removed = collections::remove(&index, &request.name).await?;
        Ok(Response::new(RemoveCollectionReply { documents_removed }))
    }

    async fn list_collections(
        &self,
        request: Request<ListCollectionsRequest>,
    ) -> Result<Response<ListCollectionsReply>, Status> {
        let request = request.into_inner();
        let index = self.0.indexes.get(request.index.as_ref()).await?;
        let config = index.config().map_err(|error| status(&error))?;
        Ok(Response::new(ListCollectionsReply {
            collections: collections::list(&index, &config).await?,
            notices: notices::untrusted(&config, &index),
        }))
    }

    async fn rename_collection(
        &self,
        request: Request<RenameCollectionRequest>,
    ) -> Result<Response<RenameCollectionReply>, Status> {
        let request = request.into_inner();
        let index = self.0.indexes.get(request.index.as_ref()).await?;
        collections::rename(&index, &request.name, &request.new_name).await?;
        Ok(Response::new(RenameCollectionReply {}))
    }

    async fn include_collection(
        &self,
        request: Request<IncludeCollectionRequest>,
    ) -> Result<Response<IncludeCollectionReply>, Status> {
        let request = request.into_inner();
        let index = self.0.indexes.get(request.index.as_ref()).await?;
        collections::include(&index, &request.name, request.include_by_default).await?;
        Ok(Response::new(IncludeCollectionReply {}))
    }

    async fn list_contexts(
        &self,
        request: Request<ListContextsRequest>,
    ) -> Result<Response<ListContextsReply>, Status> {
        let request = request.into_inner();
        let index = self.0.indexes.get(request.index.as_ref()).await?;
        let contexts = contexts::list(&index)?;
        Ok(Response::new(ListContextsReply { contexts }))
    }

    async fn set_context(
        &self,
        request: Request<SetContextRequest>,
    ) -> Result<Response<SetContextReply>, Status> {
        let request = request.into_inner();
        let index = self.0.indexes.get(request.index.as_ref()).await?;
        let context = Some(contexts::set(&index, &request.address, &request.text).await?);
        Ok(Response::new(SetContextReply { context }))
    }

    async fn remove_context(
        &self,
        request: Request<RemoveContextRequest>,
    ) -> Result<Response<RemoveContextReply>, Status> {
        let request = request.into_inner();
        let index = self.0.indexes.get(request.index.as_ref()).await?;
        let context = Some(contexts::remove(&index, &request.address).await?);
        Ok(Response::new(RemoveContextReply { context }))
    }

    async fn list_skipped(
        &self,
        request: Request<ListSkippedRequest>,
    ) -> Result<Response<Self::ListSkippedStream>, Status> {
        listing::skipped(&self.0, request.into_inner()).await
    }

    async fn cleanup(
        &self,
        request: Request<CleanupRequest>,
    ) -> Result<Response<CleanupReply>, Status> {
        let reply = cleanup::clean_up(&self.0, request.into_inner()).await?;
        Ok(Response::new(reply))
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
        let mut notices = notices::untrusted(&config, &index);
        Ok(stream(move |progress, cancel| async move {
            let started = Instant::now();
            let _writing = index.writing.lock().await;
            collections::sync(&index).await?;
            let report = |step: ingest::UpdateProgress| {
                progress.send(UpdateEvent {
                    event: Some(update_event::Event::Progress(update_progress(step))),
                });
            };
            let options = UpdateOptions {
                program: index.program.clone(),
                force: request.force,
            };
            let summary = ingest::update(&index.store, &collections, &options, report, &cancel)
                .await
                .map_err(|error| status(&error))?;
            let (missing, skipped): (Vec<_>, Vec<_>) = summary
                .skipped
                .into_iter()
                .partition(|(_, file)| file.why.reason == Reason::FolderMissing);
            notices.extend(missing.iter().map(|(name, it)| notices::missing(name, it)));
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
                    skipped_reasons: reasons(&skipped),
                    skipped: (skipped.into_iter().take(SKIPPED_TOLD))
                        .map(|(collection, file)| listing::skipped_file(&collection, file))
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
            index
                .store
                .pending_count(&fingerprint, Scope::of(scope))
                .await
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

/// How many files were skipped for each reason.
fn reasons(skipped: &[(CollectionName, Skipped)]) -> Vec<ReasonCount> {
    let mut counts: HashMap<Reason, u64> = HashMap::new();
    for (_, file) in skipped {
        *counts.entry(file.why.reason).or_default() += 1;
    }
    listing::by_reason(counts)
}

pub(super) fn names(collections: &[Collection]) -> Vec<CollectionName> {
    collections
        .iter()
        .map(|collection| collection.name.clone())
        .collect()
}
