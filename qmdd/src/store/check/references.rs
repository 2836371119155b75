//! That nothing lacks what it belongs to, and nothing its parts.

use rusqlite::Connection;

use super::{Checked, Part};
use crate::store::{error::Fault, vectors};

/// What must not be there, and a query for how many there are.
const RULES: [(&str, &str); 7] = [
    (
        "rows that point at nothing",
        "SELECT count(*) FROM pragma_foreign_key_check",
    ),
    (
        "texts without a document",
        "SELECT count(*) FROM contents
         WHERE NOT EXISTS (SELECT 1 FROM documents WHERE content_id = contents.id)",
    ),
    (
        "documents that are not in the full-text index",
        "SELECT count(*) FROM documents WHERE id NOT IN (SELECT id FROM documents_fts_docsize)",
    ),
    (
        "entries of the full-text index without a document",
        "SELECT count(*) FROM documents_fts_docsize WHERE id NOT IN (SELECT id FROM documents)",
    ),
    (
        "texts that lack some of their chunks",
        "SELECT count(*) FROM embedded WHERE chunks <> (
             SELECT count(*) FROM chunks
             WHERE chunks.content_id = embedded.content_id
               AND chunks.fingerprint_id = embedded.fingerprint_id)",
    ),
    (
        "chunks of texts that are not embedded",
        "SELECT count(*) FROM chunks WHERE NOT EXISTS (
             SELECT 1 FROM embedded
             WHERE embedded.content_id = chunks.content_id
               AND embedded.fingerprint_id = chunks.fingerprint_id)",
    ),
    (
        "kept texts that lack some of their chunks",
        "SELECT count(*) FROM kept
         WHERE chunks <> (SELECT count(*) FROM kept_chunks WHERE kept_id = kept.id)",
    ),
];

pub(super) fn check(connection: &Connection) -> Result<Checked, Fault> {
    let number = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0));
    let mut problems = Vec::new();
    let mut note = |what: &str, count: i64| {
        if count > 0 {
            problems.push(format!("{count} {what}"));
        }
    };
    for (what, sql) in RULES {
        note(what, number(sql)?);
    }
    let lengths: Vec<i64> = connection
        .prepare("SELECT DISTINCT dimensions FROM fingerprints ORDER BY 1")?
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    for length in lengths {
        let table = vectors::table_name(length as usize);
        let chunks = format!(
            "SELECT chunks.id FROM chunks JOIN fingerprints ON fingerprints.id = fingerprint_id
             WHERE dimensions = {length}"
        );
        let vectors = format!("SELECT chunk_id FROM {table}");
        note(
            "chunks without a vector",
            number(&format!("SELECT count(*) FROM ({chunks} EXCEPT {vectors})"))?,
        );
        note(
            "vectors without a chunk",
            number(&format!("SELECT count(*) FROM ({vectors} EXCEPT {chunks})"))?,
        );
    }
    Ok(Checked {
        part: Part::References,
        count: number("SELECT count(*) FROM documents")? as u64,
        problems,
    })
}
