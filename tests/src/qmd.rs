//! An index of QMD's, made as QMD 2.8.3 makes one.

use std::{
    ffi::{c_char, c_int},
    fs,
    path::Path,
    sync::Once,
};

use anyhow::{Context, Result};
use rusqlite::{Connection, ffi, params};
use sha2::{Digest, Sha256};

/// Its tables, without indexes and full text.
const SCHEMA: &str = "
PRAGMA journal_mode = WAL;
CREATE TABLE content (
    hash TEXT PRIMARY KEY, doc TEXT NOT NULL, created_at TEXT NOT NULL);
CREATE TABLE documents (
    id INTEGER PRIMARY KEY AUTOINCREMENT, collection TEXT NOT NULL, path TEXT NOT NULL,
    title TEXT NOT NULL, hash TEXT NOT NULL, created_at TEXT NOT NULL, modified_at TEXT NOT NULL,
    active INTEGER NOT NULL DEFAULT 1,
    FOREIGN KEY (hash) REFERENCES content(hash) ON DELETE CASCADE,
    UNIQUE(collection, path));
CREATE TABLE llm_cache (hash TEXT PRIMARY KEY, result TEXT NOT NULL, created_at TEXT NOT NULL);
CREATE TABLE content_vectors (
    hash TEXT NOT NULL, seq INTEGER NOT NULL DEFAULT 0, pos INTEGER NOT NULL DEFAULT 0,
    model TEXT NOT NULL, embed_fingerprint TEXT NOT NULL DEFAULT '',
    total_chunks INTEGER NOT NULL DEFAULT 1, embedded_at TEXT NOT NULL, PRIMARY KEY (hash, seq));
CREATE TABLE store_collections (
    name TEXT PRIMARY KEY, path TEXT NOT NULL, pattern TEXT NOT NULL DEFAULT '**/*.md',
    ignore_patterns TEXT, include_by_default INTEGER DEFAULT 1, update_command TEXT, context TEXT);
CREATE TABLE store_config (key TEXT PRIMARY KEY, value TEXT);
PRAGMA user_version = 1;
";

/// A chunk with its vector.
#[derive(Debug, Clone, PartialEq)]
pub struct QmdChunk {
    /// Where it begins in the text, in UTF-16 units.
    pub start: u64,
    /// Its vector, of any length: QMD keeps them as the model gives them. Empty where it is lost.
    pub vector: Vec<f32>,
}

/// The index, open for writing.
#[derive(Debug)]
pub struct QmdIndex {
    connection: Connection,
    model: String,
}

impl QmdIndex {
    /// Makes an index whose vectors are of a model, named as in QMD's configuration.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn create(path: &Path, model: &str, dimensions: usize) -> Result<Self> {
        register_vectors();
        fs::create_dir_all(path.parent().context("no folder")?)?;
        let connection = Connection::open(path)?;
        connection.execute_batch(SCHEMA)?;
        connection.execute_batch(&format!(
            "CREATE VIRTUAL TABLE vectors_vec USING vec0(
                 hash_seq TEXT PRIMARY KEY, embedding float[{dimensions}] distance_metric=cosine)"
        ))?;
        Ok(Self {
            connection,
            model: model.to_owned(),
        })
    }

    /// Adds a document; `total` is how many chunks it should have.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn put(
        &self,
        (collection, path, title): (&str, &str, &str),
        text: &str,
        chunks: &[QmdChunk],
        total: usize,
    ) -> Result<()> {
        let time = "2026-08-18T10:00:00.000Z";
        let hash = hex::encode(Sha256::digest(text));
        self.connection.execute(
            "INSERT OR IGNORE INTO content VALUES (?1, ?2, ?3)",
            params![hash, text, time],
        )?;
        self.connection.execute(
            "INSERT INTO documents (collection, path, title, hash, created_at, modified_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?5)",
            params![collection, path, title, hash, time],
        )?;
        for (seq, chunk) in chunks.iter().enumerate() {
            self.connection.execute(
                "INSERT INTO content_vectors VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                params![
                    hash,
                    seq as i64,
                    chunk.start as i64,
                    self.model,
                    self.fingerprint(),
                    total as i64,
                    time
                ],
            )?;
            if chunk.vector.is_empty() {
                continue;
            }
            let bytes: Vec<u8> = chunk
                .vector
                .iter()
                .flat_map(|it| it.to_le_bytes())
                .collect();
            self.connection.execute(
                "INSERT INTO vectors_vec VALUES (?1, ?2)",
                params![format!("{hash}_{seq}"), bytes],
            )?;
        }
        Ok(())
    }

    /// Closes it in good order, which leaves one file.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn close(self) -> Result<()> {
        self.connection.close().map_err(|(_, error)| error.into())
    }

    /// What QMD marks vectors of a model with that has no prompts of its own.
    fn fingerprint(&self) -> String {
        let text = format!(
            "model:{}\nquery:task: search result | query: __qmd_embedding_query_probe__\n\
             doc:title: __qmd_embedding_title_probe__ | text: __qmd_embedding_document_probe__\n\
             chunk_tokens:900\nchunk_overlap_tokens:135",
            self.model
        );
        hex::encode(&Sha256::digest(text)[..3])
    }
}

/// Makes every later connection of this process know `vec0`.
#[allow(
    unsafe_code,
    reason = "an SQLite extension is registered through its C entry point"
)]
fn register_vectors() {
    type EntryPoint = unsafe extern "C" fn(
        *mut ffi::sqlite3,
        *mut *mut c_char,
        *const ffi::sqlite3_api_routines,
    ) -> c_int;
    static REGISTERED: Once = Once::new();
    REGISTERED.call_once(|| {
        // SAFETY: an extension's entry point has this type by SQLite's documentation; the binding
        // declares it without parameters. It is linked statically, so the pointer stays valid.
        unsafe {
            let entry: EntryPoint = std::mem::transmute(sqlite_vec::sqlite3_vec_init as *const ());
            ffi::sqlite3_auto_extension(Some(entry));
        }
    });
}
