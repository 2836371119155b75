//! The work of embedding: which contents lack vectors, and storing those that came.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, atomic::Ordering},
};

use rusqlite::{Connection, OptionalExtension, params};

use super::{
    Scope, Store, StoreError, changes,
    chunks::{self, ChunkRow, Fingerprint, WithVector},
    collections::name,
    error::Fault,
    scope::Allowed,
    vectors,
};
use crate::domain::{ChunkSpan, CollectionName, ContentHash, TextSpan};

/// A content to embed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    /// The content's id.
    pub content_id: i64,
    /// Title of its first document in the scope.
    pub title: String,
    /// Path of that document.
    pub path: String,
    /// The text.
    pub text: String,
}

/// A content with its chunks; none for a text that has nothing to embed.
#[derive(Debug, Clone, PartialEq)]
pub struct EmbeddedContent {
    /// The content's id.
    pub content_id: i64,
    /// Its chunks, in their order.
    pub chunks: Vec<EmbeddedChunk>,
}

/// A chunk with its vector.
#[derive(Debug, Clone, PartialEq)]
pub struct EmbeddedChunk {
    /// Where it lies.
    pub span: ChunkSpan,
    /// Tokens the model saw.
    pub tokens: u32,
    /// Its vector.
    pub vector: Vec<f32>,
}

/// A count that holds until the next write: every search asks for it.
#[derive(Clone)]
pub(super) struct PendingCount {
    revision: u64,
    fingerprint: String,
    scope: Scope,
    count: u64,
}

impl Store {
    /// At most `limit` contents of the collections without vectors of a fingerprint, in the order
    /// of their ids, from after the id `after` on (0 for the start).
    pub async fn pending(
        &self,
        fingerprint: &str,
        collections: Vec<CollectionName>,
        after: i64,
        limit: i64,
    ) -> Result<Vec<Pending>, StoreError> {
        let fingerprint = fingerprint.to_owned();
        self.read(move |transaction| {
            let allowed = Allowed::collections(transaction, &collections)?;
            let (condition, ids) = allowed.condition("?2");
            let sql = format!(
                "SELECT contents.id, title, path, body
                 FROM contents JOIN documents ON documents.id = (
                     SELECT min(id) FROM documents
                     WHERE content_id = contents.id AND {condition})
                 WHERE contents.id > ?3 AND {NOT_EMBEDDED}
                 ORDER BY contents.id LIMIT ?4"
            );
            let mut statement = transaction.prepare_cached(&sql)?;
            let rows = statement.query_map(params![fingerprint, ids, after, limit], |row| {
                Ok(Pending {
                    content_id: row.get(0)?,
                    title: row.get(1)?,
                    path: row.get(2)?,
                    text: row.get(3)?,
                })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// How many contents of the scope lack vectors of a fingerprint. Quick where none does.
    pub async fn pending_count(&self, fingerprint: &str, scope: Scope) -> Result<u64, StoreError> {
        let revision = self.inner.revision.load(Ordering::SeqCst);
        let known = self
            .inner
            .pending
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        if let Some(known) = known
            && known.revision == revision
            && known.fingerprint == fingerprint
            && known.scope == scope
        {
            return Ok(known.count);
        }
        let count = self.count_pending(fingerprint, scope.clone()).await?;
        let fingerprint = fingerprint.to_owned();
        let known = PendingCount {
            revision,
            fingerprint,
            scope,
            count,
        };
        *self
            .inner
            .pending
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(known);
        Ok(count)
    }

    /// How many contents of each collection have no vectors of a fingerprint. A content of several
    /// collections counts in each. Collections without any are left out.
    pub async fn pending_by_collection(
        &self,
        fingerprint: &str,
    ) -> Result<HashMap<CollectionName, u64>, StoreError> {
        let fingerprint = fingerprint.to_owned();
        self.read(move |transaction| {
            if pending_anywhere(transaction, &fingerprint)? == 0 {
                return Ok(HashMap::new());
            }
            let sql = format!(
                "SELECT name, count(DISTINCT contents.id)
                 FROM contents
                 JOIN documents ON content_id = contents.id
                 JOIN collections ON collections.id = collection_id
                 WHERE {NOT_EMBEDDED} GROUP BY name"
            );
            let mut statement = transaction.prepare_cached(&sql)?;
            let rows = statement.query_map([fingerprint], |row| {
                Ok((name(row, 0)?, row.get::<_, i64>(1)? as u64))
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }

    async fn count_pending(&self, fingerprint: &str, scope: Scope) -> Result<u64, StoreError> {
        let fingerprint = fingerprint.to_owned();
        self.read(move |transaction| {
            let anywhere = pending_anywhere(transaction, &fingerprint)?;
            let allowed = Allowed::of(transaction, &scope)?;
            if anywhere == 0 || matches!(allowed, Allowed::All) {
                return Ok(anywhere as u64);
            }
            let (condition, ids) = allowed.condition("?2");
            let sql = format!(
                "SELECT count(*) FROM contents
                 WHERE {NOT_EMBEDDED} AND EXISTS (
                     SELECT 1 FROM documents WHERE content_id = contents.id AND {condition})"
            );
            let count: i64 = transaction
                .prepare_cached(&sql)?
                .query_row(params![fingerprint, ids], |row| row.get(0))?;
            Ok(count as u64)
        })
        .await
    }

    /// Stores the chunks and vectors of contents, all or none, in place of those they have of any
    /// fingerprint. A content that is gone meanwhile is passed over.
    ///
    /// # Errors
    /// [`StoreError::Vector`] for a vector of another length or with a value that is no number.
    pub async fn put_chunks(
        &self,
        fingerprint: &str,
        dimensions: usize,
        contents: Vec<EmbeddedContent>,
    ) -> Result<(), StoreError> {
        for chunk in contents.iter().flat_map(|content| &content.chunks) {
            vectors::check(&chunk.vector, dimensions)?;
        }
        let name = fingerprint.to_owned();
        let contents = Arc::new(contents);
        let planned = Arc::clone(&contents);
        self.write_and_tell(
            move |connection| changes::of_vectors(connection, &planned),
            move |connection| put(connection, &name, dimensions, &contents),
        )
        .await?;
        self.inner.vectors.fill(fingerprint);
        Ok(())
    }

    /// Forgets the vectors of the scope's contents, so that they are pending again.
    pub async fn clear_vectors(&self, scope: Scope) -> Result<(), StoreError> {
        self.write(move |transaction| {
            let allowed = Allowed::of(transaction, &scope)?;
            let (condition, ids) = allowed.condition("?1");
            for table in ["chunks", "embedded"] {
                let sql = format!(
                    "DELETE FROM {table} WHERE content_id IN (
                         SELECT content_id FROM documents WHERE {condition})"
                );
                transaction.prepare_cached(&sql)?.execute([&ids])?;
            }
            Ok(())
        })
        .await
    }
}

/// Contents without vectors of a fingerprint, in all collections: every content has a document.
fn pending_anywhere(connection: &Connection, fingerprint: &str) -> rusqlite::Result<i64> {
    connection
        .prepare_cached(
            "SELECT (SELECT count(*) FROM contents) -
                    (SELECT count(*) FROM embedded WHERE fingerprint_id =
                         (SELECT id FROM fingerprints WHERE name = ?1))",
        )?
        .query_row([fingerprint], |row| row.get(0))
}

/// Holds for a content without vectors of the fingerprint `?1`.
const NOT_EMBEDDED: &str = "NOT EXISTS (
    SELECT 1 FROM embedded
    WHERE content_id = contents.id
      AND fingerprint_id = (SELECT id FROM fingerprints WHERE name = ?1))";

fn put(
    connection: &Connection,
    fingerprint: &str,
    dimensions: usize,
    contents: &[EmbeddedContent],
) -> Result<(), Fault> {
    let fingerprint = Fingerprint {
        id: intern(connection, fingerprint, dimensions)?,
        dimensions,
    };
    vectors::ensure_table(connection, dimensions)?;
    let mut hash = connection.prepare_cached("SELECT hash FROM contents WHERE id = ?1")?;
    let mut forget = connection.prepare_cached("DELETE FROM chunks WHERE content_id = ?1")?;
    let mut unmark = connection.prepare_cached("DELETE FROM embedded WHERE content_id = ?1")?;
    for content in contents {
        let hash = hash.query_row([content.content_id], |row| row.get(0));
        let Some(hash) = hash.optional()?.map(ContentHash) else {
            continue;
        };
        forget.execute([content.content_id])?;
        unmark.execute([content.content_id])?;
        let rows: Vec<_> = content.chunks.iter().enumerate().map(row).collect();
        chunks::insert(connection, content.content_id, &hash, fingerprint, &rows)?;
    }
    Ok(())
}

/// A chunk as the tables have it.
fn row((seq, chunk): (usize, &EmbeddedChunk)) -> WithVector<'_> {
    let TextSpan { bytes, lines } = &chunk.span.span;
    let vector: &[u8] = bytemuck::cast_slice(&chunk.vector);
    let row = ChunkRow {
        seq: seq as i64,
        bytes: (bytes.start as i64, bytes.end as i64),
        lines: (lines.0.into(), lines.1.into()),
        heading: chunk.span.heading.clone(),
        tokens: chunk.tokens.into(),
        checksum: chunks::checksum(vector),
    };
    (row, vector.into())
}

/// The id of a fingerprint, stored if it is new.
pub(super) fn intern(connection: &Connection, name: &str, dimensions: usize) -> Result<i64, Fault> {
    let known: Option<(i64, i64)> = connection
        .prepare_cached("SELECT id, dimensions FROM fingerprints WHERE name = ?1")?
        .query_row([name], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    match known {
        Some((id, known)) if known == dimensions as i64 => Ok(id),
        Some((_, known)) => Err(StoreError::Vector(format!(
            "{dimensions} dimensions where this model had {known}"
        ))
        .into()),
        None => {
            connection
                .prepare_cached("INSERT INTO fingerprints (name, dimensions) VALUES (?1, ?2)")?
                .execute(params![name, dimensions as i64])?;
            Ok(connection.last_insert_rowid())
        }
    }
}
