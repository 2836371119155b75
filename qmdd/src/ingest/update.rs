//! Brings the index in step with the folders.

use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

use super::{
    IngestError, part,
    plan::{Examine, Plan, plan},
    read::{self, ReadFile, Unfit},
    root::{self, Identity},
    walk::{self, Listing},
};
use crate::{
    domain::{Collection, CollectionName, ContentHash},
    store::{Change, Skipped, Store},
    text::title::title,
};

/// A transaction takes at most this many files ...
const BATCH_FILES: usize = 256;
/// ... or about this many bytes of text, so that readers and other writers get their turn.
const BATCH_BYTES: usize = 8 << 20;

/// How far a scan is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpdateProgress {
    /// The collection being scanned.
    pub collection: CollectionName,
    /// Changed files read so far, of `total`.
    pub done: u64,
    /// Changed files to read.
    pub total: u64,
    /// The file just read.
    pub current: String,
}

/// What a scan did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UpdateSummary {
    /// New documents.
    pub added: u64,
    /// Documents with new content.
    pub changed: u64,
    /// Documents left as they were.
    pub unchanged: u64,
    /// Documents whose file is gone.
    pub removed: u64,
    /// Files not taken in.
    pub skipped: Vec<(CollectionName, Skipped)>,
}

/// Scans the collections one after another. A folder that is missing is reported and its documents
/// are kept: it may be a disk that is not mounted.
///
/// # Errors
/// On a bad glob, a store that cannot be written, or cancellation; what was committed stays.
pub async fn update(
    store: &Store,
    collections: &[Collection],
    progress: impl Fn(UpdateProgress),
    cancel: &CancellationToken,
) -> Result<UpdateSummary, IngestError> {
    let mut summary = UpdateSummary::default();
    for collection in collections {
        let listed = list(store, collection, walk::walk).await?;
        let Some((root, listing)) = kept(listed, collection, &mut summary) else {
            continue;
        };
        let device = (!listing.files.is_empty()).then_some(root.device);
        let plan = plan(store.known_files(&collection.name).await?, listing.files);
        let skipped = listing.skipped;
        let skipped = carry_out(
            store,
            collection,
            plan,
            skipped,
            &progress,
            cancel,
            &mut summary,
        )
        .await?;
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |time| time.as_secs() as i64);
        store.finish_scan(&collection.name, skipped, now).await?;
        if store.device(&collection.name).await? != device {
            store.set_device(&collection.name, device).await?;
        }
    }
    Ok(summary)
}

/// As [`update`], for what lies at some paths of a collection and below them.
///
/// # Errors
/// As [`update`].
pub async fn update_part(
    store: &Store,
    collection: &Collection,
    paths: Vec<String>,
    cancel: &CancellationToken,
) -> Result<UpdateSummary, IngestError> {
    let mut summary = UpdateSummary::default();
    let looked = paths.clone();
    let look = move |collection: &Collection| part::look(collection, &looked);
    let listed = list(store, collection, look).await?;
    let Some((_, listing)) = kept(listed, collection, &mut summary) else {
        return Ok(summary);
    };
    let known = store.known_below(&collection.name, paths.clone()).await?;
    let plan = plan(known, listing.files);
    let skipped = listing.skipped;
    let skipped = carry_out(
        store,
        collection,
        plan,
        skipped,
        &|_| (),
        cancel,
        &mut summary,
    )
    .await?;
    store.finish_part(&collection.name, paths, skipped).await?;
    Ok(summary)
}

/// A collection's folder, with what is in it.
type Listed = (Identity, Listing);

/// Lists a collection's files; `Err` inside when its folder is missing, or went away meanwhile.
async fn list(
    store: &Store,
    collection: &Collection,
    list: impl FnOnce(&Collection) -> Result<Listing, IngestError> + Send + 'static,
) -> Result<Result<Listed, Skipped>, IngestError> {
    let device = store.device(&collection.name).await?;
    let collection = collection.clone();
    let listed = spawn_blocking(move || {
        let root = &collection.path;
        let before = match root::check(root, device) {
            Ok(identity) => identity,
            Err(missing) => return Ok(Err(missing)),
        };
        let listing = list(&collection)?;
        Ok(match root::check(root, device) {
            Ok(after) if after == before => Ok((after, listing)),
            Ok(_) => Err(root::missing(root, "another folder took its place")),
            Err(missing) => Err(missing),
        })
    });
    listed
        .await
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
}

/// What was listed; without it, the collection is reported as skipped.
fn kept(
    listed: Result<Listed, Skipped>,
    collection: &Collection,
    summary: &mut UpdateSummary,
) -> Option<Listed> {
    let missing = |missing| summary.skipped.push((collection.name.clone(), missing));
    listed.map_err(missing).ok()
}

/// Reads what the plan says and stores it. Returns what was left out, with what was before.
async fn carry_out(
    store: &Store,
    collection: &Collection,
    plan: Plan,
    mut skipped: Vec<Skipped>,
    progress: &impl Fn(UpdateProgress),
    cancel: &CancellationToken,
    summary: &mut UpdateSummary,
) -> Result<Vec<Skipped>, IngestError> {
    summary.unchanged += plan.unchanged;
    summary.removed += plan.remove.len() as u64;

    let total = plan.examine.len() as u64;
    let mut done = 0;
    let mut batch = Vec::new();
    let mut batch_bytes = 0;
    let mut examine = plan.examine.into_iter().peekable();
    while examine.peek().is_some() {
        let group: Vec<Examine> = examine.by_ref().take(64).collect();
        for (examine, outcome) in read_group(group).await {
            done += 1;
            progress(UpdateProgress {
                collection: collection.name.clone(),
                done,
                total,
                current: examine.file.path.clone(),
            });
            match outcome {
                Ok(file) => {
                    batch_bytes += file.text.len();
                    batch.push(change(examine, file, summary));
                }
                Err(Unfit { reason, message }) => {
                    if examine.known.is_some() {
                        batch.push(Change::Remove {
                            path: examine.file.path.clone(),
                        });
                        summary.removed += 1;
                    }
                    skipped.push(Skipped {
                        path: examine.file.path,
                        reason,
                        message,
                    });
                }
            }
            if batch.len() >= BATCH_FILES || batch_bytes >= BATCH_BYTES {
                batch_bytes = 0;
                store
                    .apply(&collection.name, std::mem::take(&mut batch))
                    .await?;
            }
        }
        if cancel.is_cancelled() {
            return Err(IngestError::Cancelled);
        }
    }
    // Last, so that a moved file's content is still there when its new path arrives.
    batch.extend(plan.remove.into_iter().map(|path| Change::Remove { path }));
    if !batch.is_empty() {
        store.apply(&collection.name, batch).await?;
    }
    summary.skipped.extend(
        (skipped.iter())
            .cloned()
            .map(|file| (collection.name.clone(), file)),
    );
    Ok(skipped)
}

async fn read_group(group: Vec<Examine>) -> Vec<(Examine, Result<ReadFile, Unfit>)> {
    let read = spawn_blocking(move || {
        group
            .into_iter()
            .map(|examine| {
                let outcome = read::read(&examine.file.absolute);
                (examine, outcome)
            })
            .collect()
    });
    read.await
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
}

/// The change that takes a file in, counted.
fn change(examine: Examine, file: ReadFile, summary: &mut UpdateSummary) -> Change {
    let path = examine.file.path;
    let hash = ContentHash::of(&file.text);
    match examine.known {
        Some(known) if known.hash == hash => {
            summary.unchanged += 1;
            return Change::Touch {
                path,
                stamp: file.stamp,
            };
        }
        Some(_) => summary.changed += 1,
        None => summary.added += 1,
    }
    Change::Put {
        title: title(&file.text, &path),
        path,
        text: Arc::from(file.text),
        hash,
        stamp: file.stamp,
    }
}
