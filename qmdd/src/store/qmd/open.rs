//! Opening an index of QMD's without a trace. A database with a write-ahead log cannot be opened for
//! reading without files being made beside it, so it is read as one that never changes when the log is
//! empty, and as a copy when it is not.

use std::{
    ffi::OsString,
    fmt::Write as _,
    fs::{self, File},
    io::{self, Read},
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::{Connection, OpenFlags, config::DbConfig};
use tempfile::TempDir;

use super::QmdError;
use crate::store::{FileStamp, connection::register_vector_extension, error::Fault};

/// What every SQLite database begins with.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// Columns without which a database is no index of QMD's.
const COLUMNS: [(&str, &[&str]); 2] = [
    ("content", &["hash", "doc"]),
    (
        "documents",
        &["id", "collection", "path", "title", "hash", "active"],
    ),
];

/// An open database of QMD's.
pub(super) struct Opened {
    pub connection: Connection,
    /// What must stay as it is while the file is read in place.
    files: Option<[Option<FileStamp>; 2]>,
    /// Removed when it goes.
    _copy: Option<TempDir>,
}

impl Opened {
    pub(super) fn open(path: &Path, scratch: &Path) -> Result<Self, QmdError> {
        let unreadable = |source: io::Error| match source.kind() {
            io::ErrorKind::NotFound => QmdError::Missing {
                path: path.to_owned(),
            },
            _ => QmdError::Unreadable {
                path: path.to_owned(),
                source,
            },
        };
        check_magic(path)
            .map_err(unreadable)?
            .map_err(|detail| QmdError::Foreign {
                path: path.to_owned(),
                detail,
            })?;
        register_vector_extension();
        let files = states(path).map_err(unreadable)?;
        let opened = if is_closed(&files) {
            Self {
                connection: connect(&immutable(path), OpenFlags::SQLITE_OPEN_READ_ONLY)
                    .map_err(|fault| QmdError::at(path, fault))?,
                files: Some(files),
                _copy: None,
            }
        } else {
            let copy = tempfile::Builder::new()
                .prefix("qmd-")
                .tempdir_in(scratch)
                .map_err(unreadable)?;
            let to = copy.path().join("index.sqlite");
            fs::copy(path, &to).map_err(unreadable)?;
            fs::copy(log(path), log(&to)).map_err(unreadable)?;
            if states(path).map_err(unreadable)? != files {
                return Err(QmdError::InUse {
                    path: path.to_owned(),
                });
            }
            // Folds the log in.
            let uri = format!("file:{}", escaped(&to));
            let connection = connect(&uri, OpenFlags::SQLITE_OPEN_READ_WRITE);
            Self {
                connection: connection.map_err(|fault| QmdError::at(path, fault))?,
                files: None,
                _copy: Some(copy),
            }
        };
        let missing =
            missing_columns(&opened.connection).map_err(|fault| QmdError::at(path, fault))?;
        match missing {
            None => Ok(opened),
            Some(detail) => Err(QmdError::Foreign {
                path: path.to_owned(),
                detail,
            }),
        }
    }

    /// What was read counts only if it was all of one state.
    pub(super) fn check_unchanged(&self, path: &Path) -> Result<(), QmdError> {
        match &self.files {
            Some(files) if states(path).ok().as_ref() != Some(files) => Err(QmdError::InUse {
                path: path.to_owned(),
            }),
            _ => Ok(()),
        }
    }
}

/// Whether a file is a database, or why not.
fn check_magic(path: &Path) -> io::Result<Result<(), String>> {
    if fs::metadata(path)?.is_dir() {
        return Ok(Err("it is a folder".into()));
    }
    let mut start = Vec::new();
    File::open(path)?
        .take(MAGIC.len() as u64)
        .read_to_end(&mut start)?;
    Ok(if start == MAGIC {
        Ok(())
    } else {
        Err("it is no SQLite database".into())
    })
}

/// The states of the database and of its log.
fn states(path: &Path) -> io::Result<[Option<FileStamp>; 2]> {
    Ok([FileStamp::at(path)?, FileStamp::at(&log(path))?])
}

/// Whether all that was written is in the database itself.
fn is_closed([_, log]: &[Option<FileStamp>; 2]) -> bool {
    log.is_none_or(|log| log.size == 0)
}

/// The write-ahead log of a database.
fn log(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push("-wal");
    name.into()
}

/// An address at which SQLite makes nothing and locks nothing.
fn immutable(path: &Path) -> String {
    format!("file:{}?immutable=1", escaped(path))
}

/// A path as an address has it.
fn escaped(path: &Path) -> String {
    let mut text = String::new();
    for &byte in path.as_os_str().as_bytes() {
        if byte.is_ascii_alphanumeric() || b"/-_.~".contains(&byte) {
            text.push(byte.into());
        } else {
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}

/// The file may come from anywhere, so nothing in it is run.
fn connect(uri: &str, access: OpenFlags) -> Result<Connection, Fault> {
    let flags = access | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(uri, flags)?;
    connection.busy_timeout(Duration::from_secs(1))?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    connection.pragma_update(None, "cell_size_check", true)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    Ok(connection)
}

/// What a database lacks to be an index of QMD's.
fn missing_columns(connection: &Connection) -> Result<Option<String>, Fault> {
    for (table, columns) in COLUMNS {
        let found = columns_of(connection, table)?;
        let missing = columns
            .iter()
            .find(|column| !found.iter().any(|it| it == *column));
        if let Some(column) = missing {
            return Ok(Some(format!(
                "it has no table {table:?} with a column {column:?}"
            )));
        }
    }
    Ok(None)
}

/// The columns of a table; none of a view, or of what is not there.
pub(super) fn columns_of(connection: &Connection, table: &str) -> rusqlite::Result<Vec<String>> {
    connection
        .prepare_cached(
            "SELECT columns.name FROM sqlite_schema, pragma_table_info(sqlite_schema.name) AS columns
             WHERE sqlite_schema.type = 'table' AND sqlite_schema.name = ?1",
        )?
        .query_map([table], |row| row.get(0))?
        .collect()
}
