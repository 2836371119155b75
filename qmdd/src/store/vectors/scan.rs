//! The nearest chunks by a scan of sqlite-vec over every stored vector: slow where these are many, and
//! what answers while there is no coarse index.

use std::collections::HashSet;

use rusqlite::{Connection, params};

use super::{Model, coarse::Candidate};
use crate::store::{id_list, scope::Allowed};

/// Most neighbours that sqlite-vec gives in one pass.
pub(super) const MOST: usize = 4096;

/// More than what rounding in floats does to a distance.
const ROUNDING: f64 = 1e-4;

/// The `count` nearest chunks in scope, [`MOST`] at most, save those of the contents in `seen`. What is
/// allowed is decided inside the pass: a filter on its result could lose neighbours. Nothing is joined
/// here, sqlite-vec's planner does not take it well.
pub(super) fn nearest(
    connection: &Connection,
    model: &Model,
    allowed: &Allowed,
    vector: &[f32],
    seen: &HashSet<i64>,
    count: usize,
) -> rusqlite::Result<Vec<Candidate>> {
    let (condition, ids) = allowed.condition("?4");
    let every_chunk =
        matches!(allowed, Allowed::All) && seen.is_empty() && !has_rivals(connection, model)?;
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
        model.table()
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map(
        params![
            bytemuck::cast_slice::<f32, u8>(vector),
            count.min(MOST) as i64,
            model.id,
            ids,
            id_list(seen.iter().copied())
        ],
        |row| {
            // None of a vector so long or so short that its square has no place in a float.
            let distance: Option<f64> = row.get(1)?;
            Ok(Candidate {
                bound: distance.map_or(1.0, |distance| 1.0 - distance + ROUNDING) as f32,
                chunk: row.get(0)?,
            })
        },
    )?;
    let mut found: Vec<Candidate> = rows.collect::<Result<_, _>>()?;
    found.sort_by(|a, b| b.cmp(a));
    Ok(found)
}

/// Whether the table holds vectors of other models too.
fn has_rivals(connection: &Connection, model: &Model) -> rusqlite::Result<bool> {
    connection
        .prepare_cached(
            "SELECT 1 FROM fingerprints
             WHERE dimensions = ?2 AND id <> ?1
               AND EXISTS (SELECT 1 FROM chunks WHERE fingerprint_id = fingerprints.id)",
        )?
        .exists(params![model.id, model.dimensions as i64])
}
