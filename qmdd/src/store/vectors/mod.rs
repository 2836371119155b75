//! Vector search: the nearest documents by cosine. sqlite-vec holds the vectors; a coarse index in
//! memory finds the few among them that can be nearest, and these are compared in full precision.

mod coarse;
mod keeper;
mod mask;
mod nearest;
mod scan;
mod stored;

use rusqlite::{Connection, OptionalExtension};
use tokio::task::spawn_blocking;

use super::{Access, Scope, Store, StoreError, scope::Allowed};
use crate::domain::TextSpan;

pub(super) use self::{keeper::Keeper, mask::advance_generation, stored::bytes};

/// A document near a vector, with its nearest chunk.
#[derive(Debug, Clone, PartialEq)]
pub struct VectorHit {
    /// The document's id.
    pub document: i64,
    /// Where the chunk lies.
    pub chunk: TextSpan,
    /// The headings above it, as in [`crate::domain::ChunkSpan`].
    pub heading: String,
    /// Cosine of the angle between the two vectors, in [-1, 1].
    pub similarity: f64,
    /// Other chunks of it that are near, too, nearest first.
    pub others: Vec<(TextSpan, f64)>,
}

/// What the coarse index holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CoarseSize {
    /// Vectors.
    pub vectors: usize,
    /// Bytes of memory.
    pub bytes: usize,
}

/// How candidates are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Through the coarse index where it is complete, else by a scan.
    Quickest,
    /// By a scan over all stored vectors.
    Scan,
}

impl Store {
    /// The `limit` documents of the scope whose best chunk is nearest to a vector, nearest first;
    /// exact. Documents of equal content stand side by side.
    ///
    /// # Errors
    /// [`StoreError::Vector`] when the vector is not of the fingerprint's length, or is no vector.
    pub async fn nearest(
        &self,
        fingerprint: &str,
        vector: Vec<f32>,
        scope: Scope,
        limit: usize,
    ) -> Result<Vec<VectorHit>, StoreError> {
        self.nearest_by(Way::Quickest, fingerprint, vector, scope, limit)
            .await
    }

    /// The same as [`Self::nearest`], by a scan over every stored vector: what that is measured by.
    ///
    /// # Errors
    /// As [`Self::nearest`].
    pub async fn nearest_by_scan(
        &self,
        fingerprint: &str,
        vector: Vec<f32>,
        scope: Scope,
        limit: usize,
    ) -> Result<Vec<VectorHit>, StoreError> {
        self.nearest_by(Way::Scan, fingerprint, vector, scope, limit)
            .await
    }

    async fn nearest_by(
        &self,
        way: Way,
        fingerprint: &str,
        vector: Vec<f32>,
        scope: Scope,
        limit: usize,
    ) -> Result<Vec<VectorHit>, StoreError> {
        let fingerprint = fingerprint.to_owned();
        let keeper = self.inner.vectors.clone();
        let found = self
            .read(move |transaction| {
                // Ahead of the first statement, with which the snapshot begins: what this version of
                // the index has forgotten is gone in any later state.
                let index = keeper.index();
                let Some(model) = Model::of(transaction, &fingerprint)? else {
                    return Ok(Vec::new());
                };
                check(&vector, model.dimensions)?;
                let allowed = Allowed::of(transaction, &scope)?;
                let index = match way {
                    Way::Quickest => keeper.caught_up(&index, transaction, &model)?,
                    Way::Scan => None,
                };
                let search = nearest::Search {
                    connection: transaction,
                    model: &model,
                    allowed: &allowed,
                    vector: &vector,
                    keeper: &keeper,
                };
                Ok(search.run(index.as_deref(), limit)?)
            })
            .await?;
        self.forget_damaged().await?;
        Ok(found)
    }

    /// Waits until the coarse index holds every vector of a fingerprint that is stored by now.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn load_vectors(&self, fingerprint: &str) -> Result<CoarseSize, StoreError> {
        let fingerprint = fingerprint.to_owned();
        let keeper = self.inner.vectors.clone();
        let loaded = spawn_blocking(move || keeper.load_now(&fingerprint)).await;
        let loaded =
            loaded.unwrap_or_else(|panic| Err(StoreError::Internal(panic.to_string()).into()));
        self.forget_damaged().await?;
        loaded.map_err(|fault| fault.at(&self.inner.path))
    }

    /// Forgets the contents' vectors of which some turned out to be damaged, and waits for that: whoever
    /// asks next how many are pending must be told of these. Where nothing can be written, they are only
    /// passed over.
    async fn forget_damaged(&self) -> Result<(), StoreError> {
        let forgotten = {
            let Access::Full(threads) = &*self.access() else {
                return Ok(());
            };
            let damaged = self.inner.vectors.take_damaged();
            if damaged.is_empty() {
                return Ok(());
            }
            threads.write(move |transaction| Ok(forget(transaction, &damaged)?))?
        };
        if let Err(error) = self.written(forgotten).await {
            tracing::warn!(%error, "damaged vectors could not be removed");
        }
        Ok(())
    }
}

/// A model whose vectors are stored.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Model {
    fingerprint: String,
    id: i64,
    dimensions: usize,
}

impl Model {
    /// `None` when none of its vectors was ever stored.
    fn of(connection: &Connection, fingerprint: &str) -> rusqlite::Result<Option<Self>> {
        connection
            .prepare_cached("SELECT id, dimensions FROM fingerprints WHERE name = ?1")?
            .query_row([fingerprint], |row| {
                Ok(Self {
                    fingerprint: fingerprint.to_owned(),
                    id: row.get(0)?,
                    dimensions: row.get::<_, i64>(1)? as usize,
                })
            })
            .optional()
    }

    /// The one of the newest chunk: most likely the one that will be asked for.
    fn newest(connection: &Connection) -> rusqlite::Result<Option<String>> {
        connection
            .prepare_cached(
                "SELECT name FROM fingerprints WHERE id =
                     (SELECT fingerprint_id FROM chunks ORDER BY id DESC LIMIT 1)",
            )?
            .query_row([], |row| row.get(0))
            .optional()
    }

    /// The table of its vectors.
    fn table(&self) -> String {
        table_name(self.dimensions)
    }
}

/// The table of vectors of a length.
pub(super) fn table_name(dimensions: usize) -> String {
    format!("vectors_{dimensions}")
}

/// Vectors that sqlite-vec puts side by side into one blob. To read one of them SQLite follows the blob's
/// chain of pages; with sqlite-vec's own 1024 that takes longer than all the rest of a search.
const SIDE_BY_SIDE: usize = 64;

/// The table of vectors of a length, created when it is the first; a trigger keeps it in step with
/// `chunks`, cascades included.
pub(super) fn ensure_table(connection: &Connection, dimensions: usize) -> rusqlite::Result<String> {
    let table = table_name(dimensions);
    connection.execute_batch(&format!(
        "CREATE VIRTUAL TABLE IF NOT EXISTS {table} USING vec0 (
             chunk_id INTEGER PRIMARY KEY,
             embedding float[{dimensions}] distance_metric=cosine,
             chunk_size={SIDE_BY_SIDE}
         );
         CREATE TRIGGER IF NOT EXISTS {table}_follow AFTER DELETE ON chunks
         WHEN (SELECT dimensions FROM fingerprints WHERE id = old.fingerprint_id) = {dimensions}
         BEGIN
             DELETE FROM {table} WHERE chunk_id = old.id;
         END;"
    ))?;
    Ok(table)
}

/// Forgets all vectors of the contents that these chunks are of.
fn forget(connection: &Connection, chunks: &[i64]) -> rusqlite::Result<()> {
    let mut content = connection.prepare_cached("SELECT content_id FROM chunks WHERE id = ?1")?;
    for chunk in chunks {
        let content: Option<i64> = content.query_row([chunk], |row| row.get(0)).optional()?;
        for table in ["chunks", "embedded"] {
            connection
                .prepare_cached(&format!("DELETE FROM {table} WHERE content_id = ?1"))?
                .execute([content])?;
        }
    }
    Ok(())
}

/// Refuses what has no direction to compare.
pub(super) fn check(vector: &[f32], dimensions: usize) -> Result<(), StoreError> {
    if vector.len() != dimensions {
        return Err(StoreError::Vector(format!(
            "{} values where {dimensions} are due",
            vector.len()
        )));
    }
    if !vector.iter().all(|value| value.is_finite()) {
        return Err(StoreError::Vector("a value is not a number".into()));
    }
    if vector.iter().all(|value| *value == 0.0) {
        return Err(StoreError::Vector("all values are zero".into()));
    }
    Ok(())
}
