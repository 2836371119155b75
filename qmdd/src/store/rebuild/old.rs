//! What can be trusted of a damaged database: texts that match their hash, and vectors that match
//! their checksums.

use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
};

use rusqlite::{Connection, OpenFlags, OptionalExtension};

use super::walk::walk;
use crate::{
    domain::ContentHash,
    store::{
        chunks::{self, COLUMNS, ChunkRow, Fingerprint, WithVector},
        connection,
        error::Fault,
        vectors,
    },
};

/// A damaged database, open for reading.
pub(super) struct Old {
    connection: Connection,
    /// Names and lengths of models by their ids.
    models: HashMap<i64, (String, usize)>,
}

/// The vectors of a text, by one model.
pub(super) struct OldVectors {
    pub hash: ContentHash,
    pub model: String,
    pub dimensions: usize,
    pub chunks: Vec<WithVector<'static>>,
}

/// A document.
pub(super) struct OldDocument {
    pub collection: String,
    /// The device its folder was on.
    pub device: Option<i64>,
    pub path: String,
    pub title: String,
    pub text: String,
}

impl Old {
    /// Opens a damaged database, as far as that goes.
    pub(super) fn open(path: &Path) -> Result<Self, Fault> {
        let connection = connection::connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        // A table whose definition is damaged is none; the others are read all the same.
        connection.pragma_update(None, "writable_schema", true)?;
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
        let mut models = HashMap::new();
        walk(
            &connection,
            "SELECT id, name, dimensions FROM fingerprints WHERE id > ?1 ORDER BY id",
            |row| {
                let dimensions: i64 = row.get(2)?;
                models.insert(row.get(0)?, (row.get(1)?, dimensions as usize));
                Ok(())
            },
        );
        Ok(Self { connection, models })
    }

    /// Hands over the vectors of every text that has all of them. Returns the chunks that are known
    /// to have been there.
    pub(super) fn vectors(
        &self,
        mut take: impl FnMut(OldVectors) -> Result<(), Fault>,
    ) -> Result<u64, Fault> {
        let known = self.embedded(&mut take)?;
        Ok(known + self.kept(&mut take)?)
    }

    /// Those of texts with documents.
    fn embedded(
        &self,
        take: &mut impl FnMut(OldVectors) -> Result<(), Fault>,
    ) -> Result<u64, Fault> {
        let mut hashes: HashMap<i64, ContentHash> = HashMap::new();
        walk(
            &self.connection,
            "SELECT id, hash FROM contents WHERE id > ?1 ORDER BY id",
            |row| {
                hashes.insert(row.get(0)?, ContentHash(row.get(1)?));
                Ok(())
            },
        );
        let mut checksums: HashMap<(i64, i64), i64> = HashMap::new();
        walk(
            &self.connection,
            "SELECT content_id, fingerprint_id, checksum FROM embedded
             WHERE content_id > ?1 ORDER BY content_id",
            |row| {
                checksums.insert((row.get(0)?, row.get(1)?), row.get(2)?);
                Ok(())
            },
        );
        // By hand, and not through an index, which may be what is damaged.
        let mut rows: BTreeMap<(i64, i64), Vec<(i64, ChunkRow)>> = BTreeMap::new();
        let mut known = 0;
        let sql = format!(
            "SELECT id, content_id, fingerprint_id, {COLUMNS} FROM chunks
             WHERE id > ?1 ORDER BY id"
        );
        walk(&self.connection, &sql, |row| {
            known += 1;
            let place = (row.get(1)?, row.get(2)?);
            let chunk = (row.get(0)?, ChunkRow::read(row, 3)?);
            rows.entry(place).or_default().push(chunk);
            Ok(())
        });
        for ((content, model), mut rows) in rows {
            rows.sort_unstable_by_key(|(_, row)| row.seq);
            let (Some(hash), Some(checksum), Some((name, dimensions))) = (
                hashes.get(&content),
                checksums.get(&(content, model)),
                self.models.get(&model),
            ) else {
                continue;
            };
            let vectors = OldVectors {
                hash: *hash,
                model: name.clone(),
                dimensions: *dimensions,
                chunks: self.with_vectors(rows, *dimensions),
            };
            if vectors.are_whole(*checksum) {
                take(vectors)?;
            }
        }
        Ok(known)
    }

    /// Those of texts that are gone.
    fn kept(&self, take: &mut impl FnMut(OldVectors) -> Result<(), Fault>) -> Result<u64, Fault> {
        let mut texts: HashMap<i64, (ContentHash, i64, i64)> = HashMap::new();
        walk(
            &self.connection,
            "SELECT id, hash, fingerprint_id, checksum FROM kept WHERE id > ?1 ORDER BY id",
            |row| {
                let text = (ContentHash(row.get(1)?), row.get(2)?, row.get(3)?);
                texts.insert(row.get(0)?, text);
                Ok(())
            },
        );
        let mut chunks: BTreeMap<i64, Vec<WithVector<'static>>> = BTreeMap::new();
        let mut known = 0;
        let sql = format!(
            "SELECT id, kept_id, vector, {COLUMNS} FROM kept_chunks WHERE id > ?1 ORDER BY id"
        );
        walk(&self.connection, &sql, |row| {
            known += 1;
            let vector: Vec<u8> = row.get(2)?;
            let chunk = (ChunkRow::read(row, 3)?, vector.into());
            chunks.entry(row.get(1)?).or_default().push(chunk);
            Ok(())
        });
        for (kept, mut chunks) in chunks {
            let Some((hash, model, checksum)) = texts.get(&kept) else {
                continue;
            };
            let Some((name, dimensions)) = self.models.get(model) else {
                continue;
            };
            chunks.sort_unstable_by_key(|(row, _)| row.seq);
            let vectors = OldVectors {
                hash: *hash,
                model: name.clone(),
                dimensions: *dimensions,
                chunks,
            };
            if vectors.are_whole(*checksum) {
                take(vectors)?;
            }
        }
        Ok(known)
    }

    /// The rows whose vectors can be read.
    fn with_vectors(
        &self,
        rows: Vec<(i64, ChunkRow)>,
        dimensions: usize,
    ) -> Vec<WithVector<'static>> {
        let rows = rows.into_iter().filter_map(|(id, row)| {
            let vector = vectors::bytes(&self.connection, dimensions, id).ok()??;
            Some((row, vector.into()))
        });
        rows.collect()
    }

    /// Hands over every document whose text matches its hash.
    pub(super) fn documents(
        &self,
        mut take: impl FnMut(OldDocument) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let mut collections: HashMap<i64, (String, Option<i64>)> = HashMap::new();
        walk(
            &self.connection,
            "SELECT id, name, device FROM collections WHERE id > ?1 ORDER BY id",
            |row| {
                collections.insert(row.get(0)?, (row.get(1)?, row.get(2)?));
                Ok(())
            },
        );
        let mut failed = None;
        walk(
            &self.connection,
            "SELECT id, collection_id, path, title, content_id FROM documents
             WHERE id > ?1 ORDER BY id",
            |row| {
                let (Some((collection, device)), Ok(Some(text))) =
                    (collections.get(&row.get(1)?), self.text(row.get(4)?))
                else {
                    return Ok(());
                };
                let document = OldDocument {
                    collection: collection.clone(),
                    device: *device,
                    path: row.get(2)?,
                    title: row.get(3)?,
                    text,
                };
                if failed.is_none() {
                    failed = take(document).err();
                }
                Ok(())
            },
        );
        failed.map_or(Ok(()), Err)
    }

    /// A text, if it matches its hash.
    fn text(&self, content: i64) -> rusqlite::Result<Option<String>> {
        let found: Option<([u8; 32], Vec<u8>)> = self
            .connection
            .prepare_cached("SELECT hash, CAST(body AS BLOB) FROM contents WHERE id = ?1")?
            .query_row([content], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let text = found.and_then(|(hash, body)| {
            let text = String::from_utf8(body).ok()?;
            (ContentHash::of(&text).0 == hash).then_some(text)
        });
        Ok(text)
    }
}

impl OldVectors {
    fn are_whole(&self, checksum: i64) -> bool {
        let fingerprint = Fingerprint {
            id: 0,
            dimensions: self.dimensions,
        };
        chunks::are_whole(&self.chunks, &self.hash, fingerprint, checksum)
    }
}
