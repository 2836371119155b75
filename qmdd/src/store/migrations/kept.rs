//! Vectors of texts that no document has any more, kept for a while: a text that comes back, be it at
//! another path, is not embedded again. The text itself is not kept.

use rusqlite::Transaction;

use crate::{domain::ContentHash, store::chunks};

const SCHEMA: &str = "
CREATE TABLE kept (
    id             INTEGER PRIMARY KEY,
    hash           BLOB NOT NULL,    -- SHA-256 of the text
    fingerprint_id INTEGER NOT NULL REFERENCES fingerprints,
    chunks         INTEGER NOT NULL,
    checksum       INTEGER NOT NULL, -- as in embedded
    kept_at        INTEGER NOT NULL, -- Unix seconds
    UNIQUE (hash, fingerprint_id)
);
CREATE INDEX kept_by_time ON kept (kept_at);
CREATE INDEX kept_fingerprint ON kept (fingerprint_id);

CREATE TABLE kept_chunks (
    id         INTEGER PRIMARY KEY,
    kept_id    INTEGER NOT NULL REFERENCES kept ON DELETE CASCADE,
    seq        INTEGER NOT NULL,
    byte_start INTEGER NOT NULL,
    byte_end   INTEGER NOT NULL,
    line_start INTEGER NOT NULL,
    line_end   INTEGER NOT NULL,
    heading    TEXT NOT NULL,
    tokens     INTEGER NOT NULL,
    checksum   INTEGER NOT NULL,     -- of the vector's bytes
    vector     BLOB NOT NULL,        -- 32-bit floats, little-endian
    UNIQUE (kept_id, seq)
);

-- Over the text's hash and the rows of its chunks, in their order: place, heading, tokens and the
-- checksum of the vector.
ALTER TABLE embedded ADD COLUMN checksum INTEGER NOT NULL DEFAULT 0;
";

/// Creates the tables, and the checksums of what is embedded.
pub(super) fn up(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    transaction.execute_batch(SCHEMA)?;
    let embedded: Vec<(i64, i64, ContentHash)> = transaction
        .prepare(
            "SELECT content_id, fingerprint_id, hash
             FROM embedded JOIN contents ON contents.id = content_id",
        )?
        .query_map([], |row| {
            Ok((row.get(0)?, row.get(1)?, ContentHash(row.get(2)?)))
        })?
        .collect::<Result<_, _>>()?;
    let mut set = transaction.prepare(
        "UPDATE embedded SET checksum = ?3 WHERE content_id = ?1 AND fingerprint_id = ?2",
    )?;
    for (content, fingerprint, hash) in embedded {
        let rows = chunks::rows(transaction, content, fingerprint)?;
        let checksum = chunks::rows_checksum(&hash, rows.iter().map(|(_, row)| row));
        set.execute([content, fingerprint, checksum])?;
    }
    Ok(())
}
