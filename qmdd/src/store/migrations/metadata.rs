//! Metadata of documents, to filter by.

use rusqlite::Transaction;

/// A row is a value. `folded` is its text in lower case, `number` what a number is, `time` the seconds
/// since 1970 that a date names.
const SCHEMA: &str = "
CREATE TABLE metadata (
    document_id INTEGER NOT NULL REFERENCES documents ON DELETE CASCADE,
    seq         INTEGER NOT NULL, -- place in the document
    key         TEXT NOT NULL,
    listed      INTEGER NOT NULL, -- whether it is of a list
    kind        INTEGER NOT NULL, -- 0 text, 1 number, 2 true or false
    text        TEXT NOT NULL,
    folded      TEXT NOT NULL,
    number      REAL,
    time        INTEGER,
    PRIMARY KEY (document_id, seq)
) WITHOUT ROWID;
CREATE INDEX metadata_folded ON metadata (key, folded);
CREATE INDEX metadata_number ON metadata (key, number) WHERE number IS NOT NULL;
CREATE INDEX metadata_time ON metadata (key, time) WHERE time IS NOT NULL;
";

pub(super) fn up(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    transaction.execute_batch(SCHEMA)
}
