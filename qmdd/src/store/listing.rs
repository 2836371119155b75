//! Lists of documents, a part at a time.

use rusqlite::{Connection, params};

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
            // A part of one collection is read along the index over its paths.
            let sql = format!(
                "SELECT documents.path, title, hash, size, mtime_ns
                 FROM (SELECT * FROM documents
                       WHERE collection_id = ?2 AND path > ?3
                         AND (?4 IS NULL OR path = ?4
                              OR substr(path, 1, length(?4) + 1) = ?4 || '/')
                         AND {condition}
                       ORDER BY path LIMIT ?5) AS documents
                 JOIN contents ON contents.id = content_id
                 ORDER BY documents.path"
            );
            let mut statement = transaction.prepare_cached(&sql)?;
            let mut list = Vec::new();
            for (id, name) in collections(transaction)? {
                let left = limit - list.len();
                let after = match &after {
                    Some((last, _)) if name < *last => continue,
                    Some((last, path)) if name == *last => path.as_str(),
                    _ => "",
                };
                if left == 0 {
                    break;
                }
                let values = params![ids, id, after, folder, left as i64];
                let rows = statement.query_map(values, |row| {
                    Ok(ListedDocument {
                        collection: name.clone(),
                        path: row.get(0)?,
                        title: row.get(1)?,
                        hash: ContentHash(row.get(2)?),
                        bytes: row.get::<_, i64>(3)? as u64,
                        mtime_ns: row.get(4)?,
                    })
                })?;
                for row in rows {
                    list.push(row?);
                }
            }
            Ok(list)
        })
        .await
    }
}

/// Every collection's id and name, by name.
fn collections(connection: &Connection) -> rusqlite::Result<Vec<(i64, CollectionName)>> {
    connection
        .prepare_cached("SELECT id, name FROM collections ORDER BY name")?
        .query_map([], |row| Ok((row.get(0)?, name(row, 1)?)))?
        .collect()
}
