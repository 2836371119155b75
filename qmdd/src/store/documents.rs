//! Documents and their contents as readers get them.

use std::{fs, io, mem, os::unix::fs::MetadataExt, path::Path};

use rusqlite::Row;

use super::{
    Store, StoreError, Why, collections::name, id_list, metadata, scope::collection_id,
    skipped::why,
};
use crate::domain::{CollectionName, ContentHash, Metadata};

/// What tells, without reading it, that a file is as it was.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FileStamp {
    /// Bytes.
    pub size: u64,
    /// Time of the last change, nanoseconds since 1970.
    pub mtime_ns: i64,
    /// Inode number.
    pub inode: u64,
}

impl FileStamp {
    /// That of no file.
    pub const UNKNOWN: Self = Self {
        size: u64::MAX,
        mtime_ns: i64::MIN,
        inode: 0,
    };

    /// Of a file whose metadata was read.
    pub fn of(metadata: &fs::Metadata) -> Self {
        Self {
            size: metadata.size(),
            mtime_ns: metadata.mtime() * 1_000_000_000 + metadata.mtime_nsec(),
            inode: metadata.ino(),
        }
    }

    /// Of the file at a path now; `None` when there is none.
    ///
    /// # Errors
    /// When that cannot be told.
    pub fn at(path: &Path) -> io::Result<Option<Self>> {
        match fs::metadata(path) {
            Ok(metadata) => Ok(Some(Self::of(&metadata))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// A file as the index knows it: a document, or left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownFile {
    /// Path inside the collection.
    pub path: String,
    /// Its state when it was read.
    pub stamp: FileStamp,
    /// The version of the rules it was read by; 0 when it is to be read again in any case.
    pub reader: u32,
    /// Why it is no document.
    pub skipped: Option<Why>,
}

/// A document without its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentRow {
    /// Its id, never used again for another document.
    pub id: i64,
    /// Its collection.
    pub collection: CollectionName,
    /// Path inside the collection.
    pub path: String,
    /// Its title.
    pub title: String,
    /// Its content's hash.
    pub hash: ContentHash,
    /// Its content's id, which documents of equal content share.
    pub content_id: i64,
}

/// A document with its text.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredDocument {
    /// Its id.
    pub id: i64,
    /// Its collection.
    pub collection: CollectionName,
    /// Path inside the collection.
    pub path: String,
    /// Its title.
    pub title: String,
    /// Its content's hash.
    pub hash: ContentHash,
    /// What it says of itself.
    pub metadata: Metadata,
    /// Its text.
    pub text: String,
}

impl Store {
    /// Every file of a collection, in no order.
    ///
    /// # Errors
    /// [`StoreError::CollectionUnknown`], besides what any read may meet.
    pub async fn known_files(
        &self,
        collection: &CollectionName,
    ) -> Result<Vec<KnownFile>, StoreError> {
        let collection = collection.clone();
        self.read(move |transaction| {
            let id = collection_id(transaction, &collection)?;
            let mut statement = transaction.prepare_cached(
                "SELECT path, size, mtime_ns, inode, reader, NULL, NULL
                 FROM documents WHERE collection_id = ?1
                 UNION ALL
                 SELECT path, size, mtime_ns, inode, reader, reason, message
                 FROM skipped WHERE collection_id = ?1",
            )?;
            let rows = statement.query_map([id], known_file)?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// One document with its text; `None` when it is gone.
    ///
    /// # Errors
    /// [`StoreError::ContentCorrupt`] when the text is not the one that was stored, besides what any read
    /// may meet.
    pub async fn document(&self, id: i64) -> Result<Option<StoredDocument>, StoreError> {
        let document = self.documents(vec![id]).await?.pop();
        match document {
            Some(document) if ContentHash::of(&document.text) != document.hash => {
                Err(StoreError::ContentCorrupt {
                    path: self.inner.path.clone(),
                    document: format!("{}/{}", document.collection, document.path),
                })
            }
            document => Ok(document),
        }
    }

    /// Documents with their texts, in the order of the ids; those that are gone are left out.
    pub async fn documents(&self, ids: Vec<i64>) -> Result<Vec<StoredDocument>, StoreError> {
        self.read(move |transaction| {
            let mut statement = transaction.prepare_cached(
                "SELECT documents.id, name, documents.path, title, hash, body, wanted.key
                 FROM json_each(?1) AS wanted
                 JOIN documents ON documents.id = wanted.value
                 JOIN contents ON contents.id = content_id
                 JOIN collections ON collections.id = collection_id
                 ORDER BY wanted.key",
            )?;
            let mut metadata = metadata::of(transaction, &ids)?;
            let rows = statement.query_map([id_list(ids.iter().copied())], |row| {
                let place = row.get::<_, i64>(6)? as usize;
                Ok(StoredDocument {
                    metadata: metadata.get_mut(place).map(mem::take).unwrap_or_default(),
                    id: row.get(0)?,
                    collection: name(row, 1)?,
                    path: row.get(2)?,
                    title: row.get(3)?,
                    hash: ContentHash(row.get(4)?),
                    text: row.get(5)?,
                })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// Documents without their texts, in the order of the ids; those that are gone are left out.
    pub async fn rows(&self, ids: Vec<i64>) -> Result<Vec<DocumentRow>, StoreError> {
        self.read(move |transaction| {
            let mut statement = transaction.prepare_cached(
                "SELECT documents.id, name, documents.path, title, hash, content_id
                 FROM json_each(?1) AS wanted
                 JOIN documents ON documents.id = wanted.value
                 JOIN contents ON contents.id = content_id
                 JOIN collections ON collections.id = collection_id
                 ORDER BY wanted.key",
            )?;
            let rows = statement.query_map([id_list(ids)], document_row)?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// The texts of contents with their ids, in the order of the ids; those that are gone are left
    /// out.
    pub async fn bodies(&self, content_ids: Vec<i64>) -> Result<Vec<(i64, String)>, StoreError> {
        self.read(move |transaction| {
            let mut statement = transaction.prepare_cached(
                "SELECT contents.id, body
                 FROM json_each(?1) AS wanted JOIN contents ON contents.id = wanted.value
                 ORDER BY wanted.key",
            )?;
            let rows = statement
                .query_map([id_list(content_ids)], |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }
}

/// Reads path, size, time, inode, reader, and the reason and message of a file that is left out.
pub(super) fn known_file(row: &Row<'_>) -> rusqlite::Result<KnownFile> {
    Ok(KnownFile {
        path: row.get(0)?,
        stamp: FileStamp {
            size: row.get::<_, i64>(1)? as u64,
            mtime_ns: row.get(2)?,
            inode: row.get::<_, i64>(3)? as u64,
        },
        reader: row.get(4)?,
        skipped: match row.get::<_, Option<String>>(5)? {
            None => None,
            Some(reason) => Some(why(&reason, row.get(6)?)),
        },
    })
}

fn document_row(row: &Row<'_>) -> rusqlite::Result<DocumentRow> {
    Ok(DocumentRow {
        id: row.get(0)?,
        collection: name(row, 1)?,
        path: row.get(2)?,
        title: row.get(3)?,
        hash: ContentHash(row.get(4)?),
        content_id: row.get(5)?,
    })
}
