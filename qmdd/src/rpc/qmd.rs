//! `ImportQmd`.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

use qmd_proto::{
    paths::PROJECT_FOLDER,
    v1::{
        self, ImportQmdEvent, ImportQmdProgress, ImportQmdRequest, ImportQmdSummary, Notice,
        QmdVectorsLeft, import_qmd_event::Event,
    },
};
use tonic::{Response, Status};

use super::{
    App, Index,
    collections::sync,
    index::{names, pending, update_progress},
    status::{self, status},
    stream::{Events, stream},
};
use crate::{
    domain::{Collection, Trouble},
    ingest::{self, Left, UpdateOptions},
    store::QmdIndex,
};

/// Compares QMD's documents with those here, and takes its vectors in.
pub(super) async fn import(
    app: &Arc<App>,
    request: ImportQmdRequest,
) -> Result<Response<Events<ImportQmdEvent>>, Status> {
    let index = app.indexes.get(request.index.as_ref()).await?;
    let config = index.config().map_err(|error| status(&error))?;
    let path = match request.path.as_str() {
        "" => of_qmd(app, &index),
        path => PathBuf::from(path),
    };
    if !path.is_absolute() {
        return Err(status::invalid("the path must be absolute"));
    }
    let qmd = QmdIndex::open(&path, &app.settings.dirs.data)
        .await
        .map_err(|error| status(&error))?;
    let app = Arc::clone(app);
    Ok(stream(move |progress, cancel| async move {
        let started = Instant::now();
        let (theirs, left) = collections(&qmd, &config.collections).await?;
        // From before the update on, or what it finds would be embedded in the background.
        let _embedding = index.embedding.lock().await;
        let updated = {
            let _writing = index.writing.lock().await;
            sync(&index).await?;
            let report = |step: ingest::UpdateProgress| {
                progress.send(ImportQmdEvent {
                    event: Some(Event::Updating(update_progress(step))),
                });
            };
            let options = UpdateOptions {
                program: index.program.clone(),
                force: false,
            };
            ingest::update(&index.store, &theirs, &options, report, &cancel)
                .await
                .map_err(|error| status(&error))?
        };
        let documents = ingest::compare(&index.store, &qmd, &theirs)
            .await
            .map_err(|error| status(&error))?;
        let report = |step: ingest::VectorProgress| {
            progress.send(ImportQmdEvent {
                event: Some(Event::Vectors(ImportQmdProgress {
                    documents_done: step.done,
                    documents_total: step.total,
                })),
            });
        };
        let scope = names(&config.collections);
        let backend = app.backend();
        let vectors = ingest::take_vectors(&index.store, &qmd, &**backend, &scope, report, &cancel)
            .await
            .map_err(|error| status(&error))?;
        let pending_embedding = pending(&app, &index, scope)
            .await
            .map_err(|error| status(&error))?;
        Ok(ImportQmdEvent {
            event: Some(Event::Summary(ImportQmdSummary {
                path: path.to_string_lossy().into_owned(),
                documents_same: documents.same,
                documents_changed: documents.changed,
                documents_absent: documents.absent,
                collections_left: left,
                vector_documents: vectors.documents,
                vector_chunks: vectors.chunks,
                vectors_left: (vectors.left.into_iter())
                    .map(|(left, documents)| QmdVectorsLeft {
                        why: why(left).into(),
                        documents,
                    })
                    .collect(),
                notices: vectors.refused.into_iter().map(notice).collect(),
                compared: vectors.compared,
                distance: vectors.distance,
                elapsed_us: started.elapsed().as_micros() as u64,
                pending_embedding,
                documents_read: updated.added + updated.changed,
            })),
        })
    }))
}

/// Where QMD keeps the index that has this configuration.
fn of_qmd(app: &App, index: &Index) -> PathBuf {
    if let Some(root) = &index.project {
        return root.join(PROJECT_FOLDER).join("index.sqlite");
    }
    let file = format!("{}.sqlite", index.name);
    app.settings.dirs.qmd_cache.join(file)
}

/// The configured collections that QMD's index has too, and those of it that are not configured.
async fn collections(
    qmd: &QmdIndex,
    configured: &[Collection],
) -> Result<(Vec<Collection>, Vec<v1::QmdCollection>), Status> {
    let theirs = qmd.collections().await.map_err(|error| status(&error))?;
    let (mut known, mut left) = (Vec::new(), Vec::new());
    for collection in theirs {
        match configured
            .iter()
            .find(|it| it.name.as_str() == collection.name)
        {
            Some(ours) => known.push(ours.clone()),
            None => left.push(v1::QmdCollection {
                name: collection.name,
                path: (collection.folder.as_deref())
                    .map(|folder: &Path| folder.to_string_lossy().into_owned())
                    .unwrap_or_default(),
                documents: collection.documents,
            }),
        }
    }
    Ok((known, left))
}

fn why(left: Left) -> &'static str {
    match left {
        Left::Incomplete => "QMD has not embedded the whole of it",
        Left::Cut => {
            "QMD cut it again, or as code, so that its index does not tell where chunks end"
        }
        Left::Title => "QMD embedded it with another title than it has here",
        Left::Window => "a chunk is longer than the model's window, so that QMD cut its end off",
        Left::Vector => "a vector is missing or damaged",
    }
}

fn notice(trouble: Trouble) -> Notice {
    Notice {
        reason: trouble.reason.to_string(),
        message: trouble.message,
        hint: trouble.hint.unwrap_or_default(),
    }
}
