//! Changes of format, on databases of an older one.

use std::{fs, os::unix::fs::MetadataExt, path::PathBuf};

use rusqlite::OpenFlags;
use tempfile::TempDir;

use super::{
    super::{check, chunks, connection},
    *,
};
use crate::domain::{Failure, Reason};

/// A database of the first format with a collection in it, beside which files may be laid.
struct Old {
    folder: TempDir,
    connection: Connection,
}

impl Old {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("index.sqlite");
        let mut connection = connection::connect(&path, OpenFlags::default()).unwrap();
        apply(&mut connection, &STEPS[..1], 0).unwrap();
        connection
            .execute(
                "INSERT INTO collections (name, path) VALUES ('a', x'2f')",
                [],
            )
            .unwrap();
        Self { folder, connection }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("index.sqlite")
    }

    fn run(&mut self, steps: &[Step]) -> Result<(), StoreError> {
        let path = self.path();
        run_steps(&mut self.connection, &path, steps).map_err(|fault| fault.at(&path))
    }

    fn backups(&self) -> Vec<PathBuf> {
        beside::list(&self.path())
            .unwrap()
            .into_iter()
            .map(|file| file.path)
            .collect()
    }
}

fn more(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    transaction.execute_batch("CREATE TABLE more (x)")
}

fn failing(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    transaction.execute_batch("DROP TABLE skipped; SELECT no_such_function()")
}

fn dangling(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    transaction.execute_batch("INSERT INTO skipped VALUES (99, 'p', 'r', 'm')")
}

#[test]
fn a_copy_is_laid_beside_before_the_first_change() {
    let mut old = Old::new();
    old.run(&[v1::up, more, more_again]).unwrap();
    assert_eq!(format(&old.connection).unwrap(), 3);
    let copies = old.backups();
    assert_eq!(copies, [old.folder.path().join("index.sqlite.bak-v1")]);
    assert_eq!(fs::metadata(&copies[0]).unwrap().mode() & 0o777, 0o600);
    let copy = Connection::open(&copies[0]).unwrap();
    assert_eq!(format(&copy).unwrap(), 1);
    let name: String = copy
        .query_row("SELECT name FROM collections", [], |row| row.get(0))
        .unwrap();
    assert_eq!(name, "a");
    // Nothing to do, nothing to copy.
    fs::remove_file(&copies[0]).unwrap();
    old.run(&[v1::up, more, more_again]).unwrap();
    assert!(old.backups().is_empty());
}

fn more_again(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    transaction.execute_batch("CREATE TABLE more_again (x)")
}

#[test]
fn a_new_database_needs_no_copy() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("index.sqlite");
    let mut connection = Connection::open(&path).unwrap();
    run(&mut connection, &path).unwrap();
    assert!(beside::list(&path).unwrap().is_empty());
    require_newest(&connection).unwrap();
}

#[test]
fn all_steps_are_taken_or_none() {
    for last in [failing as Step, dangling] {
        let mut old = Old::new();
        assert!(old.run(&[v1::up, more, last]).is_err());
        assert_eq!(format(&old.connection).unwrap(), 1);
        let tables = super::super::schema::tables(&old.connection).unwrap();
        assert!(tables.contains(&"skipped".into()) && !tables.contains(&"more".into()));
        let enforced: bool = old
            .connection
            .query_row("PRAGMA foreign_keys", [], |row| row.get(0))
            .unwrap();
        assert!(enforced);
    }
}

#[test]
fn a_step_may_replace_a_table_that_others_point_at() {
    fn replaced(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
        transaction.execute_batch(
            "CREATE TABLE other (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE,
                                 path BLOB NOT NULL, updated_at INTEGER);
             INSERT INTO other SELECT * FROM collections;
             DROP TABLE collections;
             ALTER TABLE other RENAME TO collections",
        )
    }
    let mut old = Old::new();
    old.connection
        .execute("INSERT INTO skipped VALUES (1, 'p', 'r', 'm')", [])
        .unwrap();
    old.run(&[v1::up, replaced]).unwrap();
    let skipped: i64 = old
        .connection
        .query_row("SELECT count(*) FROM skipped", [], |row| row.get(0))
        .unwrap();
    assert_eq!(skipped, 1, "it went with the table it points at");
}

#[test]
fn a_format_that_header_and_tables_name_differently_is_damage() {
    for format in [0, -3, 2, 99] {
        let mut old = Old::new();
        old.connection
            .pragma_update(None, "user_version", format)
            .unwrap();
        let error = old.run(&[v1::up, more]).unwrap_err();
        assert_eq!(error.reason(), Reason::StoreCorrupt, "{format}: {error}");
        assert!(old.backups().is_empty());
    }
}

#[test]
fn a_database_from_before_formats_were_noted_twice_is_taken_over() {
    let mut old = Old::new();
    old.connection.execute("DELETE FROM meta", []).unwrap();
    old.run(&[v1::up, more]).unwrap();
    assert_eq!(format(&old.connection).unwrap(), 2);
}

#[test]
fn a_damaged_database_is_not_changed() {
    let mut old = Old::new();
    // The first page of a table, from behind.
    let page: i64 = old
        .connection
        .query_row(
            "SELECT rootpage FROM sqlite_schema WHERE name = 'collections'",
            [],
            |row| row.get(0),
        )
        .unwrap();
    old.connection
        .pragma_update(None, "writable_schema", true)
        .unwrap();
    old.connection
        .execute(
            "UPDATE sqlite_schema SET rootpage = ?1 WHERE name = 'contents'",
            [page + 10_000],
        )
        .unwrap();
    let path = old.path();
    old.connection = Connection::open(&path).unwrap();
    let error = old.run(&[v1::up, more]).unwrap_err();
    assert_eq!(error.reason(), Reason::StoreCorrupt, "{error}");
    assert!(old.connection.prepare("SELECT * FROM more").is_err());
}

#[test]
fn vectors_of_the_first_format_get_their_checksums() {
    let mut old = Old::new();
    super::super::vectors::ensure_table(&old.connection, 2).unwrap();
    let vector = [0, 0, 128, 63, 0, 0, 0, 0];
    old.connection
        .execute_batch(
            "INSERT INTO contents VALUES (1, zeroblob(32), 1, 'a');
             INSERT INTO fingerprints VALUES (1, 'model', 2);
             INSERT INTO embedded VALUES (1, 1, 1);",
        )
        .unwrap();
    old.connection
        .execute(
            "INSERT INTO chunks VALUES (1, 1, 1, 0, 0, 1, 1, 1, 'h', 1, ?1)",
            [chunks::checksum(&vector)],
        )
        .unwrap();
    old.connection
        .execute("INSERT INTO vectors_2 VALUES (1, ?1)", [vector])
        .unwrap();
    old.run(STEPS).unwrap();
    let checked = check::check(&old.connection, check::Depth::Full).unwrap();
    let vectors = checked.iter().find(|it| it.part == check::Part::Vectors);
    let vectors = vectors.unwrap();
    assert_eq!(
        (vectors.count, vectors.problems.len()),
        (1, 0),
        "{vectors:?}"
    );
}
