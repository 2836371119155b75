//! Streams of what an index holds, and of what it left out.

use std::sync::Arc;

use qmd_proto::v1::{
    DocumentEntry, ListReply, ListRequest, ListSkippedReply, ListSkippedRequest, ReasonCount,
    SkippedFile,
};
use tonic::{Response, Status};

use super::{
    App,
    address::Finder,
    command::qmdctl,
    context::file_path,
    indexes::named,
    miss::{Miss, SUGGESTIONS},
    multi_get::no_match,
    places::PlaceGlob,
    status::status,
    stream::{Events, events},
};
use crate::{
    config::IndexConfig,
    domain::{CollectionName, Reason},
    store::{self, ListedDocument, Scope, Skipped},
    text::filter,
};

/// Entries of one message.
const PAGE: usize = 500;

/// The documents of an index.
pub(super) async fn documents(
    app: &App,
    request: ListRequest,
) -> Result<Response<Events<ListReply>>, Status> {
    let index = app.indexes.get(request.index.as_ref()).await?;
    let config = index.config().map_err(|error| status(&error))?;
    let finder = Finder {
        index: &index,
        config: &config,
    };
    let collections = match request.collection.as_str() {
        "" => finder.within(),
        name => vec![named(&config, name)?],
    };
    let folder = Some(request.path.trim_matches('/').to_owned()).filter(|path| !path.is_empty());
    let scope = Scope::of(collections);
    if let Some(folder) = &folder {
        expect_below(&finder, &scope, folder).await?;
    }
    let globs = globs(&finder, &scope, &request.patterns).await?;
    let scope = Scope {
        filter: filter::parse_all(&request.filters).map_err(|error| status(&error))?,
        ..scope
    };
    Ok(events(move |progress, cancel| async move {
        let mut after = None;
        loop {
            let page = index
                .store
                .list(scope.clone(), folder.clone(), after, PAGE)
                .await;
            let mut page = page.map_err(|error| status(&error))?;
            after = page
                .last()
                .map(|last| (last.collection.clone(), last.path.clone()));
            if after.is_none() || cancel.is_cancelled() {
                return Ok(());
            }
            page.retain(|one| fits(&globs, one.collection.as_str(), &one.path));
            if !page.is_empty() {
                let documents = page.into_iter().map(|one| entry(&config, one)).collect();
                progress.deliver(ListReply { documents }).await;
            }
        }
    }))
}

/// Fails when nothing lies in a folder, whatever the filters.
async fn expect_below(finder: &Finder<'_>, scope: &Scope, folder: &str) -> Result<(), Status> {
    let store = &finder.index.store;
    let below = store.list(scope.clone(), Some(folder.to_owned()), None, 1);
    if !below.await.map_err(|error| status(&error))?.is_empty() {
        return Ok(());
    }
    let place = match scope.collections.as_slice() {
        [only] => format!("{only}/{folder}"),
        _ => folder.to_owned(),
    };
    let within = || scope.collections.clone();
    let mut near = store
        .similar_folders(&place, within(), SUGGESTIONS)
        .await
        .map_err(|error| status(&error))?;
    let documents = store.similar(&place, within(), SUGGESTIONS).await;
    near.extend(documents.map_err(|error| status(&error))?);
    near.truncate(SUGGESTIONS);
    let list = qmdctl(finder.index, "ls");
    let message = format!("no document lies in {place:?}");
    let hint = format!("`{list} COLLECTION` lists what there is");
    Err(Miss::near(message, near, hint).into_status())
}

/// The globs of a request. Fails when a document fits none of them.
async fn globs(
    finder: &Finder<'_>,
    scope: &Scope,
    patterns: &[String],
) -> Result<Vec<PlaceGlob>, Status> {
    let parse = |pattern: &String| PlaceGlob::parse(pattern, &finder.config.collections);
    let globs: Vec<PlaceGlob> = patterns.iter().map(parse).collect::<Result<_, _>>()?;
    let Some(first) = patterns.first() else {
        return Ok(globs);
    };
    let wanted = globs.clone();
    let test = move |collection: &str, path: &str| fits(&wanted, collection, path);
    let found = finder.index.store.matching(scope.collections.clone(), test);
    if found.await.map_err(|error| status(&error))?.is_empty() {
        let miss = no_match(finder, first, true).await?;
        return Err(miss.into_status());
    }
    Ok(globs)
}

/// Whether a place fits any of the globs, or there are none.
fn fits(globs: &[PlaceGlob], collection: &str, path: &str) -> bool {
    globs.is_empty() || globs.iter().any(|glob| glob.covers(collection, path))
}

fn entry(config: &IndexConfig, document: ListedDocument) -> DocumentEntry {
    DocumentEntry {
        file_path: file_path(config, &document.collection, &document.path),
        docid: document.hash.docid().as_str().to_owned(),
        collection: document.collection.to_string(),
        path: document.path,
        title: document.title,
        bytes: document.bytes,
        modified_at: document.mtime_ns.div_euclid(1_000_000_000),
    }
}

/// The files that scans left out.
pub(super) async fn skipped(
    app: &Arc<App>,
    request: ListSkippedRequest,
) -> Result<Response<Events<ListSkippedReply>>, Status> {
    let index = app.indexes.get(request.index.as_ref()).await?;
    let config = index.config().map_err(|error| status(&error))?;
    let collection = match request.collection.as_str() {
        "" => None,
        name => Some(named(&config, name)?),
    };
    Ok(events(move |progress, cancel| async move {
        let mut after = None;
        loop {
            let page = index.store.skipped(collection.clone(), after, PAGE).await;
            let page = page.map_err(|error| status(&error))?;
            after = page
                .last()
                .map(|last| (last.collection.clone(), last.file.path.clone()));
            if after.is_none() || cancel.is_cancelled() {
                return Ok(());
            }
            let file = |file: store::SkippedFile| skipped_file(&file.collection, file.file);
            let files = page.into_iter().map(file).collect();
            progress.deliver(ListSkippedReply { files }).await;
        }
    }))
}

/// A skipped file as the API has it.
pub(super) fn skipped_file(collection: &CollectionName, file: Skipped) -> SkippedFile {
    SkippedFile {
        collection: collection.to_string(),
        path: file.path,
        reason: file.why.reason.to_string(),
        message: file.why.message,
    }
}

/// Counts by reason, most frequent first.
pub(super) fn by_reason(counts: impl IntoIterator<Item = (Reason, u64)>) -> Vec<ReasonCount> {
    let mut counts: Vec<ReasonCount> = counts
        .into_iter()
        .map(|(reason, count)| ReasonCount {
            reason: reason.to_string(),
            count,
        })
        .collect();
    counts.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.reason.cmp(&b.reason)));
    counts
}
