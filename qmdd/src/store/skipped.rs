//! The files that scans left out, each with its reason.

use rusqlite::params;

use super::{Store, StoreError, collections::name};
use crate::domain::{CollectionName, Reason};

/// Why a file is left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Why {
    /// Stable.
    pub reason: Reason,
    /// In words.
    pub message: String,
}

/// A file that a scan did not take in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// Its path inside the collection.
    pub path: String,
    /// The reason.
    pub why: Why,
}

/// A skipped file with its collection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SkippedFile {
    /// The collection.
    pub collection: CollectionName,
    /// The file.
    pub file: Skipped,
}

impl Store {
    /// At most `limit` files that the last scans left out, of one collection or of all, by collection
    /// and path, from after a place on.
    pub async fn skipped(
        &self,
        collection: Option<CollectionName>,
        after: Option<(CollectionName, String)>,
        limit: usize,
    ) -> Result<Vec<SkippedFile>, StoreError> {
        self.read(move |transaction| {
            let mut statement = transaction.prepare_cached(
                "SELECT name, skipped.path, reason, message
                 FROM skipped JOIN collections ON collections.id = collection_id
                 WHERE (?1 IS NULL OR name = ?1)
                   AND (?2 IS NULL OR (name, skipped.path) > (?2, ?3))
                 ORDER BY name, skipped.path LIMIT ?4",
            )?;
            let (after, path) = after.unzip();
            let only = collection.as_ref().map(CollectionName::as_str);
            let after = after.as_ref().map(CollectionName::as_str);
            let rows = statement.query_map(params![only, after, path, limit as i64], |row| {
                let reason: String = row.get(2)?;
                Ok(SkippedFile {
                    collection: name(row, 0)?,
                    file: Skipped {
                        path: row.get(1)?,
                        why: why(&reason, row.get(3)?),
                    },
                })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// How many files the last scans left out for each reason, most frequent first.
    pub async fn skipped_counts(&self) -> Result<Vec<(Reason, u64)>, StoreError> {
        self.read(|transaction| {
            let mut statement = transaction.prepare_cached(
                "SELECT reason, count(*) FROM skipped GROUP BY reason ORDER BY count(*) DESC, reason",
            )?;
            let rows = statement.query_map([], |row| {
                let reason: String = row.get(0)?;
                Ok((parse(&reason), row.get::<_, i64>(1)? as u64))
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }
}

/// A reason with its message, as stored.
pub(super) fn why(reason: &str, message: String) -> Why {
    Why {
        reason: parse(reason),
        message,
    }
}

/// A reason of a later version reads as the most general one.
fn parse(reason: &str) -> Reason {
    reason.parse().unwrap_or(Reason::Internal)
}
