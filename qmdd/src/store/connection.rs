//! Opening the database file: pragmas, extension, format check.

use std::{
    ffi::{OsStr, OsString, c_char, c_int},
    fs::{self, DirBuilder, OpenOptions},
    io,
    os::unix::{
        ffi::OsStrExt,
        fs::{DirBuilderExt, OpenOptionsExt},
    },
    path::{Path, PathBuf},
    sync::Once,
    time::Duration,
};

use rusqlite::{Connection, OpenFlags, config::DbConfig, ffi};
use rustix::fs::Access;

use super::{
    beside,
    error::{Fault, StoreError},
    lexical, migrations, schema,
    threads::READERS,
};

/// Marks the file as ours (`file` and `PRAGMA application_id` show it): "qmdd" in ASCII.
const APPLICATION_ID: i64 = 0x716d_6464;

/// How long to wait for a foreign process that has the database locked.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Free pages that a close gives back, 64 MiB of them: it must not take long.
const CLOSING_PAGES: u32 = 16_384;

/// Prepared statements kept by each connection.
const CACHED_STATEMENTS: usize = 128;

/// Opens the database for writing; creates it, its folder, and missing tables.
pub(super) fn open_writer(path: &Path) -> Result<Connection, Fault> {
    beside::adopt(path)
        .and_then(|()| create(path))
        .map_err(|error| refused(path, &error))?;
    let mut connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let tables = schema::tables(&connection)?;
    if tables.is_empty() {
        // Both stick only while the file has no tables.
        connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
        connection.pragma_update(None, "application_id", APPLICATION_ID)?;
    } else {
        check_owner(&connection, &tables, path)?;
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
    // A commit is on the disk before it is answered: what was acknowledged outlives a power cut.
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    migrations::run(&mut connection, path)?;
    schema::check(&connection)?;
    Ok(connection)
}

/// Opens the connections of the readers.
pub(super) fn open_readers(path: &Path) -> Result<Vec<Connection>, Fault> {
    (0..READERS).map(|_| open_reader(path)).collect()
}

/// Opens an existing database of the newest format for reading. Where SQLite's own files beside it
/// can be neither opened nor made, as on a read-only disk, and nothing is left in the log, the
/// database is read as a file that nobody changes.
pub(super) fn open_reader(path: &Path) -> Result<Connection, Fault> {
    let usual = open_reader_of(path, OpenFlags::empty());
    match usual.map_err(|fault| fault.at(path)) {
        Err(why) if why.is_refusal() && !has_log(path) => {
            open_reader_of(&unchanging(path), OpenFlags::SQLITE_OPEN_URI)
        }
        result => Ok(result?),
    }
}

fn open_reader_of(name: &Path, how: OpenFlags) -> Result<Connection, Fault> {
    let connection = connect(name, OpenFlags::SQLITE_OPEN_READ_ONLY | how)?;
    // The file is not looked at before the first statement.
    migrations::require_newest(&connection)?;
    Ok(connection)
}

/// Whether there is a log with something in it.
fn has_log(path: &Path) -> bool {
    let log = beside::named(path, "-wal");
    fs::metadata(log).is_ok_and(|log| log.len() > 0)
}

/// The name under which SQLite takes a file for one that never changes: no locks, no log.
fn unchanging(path: &Path) -> PathBuf {
    let mut name = OsString::from("file:");
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'%' | b'?' | b'#' => name.push(format!("%{byte:02x}")),
            _ => name.push(OsStr::from_bytes(&[*byte])),
        }
    }
    name.push("?immutable=1");
    name.into()
}

/// What a clean close does: gives free pages back, refreshes the planner's statistics, and leaves
/// one file without a log beside it.
pub(super) fn finish(connection: &Connection) -> rusqlite::Result<()> {
    free_pages(connection, CLOSING_PAGES)?;
    connection.execute_batch("PRAGMA optimize")?;
    checkpoint(connection)
}

/// Asks the system, without opening the file, whether it and its folder may be written.
pub(super) fn ask_to_write(path: &Path) -> Result<(), StoreError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    [path, folder]
        .into_iter()
        .try_for_each(|place| rustix::fs::access(place, Access::WRITE_OK))
        .map_err(|error| refused(path, &error.into()))
}

/// Writes the log into the database and empties it. What a reader still sees stays; the next time
/// takes it along.
pub(super) fn checkpoint(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(Duration::from_millis(500))?;
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    connection.busy_timeout(BUSY_TIMEOUT)
}

/// Gives at most `limit` free pages back to the disk.
pub(super) fn free_pages(connection: &Connection, limit: u32) -> rusqlite::Result<()> {
    let mut statement = connection.prepare(&format!("PRAGMA incremental_vacuum({limit})"))?;
    // A page is freed with each step.
    let mut rows = statement.query([])?;
    while rows.next()?.is_some() {}
    Ok(())
}

/// A connection with the settings that readers and the writer share.
pub(super) fn connect(path: &Path, access: OpenFlags) -> rusqlite::Result<Connection> {
    register_vector_extension();
    let connection = Connection::open_with_flags(path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(CACHED_STATEMENTS);
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    // Not mapped into memory: there an error of the disk, or a file cut short by another program,
    // would be a signal that ends the daemon.
    connection.pragma_update(None, "mmap_size", 0)?;
    connection.pragma_update(None, "cache_size", -16_384)?;
    // Otherwise a statement with a list of ids is prepared anew for each list.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    lexical::register(&connection)?;
    Ok(connection)
}

/// Refuses the database of another program. With our tables in it, it is ours and its header is
/// damaged.
fn check_owner(connection: &Connection, tables: &[String], path: &Path) -> Result<(), Fault> {
    let id = application_id(connection)?;
    if id == APPLICATION_ID {
        return Ok(());
    }
    if ["documents", "contents", "chunks"]
        .iter()
        .all(|ours| tables.iter().any(|table| table == ours))
    {
        return Err(Fault::Damage(format!("its header has the mark {id:#x}")));
    }
    Err(StoreError::Foreign {
        path: path.to_owned(),
    }
    .into())
}

/// What the system's refusal to open the file means.
fn refused(path: &Path, error: &io::Error) -> StoreError {
    let path = path.to_owned();
    let detail = error.to_string();
    match error.kind() {
        io::ErrorKind::StorageFull => StoreError::DiskFull { path },
        io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied if path.is_file() => {
            StoreError::ReadOnly { path, detail }
        }
        _ => StoreError::Unavailable { path, detail },
    }
}

fn application_id(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("PRAGMA application_id", [], |row| row.get(0))
}

/// Creates an empty file that only its owner may read, unless there is one: it will hold the text of
/// private notes. SQLite gives its log files the same mode.
fn create(path: &Path) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
    }
    let created = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
    match created {
        // Asked, and not opened: closing it would drop the locks that this process has on it.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            Ok(rustix::fs::access(path, Access::WRITE_OK)?)
        }
        created => created.map(drop),
    }
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
