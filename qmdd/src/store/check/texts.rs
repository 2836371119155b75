//! Texts, by their SHA-256, and metadata, as far as it can be read.

use rusqlite::Connection;

use super::{Checked, Part, Tally};
use crate::{domain::ContentHash, store::error::Fault};

pub(super) fn check(connection: &Connection) -> Result<Checked, Fault> {
    let mut statement = connection.prepare(
        "SELECT hash, CAST(body AS BLOB), bytes, (
             SELECT name || '/' || documents.path
             FROM documents JOIN collections ON collections.id = collection_id
             WHERE content_id = contents.id LIMIT 1)
         FROM contents",
    )?;
    let mut rows = statement.query([])?;
    let mut count = 0;
    let mut damaged = Tally::default();
    while let Some(row) = rows.next()? {
        count += 1;
        let body = row.get_ref(1)?.as_blob().unwrap_or_default();
        let hash = row.get_ref(0)?.as_blob().unwrap_or_default();
        let whole = std::str::from_utf8(body).is_ok_and(|text| ContentHash::of(text).0 == hash)
            && row.get_ref(2)?.as_i64().ok() == Some(body.len() as i64);
        if !whole {
            let document: Option<String> = row.get(3).unwrap_or_default();
            damaged.add(|| document.unwrap_or_else(|| "one without a document".into()));
        }
    }
    let unreadable = metadata(connection)?;
    let problems = [
        damaged.problem("damaged"),
        unreadable.problem("with metadata that cannot be read"),
    ];
    Ok(Checked {
        part: Part::Texts,
        count,
        problems: problems.into_iter().flatten().collect(),
    })
}

/// Documents with metadata that readers fail on.
fn metadata(connection: &Connection) -> Result<Tally, Fault> {
    let mut statement = connection.prepare(
        "SELECT metadata.key, metadata.text, listed, kind, number, (
             SELECT name || '/' || documents.path
             FROM documents JOIN collections ON collections.id = collection_id
             WHERE documents.id = document_id)
         FROM metadata",
    )?;
    let mut rows = statement.query([])?;
    let mut unreadable = Tally::default();
    while let Some(row) = rows.next()? {
        let is_text =
            |place| -> rusqlite::Result<bool> { Ok(row.get_ref(place)?.as_str().is_ok()) };
        let is_flag = row.get::<_, bool>(2).is_ok();
        let is_kind = row.get::<_, i64>(3).is_ok() && row.get::<_, Option<f64>>(4).is_ok();
        if !(is_text(0)? && is_text(1)? && is_flag && is_kind) {
            let document: Option<String> = row.get(5).unwrap_or_default();
            unreadable.add(|| document.unwrap_or_else(|| "one without a document".into()));
        }
    }
    Ok(unreadable)
}
