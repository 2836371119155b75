//! Looks whether a database is whole: SQLite's own checks, and that all it holds belongs together and
//! is what was stored.

mod references;
mod texts;
mod vectors;
mod words;

use std::sync::{Arc, atomic::AtomicBool};

use rusqlite::{Connection, Transaction};

use super::{
    Store, StoreError, connection,
    error::{Fault, one_line},
    threads,
};

/// Problems of SQLite's own check that are told; one is enough to repair.
const TOLD: u32 = 5;

/// How much is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Whether all parts are there.
    Quick,
    /// Every page, every text and every vector.
    Full,
}

/// A part of the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Pages, tables and indexes, as SQLite and FTS5 check them.
    Structure,
    /// That nothing lacks what it belongs to, and nothing its parts.
    References,
    /// Texts, by their SHA-256.
    Texts,
    /// Vectors and chunks, by their checksums.
    Vectors,
    /// The full-text index, word by word.
    Words,
}

/// What a check of one part gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// The part.
    pub part: Part,
    /// Rows looked at, where they are counted.
    pub count: u64,
    /// What is wrong with it, one finding each; those of one kind are counted.
    pub problems: Vec<String>,
}

impl Store {
    /// Checks the database on a connection of its own: searches and updates go on beside it.
    ///
    /// # Errors
    /// When it cannot be opened. What is wrong inside is in the result.
    pub async fn check(&self, depth: Depth) -> Result<Vec<Checked>, StoreError> {
        self.read_aside(move |transaction| check(transaction, depth))
            .await
    }

    /// Runs a long read on a connection and a thread of its own. Dropping the future ends it soon.
    pub(super) async fn read_aside<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, StoreError> {
        // The file may be set aside by a repair from here on; nothing is opened after that.
        self.access().threads()?;
        let path = self.inner.path.clone();
        let cancelled = Cancel(Arc::default());
        let flag = Arc::clone(&cancelled.0);
        super::blocking(move || {
            let read = connection::open_reader(&path)
                .and_then(|mut reader| threads::read_unless(flag, &mut reader, work));
            read.map_err(|fault| fault.at(&path))
        })
        .await
    }
}

/// Sets its flag when dropped.
struct Cancel(Arc<AtomicBool>);

impl Drop for Cancel {
    fn drop(&mut self) {
        self.0.store(true, std::sync::atomic::Ordering::Relaxed);
    }
}

/// Checks a database as a connection sees it.
pub(super) fn check(connection: &Connection, depth: Depth) -> Result<Vec<Checked>, Fault> {
    type Check = fn(&Connection) -> Result<Checked, Fault>;
    let checks: &[(Part, Check)] = match depth {
        Depth::Quick => &[(Part::References, references::check)],
        Depth::Full => &[
            (Part::Structure, structure),
            (Part::References, references::check),
            (Part::Texts, texts::check),
            (Part::Vectors, vectors::check),
            (Part::Words, words::check),
        ],
    };
    checks
        .iter()
        .map(|(part, check)| check(connection).or_else(|fault| damage(*part, fault)))
        .collect()
}

/// A page that cannot be read is what was looked for, not a failure to look.
fn damage(part: Part, fault: Fault) -> Result<Checked, Fault> {
    match fault.at("".as_ref()) {
        StoreError::Corrupt { detail, .. } => Ok(Checked {
            part,
            count: 0,
            problems: vec![detail],
        }),
        other => Err(other.into()),
    }
}

fn structure(connection: &Connection) -> Result<Checked, Fault> {
    let found: Vec<String> = connection
        .prepare(&format!("PRAGMA integrity_check({TOLD})"))?
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let pages: i64 = connection.query_row("PRAGMA page_count", [], |row| row.get(0))?;
    Ok(Checked {
        part: Part::Structure,
        count: pages as u64,
        problems: found
            .iter()
            .filter(|line| *line != "ok")
            .map(|line| one_line(line))
            .collect(),
    })
}

/// Findings of one kind: how many, and the first of them.
#[derive(Debug, Default)]
struct Tally {
    count: u64,
    first: Option<String>,
}

impl Tally {
    fn add(&mut self, name: impl FnOnce() -> String) {
        self.count += 1;
        self.first.get_or_insert_with(name);
    }

    /// The finding in words, if there is one.
    fn problem(self, what: &str) -> Option<String> {
        let first = self.first?;
        Some(match self.count {
            1 => format!("{what}: {first}"),
            count => format!("{what}: {first} and {} more", count - 1),
        })
    }
}
