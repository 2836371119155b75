//! What the index holds, in numbers.

use rusqlite::Connection;

use super::{Store, StoreError};

/// The index in numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct IndexCounts {
    /// Documents.
    pub documents: u64,
    /// Distinct contents.
    pub contents: u64,
    /// Chunks with vectors, of any model.
    pub chunks: u64,
    /// Vectors of the model asked about; of all models when none was named.
    pub vectors: u64,
    /// Vectors of other models.
    pub stale_vectors: u64,
    /// Contents without vectors of that model (of any, when none was named).
    pub pending: u64,
    /// Files that the last scans left out.
    pub skipped: u64,
    /// Size of the database.
    pub database_bytes: u64,
}

impl Store {
    /// Counts, vectors as seen by the model of a fingerprint.
    pub async fn counts(&self, fingerprint: Option<&str>) -> Result<IndexCounts, StoreError> {
        let fingerprint = fingerprint.map(str::to_owned);
        self.read(move |transaction| Ok(counts(transaction, fingerprint.as_deref())?))
            .await
    }
}

fn counts(connection: &Connection, fingerprint: Option<&str>) -> rusqlite::Result<IndexCounts> {
    connection
        .prepare_cached(
            "SELECT
                 (SELECT count(*) FROM documents),
                 (SELECT count(*) FROM contents),
                 (SELECT count(*) FROM chunks),
                 (SELECT count(*) FROM chunks WHERE ?1 IS NULL OR fingerprint_id IN
                     (SELECT id FROM fingerprints WHERE name = ?1)),
                 (SELECT count(*) FROM contents WHERE id NOT IN
                     (SELECT content_id FROM embedded WHERE ?1 IS NULL OR fingerprint_id IN
                         (SELECT id FROM fingerprints WHERE name = ?1))),
                 (SELECT count(*) FROM skipped),
                 (SELECT page_count * page_size FROM pragma_page_count, pragma_page_size)",
        )?
        .query_row([fingerprint], |row| {
            let count = |column| row.get::<_, i64>(column).map(|count| count as u64);
            let (chunks, vectors) = (count(2)?, count(3)?);
            Ok(IndexCounts {
                documents: count(0)?,
                contents: count(1)?,
                chunks,
                vectors,
                stale_vectors: chunks - vectors,
                pending: count(4)?,
                skipped: count(5)?,
                database_bytes: count(6)?,
            })
        })
}
