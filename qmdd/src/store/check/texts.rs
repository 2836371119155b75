//! Texts, by their SHA-256.

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
    Ok(Checked {
        part: Part::Texts,
        count,
        problems: damaged.problem("damaged").into_iter().collect(),
    })
}
