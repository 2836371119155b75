//! Finding documents by what people call them.

use rusqlite::{Connection, Row, ToSql};

use super::{
    Skipped, SkippedFile, Store, StoreError, collections::name, id_list, scope::Allowed,
    skipped::why,
};
use crate::{
    domain::{CollectionName, ContentHash, DocId, Target},
    text::near::Near,
};

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
    /// Size of its text in bytes.
    pub bytes: u64,
    /// Its title.
    pub title: String,
}

impl Store {
    /// Every document of these collections that an address fits, ordered by collection and path. A plain
    /// path is tried as `collection/path`, then as a whole path, then as the end of a path after a `/`,
    /// then as a docid without its `#`; the first of these that fits anything decides.
    pub async fn find(
        &self,
        target: &Target,
        within: Vec<CollectionName>,
    ) -> Result<Vec<DocumentRef>, StoreError> {
        let target = target.clone();
        self.read(move |transaction| {
            let allowed = Allowed::collections(transaction, &within)?;
            let by_docid = |docid: &DocId| {
                let (low, high) = hash_range(docid);
                let condition = "hash BETWEEN ?2 AND ?3";
                DOCUMENTS.select(transaction, &allowed, condition, &[&low, &high])
            };
            let path = match &target {
                Target::DocId(docid) => return Ok(by_docid(docid)?),
                Target::Uri { collection, path } => {
                    return Ok(DOCUMENTS.at(transaction, &allowed, collection, path)?);
                }
                Target::Path(path) => path,
            };
            let found = DOCUMENTS.by_path(transaction, &allowed, path)?;
            Ok(match DocId::parse(path) {
                Ok(docid) if found.is_empty() => by_docid(&docid)?,
                _ => found,
            })
        })
        .await
    }

    /// The files of these collections that scans left out and that an address fits, in the manner of
    /// [`Self::find`].
    pub async fn find_skipped(
        &self,
        target: &Target,
        within: Vec<CollectionName>,
    ) -> Result<Vec<SkippedFile>, StoreError> {
        let target = target.clone();
        self.read(move |transaction| {
            let allowed = Allowed::collections(transaction, &within)?;
            Ok(match &target {
                Target::DocId(_) => Vec::new(),
                Target::Uri { collection, path } => {
                    SKIPPED.at(transaction, &allowed, collection, path)?
                }
                Target::Path(path) => SKIPPED.by_path(transaction, &allowed, path)?,
            })
        })
        .await
    }

    /// The documents of these collections whose collection and path pass a test, ordered by both.
    pub async fn matching(
        &self,
        within: Vec<CollectionName>,
        test: impl Fn(&str, &str) -> bool + Send + 'static,
    ) -> Result<Vec<DocumentRef>, StoreError> {
        self.read(move |transaction| {
            let mut ids = Vec::new();
            for_each_place(transaction, &within, |id, collection, path| {
                if test(collection, path) {
                    ids.push(id);
                }
            })?;
            let sql = format!(
                "SELECT {} FROM json_each(?1) AS wanted
                 JOIN documents ON documents.id = wanted.value {} ORDER BY wanted.key",
                DOCUMENTS.columns, DOCUMENTS.joins
            );
            let mut statement = transaction.prepare_cached(&sql)?;
            let rows = statement.query_map([id_list(ids)], document_ref)?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// At most `limit` addresses (`collection/path`) of these collections that look like a text, most
    /// alike first.
    pub async fn similar(
        &self,
        text: &str,
        within: Vec<CollectionName>,
        limit: usize,
    ) -> Result<Vec<String>, StoreError> {
        let mut near = Near::new(text, limit);
        self.read(move |transaction| {
            let mut address = String::new();
            for_each_place(transaction, &within, |_, collection, path| {
                address.clear();
                address.extend([collection, "/", path]);
                near.look(&address);
            })?;
            Ok(near.into_names())
        })
        .await
    }

    /// As [`Self::similar`], for folders that hold documents: `collection/folder`.
    pub async fn similar_folders(
        &self,
        text: &str,
        within: Vec<CollectionName>,
        limit: usize,
    ) -> Result<Vec<String>, StoreError> {
        let mut near = Near::new(text, limit);
        self.read(move |transaction| {
            let mut last = String::new();
            for_each_place(transaction, &within, |_, collection, path| {
                let address = format!("{collection}/{path}");
                // What is in a folder comes one after the other.
                let ends = address.match_indices('/').skip(1).map(|(end, _)| end);
                for end in ends.filter(|end| !last.starts_with(&address[..=*end])) {
                    near.look(&address[..end]);
                }
                last = address;
            })?;
            Ok(near.into_names())
        })
        .await
    }
}

/// What can be found by its place.
struct Table<T> {
    columns: &'static str,
    from: &'static str,
    joins: &'static str,
    path: &'static str,
    row: fn(&Row<'_>) -> rusqlite::Result<T>,
}

const DOCUMENTS: Table<DocumentRef> = Table {
    columns: "documents.id, name, documents.path, hash, contents.bytes, title",
    from: "documents",
    joins: "JOIN contents ON contents.id = content_id
            JOIN collections ON collections.id = collection_id",
    path: "documents.path",
    row: document_ref,
};

const SKIPPED: Table<SkippedFile> = Table {
    columns: "name, skipped.path, reason, message",
    from: "skipped",
    joins: "JOIN collections ON collections.id = collection_id",
    path: "skipped.path",
    row: skipped_file,
};

impl<T> Table<T> {
    /// Those in scope that meet a condition on parameters from `?2` on.
    fn select(
        &self,
        connection: &Connection,
        allowed: &Allowed,
        condition: &str,
        values: &[&dyn ToSql],
    ) -> rusqlite::Result<Vec<T>> {
        let (within, ids) = allowed.condition("?1");
        let Self {
            columns,
            from,
            joins,
            path,
            row,
        } = self;
        let sql = format!(
            "SELECT {columns} FROM {from} {joins}
             WHERE {condition} AND {within} ORDER BY name, {path}"
        );
        let mut all: Vec<&dyn ToSql> = vec![&ids];
        all.extend(values);
        let mut statement = connection.prepare_cached(&sql)?;
        statement.query_map(all.as_slice(), row)?.collect()
    }

    fn at(
        &self,
        connection: &Connection,
        allowed: &Allowed,
        collection: &str,
        path: &str,
    ) -> rusqlite::Result<Vec<T>> {
        let condition = format!("name = ?2 AND {} = ?3", self.path);
        self.select(connection, allowed, &condition, &[&collection, &path])
    }

    fn by_path(
        &self,
        connection: &Connection,
        allowed: &Allowed,
        path: &str,
    ) -> rusqlite::Result<Vec<T>> {
        let path = path.trim_start_matches("./");
        if path.is_empty() {
            return Ok(Vec::new());
        }
        if let Some((collection, inner)) = path.split_once('/') {
            let found = self.at(connection, allowed, collection, inner)?;
            if !found.is_empty() {
                return Ok(found);
            }
        }
        let whole = format!("{} = ?2", self.path);
        let found = self.select(connection, allowed, &whole, &[&path])?;
        if !found.is_empty() {
            return Ok(found);
        }
        let end = format!("substr({}, -length(?2)) = ?2", self.path);
        self.select(connection, allowed, &end, &[&format!("/{path}")])
    }
}

/// Shows id, collection and path of each document of these collections, by both.
fn for_each_place(
    connection: &Connection,
    within: &[CollectionName],
    mut visit: impl FnMut(i64, &str, &str),
) -> rusqlite::Result<()> {
    let mut collections =
        connection.prepare_cached("SELECT id, name FROM collections ORDER BY name")?;
    // By the index over both, and nothing else.
    let mut places = connection
        .prepare_cached("SELECT id, path FROM documents WHERE collection_id = ?1 ORDER BY path")?;
    let mut known = collections.query([])?;
    while let Some(row) = known.next()? {
        let (id, name): (i64, String) = (row.get(0)?, row.get(1)?);
        if !within.iter().any(|wanted| wanted.as_str() == name) {
            continue;
        }
        let mut rows = places.query([id])?;
        while let Some(row) = rows.next()? {
            visit(row.get(0)?, &name, row.get_ref(1)?.as_str()?);
        }
    }
    Ok(())
}

fn document_ref(row: &Row<'_>) -> rusqlite::Result<DocumentRef> {
    Ok(DocumentRef {
        id: row.get(0)?,
        collection: name(row, 1)?,
        path: row.get(2)?,
        hash: ContentHash(row.get(3)?),
        bytes: row.get::<_, i64>(4)? as u64,
        title: row.get(5)?,
    })
}

fn skipped_file(row: &Row<'_>) -> rusqlite::Result<SkippedFile> {
    let reason: String = row.get(2)?;
    Ok(SkippedFile {
        collection: name(row, 0)?,
        file: Skipped {
            path: row.get(1)?,
            why: why(&reason, row.get(3)?),
        },
    })
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
}
