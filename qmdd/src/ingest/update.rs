//! Brings the index in step with the folders.

use std::{
    path::PathBuf,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use futures::{StreamExt, stream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{
    IngestError, blocking,
    extract::Extractors,
    inside::Inside,
    part,
    plan::{Plan, plan},
    read::{self, ReadFile, Unfit},
    root,
    walk::{self, Found, Listing},
};
use crate::{
    domain::{Collection, CollectionName, Reason},
    store::{Analyzed, Applied, Change, FileStamp, Skipped, Store, StoreError},
};

/// A transaction takes at most this many files ...
const BATCH_FILES: usize = 256;
/// ... or about this many bytes of text, so that other writers get their turn.
const BATCH_BYTES: usize = 8 << 20;

/// Files read in one go: at most so many ...
const GROUP_FILES: usize = 32;
/// ... or so many bytes on disk.
const GROUP_BYTES: u64 = 4 << 20;
/// Groups read at the same time.
const READERS: usize = 2;

/// How a scan goes about its work.
#[derive(Debug, Clone)]
pub struct UpdateOptions {
    /// The daemon's executable, which parses HTML and PDF in processes of its own.
    pub program: PathBuf,
    /// Read every file, and believe an empty folder on another disk than before.
    pub force: bool,
}

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
    /// Files that are not in the index.
    pub skipped: Vec<(CollectionName, Skipped)>,
}

impl UpdateSummary {
    fn count(&mut self, applied: Applied) {
        self.added += applied.added;
        self.changed += applied.changed;
        self.unchanged += applied.unchanged;
        self.removed += applied.removed;
    }
}

/// Scans the collections one after another. A folder that is missing is reported and its documents
/// are kept: it may be a disk that is not mounted.
///
/// # Errors
/// On a bad glob, a store that cannot be written, or cancellation; what was committed stays.
pub async fn update(
    store: &Store,
    collections: &[Collection],
    options: &UpdateOptions,
    progress: impl Fn(UpdateProgress),
    cancel: &CancellationToken,
) -> Result<UpdateSummary, IngestError> {
    let mut summary = UpdateSummary::default();
    let extractors = Arc::new(Extractors::new(options.program.clone()));
    for collection in collections {
        let last = store.device(&collection.name).await?;
        // By force, a folder is believed to be what it looks like.
        let expected = last.filter(|_| !options.force);
        let listed = list(collection, expected, walk::walk).await?;
        let Some((device, listing)) = kept(listed, collection, &mut summary) else {
            continue;
        };
        let device = (!listing.files.is_empty()).then_some(device);
        let known = store.known_files(&collection.name).await?;
        let plan = plan(known, listing, read::VERSION, options.force);
        let scan = Scan {
            store,
            collection,
            extractors: Arc::clone(&extractors),
            progress: &progress,
            cancel,
        };
        scan.carry_out(plan, &mut summary).await?;
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |time| time.as_secs() as i64);
        store.finish_scan(&collection.name, now).await?;
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
    options: &UpdateOptions,
    cancel: &CancellationToken,
) -> Result<UpdateSummary, IngestError> {
    let mut summary = UpdateSummary::default();
    let expected = store.device(&collection.name).await?;
    let looked = paths.clone();
    let look = move |collection: &Collection| part::look(collection, &looked);
    let listed = list(collection, expected, look).await?;
    let Some((_, listing)) = kept(listed, collection, &mut summary) else {
        return Ok(summary);
    };
    let known = store.known_below(&collection.name, paths).await?;
    let plan = plan(known, listing, read::VERSION, options.force);
    let scan = Scan {
        store,
        collection,
        extractors: Arc::new(Extractors::new(options.program.clone())),
        progress: &|_| (),
        cancel,
    };
    scan.carry_out(plan, &mut summary).await?;
    Ok(summary)
}

/// Lists a collection's files; `Err` inside when its folder is missing, or went away meanwhile.
/// `expected` is the device it should be on, `Ok` has the one it is on.
async fn list(
    collection: &Collection,
    expected: Option<u64>,
    list: impl FnOnce(&Collection) -> Result<Listing, IngestError> + Send + 'static,
) -> Result<Result<(u64, Listing), Skipped>, IngestError> {
    let collection = collection.clone();
    blocking(move || {
        let root = &collection.path;
        let before = match root::check(root, expected) {
            Ok(identity) => identity,
            Err(missing) => return Ok(Err(missing)),
        };
        let listing = list(&collection)?;
        Ok(match root::check(root, expected) {
            Ok(after) if after == before => Ok((after.device, listing)),
            Ok(_) => Err(root::missing(root, "another folder took its place")),
            Err(missing) => Err(missing),
        })
    })
    .await
}

/// What was listed; without it, the collection is reported as skipped.
fn kept(
    listed: Result<(u64, Listing), Skipped>,
    collection: &Collection,
    summary: &mut UpdateSummary,
) -> Option<(u64, Listing)> {
    let missing = |missing| summary.skipped.push((collection.name.clone(), missing));
    listed.map_err(missing).ok()
}

/// A scan of one collection.
struct Scan<'a, P> {
    store: &'a Store,
    collection: &'a Collection,
    extractors: Arc<Extractors>,
    progress: &'a P,
    cancel: &'a CancellationToken,
}

impl<P: Fn(UpdateProgress)> Scan<'_, P> {
    /// Reads and stores what the plan says. Files are read while others are being stored.
    async fn carry_out(&self, plan: Plan, summary: &mut UpdateSummary) -> Result<(), IngestError> {
        summary.unchanged += plan.unchanged;
        let root = self.collection.path.clone();
        let root = match blocking(move || Inside::open(&root)).await {
            Ok(root) => Arc::new(root),
            Err(error) => {
                let missing = root::missing(&self.collection.path, &error.to_string());
                summary
                    .skipped
                    .push((self.collection.name.clone(), missing));
                return Ok(());
            }
        };
        let mut skipped = plan.still_skipped;
        let mut batch = Batch::default();
        for file in plan.skip {
            skipped.push(file.clone());
            let keeps = file.why.reason == Reason::FileUnreadable;
            batch.push(skip(file, None, 0, keeps));
        }
        let total = plan.examine.len() as u64;
        let mut done = 0;
        let groups = stream::iter(groups(plan.examine)).map(|group| self.read(&root, group));
        let mut groups = groups.buffered(READERS);
        let mut writing = Writing::default();
        while let Some(group) = groups.next().await {
            for (file, outcome) in group {
                done += 1;
                (self.progress)(UpdateProgress {
                    collection: self.collection.name.clone(),
                    done,
                    total,
                    current: file.path.clone(),
                });
                match outcome {
                    Ok(ReadFile { record, text, hash }) => batch.push(Change::Put {
                        file: record,
                        text: Arc::from(text),
                        hash,
                    }),
                    Err(Unfit { gone: true, .. }) => batch.push(Change::Remove { path: file.path }),
                    Err(unfit) => {
                        let file = Skipped {
                            path: file.path,
                            why: unfit.why.clone(),
                        };
                        skipped.push(file.clone());
                        batch.push(skip(
                            file,
                            unfit.stamp,
                            unfit.reader,
                            unfit.keeps_document(),
                        ));
                    }
                }
                if batch.is_full() {
                    let changes = std::mem::take(&mut batch).changes;
                    summary.count(writing.next(self.store, self.collection, changes).await?);
                }
            }
            if self.cancel.is_cancelled() {
                return Err(IngestError::Cancelled);
            }
        }
        // Last, so that a moved file's content is still there when its new path arrives.
        for path in plan.remove {
            batch.push(Change::Remove { path });
        }
        summary.count(
            writing
                .next(self.store, self.collection, batch.changes)
                .await?,
        );
        summary.count(writing.end().await?);
        let skipped = skipped.into_iter();
        summary
            .skipped
            .extend(skipped.map(|file| (self.collection.name.clone(), file)));
        Ok(())
    }

    async fn read(
        &self,
        root: &Arc<Inside>,
        group: Vec<Found>,
    ) -> Vec<(Found, Result<ReadFile, Unfit>)> {
        let root = Arc::clone(root);
        let extractors = Arc::clone(&self.extractors);
        blocking(move || {
            let read = |file: Found| {
                let outcome = read::read(&root, &extractors, &file);
                (file, outcome)
            };
            group.into_iter().map(read).collect()
        })
        .await
    }
}

/// Changes that go into one transaction.
#[derive(Default)]
struct Batch {
    changes: Vec<Change>,
    bytes: usize,
}

impl Batch {
    fn push(&mut self, change: Change) {
        if let Change::Put { text, .. } = &change {
            self.bytes += text.len();
        }
        self.changes.push(change);
    }

    fn is_full(&self) -> bool {
        self.changes.len() >= BATCH_FILES || self.bytes >= BATCH_BYTES
    }
}

/// The transaction under way, so that files are read meanwhile.
#[derive(Default)]
struct Writing(Option<JoinHandle<Result<Applied, StoreError>>>);

impl Writing {
    /// Finds the words of the next one's texts, waits for the one before, and starts it. What the one
    /// before came to.
    async fn next(
        &mut self,
        store: &Store,
        collection: &Collection,
        changes: Vec<Change>,
    ) -> Result<Applied, StoreError> {
        if changes.is_empty() {
            return self.end().await;
        }
        // While the one before is being written.
        let analyzed = Analyzed::of(changes).await?;
        let applied = self.end().await?;
        let (store, name) = (store.clone(), collection.name.clone());
        self.0 = Some(tokio::spawn(async move {
            store.apply_analyzed(&name, analyzed).await
        }));
        Ok(applied)
    }

    async fn end(&mut self) -> Result<Applied, StoreError> {
        match self.0.take() {
            Some(writing) => writing
                .await
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic())),
            None => Ok(Applied::default()),
        }
    }
}

fn skip(file: Skipped, stamp: Option<FileStamp>, reader: u32, keeps_document: bool) -> Change {
    Change::Skip {
        file,
        stamp,
        reader,
        keeps_document,
    }
}

/// Files cut into groups of about equal work.
fn groups(files: Vec<Found>) -> Vec<Vec<Found>> {
    let mut groups: Vec<Vec<Found>> = Vec::new();
    let mut bytes = 0;
    for file in files {
        bytes += file.stamp.size;
        match groups.last_mut() {
            Some(group) if group.len() < GROUP_FILES && bytes <= GROUP_BYTES => group.push(file),
            _ => {
                bytes = file.stamp.size;
                groups.push(vec![file]);
            }
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_bounded_by_number_and_size() {
        let sizes = |sizes: &[u64]| {
            let files = sizes.iter().map(|&size| Found {
                path: String::new(),
                stamp: FileStamp {
                    size,
                    mtime_ns: 0,
                    inode: 0,
                },
            });
            let groups = groups(files.collect());
            groups.iter().map(Vec::len).collect::<Vec<_>>()
        };
        assert_eq!(sizes(&[1; 70]), [32, 32, 6]);
        assert_eq!(sizes(&[3 << 20, 3 << 20, 1 << 30, 1, 1]), [1, 1, 1, 2]);
        assert_eq!(sizes(&[]), [] as [usize; 0]);
    }
}
