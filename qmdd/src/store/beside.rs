//! Files beside the database: copies from before a change of format, damaged ones set aside, and what
//! an interrupted attempt at either left.

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::SystemTime,
};

use rusqlite::Connection;

use super::error::{Fault, StoreError};

/// A copy from before a change of format, followed by that format's number.
const BACKUP: &str = ".bak-v";
/// A damaged database that was replaced, followed by the time.
const BROKEN: &str = ".broken-";
/// A file that is not complete yet.
const UNFINISHED: &str = ".part";
/// A complete database that is about to take the place of a damaged one.
const REPAIRED: &str = ".repaired";

/// What SQLite keeps beside a database.
const LOGS: [&str; 2] = ["-wal", "-shm"];

/// Why a file lies beside the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Leftover {
    /// A copy from before a change of format.
    Backup,
    /// A damaged database that was replaced.
    Broken,
    /// Of an attempt that was interrupted.
    Unfinished,
}

/// A file beside the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beside {
    /// Why it is there.
    pub kind: Leftover,
    /// Its path.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// When it was last changed.
    pub modified: SystemTime,
}

/// The path with something appended to its name.
pub(super) fn named(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

/// Everything that was left beside a database, by path.
pub(super) fn list(path: &Path) -> io::Result<Vec<Beside>> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name().and_then(|it| it.to_str()))
    else {
        return Ok(Vec::new());
    };
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let file = entry.file_name();
        let kind = file
            .to_str()
            .and_then(|file| file.strip_prefix(name))
            .and_then(kind);
        let Some(kind) = kind else { continue };
        let metadata = entry.metadata()?;
        found.push(Beside {
            kind,
            path: entry.path(),
            bytes: metadata.len(),
            modified: metadata.modified()?,
        });
    }
    found.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

/// What the end of a file's name says.
fn kind(suffix: &str) -> Option<Leftover> {
    let base = LOGS
        .iter()
        .find_map(|log| suffix.strip_suffix(log))
        .unwrap_or(suffix);
    if base.ends_with(UNFINISHED) || base == REPAIRED {
        Some(Leftover::Unfinished)
    } else if base.starts_with(BACKUP) {
        Some(Leftover::Backup)
    } else if base.starts_with(BROKEN) {
        Some(Leftover::Broken)
    } else {
        None
    }
}

/// Lays a copy of a database beside it. A copy of that format that is there already is replaced.
pub(super) fn back_up(connection: &Connection, path: &Path, format: i64) -> Result<PathBuf, Fault> {
    let size: i64 = connection.query_row(
        "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size",
        [],
        |row| row.get(0),
    )?;
    // As much again for what the change itself writes.
    require_room(path, 2 * size as u64)?;
    let copy = named(path, &format!("{BACKUP}{format}"));
    let unfinished = named(&copy, UNFINISHED);
    create_private(&unfinished).map_err(|error| refused(path, &error))?;
    let name = unfinished
        .to_str()
        .ok_or_else(|| refused(path, &io::Error::other("its path is not UTF-8")))?;
    connection.execute("VACUUM INTO ?1", [name])?;
    settle(&unfinished, &copy).map_err(|error| refused(path, &error))?;
    Ok(copy)
}

/// Refuses what needs more bytes than the disk has.
pub(super) fn require_room(path: &Path, needed: u64) -> Result<(), StoreError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    // Where the system does not tell, the attempt will.
    let Ok(disk) = rustix::fs::statvfs(folder) else {
        return Ok(());
    };
    let free = disk.f_bavail * disk.f_frsize;
    if free >= needed {
        return Ok(());
    }
    Err(StoreError::NoRoom {
        path: path.to_owned(),
        needed,
        free,
    })
}

/// An empty file that only its owner may read.
pub(super) fn create_private(path: &Path) -> io::Result<()> {
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .map(drop)
}

/// A database that is to take the place of a damaged one, while it is being built.
pub(super) struct Draft {
    path: PathBuf,
}

impl Draft {
    /// Begins one beside a damaged database; what another attempt left is removed.
    pub(super) fn begin(path: &Path) -> Result<Self, Fault> {
        let draft = Self {
            path: named(path, &format!("{REPAIRED}{UNFINISHED}")),
        };
        draft.discard();
        match fs::remove_file(named(path, REPAIRED)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(refused(path, &error)),
            _ => Ok(draft),
        }
    }

    /// Where it is built.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Sets the damaged database aside, with its log, and puts this one in its place. From the moment
    /// it is complete on, an interruption loses neither: [`adopt`] ends what was begun. Returns where
    /// the damaged one is.
    pub(super) fn take_place(self, path: &Path) -> Result<PathBuf, Fault> {
        let repaired = named(path, REPAIRED);
        settle(&self.path, &repaired).map_err(|error| refused(path, &error))?;
        let broken = vacant(path);
        // The log goes first: beside the new database it would be taken for its own.
        for part in LOGS.into_iter().chain([""]) {
            match fs::rename(named(path, part), named(&broken, part)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(refused(path, &error));
                }
                _ => {}
            }
        }
        adopt(path).map_err(|error| refused(path, &error))?;
        Ok(broken)
    }

    fn discard(&self) {
        for part in ["", "-wal", "-shm"] {
            // What is not there need not go, and what cannot go fails the next step.
            let _ = fs::remove_file(named(&self.path, part));
        }
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        self.discard();
    }
}

/// A name for a damaged database that no other one has.
fn vacant(path: &Path) -> PathBuf {
    let time = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ");
    let name = |number: u32| match number {
        1 => named(path, &format!("{BROKEN}{time}")),
        number => named(path, &format!("{BROKEN}{time}-{number}")),
    };
    let taken = |broken: &PathBuf| ["", "-wal"].iter().any(|part| named(broken, part).exists());
    (1..u32::MAX)
        .map(name)
        .find(|broken| !taken(broken))
        .unwrap_or_else(|| name(1))
}

/// Puts a repaired database in the place of one that was set aside, if there is one.
pub(super) fn adopt(path: &Path) -> io::Result<()> {
    let repaired = named(path, REPAIRED);
    if path.exists() || !repaired.exists() {
        return Ok(());
    }
    fs::rename(repaired, path)?;
    sync_folder(path)
}

/// Gives a complete file its name, so that it outlives a power cut.
fn settle(from: &Path, to: &Path) -> io::Result<()> {
    File::open(from)?.sync_all()?;
    fs::rename(from, to)?;
    sync_folder(to)
}

fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}

fn refused(path: &Path, error: &io::Error) -> Fault {
    let path = path.to_owned();
    match error.kind() {
        io::ErrorKind::StorageFull => StoreError::DiskFull { path },
        io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => {
            let detail = error.to_string();
            StoreError::ReadOnly { path, detail }
        }
        _ => {
            let detail = format!("no copy could be laid beside it: {error}");
            StoreError::Unavailable { path, detail }
        }
    }
    .into()
}
