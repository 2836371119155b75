//! Parts of a collection: what lies at some paths, and below them.

use std::path::PathBuf;

use rusqlite::{Connection, params};

use super::{
    KnownFile, Store, StoreError,
    collections::{insert_collections, rename},
    documents::known_file,
    scope::collection_id,
};
use crate::domain::CollectionName;

impl Store {
    /// Makes collections known, be it under another name, and leaves all others as they are.
    pub async fn add_collections(
        &self,
        collections: Vec<(CollectionName, PathBuf)>,
    ) -> Result<(), StoreError> {
        self.write(move |transaction| {
            rename(transaction, &collections)?;
            Ok(insert_collections(transaction, &collections)?)
        })
        .await
    }

    /// The device that a collection's folder was on when it held documents.
    ///
    /// # Errors
    /// [`StoreError::CollectionUnknown`], besides what any read may meet.
    pub async fn device(&self, collection: &CollectionName) -> Result<Option<u64>, StoreError> {
        let collection = collection.clone();
        self.read(move |transaction| {
            let id = collection_id(transaction, &collection)?;
            let device: Option<i64> = transaction
                .prepare_cached("SELECT device FROM collections WHERE id = ?1")?
                .query_row([id], |row| row.get(0))?;
            Ok(device.map(|device| device as u64))
        })
        .await
    }

    /// Notes the device that a collection's folder is on; `None` once it holds no documents.
    ///
    /// # Errors
    /// As [`Self::device`].
    pub async fn set_device(
        &self,
        collection: &CollectionName,
        device: Option<u64>,
    ) -> Result<(), StoreError> {
        let collection = collection.clone();
        self.write(move |transaction| {
            let id = collection_id(transaction, &collection)?;
            transaction
                .prepare_cached("UPDATE collections SET device = ?2 WHERE id = ?1")?
                .execute(params![id, device.map(|device| device as i64)])?;
            Ok(())
        })
        .await
    }

    /// The files of a collection at some paths and below them, as [`Self::known_files`] has them. No path
    /// may lie below another.
    ///
    /// # Errors
    /// [`StoreError::CollectionUnknown`], besides what any read may meet.
    pub async fn known_below(
        &self,
        collection: &CollectionName,
        paths: Vec<String>,
    ) -> Result<Vec<KnownFile>, StoreError> {
        let collection = collection.clone();
        self.read(move |transaction| {
            let id = collection_id(transaction, &collection)?;
            let mut files = Vec::new();
            for path in &paths {
                files.append(&mut below(transaction, id, path)?);
            }
            Ok(files)
        })
        .await
    }
}

fn below(connection: &Connection, collection: i64, path: &str) -> rusqlite::Result<Vec<KnownFile>> {
    let (low, high) = range(path);
    connection
        .prepare_cached(
            "SELECT path, size, mtime_ns, inode, reader, NULL, NULL FROM documents
             WHERE collection_id = ?1 AND (path = ?2 OR (path > ?3 AND path < ?4))
             UNION ALL
             SELECT path, size, mtime_ns, inode, reader, reason, message FROM skipped
             WHERE collection_id = ?1 AND (path = ?2 OR (path > ?3 AND path < ?4))",
        )?
        .query_map(params![collection, path, low, high], known_file)?
        .collect()
}

/// What the paths below a folder lie between.
fn range(folder: &str) -> (String, String) {
    // The character after `/`.
    (format!("{folder}/"), format!("{folder}0"))
}
