//! A backend that remembers: query embeddings, rerank scores and generated texts of the model that
//! gave them. What fails, or is cut off by its deadline, is never kept.

use std::{
    io,
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::task::spawn_blocking;

use self::memo::Memo;
use super::{
    backend::{
        Assignment, Backend, CacheReport, Call, Embedding, Finish, Forgotten, Generation,
        InferError, Lane, ModelInfo, ModelReport, Pieces, Sampling, Scored,
    },
    kept,
};
use crate::domain::Role;

mod memo;

/// How long after a change the cache is written to its file.
const SAVE_AFTER: Duration = Duration::from_secs(60);

/// What a call was: the first bytes of its model's SHA-256, and a SHA-256 of all of it.
type Key = (ModelTag, [u8; 32]);

/// Tells the results of one model from another's.
type ModelTag = [u8; 8];

/// What came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Value {
    Embedding(Embedding),
    Score(Scored),
    Generation(Generation),
}

/// Remembers what another backend answers.
pub struct Cached {
    inner: Arc<dyn Backend>,
    store: Arc<Store>,
}

/// What is remembered, of whichever backend: entries are told apart by their models.
pub struct Store {
    memo: OnceLock<Mutex<Memo>>,
    capacity: u64,
    file: PathBuf,
    /// Whether a write to the file is due.
    dirty: AtomicBool,
    hits: AtomicU64,
    misses: AtomicU64,
}

impl Cached {
    /// A backend that is asked for what the store does not have.
    pub fn new(inner: Arc<dyn Backend>, store: Arc<Store>) -> Self {
        Self { inner, store }
    }
}

impl Store {
    /// Remembers up to `capacity` bytes, across restarts in `file`. A file that cannot be read is
    /// begun anew. To be called inside a tokio runtime.
    pub fn open(file: PathBuf, capacity: u64) -> Arc<Self> {
        let store = Arc::new(Self {
            memo: OnceLock::new(),
            capacity,
            file,
            dirty: AtomicBool::new(false),
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
        });
        // Read beside the start; who comes before it is read waits for it.
        let reading = Arc::clone(&store);
        spawn_blocking(move || drop(reading.memo()));
        store
    }

    fn memo(&self) -> MutexGuard<'_, Memo> {
        let memo = self.memo.get_or_init(|| {
            let read = Memo::read(&self.file, self.capacity);
            Mutex::new(read.unwrap_or_else(|error| {
                let file = self.file.display();
                tracing::warn!(%file, %error, "the inference cache is begun anew");
                Memo::new(self.capacity)
            }))
        });
        memo.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn get(&self, key: &Key) -> Option<Value> {
        let found = self.memo().get(key);
        let count = if found.is_some() {
            &self.hits
        } else {
            &self.misses
        };
        count.fetch_add(1, Ordering::Relaxed);
        found
    }

    fn put(self: &Arc<Self>, results: impl IntoIterator<Item = (Key, Value)>) {
        {
            let mut memo = self.memo();
            for (key, value) in results {
                memo.put(key, value);
            }
        }
        self.changed();
    }

    /// Has the file written after a while.
    fn changed(self: &Arc<Self>) {
        if !self.dirty.swap(true, Ordering::AcqRel) {
            let store = Arc::clone(self);
            tokio::spawn(async move {
                tokio::time::sleep(SAVE_AFTER).await;
                store.save().await;
            });
        }
    }

    /// Writes the file, if there is something new.
    async fn save(self: &Arc<Self>) {
        if !self.dirty.swap(false, Ordering::AcqRel) {
            return;
        }
        let store = Arc::clone(self);
        let write = move || {
            // Encoded first, so that nobody waits for the disk.
            let encoded = store.memo().encode();
            encoded.and_then(|bytes| kept::replace(&store.file, &bytes))
        };
        let written = spawn_blocking(write).await.map_err(io::Error::other);
        if let Err(error) = written.flatten() {
            let file = self.file.display();
            tracing::warn!(%file, %error, "the inference cache was not written");
        }
    }
}

fn model_tag(model: &ModelInfo) -> ModelTag {
    let digest: [u8; 32] = Sha256::digest(model.sha256.as_bytes()).into();
    std::array::from_fn(|at| digest[at])
}

/// Hashes the parts of a call; each is preceded by its length, so that no two calls run together.
fn key(model: &ModelInfo, parts: &[&[u8]]) -> Key {
    let mut hash = Sha256::new();
    for part in [model.sha256.as_bytes()].iter().chain(parts) {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    (model_tag(model), hash.finalize().into())
}

#[async_trait]
impl Backend for Cached {
    async fn embed(&self, texts: Vec<String>, call: Call) -> Result<Vec<Embedding>, InferError> {
        // What is indexed is kept in the index; only questions come again.
        if call.lane == Lane::Bulk {
            return self.inner.embed(texts, call).await;
        }
        let model = self.inner.described(Role::Embed, &call).await?;
        let keys: Vec<Key> = texts
            .iter()
            .map(|text| key(&model, &[b"embed", text.as_bytes()]))
            .collect();
        let known = keys.iter().map(|key| match self.store.get(key) {
            Some(Value::Embedding(embedding)) => Some(embedding),
            _ => None,
        });
        complete(known.collect(), texts, |missing, places| async {
            let computed = self.inner.embed(missing, call).await?;
            let results = places.into_iter().zip(&computed);
            self.store.put(
                results.map(|(place, result)| (keys[place], Value::Embedding(result.clone()))),
            );
            Ok(computed)
        })
        .await
    }

    async fn rerank(
        &self,
        query: String,
        documents: Vec<String>,
        call: Call,
    ) -> Result<Vec<Scored>, InferError> {
        let model = self.inner.described(Role::Rerank, &call).await?;
        let keys: Vec<Key> = documents
            .iter()
            .map(|document| key(&model, &[b"rerank", query.as_bytes(), document.as_bytes()]))
            .collect();
        let known = keys.iter().map(|key| match self.store.get(key) {
            Some(Value::Score(scored)) => Some(scored),
            _ => None,
        });
        complete(known.collect(), documents, |missing, places| async {
            let computed = self.inner.rerank(query, missing, call).await?;
            let results = places.into_iter().zip(&computed);
            self.store
                .put(results.map(|(place, scored)| (keys[place], Value::Score(*scored))));
            Ok(computed)
        })
        .await
    }

    async fn generate(
        &self,
        prompt: String,
        sampling: Sampling,
        pieces: Option<Pieces>,
        call: Call,
    ) -> Result<Generation, InferError> {
        let model = self.inner.described(Role::Generate, &call).await?;
        let how = format!("{sampling:?}");
        let key = key(&model, &[b"generate", prompt.as_bytes(), how.as_bytes()]);
        if let Some(Value::Generation(generation)) = self.store.get(&key) {
            if let Some(pieces) = pieces {
                // Nobody listens any more when this fails.
                let _ = pieces.send(generation.text.clone());
            }
            return Ok(generation);
        }
        let generation = self.inner.generate(prompt, sampling, pieces, call).await?;
        if generation.finish != Finish::Deadline {
            self.store
                .put([(key, Value::Generation(generation.clone()))]);
        }
        Ok(generation)
    }

    async fn tokenize(
        &self,
        role: Role,
        texts: Vec<String>,
        add_special: bool,
        call: Call,
    ) -> Result<Vec<Vec<i32>>, InferError> {
        self.inner.tokenize(role, texts, add_special, call).await
    }

    async fn detokenize(
        &self,
        role: Role,
        items: Vec<Vec<i32>>,
        call: Call,
    ) -> Result<Vec<String>, InferError> {
        self.inner.detokenize(role, items, call).await
    }

    fn assign(&self, role: Role, assignment: Assignment) {
        self.inner.assign(role, assignment);
    }

    async fn ready(&self, role: Role, call: Call) -> Result<ModelInfo, InferError> {
        self.inner.ready(role, call).await
    }

    async fn unload(&self, role: Role) -> Result<(), InferError> {
        self.inner.unload(role).await
    }

    fn info(&self, role: Role) -> Result<ModelInfo, InferError> {
        self.inner.info(role)
    }

    async fn described(&self, role: Role, call: &Call) -> Result<ModelInfo, InferError> {
        self.inner.described(role, call).await
    }

    fn is_remote(&self) -> bool {
        self.inner.is_remote()
    }

    fn width(&self) -> usize {
        self.inner.width()
    }

    fn report(&self) -> Vec<ModelReport> {
        self.inner.report()
    }

    fn cache(&self) -> CacheReport {
        let memo = self.store.memo();
        CacheReport {
            entries: memo.len() as u64,
            bytes: memo.bytes(),
            capacity: memo.capacity(),
            hits: self.store.hits.load(Ordering::Relaxed),
            misses: self.store.misses.load(Ordering::Relaxed),
        }
    }

    fn forget_unused(&self, dry_run: bool) -> Option<Forgotten> {
        let mut in_use = Vec::new();
        for role in Role::ALL {
            match self.inner.info(role) {
                Ok(model) => in_use.push(model_tag(&model)),
                Err(InferError::NotConfigured { .. }) => {}
                Err(_) => return None,
            }
        }
        let forgotten = self.store.memo().forget_unless(&in_use, dry_run);
        if !dry_run && forgotten.entries > 0 {
            self.store.changed();
        }
        Some(forgotten)
    }

    fn name(&self) -> &'static str {
        self.inner.name()
    }

    async fn shutdown(&self) {
        self.inner.shutdown().await;
        self.store.save().await;
    }
}

/// Fills the gaps among known results: `compute` is given the inputs that are missing, with their
/// places, and not called when there are none.
async fn complete<T, F>(
    mut known: Vec<Option<T>>,
    inputs: Vec<String>,
    compute: impl FnOnce(Vec<String>, Vec<usize>) -> F,
) -> Result<Vec<T>, InferError>
where
    F: Future<Output = Result<Vec<T>, InferError>>,
{
    let (places, missing): (Vec<usize>, Vec<String>) = inputs
        .into_iter()
        .enumerate()
        .filter(|(place, _)| known[*place].is_none())
        .unzip();
    if !missing.is_empty() {
        let computed = compute(missing, places.clone()).await?;
        for (place, result) in places.into_iter().zip(computed) {
            known[place] = Some(result);
        }
    }
    known
        .into_iter()
        .collect::<Option<_>>()
        .ok_or_else(|| InferError::Internal("fewer results than inputs".into()))
}

#[cfg(test)]
mod tests;
