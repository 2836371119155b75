//! The store as a whole, on real files.

mod changes;
mod check;
mod cleanup;
mod file;
mod kept;
mod lexical;
mod listing;
mod lookup;
mod metadata;
mod model;
mod models;
mod rebuild;
mod threads;
mod vectors;

use std::{path::PathBuf, sync::Arc};

use tempfile::TempDir;

use super::*;
use crate::domain::{ChunkSpan, CollectionName, ContentHash, Metadata, Reason, TextSpan};

/// The fingerprint most tests embed with.
const MODEL: &str = "model-1";

/// A store in a folder of its own.
struct Fixture {
    store: Store,
    folder: TempDir,
}

impl Fixture {
    /// With these collections.
    async fn new(collections: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("index.sqlite"))
            .await
            .unwrap();
        let fixture = Self { store, folder };
        fixture.sync(collections).await;
        fixture
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("index.sqlite")
    }

    async fn sync(&self, collections: &[&str]) -> u64 {
        let collections = collections
            .iter()
            .map(|each| (name(each), format!("/files/{each}").into()));
        self.store
            .sync_collections(collections.collect())
            .await
            .unwrap()
    }

    async fn put(&self, collection: &str, files: &[(&str, &str)]) {
        let changes = files.iter().map(|(path, text)| put(path, text)).collect();
        self.store.apply(&name(collection), changes).await.unwrap();
    }

    async fn remove(&self, collection: &str, paths: &[&str]) {
        let changes = paths.iter().map(|path| remove(path)).collect();
        self.store.apply(&name(collection), changes).await.unwrap();
    }

    /// Gives every pending content of the collection one chunk, with the vector that `vector` makes
    /// of its text.
    async fn embed(&self, collection: &str, model: &str, vector: impl Fn(&str) -> Vec<f32>) {
        let pending = self
            .store
            .pending(model, vec![name(collection)], 0, i64::MAX)
            .await
            .unwrap();
        let contents: Vec<EmbeddedContent> = pending
            .into_iter()
            .map(|pending| EmbeddedContent {
                content_id: pending.content_id,
                chunks: vec![chunk(0, vector(&pending.text))],
            })
            .collect();
        let Some(first) = contents.first() else {
            return;
        };
        let dimensions = first.chunks[0].vector.len();
        self.store
            .put_chunks(model, dimensions, contents)
            .await
            .unwrap();
    }

    /// Paths of documents, in order.
    async fn paths(&self, ids: impl IntoIterator<Item = i64>) -> Vec<String> {
        let rows = self.store.rows(ids.into_iter().collect()).await.unwrap();
        rows.into_iter().map(|row| row.path).collect()
    }

    /// A number that a statement yields.
    async fn number(&self, sql: &'static str) -> i64 {
        let read = self
            .store
            .read(move |transaction| Ok(transaction.query_row(sql, [], |row| row.get(0))?));
        read.await.unwrap()
    }

    /// What must hold at any time: no part without its whole, and an undamaged file.
    async fn assert_whole(&self) {
        for checked in self.store.check(Depth::Full).await.unwrap() {
            assert_eq!(checked.problems, [] as [&str; 0], "{checked:?}");
        }
    }
}

fn name(text: &str) -> CollectionName {
    CollectionName::new(text).unwrap()
}

fn scope(collections: &[&str]) -> Scope {
    Scope::of(collections.iter().map(|each| name(each)).collect())
}

fn stamp(version: u64) -> FileStamp {
    FileStamp {
        size: version,
        mtime_ns: -1,
        inode: u64::MAX,
    }
}

/// The title is the text's first line.
fn put(path: &str, text: &str) -> Change {
    put_with(path, text, Metadata::default())
}

fn put_with(path: &str, text: &str, metadata: Metadata) -> Change {
    Change::Put {
        file: FileRecord {
            path: path.to_owned(),
            title: text.lines().next().unwrap_or_default().to_owned(),
            metadata,
            stamp: stamp(text.len() as u64),
            reader: 1,
        },
        text: Arc::from(text),
        hash: ContentHash::of(text),
    }
}

fn skip(path: &str, reason: Reason) -> Change {
    Change::Skip {
        file: skipped(path, reason),
        stamp: Some(stamp(3)),
        reader: 1,
        keeps_document: reason == Reason::FileUnreadable,
    }
}

fn skipped(path: &str, reason: Reason) -> Skipped {
    Skipped {
        path: path.to_owned(),
        why: Why {
            reason,
            message: "so".into(),
        },
    }
}

fn remove(path: &str) -> Change {
    Change::Remove {
        path: path.to_owned(),
    }
}

fn chunk(number: u32, vector: Vec<f32>) -> EmbeddedChunk {
    let start = number as usize * 10;
    EmbeddedChunk {
        span: ChunkSpan {
            span: TextSpan {
                bytes: start..start + 10,
                lines: (number + 1, number + 2),
            },
            heading: format!("heading {number}"),
        },
        tokens: 3,
        vector,
    }
}
