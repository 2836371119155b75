//! Lists of documents, a part at a time.

use rusqlite::params;

use super::{Scope, Store, StoreError, collections::name, scope::Allowed};
use crate::domain::{CollectionName, ContentHash};

/// A document in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedDocument {
    /// Its collection.
    pub collection: CollectionName,
    /// Path inside the collection.
    pub path: String,
    /// Its title.
    pub title: String,
    /// Its content's hash.
    pub hash: ContentHash,
    /// Size of its file, bytes.
    pub bytes: u64,
    /// When its file was last changed, nanoseconds since 1970.
    pub mtime_ns: i64,
}

impl Store {
    /// At most `limit` documents of the scope, by collection and path, from after a place on. With a
    /// folder (without slashes at its ends, not empty), those in it, or the one of this path.
    pub async fn list(
        &self,
        scope: Scope,
        folder: Option<String>,
        after: Option<(CollectionName, String)>,
        limit: usize,
    ) -> Result<Vec<ListedDocument>, StoreError> {
        self.read(move |transaction| {
            let allowed = Allowed::of(transaction, &scope)?;
            let (condition, ids) = allowed.condition("?1");
            let sql = format!(
                "SELECT name, documents.path, title, hash, size, mtime_ns
                 FROM documents
                 JOIN contents ON contents.id = content_id
                 JOIN collections ON collections.id = collection_id
                 WHERE documents.id IN (SELECT id FROM documents WHERE {condition})
                   AND (?2 IS NULL OR documents.path = ?2
                        OR substr(documents.path, 1, length(?2) + 1) = ?2 || '/')
                   AND (?3 IS NULL OR (name, documents.path) > (?3, ?4))
                 ORDER BY name, documents.path LIMIT ?5"
            );
            let (collection, path) = after.unzip();
            let collection = collection.as_ref().map(CollectionName::as_str);
            let mut statement = transaction.prepare_cached(&sql)?;
            let values = params![ids, folder, collection, path, limit as i64];
            let rows = statement.query_map(values, |row| {
                Ok(ListedDocument {
                    collection: name(row, 0)?,
                    path: row.get(1)?,
                    title: row.get(2)?,
                    hash: ContentHash(row.get(3)?),
                    bytes: row.get::<_, i64>(4)? as u64,
                    mtime_ns: row.get(5)?,
                })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }
}
