//! Opening the database file: pragmas, extension, format check.

use std::{
    ffi::{c_char, c_int},
    fs::{DirBuilder, OpenOptions},
    io,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::Path,
    sync::Once,
    time::Duration,
};

use rusqlite::{Connection, OpenFlags, ffi};

use super::{
    error::{Fault, StoreError},
    lexical, migrations,
};

/// Marks the file as ours (`file` and `PRAGMA application_id` show it): "qmdd" in ASCII.
const APPLICATION_ID: i64 = 0x716d_6464;

/// How long to wait for a foreign process that has the database locked.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Prepared statements kept by each connection.
const CACHED_STATEMENTS: usize = 128;

/// Opens the database for writing; creates it, its folder, and missing tables.
pub(super) fn open_writer(path: &Path) -> Result<Connection, Fault> {
    register_vector_extension();
    create(path).map_err(|error| match error.kind() {
        io::ErrorKind::StorageFull => StoreError::DiskFull {
            path: path.to_owned(),
        },
        _ => StoreError::Unavailable {
            path: path.to_owned(),
            detail: error.to_string(),
        },
    })?;
    let mut connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if tables == 0 {
        // Both stick only while the file has no tables.
        connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
        connection.pragma_update(None, "application_id", APPLICATION_ID)?;
    } else if application_id(&connection)? != APPLICATION_ID {
        return Err(StoreError::Foreign {
            path: path.to_owned(),
        }
        .into());
    }
    let journal: String =
        connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
    if journal != "wal" {
        let detail = "its file system does not support write-ahead logging".to_owned();
        return Err(StoreError::Unavailable {
            path: path.to_owned(),
            detail,
        }
        .into());
    }
    connection.pragma_update(None, "journal_size_limit", 64_i64 << 20)?;
    // In WAL mode a killed process loses nothing; a power cut may lose the last commits, never the
    // consistency of the file.
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    migrations::run(&mut connection, path)?;
    Ok(connection)
}

/// Opens an existing database for reading.
pub(super) fn open_reader(path: &Path) -> Result<Connection, Fault> {
    Ok(connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?)
}

/// What a clean close does: gives free pages back, refreshes the planner's statistics, and leaves
/// one file without a log beside it.
pub(super) fn finish(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch("PRAGMA incremental_vacuum; PRAGMA optimize;")?;
    // A foreign reader may hold the log open; then the next start folds it in.
    connection.busy_timeout(Duration::from_millis(500))?;
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
}

fn connect(path: &Path, access: OpenFlags) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(CACHED_STATEMENTS);
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update(None, "mmap_size", 1_i64 << 30)?;
    connection.pragma_update(None, "cache_size", -16_384)?;
    lexical::register(&connection)?;
    Ok(connection)
}

fn application_id(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("PRAGMA application_id", [], |row| row.get(0))
}

/// Creates an empty file that only its owner may read: it will hold the text of private notes.
/// SQLite gives its log files the same mode.
fn create(path: &Path) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
    }
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)
        .map(drop)
}

/// Makes every later connection of this process know `vec0`.
#[allow(
    unsafe_code,
    reason = "an SQLite extension is registered through its C entry point"
)]
pub(super) fn register_vector_extension() {
    type EntryPoint = unsafe extern "C" fn(
        *mut ffi::sqlite3,
        *mut *mut c_char,
        *const ffi::sqlite3_api_routines,
    ) -> c_int;
    static REGISTERED: Once = Once::new();
    REGISTERED.call_once(|| {
        // SAFETY: `sqlite3_vec_init` is an extension entry point, which by SQLite's documentation
        // has the type `EntryPoint`; the binding declares it without parameters. It is linked
        // statically, so the pointer stays valid.
        unsafe {
            let entry: EntryPoint = std::mem::transmute(sqlite_vec::sqlite3_vec_init as *const ());
            ffi::sqlite3_auto_extension(Some(entry));
        }
    });
}
