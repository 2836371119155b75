//! Gives back what nobody needs any more: rows, pages of the file, and files beside it. Every step is
//! a short transaction, so that readers never wait and other writes get their turn.

use std::{
    fs, io,
    time::{Duration, SystemTime},
};

use rusqlite::{Connection, OptionalExtension};

use super::{
    Store, StoreError,
    beside::{self, Beside, Leftover},
    connection,
    error::Fault,
    kept,
    lexical::{self, Merging},
};

/// How long files beside the database are left alone.
const KEEP_FILES: Duration = Duration::from_secs(14 * 24 * 3600);

/// Contents whose vectors go in one step.
const CONTENTS_A_STEP: i64 = 64;

/// Free pages that are given back in one step, 4 MiB.
const PAGES_A_STEP: u32 = 1024;

/// Bytes that a chunk takes beside its vector, about.
const CHUNK_BYTES: i64 = 128;

/// A kind of waste.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waste {
    /// Texts that no document has.
    Texts,
    /// Vectors of models that are not in use.
    OtherModels,
    /// Vectors of texts that no document has any more, kept in case they come back.
    Kept,
    /// Parts of the full-text index that can be merged. Nothing tells beforehand what that saves.
    Words,
    /// Free pages inside the file.
    Pages,
    /// The write-ahead log.
    Log,
    /// Copies from before a change of format.
    Backups,
    /// Damaged databases that were replaced.
    Broken,
    /// Files of attempts that were interrupted.
    Unfinished,
}

/// How much of it there is, or was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wasted {
    /// The kind.
    pub kind: Waste,
    /// Things of this kind: rows, pages or files.
    pub count: u64,
    /// Bytes they take.
    pub bytes: u64,
    /// Further things of this kind that stay for the time being.
    pub staying: u64,
}

impl Store {
    /// What [`Self::clean_up`] would remove.
    ///
    /// # Errors
    /// As any read.
    pub async fn waste(&self, in_use: Option<Vec<String>>) -> Result<Vec<Wasted>, StoreError> {
        let path = self.inner.path.clone();
        self.read_aside(move |transaction| {
            let mut found = rows(transaction, in_use.as_deref())?;
            found.push(pages(transaction)?);
            let log = fs::metadata(beside::named(&path, "-wal")).map_or(0, |log| log.len());
            found.push(Wasted {
                kind: Waste::Log,
                count: u64::from(log > 0),
                bytes: log,
                staying: 0,
            });
            let files = beside::list(&path).map_err(|error| unreadable(&path, &error))?;
            found.extend(FILES.map(|(leftover, kind)| files_of(&files, leftover, kind).0));
            Ok(found)
        })
        .await
    }

    /// Removes what nobody needs any more, and gives the space back to the disk. `in_use` are the
    /// fingerprints of the embedding model; while it is not known, the vectors of all models stay.
    /// Returns what was removed.
    ///
    /// # Errors
    /// As any write. What was done before stays done.
    pub async fn clean_up(&self, in_use: Option<Vec<String>>) -> Result<Vec<Wasted>, StoreError> {
        let mut removed = self.waste(in_use.clone()).await?;
        self.write(|transaction| Ok(super::apply::delete_orphans(transaction)?))
            .await?;
        if let Some(in_use) = in_use {
            while let Some(fingerprint) = self.unused_model(in_use.clone()).await? {
                while self.forget_some(fingerprint).await? {}
            }
        }
        while self
            .write(|transaction| Ok(kept::forget(transaction, CONTENTS_A_STEP)?))
            .await?
        {}
        let merged = self.merge_words().await?;
        self.free_pages(&mut removed).await?;
        self.maintain(|connection| Ok(connection::checkpoint(connection)?))
            .await?;
        for wasted in &mut removed {
            if wasted.kind == Waste::Words {
                wasted.bytes = merged;
            }
        }
        let path = self.inner.path.clone();
        super::blocking(move || {
            let files = beside::list(&path).map_err(|error| unreadable(&path, &error))?;
            for (leftover, kind) in FILES {
                for file in files_of(&files, leftover, kind).1 {
                    fs::remove_file(&file.path).map_err(|error| unreadable(&path, &error))?;
                }
            }
            Ok(())
        })
        .await?;
        Ok(removed)
    }

    /// The files that were laid beside the database, by path; none where the folder cannot be read.
    pub async fn beside(&self) -> Vec<Beside> {
        let path = self.inner.path.clone();
        let listed = super::blocking(move || Ok(beside::list(&path).unwrap_or_default()));
        listed.await.unwrap_or_default()
    }

    /// A model that is not in use and has rows, if there is one. Those without rows are forgotten.
    async fn unused_model(&self, in_use: Vec<String>) -> Result<Option<i64>, StoreError> {
        self.write(move |transaction| {
            transaction.execute(
                "DELETE FROM fingerprints
                 WHERE name NOT IN (SELECT value FROM json_each(?1))
                   AND NOT EXISTS (SELECT 1 FROM embedded WHERE fingerprint_id = fingerprints.id)
                   AND NOT EXISTS (SELECT 1 FROM chunks WHERE fingerprint_id = fingerprints.id)
                   AND NOT EXISTS (SELECT 1 FROM kept WHERE fingerprint_id = fingerprints.id)",
                [names(&in_use)],
            )?;
            let unused = transaction.query_row(
                "SELECT id FROM fingerprints
                 WHERE name NOT IN (SELECT value FROM json_each(?1)) LIMIT 1",
                [names(&in_use)],
                |row| row.get(0),
            );
            Ok(unused.optional()?)
        })
        .await
    }

    /// Forgets a model's vectors of some texts. Returns whether there may be more.
    async fn forget_some(&self, fingerprint: i64) -> Result<bool, StoreError> {
        self.write(move |transaction| {
            let contents: Vec<i64> = transaction
                .prepare_cached(
                    "SELECT content_id FROM embedded WHERE fingerprint_id = ?1
                     UNION SELECT content_id FROM chunks WHERE fingerprint_id = ?1 LIMIT ?2",
                )?
                .query_map([fingerprint, CONTENTS_A_STEP], |row| row.get(0))?
                .collect::<Result<_, _>>()?;
            for table in ["chunks", "embedded"] {
                transaction
                    .prepare_cached(&format!(
                        "DELETE FROM {table} WHERE fingerprint_id = ?2
                             AND content_id IN (SELECT value FROM json_each(?1))"
                    ))?
                    .execute((super::id_list(contents.iter().copied()), fingerprint))?;
            }
            transaction
                .prepare_cached("DELETE FROM kept WHERE fingerprint_id = ?1")?
                .execute([fingerprint])?;
            Ok(!contents.is_empty())
        })
        .await
    }

    /// Merges the full-text index into as few parts as it takes. Returns the bytes that saved.
    async fn merge_words(&self) -> Result<u64, StoreError> {
        let before = self
            .read(|transaction| Ok(word_bytes(transaction)?))
            .await?;
        let mut merging = Merging::default();
        loop {
            let step = self.write(move |transaction| {
                let worked = merging.step(transaction)?;
                Ok(worked.then_some(merging))
            });
            match step.await? {
                Some(begun) => merging = begun,
                None => break,
            }
        }
        let after = self
            .read(|transaction| Ok(word_bytes(transaction)?))
            .await?;
        Ok(before.saturating_sub(after))
    }

    async fn free_pages(&self, removed: &mut [Wasted]) -> Result<(), StoreError> {
        // Counted again: what was just removed left pages, too.
        let free = self.read(|transaction| Ok(pages(transaction)?)).await?;
        for wasted in removed {
            if wasted.kind == Waste::Pages {
                *wasted = free;
            }
        }
        let mut left = free.count;
        while left > 0 {
            let rest = self.write(|transaction| {
                connection::free_pages(transaction, PAGES_A_STEP)?;
                Ok(pages(transaction)?.count)
            });
            let rest = rest.await?;
            // Other writes may free pages meanwhile, or need some.
            if rest >= left {
                break;
            }
            left = rest;
        }
        Ok(())
    }
}

/// Rows that can go.
fn rows(connection: &Connection, in_use: Option<&[String]>) -> Result<Vec<Wasted>, Fault> {
    let pair = |sql: &str, parameter: Option<String>| {
        connection.query_row(sql, [parameter], |row| {
            Ok((row.get::<_, i64>(0)? as u64, row.get::<_, i64>(1)? as u64))
        })
    };
    let (texts, text_bytes) = pair(
        "SELECT count(*), coalesce(sum(bytes), 0) FROM contents
         WHERE ?1 IS NULL AND NOT EXISTS (SELECT 1 FROM documents WHERE content_id = contents.id)",
        None,
    )?;
    let others = format!(
        "SELECT count(*), coalesce(sum(4 * dimensions + {CHUNK_BYTES}), 0)
         FROM chunks JOIN fingerprints ON fingerprints.id = fingerprint_id
         WHERE name NOT IN (SELECT value FROM json_each(?1))"
    );
    // While no model is known, any of them may be the one.
    let (vectors, vector_bytes) = pair(&others, Some(names(in_use.unwrap_or_default())))?;
    let all_stay = in_use.is_none();
    let (kept, kept_bytes) = pair(
        &format!(
            "SELECT coalesce(sum(chunks), 0), coalesce(sum(chunks * (4 * dimensions + {CHUNK_BYTES})), 0)
             FROM kept JOIN fingerprints ON fingerprints.id = fingerprint_id WHERE ?1 IS NULL"
        ),
        None,
    )?;
    let wasted = |kind, count, bytes| Wasted {
        kind,
        count,
        bytes,
        staying: 0,
    };
    Ok(vec![
        wasted(Waste::Texts, texts, text_bytes),
        Wasted {
            kind: Waste::OtherModels,
            count: if all_stay { 0 } else { vectors },
            bytes: if all_stay { 0 } else { vector_bytes },
            staying: if all_stay { vectors } else { 0 },
        },
        wasted(Waste::Kept, kept, kept_bytes),
        wasted(
            Waste::Words,
            lexical::parts(connection)?.saturating_sub(1),
            0,
        ),
    ])
}

fn pages(connection: &Connection) -> rusqlite::Result<Wasted> {
    connection.query_row(
        "SELECT freelist_count, freelist_count * page_size
         FROM pragma_freelist_count, pragma_page_size",
        [],
        |row| {
            Ok(Wasted {
                kind: Waste::Pages,
                count: row.get::<_, i64>(0)? as u64,
                bytes: row.get::<_, i64>(1)? as u64,
                staying: 0,
            })
        },
    )
}

fn word_bytes(connection: &Connection) -> rusqlite::Result<u64> {
    let bytes: i64 = connection.query_row(
        "SELECT coalesce(sum(length(block)), 0) FROM documents_fts_data",
        [],
        |row| row.get(0),
    )?;
    Ok(bytes as u64)
}

/// The files that are waste after a while.
const FILES: [(Leftover, Waste); 3] = [
    (Leftover::Backup, Waste::Backups),
    (Leftover::Broken, Waste::Broken),
    (Leftover::Unfinished, Waste::Unfinished),
];

/// Those of one kind that can go, and how much they are.
fn files_of(files: &[Beside], leftover: Leftover, kind: Waste) -> (Wasted, Vec<&Beside>) {
    let is_old = |file: &&Beside| {
        let age = SystemTime::now().duration_since(file.modified);
        leftover == Leftover::Unfinished || age.is_ok_and(|age| age > KEEP_FILES)
    };
    let (old, young): (Vec<&Beside>, Vec<&Beside>) = files
        .iter()
        .filter(|file| file.kind == leftover)
        .partition(is_old);
    let wasted = Wasted {
        kind,
        count: old.len() as u64,
        bytes: old.iter().map(|file| file.bytes).sum(),
        staying: young.len() as u64,
    };
    (wasted, old)
}

fn unreadable(path: &std::path::Path, error: &io::Error) -> StoreError {
    StoreError::Unavailable {
        path: path.to_owned(),
        detail: error.to_string(),
    }
}

/// Names as a JSON array, for `json_each(?)`.
fn names(names: &[String]) -> String {
    serde_json::Value::from(names).to_string()
}
