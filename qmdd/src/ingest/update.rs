//! Brings the index in step with the folders.

use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use tokio_util::sync::CancellationToken;

use super::{
    IngestError, blocking, part,
    plan::{Examine, plan},
    read::{self, ReadFile, Unfit},
    root,
    walk::{self, Listing},
};
use crate::{
    domain::{Collection, CollectionName, ContentHash},
    store::{Change, KnownFile, Skipped, Store},
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
        let Some(Listed {
            device,
            last,
            listing,
        }) = kept(listed, collection, &mut summary)
        else {
            continue;
        };
        let device = (!listing.files.is_empty()).then_some(device);
        let known = store.known_files(&collection.name).await?;
        let skipped = take_in(
            store,
            collection,
            known,
            listing,
            &progress,
            cancel,
            &mut summary,
        )
        .await?;
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |time| time.as_secs() as i64);
        store.finish_scan(&collection.name, skipped, now).await?;
        if last != device {
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
    let Some(Listed { listing, .. }) = kept(listed, collection, &mut summary) else {
        return Ok(summary);
    };
    let known = store.known_below(&collection.name, paths.clone()).await?;
    let skipped = take_in(
        store,
        collection,
        known,
        listing,
        &|_| (),
        cancel,
        &mut summary,
    )
    .await?;
    store.finish_part(&collection.name, paths, skipped).await?;
    Ok(summary)
}

/// A collection's folder, as it was when it was listed.
struct Listed {
    /// The device that it is on.
    device: u64,
    /// The one that it was on when it held documents.
    last: Option<u64>,
    listing: Listing,
}

/// Lists a collection's files; `Err` inside when its folder is missing, or went away meanwhile.
async fn list(
    store: &Store,
    collection: &Collection,
    list: impl FnOnce(&Collection) -> Result<Listing, IngestError> + Send + 'static,
) -> Result<Result<Listed, Skipped>, IngestError> {
    let last = store.device(&collection.name).await?;
    let collection = collection.clone();
    blocking(move || {
        let root = &collection.path;
        let before = match root::check(root, last) {
            Ok(identity) => identity,
            Err(missing) => return Ok(Err(missing)),
        };
        let listing = list(&collection)?;
        Ok(match root::check(root, last) {
            Ok(after) if after == before => Ok(Listed {
                device: after.device,
                last,
                listing,
            }),
            Ok(_) => Err(root::missing(root, "another folder took its place")),
            Err(missing) => Err(missing),
        })
    })
    .await
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

/// Compares what is known with what was listed, reads what differs, and stores it. Returns what was
/// left out.
async fn take_in(
    store: &Store,
    collection: &Collection,
    known: Vec<KnownFile>,
    listing: Listing,
    progress: &impl Fn(UpdateProgress),
    cancel: &CancellationToken,
    summary: &mut UpdateSummary,
) -> Result<Vec<Skipped>, IngestError> {
    let plan = plan(known, listing.files);
    let mut skipped = listing.skipped;
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
    blocking(move || {
        group
            .into_iter()
            .map(|examine| {
                let outcome = read::read(&examine.file.absolute);
                (examine, outcome)
            })
            .collect()
    })
    .await
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
