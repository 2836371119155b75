//! What an index of QMD's holds.

use std::path::PathBuf;

use rusqlite::{Connection, OptionalExtension, params};

use super::{QmdError, QmdIndex, open::columns_of};
use crate::{domain::ContentHash, store::error::Fault};

/// Longest text taken, in bytes: as for files.
const MAX_TEXT: i64 = 16 << 20;

/// A collection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QmdCollection {
    /// Its name, unchecked.
    pub name: String,
    /// Its folder, where the index tells.
    pub folder: Option<PathBuf>,
    /// Its documents.
    pub documents: u64,
}

/// A document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QmdDocument {
    /// Its id; documents come in their order.
    pub id: i64,
    /// Path inside the collection, unchecked.
    pub path: String,
    /// SHA-256 of its text.
    pub hash: ContentHash,
}

/// What vectors were made with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QmdMaker {
    /// The model, as QMD's configuration names it.
    pub model: String,
    /// QMD's name for prompts and sizes; empty from before 2.5.
    pub fingerprint: String,
    /// Texts that have vectors of it.
    pub contents: u64,
}

/// How a text was cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QmdCut {
    /// The title that each chunk was embedded with.
    pub title: String,
    /// Where the chunks begin, in UTF-16 units.
    pub starts: Vec<u64>,
    /// Whether they are all there.
    pub complete: bool,
}

impl QmdIndex {
    /// Every collection that has documents, by name.
    pub async fn collections(&self) -> Result<Vec<QmdCollection>, QmdError> {
        self.read(|connection| {
            // Older versions knew the configuration alone.
            let folder = if columns_of(connection, "store_collections")?.is_empty() {
                "NULL"
            } else {
                "(SELECT path FROM store_collections WHERE name = collection)"
            };
            let sql = format!(
                "SELECT collection, {folder}, count(*) FROM documents WHERE active = 1
                 GROUP BY collection ORDER BY collection"
            );
            let mut statement = connection.prepare(&sql)?;
            let rows = statement.query_map([], |row| {
                Ok(QmdCollection {
                    name: row.get(0)?,
                    folder: row.get::<_, Option<String>>(1)?.map(PathBuf::from),
                    documents: row.get::<_, i64>(2)? as u64,
                })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// At most `limit` documents of a collection, in the order of their ids, from after the id `after`
    /// on. Those whose hash is none are left out.
    pub async fn documents(
        &self,
        collection: &str,
        after: i64,
        limit: i64,
    ) -> Result<Vec<QmdDocument>, QmdError> {
        let collection = collection.to_owned();
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT id, path, hash FROM documents
                 WHERE active = 1 AND collection = ?1 AND id > ?2 AND length(hash) = 64
                 ORDER BY id LIMIT ?3",
            )?;
            let rows = statement.query_map(params![collection, after, limit], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get::<_, String>(2)?))
            })?;
            let mut documents = Vec::new();
            for row in rows {
                let (id, path, hash) = row?;
                documents.extend(parse(&hash).map(|hash| QmdDocument { id, path, hash }));
            }
            Ok(documents)
        })
        .await
    }

    /// The text of a hash, if it is there, not overly long, and of that hash.
    pub async fn text(&self, hash: ContentHash) -> Result<Option<String>, QmdError> {
        self.read(move |connection| {
            let text: Option<String> = connection
                .prepare_cached("SELECT doc FROM content WHERE hash = ?1 AND length(doc) <= ?2")?
                .query_row(params![hash.to_string(), MAX_TEXT], |row| row.get(0))
                .optional()?;
            Ok(text.filter(|text| ContentHash::of(text) == hash))
        })
        .await
    }

    /// What its vectors were made with, the most frequent first. None where there are no vectors, or
    /// they are of a version that told less of them.
    pub async fn makers(&self) -> Result<Vec<QmdMaker>, QmdError> {
        self.read(|connection| {
            let columns = columns_of(connection, "content_vectors")?;
            let told = [
                "hash",
                "seq",
                "pos",
                "model",
                "embed_fingerprint",
                "total_chunks",
            ]
            .iter()
            .all(|wanted| columns.iter().any(|column| column == wanted));
            if !told || columns_of(connection, "vectors_vec")?.is_empty() {
                return Ok(Vec::new());
            }
            let mut statement = connection.prepare(
                "SELECT model, embed_fingerprint, count(DISTINCT hash) AS contents
                 FROM content_vectors GROUP BY 1, 2 ORDER BY contents DESC, 1, 2",
            )?;
            let rows = statement.query_map([], |row| {
                Ok(QmdMaker {
                    model: row.get(0)?,
                    fingerprint: row.get(1)?,
                    contents: row.get::<_, i64>(2)? as u64,
                })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// How texts were cut for vectors of one making; `None` for those without any, in the order asked.
    pub async fn cuts(
        &self,
        maker: &QmdMaker,
        hashes: Vec<ContentHash>,
    ) -> Result<Vec<Option<QmdCut>>, QmdError> {
        let maker = maker.clone();
        self.read(move |connection| {
            hashes
                .iter()
                .map(|hash| cut(connection, &maker, &hash.to_string()))
                .collect()
        })
        .await
    }

    /// The vectors of the first `count` chunks of a text; empty when one of them is missing.
    pub async fn vectors(
        &self,
        hash: ContentHash,
        count: usize,
    ) -> Result<Vec<Vec<f32>>, QmdError> {
        self.read(move |connection| {
            let mut statement = connection
                .prepare_cached("SELECT embedding FROM vectors_vec WHERE hash_seq = ?1")?;
            let mut vectors = Vec::with_capacity(count);
            for seq in 0..count {
                let bytes: Option<Vec<u8>> = statement
                    .query_row([format!("{hash}_{seq}")], |row| row.get(0))
                    .optional()?;
                let Some(bytes) = bytes else {
                    return Ok(Vec::new());
                };
                // As sqlite-vec keeps them.
                let values = bytes.as_chunks::<4>().0.iter();
                vectors.push(values.map(|it| f32::from_le_bytes(*it)).collect());
            }
            Ok(vectors)
        })
        .await
    }
}

fn cut(connection: &Connection, maker: &QmdMaker, hash: &str) -> Result<Option<QmdCut>, Fault> {
    let mut statement = connection.prepare_cached(
        "SELECT seq, pos, total_chunks FROM content_vectors
         WHERE hash = ?1 AND model = ?2 AND embed_fingerprint = ?3 ORDER BY seq",
    )?;
    let rows = statement.query_map(params![hash, maker.model, maker.fingerprint], |row| {
        Ok((row.get(0)?, row.get(1)?, row.get(2)?))
    })?;
    let rows: Vec<(i64, i64, i64)> = rows.collect::<Result<_, _>>()?;
    let Some((_, _, total)) = rows.first() else {
        return Ok(None);
    };
    let in_order = rows
        .iter()
        .zip(0..)
        .all(|((seq, ..), expected)| *seq == expected);
    let starts: Option<Vec<u64>> = rows
        .iter()
        .map(|(_, at, _)| u64::try_from(*at).ok())
        .collect();
    // QMD takes the title that belongs to the first path.
    let title: Option<String> = connection
        .prepare_cached(
            "SELECT title FROM documents WHERE hash = ?1 AND active = 1 ORDER BY path LIMIT 1",
        )?
        .query_row([hash], |row| row.get(0))
        .optional()?;
    Ok(Some(QmdCut {
        complete: in_order && starts.is_some() && *total == rows.len() as i64,
        starts: starts.unwrap_or_default(),
        title: title.unwrap_or_default(),
    }))
}

/// A hash in hexadecimal, as QMD keeps it.
fn parse(hash: &str) -> Option<ContentHash> {
    let mut bytes = [0; 32];
    hex::decode_to_slice(hash, &mut bytes).ok()?;
    Some(ContentHash(bytes))
}
