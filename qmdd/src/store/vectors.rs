//! Vector search: exact nearest neighbours by cosine, through sqlite-vec.

use std::collections::HashSet;

use rusqlite::{Connection, OptionalExtension, params};

use super::{Scope, Store, StoreError, error::Fault, id_list, scope::Filter};
use crate::domain::TextSpan;

/// Most neighbours sqlite-vec gives in one pass.
const MAX_NEIGHBOURS: usize = 4096;

/// Neighbours asked for first, per wanted document: several chunks may be of one document.
const NEIGHBOURS_PER_DOCUMENT: usize = 4;

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
        let fingerprint = fingerprint.to_owned();
        self.read(move |transaction| nearest(transaction, &fingerprint, &vector, &scope, limit))
            .await
    }
}

fn nearest(
    connection: &Connection,
    fingerprint: &str,
    vector: &[f32],
    scope: &Scope,
    limit: usize,
) -> Result<Vec<VectorHit>, Fault> {
    let Some((fingerprint, dimensions)) = fingerprint_of(connection, fingerprint)? else {
        return Ok(Vec::new());
    };
    check(vector, dimensions)?;
    let filter = Filter::of(connection, &scope.collections)?;
    let pass = Pass {
        connection,
        vector: bytemuck::cast_slice(vector),
        fingerprint,
        dimensions,
        mixed: holds_other_fingerprints(connection, fingerprint, dimensions)?,
        filter: &filter,
    };
    let mut hits: Vec<VectorHit> = Vec::new();
    let mut seen = HashSet::new();
    let mut neighbours = limit
        .saturating_mul(NEIGHBOURS_PER_DOCUMENT)
        .min(MAX_NEIGHBOURS);
    // One pass nearly always suffices. If the nearest chunks are all of a few long documents, the
    // next pass looks past these.
    while hits.len() < limit {
        let found = pass.run(neighbours, &seen)?;
        let exhausted = found.len() < neighbours;
        for (chunk, distance) in found {
            // They come nearest first: what follows would be cut off.
            if hits.len() >= limit {
                break;
            }
            let chunk = pass.chunk(chunk)?;
            if seen.insert(chunk.content) {
                hits.extend(
                    pass.documents(chunk.content)?
                        .into_iter()
                        .map(|document| VectorHit {
                            document,
                            chunk: chunk.span.clone(),
                            heading: chunk.heading.clone(),
                            similarity: 1.0 - distance,
                        }),
                );
            }
        }
        if exhausted {
            break;
        }
        neighbours = MAX_NEIGHBOURS;
    }
    hits.truncate(limit);
    Ok(hits)
}

/// One nearest-neighbour pass over the vectors of one fingerprint.
struct Pass<'a> {
    connection: &'a Connection,
    vector: &'a [u8],
    fingerprint: i64,
    dimensions: usize,
    /// Whether the table holds vectors of other fingerprints too.
    mixed: bool,
    filter: &'a Filter,
}

struct Chunk {
    content: i64,
    span: TextSpan,
    heading: String,
}

impl Pass<'_> {
    /// Ids and cosine distances of the nearest chunks in scope, save those of the contents in
    /// `seen`. What is allowed is decided inside the pass: a filter on its result could lose
    /// neighbours. Nothing is joined here, sqlite-vec's planner does not take it well.
    fn run(&self, neighbours: usize, seen: &HashSet<i64>) -> rusqlite::Result<Vec<(i64, f64)>> {
        let (condition, collections) = self.filter.condition("collection_id", "?4");
        let every_chunk = matches!(self.filter, Filter::All) && !self.mixed && seen.is_empty();
        let allowed = if every_chunk {
            // Binds the same parameters.
            format!("?3 IS NOT NULL AND {condition} AND ?5 IS NOT NULL")
        } else {
            format!(
                "chunk_id IN (
                     SELECT id FROM chunks
                     WHERE fingerprint_id = ?3
                       AND content_id IN (SELECT content_id FROM documents WHERE {condition})
                       AND content_id NOT IN (SELECT value FROM json_each(?5)))"
            )
        };
        let sql = format!(
            "SELECT chunk_id, distance FROM {}
             WHERE embedding MATCH ?1 AND k = ?2 AND {allowed}",
            table_name(self.dimensions)
        );
        let mut statement = self.connection.prepare_cached(&sql)?;
        let rows = statement.query_map(
            params![
                self.vector,
                neighbours as i64,
                self.fingerprint,
                collections,
                id_list(seen.iter().copied())
            ],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        let mut found: Vec<(i64, f64)> = rows.collect::<Result<_, _>>()?;
        found.sort_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)));
        Ok(found)
    }

    fn chunk(&self, id: i64) -> rusqlite::Result<Chunk> {
        self.connection
            .prepare_cached(
                "SELECT content_id, byte_start, byte_end, line_start, line_end, heading
                 FROM chunks WHERE id = ?1",
            )?
            .query_row([id], |row| {
                let start = row.get::<_, i64>(1)? as usize;
                let end = row.get::<_, i64>(2)? as usize;
                Ok(Chunk {
                    content: row.get(0)?,
                    span: TextSpan {
                        bytes: start..end,
                        lines: (row.get(3)?, row.get(4)?),
                    },
                    heading: row.get(5)?,
                })
            })
    }

    /// The documents in scope that have a content.
    fn documents(&self, content: i64) -> rusqlite::Result<Vec<i64>> {
        let (condition, collections) = self.filter.condition("collection_id", "?2");
        self.connection
            .prepare_cached(&format!(
                "SELECT id FROM documents WHERE content_id = ?1 AND {condition} ORDER BY id"
            ))?
            .query_map(params![content, collections], |row| row.get(0))?
            .collect()
    }
}

/// A fingerprint's id and its vectors' length.
fn fingerprint_of(connection: &Connection, name: &str) -> rusqlite::Result<Option<(i64, usize)>> {
    connection
        .prepare_cached("SELECT id, dimensions FROM fingerprints WHERE name = ?1")?
        .query_row([name], |row| {
            Ok((row.get(0)?, row.get::<_, i64>(1)? as usize))
        })
        .optional()
}

fn holds_other_fingerprints(
    connection: &Connection,
    fingerprint: i64,
    dimensions: usize,
) -> rusqlite::Result<bool> {
    connection
        .prepare_cached(
            "SELECT 1 FROM fingerprints
             WHERE dimensions = ?2 AND id <> ?1
               AND EXISTS (SELECT 1 FROM chunks WHERE fingerprint_id = fingerprints.id)",
        )?
        .exists(params![fingerprint, dimensions as i64])
}

fn table_name(dimensions: usize) -> String {
    format!("vectors_{dimensions}")
}

/// The table of vectors of a length, created when it is the first; a trigger keeps it in step with
/// `chunks`, cascades included.
pub(super) fn ensure_table(connection: &Connection, dimensions: usize) -> rusqlite::Result<String> {
    let table = table_name(dimensions);
    connection.execute_batch(&format!(
        "CREATE VIRTUAL TABLE IF NOT EXISTS {table} USING vec0 (
             chunk_id INTEGER PRIMARY KEY,
             embedding float[{dimensions}] distance_metric=cosine
         );
         CREATE TRIGGER IF NOT EXISTS {table}_follow AFTER DELETE ON chunks
         WHEN (SELECT dimensions FROM fingerprints WHERE id = old.fingerprint_id) = {dimensions}
         BEGIN
             DELETE FROM {table} WHERE chunk_id = old.id;
         END;"
    ))?;
    Ok(table)
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
