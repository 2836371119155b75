//! Whether a database is being written at this moment, as the system's table of locks tells it, and
//! what a killed writer left in the log.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};

use crate::wait;

/// The byte of a log's index that the writer locks from the begin of its transaction to the end of
/// its commit (`UNIX_SHM_BASE` in SQLite's os_unix.c).
const WRITER: u64 = 120;

/// The size of a log's header, and of the header before each of its pages.
const LOG_HEADER: usize = 32;
const FRAME_HEADER: usize = 24;

/// Who has the write lock of a database in WAL mode: whether anybody has.
///
/// # Errors
/// When the system has no table of locks.
pub fn is_being_written(database: &Path) -> Result<bool> {
    let Ok(index) = fs::metadata(beside(database, "-shm")) else {
        return Ok(false);
    };
    let locks = fs::read_to_string("/proc/locks").context("/proc/locks")?;
    Ok(locks.lines().any(|line| is_writers(line, index.ino())))
}

/// Whether a line of `/proc/locks` is of a writer: `1: POSIX ADVISORY WRITE 77 fe:00:4711 120 120`.
fn is_writers(line: &str, inode: u64) -> bool {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let [_, kind, _, access, _, file, first, last] = fields.as_slice() else {
        return false;
    };
    let covers = || {
        let first: u64 = first.parse().ok()?;
        let last: u64 = last.parse().unwrap_or(u64::MAX);
        Some((first..=last).contains(&WRITER))
    };
    ["POSIX", "OFDLCK"].contains(kind)
        && *access == "WRITE"
        && file.rsplit(':').next() == Some(inode.to_string().as_str())
        && covers() == Some(true)
}

/// Stops a process, and waits until it stands still.
///
/// # Errors
/// When it is gone.
pub fn freeze(pid: Pid) -> Result<()> {
    kill_process(pid, Signal::STOP)?;
    wait::until("the process to stand still", wait::LIMIT, || {
        let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()))?;
        // The name before it may hold anything, also a parenthesis.
        let state = stat
            .rsplit(") ")
            .next()
            .and_then(|rest| rest.chars().next());
        Ok(matches!(state, Some('T' | 't' | 'Z' | 'X')).then_some(()))
    })
}

/// Pages in a log after its last commit: of a transaction that was under way.
///
/// # Errors
/// When the log cannot be read.
pub fn uncommitted_pages(database: &Path) -> Result<usize> {
    let log = beside(database, "-wal");
    match fs::read(&log) {
        Ok(bytes) => Ok(tail(&bytes)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(error).context(log.display().to_string()),
    }
}

/// Frames of the log's own generation after its last commit frame.
fn tail(log: &[u8]) -> usize {
    let number = |at: usize| {
        let bytes = log.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
        bytes.map(u32::from_be_bytes)
    };
    let Some(page) = number(8) else { return 0 };
    let salts = log.get(16..24);
    let frame = FRAME_HEADER + page as usize;
    let mut after = 0;
    let mut at = LOG_HEADER;
    while at + frame <= log.len() && log.get(at + 8..at + 16) == salts {
        let commits = number(at + 4) != Some(0);
        after = if commits { 0 } else { after + 1 };
        at += frame;
    }
    after
}

/// The path with something appended to its name.
pub(super) fn beside(database: &Path, suffix: &str) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::*;

    #[test]
    fn a_writer_is_seen_from_begin_to_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.sqlite");
        let connection = Connection::open(&path).unwrap();
        connection
            .execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE a (x)")
            .unwrap();
        assert!(!is_being_written(&path).unwrap());
        connection.execute_batch("BEGIN IMMEDIATE").unwrap();
        assert!(is_being_written(&path).unwrap());
        connection.execute_batch("COMMIT").unwrap();
        assert!(!is_being_written(&path).unwrap());
    }

    #[test]
    fn a_lock_of_another_file_kind_or_place_is_none() {
        let line = |rest: &str| is_writers(&format!("7: POSIX ADVISORY {rest}"), 4711);
        assert!(line("WRITE 77 fe:00:4711 120 120"));
        assert!(line("WRITE 77 fe:00:4711 0 EOF"));
        assert!(!line("READ 77 fe:00:4711 120 120"));
        assert!(!line("WRITE 77 fe:00:47110 120 120"));
        assert!(!line("WRITE 77 fe:00:4711 121 127"));
    }

    #[test]
    fn what_was_not_committed_is_counted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.sqlite");
        let connection = Connection::open(&path).unwrap();
        connection
            .execute_batch(
                "PRAGMA journal_mode = WAL; PRAGMA cache_size = 4; CREATE TABLE a (x);
                 INSERT INTO a VALUES (1)",
            )
            .unwrap();
        assert_eq!(uncommitted_pages(&path).unwrap(), 0);
        // More than the cache holds is written before the commit.
        connection
            .execute_batch(
                "BEGIN; WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100)
                 INSERT INTO a SELECT randomblob(4000) FROM n",
            )
            .unwrap();
        assert!(uncommitted_pages(&path).unwrap() > 10);
        connection.execute_batch("COMMIT").unwrap();
        assert_eq!(uncommitted_pages(&path).unwrap(), 0);
    }
}
