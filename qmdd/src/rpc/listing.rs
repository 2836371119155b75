//! Streams of what an index holds, and of what it left out.

use std::sync::Arc;

use qmd_proto::v1::{
    DocumentEntry, ListReply, ListRequest, ListSkippedReply, ListSkippedRequest, ReasonCount,
    SkippedFile,
};
use tonic::{Response, Status};

use super::{
    App,
    indexes::named,
    status::status,
    stream::{Events, events},
};
use crate::{
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
    let collections = match request.collection.as_str() {
        "" => config
            .collections
            .iter()
            .map(|known| known.name.clone())
            .collect(),
        name => vec![named(&config, name)?],
    };
    let scope = Scope {
        collections,
        filter: filter::parse_all(&request.filters).map_err(|error| status(&error))?,
    };
    let folder = Some(request.path.trim_matches('/').to_owned()).filter(|path| !path.is_empty());
    Ok(events(move |progress, cancel| async move {
        let mut after = None;
        loop {
            let page = index
                .store
                .list(scope.clone(), folder.clone(), after, PAGE)
                .await;
            let page = page.map_err(|error| status(&error))?;
            after = page
                .last()
                .map(|last| (last.collection.clone(), last.path.clone()));
            if after.is_none() || cancel.is_cancelled() {
                return Ok(());
            }
            let documents = page.into_iter().map(entry).collect();
            progress.deliver(ListReply { documents }).await;
        }
    }))
}

fn entry(document: ListedDocument) -> DocumentEntry {
    DocumentEntry {
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
