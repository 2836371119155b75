//! Format 1: collections, documents, contents, full text and chunks. The tables of vectors come
//! with their first vector, since their type names the number of dimensions.

use rusqlite::Transaction;

/// Cascades and triggers keep the parts together: a document never goes without its full-text
/// entry, nor a content without its chunks. AUTOINCREMENT, because ids leave the store and come
/// back in later calls: an id must never come to mean another row.
const SCHEMA: &str = "
CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE collections (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    name       TEXT NOT NULL UNIQUE,
    path       BLOB NOT NULL, -- bytes of the folder's path
    updated_at INTEGER        -- end of the last scan, Unix seconds
);

CREATE TABLE contents (
    id    INTEGER PRIMARY KEY AUTOINCREMENT,
    hash  BLOB NOT NULL UNIQUE, -- SHA-256 of body
    bytes INTEGER NOT NULL,
    body  TEXT NOT NULL
);

CREATE TABLE documents (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    collection_id INTEGER NOT NULL REFERENCES collections ON DELETE CASCADE,
    path          TEXT NOT NULL,
    title         TEXT NOT NULL,
    content_id    INTEGER NOT NULL REFERENCES contents,
    size          INTEGER NOT NULL,
    mtime_ns      INTEGER NOT NULL,
    inode         INTEGER NOT NULL,
    UNIQUE (collection_id, path)
);
CREATE INDEX documents_content ON documents (content_id);

CREATE VIRTUAL TABLE documents_fts USING fts5 (
    title, path, body,
    content = '', contentless_delete = 1,
    tokenize = 'porter unicode61 remove_diacritics 2'
);
CREATE TRIGGER documents_deleted AFTER DELETE ON documents BEGIN
    DELETE FROM documents_fts WHERE rowid = old.id;
END;

CREATE TABLE fingerprints (
    id         INTEGER PRIMARY KEY,
    name       TEXT NOT NULL UNIQUE,
    dimensions INTEGER NOT NULL
);

CREATE TABLE chunks (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    content_id     INTEGER NOT NULL REFERENCES contents ON DELETE CASCADE,
    fingerprint_id INTEGER NOT NULL REFERENCES fingerprints,
    seq            INTEGER NOT NULL,
    byte_start     INTEGER NOT NULL,
    byte_end       INTEGER NOT NULL,
    line_start     INTEGER NOT NULL,
    line_end       INTEGER NOT NULL,
    heading        TEXT NOT NULL,
    tokens         INTEGER NOT NULL,
    checksum       INTEGER NOT NULL, -- of the vector's bytes
    UNIQUE (content_id, fingerprint_id, seq)
);
CREATE INDEX chunks_fingerprint ON chunks (fingerprint_id);

-- Contents that have their vectors, be it none: a blank document has no chunks.
CREATE TABLE embedded (
    content_id     INTEGER NOT NULL REFERENCES contents ON DELETE CASCADE,
    fingerprint_id INTEGER NOT NULL REFERENCES fingerprints,
    chunks         INTEGER NOT NULL,
    PRIMARY KEY (content_id, fingerprint_id)
) WITHOUT ROWID;
CREATE INDEX embedded_fingerprint ON embedded (fingerprint_id);

CREATE TABLE skipped (
    collection_id INTEGER NOT NULL REFERENCES collections ON DELETE CASCADE,
    path          TEXT NOT NULL,
    reason        TEXT NOT NULL,
    message       TEXT NOT NULL
);
CREATE INDEX skipped_collection ON skipped (collection_id);
";

/// Creates the tables.
pub(super) fn up(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    transaction.execute_batch(SCHEMA)
}
