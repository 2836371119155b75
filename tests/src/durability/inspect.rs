//! Looks into a database without the daemon: with SQLite's own checks and queries of this file's own,
//! on a copy, so that nothing is mended by looking.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::{Context, Result, ensure};
use rusqlite::{Connection, OpenFlags};
use tempfile::TempDir;

use super::locks::beside;

/// A copy of a database with its log.
pub struct Copy {
    connection: Connection,
    _folder: TempDir,
}

/// A document as the database has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// Its text.
    pub text: String,
    /// Whether it has its vectors.
    pub embedded: bool,
}

impl Copy {
    /// Copies the files of a database that nobody has open, and recovers the copy.
    ///
    /// # Errors
    /// When it cannot be copied or opened.
    pub fn of(database: &Path) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("copy.sqlite");
        fs::copy(database, &path)?;
        let log = beside(database, "-wal");
        if log.exists() {
            fs::copy(log, beside(&path, "-wal"))?;
        }
        let connection = Connection::open_with_flags(&path, OpenFlags::default())?;
        Ok(Self {
            connection,
            _folder: folder,
        })
    }

    /// Refuses a database that is damaged, or where something lacks its other half.
    ///
    /// # Errors
    /// What is wrong.
    pub fn assert_whole(&self) -> Result<()> {
        let found = self.texts("PRAGMA integrity_check")?;
        // The module of the vectors is not linked here.
        let damage: Vec<_> = found
            .iter()
            .filter(|line| *line != "ok" && !line.contains("vec0"))
            .collect();
        ensure!(damage.is_empty(), "SQLite finds {damage:?}");
        for (what, sql) in RULES {
            let count = self.number(sql)?;
            ensure!(count == 0, "{count} {what}");
        }
        let lengths = self.texts("SELECT DISTINCT dimensions FROM fingerprints")?;
        for length in lengths {
            let astray = self.number(&format!(
                "SELECT (SELECT count(*) FROM vectors_{length}_rowids
                         WHERE rowid NOT IN (SELECT id FROM chunks)) +
                        (SELECT count(*) FROM chunks JOIN fingerprints ON fingerprints.id = fingerprint_id
                         WHERE dimensions = {length}
                           AND chunks.id NOT IN (SELECT rowid FROM vectors_{length}_rowids))"
            ))?;
            ensure!(astray == 0, "{astray} chunks or vectors without the other");
        }
        self.connection
            .execute(
                "INSERT INTO documents_fts (documents_fts) VALUES ('integrity-check')",
                [],
            )
            .context("FTS5 finds")?;
        Ok(())
    }

    /// Every document by its path.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn documents(&self) -> Result<BTreeMap<String, Document>> {
        let mut statement = self.connection.prepare(
            "SELECT path, body, EXISTS (SELECT 1 FROM embedded WHERE content_id = contents.id)
             FROM documents JOIN contents ON contents.id = content_id",
        )?;
        let rows = statement.query_map([], |row| {
            let document = Document {
                text: row.get(1)?,
                embedded: row.get(2)?,
            };
            Ok((row.get(0)?, document))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn number(&self, sql: &str) -> Result<i64> {
        let number = self.connection.query_row(sql, [], |row| row.get(0));
        number.with_context(|| sql.to_owned())
    }

    fn texts(&self, sql: &str) -> Result<Vec<String>> {
        let mut statement = self.connection.prepare(sql)?;
        let rows = statement.query_map([], |row| {
            Ok(match row.get_ref(0)? {
                rusqlite::types::ValueRef::Integer(number) => number.to_string(),
                other => other.as_str()?.to_owned(),
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

/// What must not be there, and a query for how many there are.
const RULES: [(&str, &str); 7] = [
    (
        "rows point at nothing",
        "SELECT count(*) FROM pragma_foreign_key_check",
    ),
    (
        "texts have no document",
        "SELECT count(*) FROM contents WHERE id NOT IN (SELECT content_id FROM documents)",
    ),
    (
        "documents have no words, or words no document",
        "SELECT (SELECT count(*) FROM documents WHERE id NOT IN (SELECT id FROM documents_fts_docsize))
              + (SELECT count(*) FROM documents_fts_docsize WHERE id NOT IN (SELECT id FROM documents))",
    ),
    (
        "texts lack chunks",
        "SELECT count(*) FROM embedded WHERE chunks <> (SELECT count(*) FROM chunks
             WHERE chunks.content_id = embedded.content_id
               AND chunks.fingerprint_id = embedded.fingerprint_id)",
    ),
    (
        "chunks are of no embedded text",
        "SELECT count(*) FROM chunks
         WHERE content_id NOT IN (SELECT content_id FROM embedded)",
    ),
    (
        "texts are embedded twice",
        "SELECT count(*) - count(DISTINCT content_id) FROM embedded",
    ),
    (
        "kept texts lack chunks",
        "SELECT count(*) FROM kept
         WHERE chunks <> (SELECT count(*) FROM kept_chunks WHERE kept_id = kept.id)",
    ),
];
