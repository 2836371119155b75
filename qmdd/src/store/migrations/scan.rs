//! What lets a scan pass over a file: by which rules it was read, also where it was left out.

use rusqlite::Transaction;

/// Documents that are there were read by older rules: 0, so that they are read again.
const SCHEMA: &str = "
ALTER TABLE documents ADD COLUMN reader INTEGER NOT NULL DEFAULT 0;

CREATE TABLE skipped_files (
    collection_id INTEGER NOT NULL REFERENCES collections ON DELETE CASCADE,
    path          TEXT NOT NULL,
    reason        TEXT NOT NULL,
    message       TEXT NOT NULL,
    size          INTEGER NOT NULL DEFAULT 0,
    mtime_ns      INTEGER NOT NULL DEFAULT 0,
    inode         INTEGER NOT NULL DEFAULT 0,
    reader        INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (collection_id, path)
) WITHOUT ROWID;
INSERT OR REPLACE INTO skipped_files (collection_id, path, reason, message)
    SELECT collection_id, path, reason, message FROM skipped;
DROP TABLE skipped;
ALTER TABLE skipped_files RENAME TO skipped;
";

pub(super) fn up(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    transaction.execute_batch(SCHEMA)
}
