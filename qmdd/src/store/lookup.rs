//! Finding documents by what people call them.

use rusqlite::{Connection, OptionalExtension, Params, Row, params};

use super::{Store, StoreError, collections::name, error::Fault};
use crate::domain::{CollectionName, ContentHash, DocId, Target};

/// A document that an address points at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentRef {
    /// Its id.
    pub id: i64,
    /// Its collection.
    pub collection: CollectionName,
    /// Path inside the collection.
    pub path: String,
    /// Its content's hash.
    pub hash: ContentHash,
}

const SELECT: &str = "SELECT documents.id, name, documents.path, hash
     FROM documents
     JOIN contents ON contents.id = content_id
     JOIN collections ON collections.id = collection_id";

impl Store {
    /// Every document an address fits, ordered by collection and path. A plain path is tried as
    /// `collection/path`, then as a whole path, then as the end of a path after a `/`, then as a
    /// docid without its `#`; the first of these that fits anything decides.
    pub async fn find(&self, target: &Target) -> Result<Vec<DocumentRef>, StoreError> {
        let target = target.clone();
        self.read(move |transaction| {
            Ok(match &target {
                Target::DocId(docid) => by_docid(transaction, docid)?,
                Target::Uri { collection, path } => by_place(transaction, collection, path)?
                    .into_iter()
                    .collect(),
                Target::Path(path) => by_path(transaction, path)?,
            })
        })
        .await
    }

    /// At most `limit` addresses (`collection/path`) that look like a text, most alike first.
    pub async fn similar_paths(&self, text: &str, limit: usize) -> Result<Vec<String>, StoreError> {
        let wanted = text
            .trim_start_matches("qmd:")
            .trim_matches('/')
            .to_lowercase();
        self.read(move |transaction| similar(transaction, &wanted, limit))
            .await
    }
}

fn by_docid(connection: &Connection, docid: &DocId) -> rusqlite::Result<Vec<DocumentRef>> {
    let (low, high) = hash_range(docid);
    select(connection, "hash BETWEEN ?1 AND ?2", params![low, high])
}

/// The smallest and the largest hash that start with a docid's digits.
fn hash_range(docid: &DocId) -> ([u8; 32], [u8; 32]) {
    let bound = |fill: u8| {
        let mut hash = [fill << 4 | fill; 32];
        for (place, digit) in docid.as_str().chars().enumerate().take(64) {
            let digit = digit.to_digit(16).unwrap_or_default() as u8;
            let byte = &mut hash[place / 2];
            *byte = if place % 2 == 0 {
                digit << 4 | fill
            } else {
                *byte & 0xf0 | digit
            };
        }
        hash
    };
    (bound(0x0), bound(0xf))
}

fn by_place(
    connection: &Connection,
    collection: &str,
    path: &str,
) -> rusqlite::Result<Option<DocumentRef>> {
    connection
        .prepare_cached(&format!("{SELECT} WHERE name = ?1 AND documents.path = ?2"))?
        .query_row(params![collection, path], document_ref)
        .optional()
}

fn by_path(connection: &Connection, path: &str) -> rusqlite::Result<Vec<DocumentRef>> {
    let path = path.trim_start_matches("./");
    if path.is_empty() {
        return Ok(Vec::new());
    }
    if let Some((collection, inner)) = path.split_once('/')
        && let Some(found) = by_place(connection, collection, inner)?
    {
        return Ok(vec![found]);
    }
    let mut found = select(connection, "documents.path = ?1", params![path])?;
    if found.is_empty() {
        let end = format!("/{path}");
        let condition = "substr(documents.path, -length(?1)) = ?1";
        found = select(connection, condition, params![end])?;
    }
    if found.is_empty()
        && let Ok(docid) = DocId::parse(path)
    {
        found = by_docid(connection, &docid)?;
    }
    Ok(found)
}

fn select(
    connection: &Connection,
    condition: &str,
    params: impl Params,
) -> rusqlite::Result<Vec<DocumentRef>> {
    let sql = format!("{SELECT} WHERE {condition} ORDER BY name, documents.path");
    connection
        .prepare_cached(&sql)?
        .query_map(params, document_ref)?
        .collect()
}

fn document_ref(row: &Row<'_>) -> rusqlite::Result<DocumentRef> {
    Ok(DocumentRef {
        id: row.get(0)?,
        collection: name(row, 1)?,
        path: row.get(2)?,
        hash: ContentHash(row.get(3)?),
    })
}

fn similar(connection: &Connection, wanted: &str, limit: usize) -> Result<Vec<String>, Fault> {
    let mut statement = connection.prepare_cached(
        "SELECT name || '/' || documents.path
         FROM documents JOIN collections ON collections.id = collection_id",
    )?;
    let mut near = Vec::new();
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let address: String = row.get(0)?;
        if let Some(distance) = distance(wanted, &address.to_lowercase()) {
            near.push((distance, address));
        }
    }
    near.sort_unstable();
    near.truncate(limit);
    Ok(near.into_iter().map(|(_, address)| address).collect())
}

/// How far a text is from an address, from its path inside the collection, or from its file name,
/// whichever is nearest; `None` when it is like none of them. Both in lower case.
fn distance(wanted: &str, address: &str) -> Option<usize> {
    let length = wanted.chars().count();
    let allowed = (length / 3).max(1);
    let path = address.split_once('/').map_or(address, |(_, path)| path);
    let file = path.rsplit_once('/').map_or(path, |(_, file)| file);
    let typing = [address, path, file]
        .into_iter()
        .filter(|name| name.chars().count().abs_diff(length) <= allowed)
        .map(|name| strsim::osa_distance(wanted, name))
        .filter(|distance| *distance <= allowed)
        .min();
    // A part of the address ranks behind every slip of the keys.
    typing.or_else(|| (length >= 3 && address.contains(wanted)).then_some(allowed + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_docid_bounds_its_hashes() {
        let (low, high) = hash_range(&DocId::parse("#abc1234").unwrap());
        assert_eq!(low[..4], [0xab, 0xc1, 0x23, 0x40]);
        assert_eq!(high[..4], [0xab, 0xc1, 0x23, 0x4f]);
        assert_eq!((low[31], high[31]), (0x00, 0xff));
        let whole = ContentHash::of("x");
        let docid = DocId::parse(&whole.to_string()).unwrap();
        assert_eq!(hash_range(&docid), (whole.0, whole.0));
    }

    #[test]
    fn nearness_is_of_the_whole_name_or_a_part() {
        assert_eq!(distance("notes/wign.md", "notes/wing.md"), Some(1));
        assert_eq!(distance("wign.md", "notes/sub/wing.md"), Some(1));
        assert_eq!(distance("wing", "notes/sub/wing-body.md"), Some(2));
        assert_eq!(distance("quantum.md", "notes/wing.md"), None);
        assert_eq!(distance("wi", "notes/wing.md"), None);
    }
}
