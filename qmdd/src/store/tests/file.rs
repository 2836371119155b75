//! The database file: created, opened again, refused.

use std::{fs, os::unix::fs::MetadataExt};

use rusqlite::Connection;

use super::*;
use crate::domain::{Failure, Reason};

#[tokio::test]
async fn folder_and_file_are_their_owners_alone() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("a/b/index.sqlite");
    let store = Store::open(&path).await.unwrap();
    store
        .sync_collections(vec![(name("notes"), "/n".into())])
        .await
        .unwrap();
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().mode() & 0o777;
    assert_eq!(mode(path.parent().unwrap()), 0o700);
    assert_eq!(mode(&path), 0o600);
    assert_eq!(mode(&path.with_extension("sqlite-wal")), 0o600);
}

#[tokio::test]
async fn a_clean_close_leaves_one_file_that_opens_again() {
    let fixture = Fixture::new(&["notes"]).await;
    fixture
        .put("notes", &[("a.md", "alpha"), ("b.md", "beta")])
        .await;
    fixture.embed("notes", MODEL, |_| vec![1.0, 0.0]).await;
    fixture.remove("notes", &["b.md"]).await;
    let counts = fixture.store.counts(Some(MODEL)).await.unwrap();
    fixture.store.close().await;
    fixture.store.close().await;
    assert!(matches!(
        fixture.store.counts(None).await,
        Err(StoreError::ShuttingDown)
    ));
    assert!(matches!(
        fixture.store.clear_vectors(scope(&[])).await,
        Err(StoreError::ShuttingDown)
    ));
    assert_eq!(fs::read_dir(fixture.folder.path()).unwrap().count(), 1);
    let raw = Connection::open(fixture.path()).unwrap();
    let free: i64 = raw
        .query_row("PRAGMA freelist_count", [], |row| row.get(0))
        .unwrap();
    assert_eq!(free, 0);
    drop(raw);

    let again = Store::open(&fixture.path()).await.unwrap();
    let after = again.counts(Some(MODEL)).await.unwrap();
    assert_eq!(
        IndexCounts {
            database_bytes: 0,
            ..after
        },
        IndexCounts {
            database_bytes: 0,
            ..counts
        }
    );
}

#[tokio::test]
async fn what_is_committed_outlives_the_process() {
    let fixture = Fixture::new(&["notes"]).await;
    fixture.put("notes", &[("a.md", "alpha")]).await;
    // What a killed process leaves: the files as they are, nothing closed.
    let left = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(fixture.folder.path()).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), left.path().join(entry.file_name())).unwrap();
    }
    let store = Store::open(&left.path().join("index.sqlite"))
        .await
        .unwrap();
    assert_eq!(store.known_files(&name("notes")).await.unwrap().len(), 1);
}

#[tokio::test]
async fn free_pages_can_be_given_back() {
    let fixture = Fixture::new(&[]).await;
    assert_eq!(fixture.number("PRAGMA auto_vacuum").await, 2);
    assert_eq!(fixture.number("PRAGMA application_id").await, 0x716d_6464);
}

#[tokio::test]
async fn a_newer_format_is_left_alone() {
    let fixture = Fixture::new(&[]).await;
    fixture.store.close().await;
    let raw = Connection::open(fixture.path()).unwrap();
    raw.pragma_update(None, "user_version", 99).unwrap();
    raw.execute("UPDATE meta SET value = 99 WHERE key = 'format'", [])
        .unwrap();
    drop(raw);
    let error = Store::open(&fixture.path()).await.err().unwrap();
    assert_eq!(error.reason(), Reason::StoreTooNew);
    assert!(error.to_string().contains("99"), "{error}");
}

#[tokio::test]
async fn tables_that_are_not_as_they_should_be_are_told() {
    for damage in [
        "DROP TRIGGER documents_deleted",
        "DROP TRIGGER vectors_2_follow",
        "DROP INDEX documents_content",
        "ALTER TABLE skipped RENAME TO skipqed",
        "UPDATE fingerprints SET dimensions = 3",
        "UPDATE fingerprints SET dimensions = -3",
        "PRAGMA application_id = 7",
    ] {
        let fixture = Fixture::new(&["notes"]).await;
        fixture.put("notes", &[("a.md", "alpha")]).await;
        fixture.embed("notes", MODEL, |_| vec![1.0, 0.0]).await;
        fixture.store.close().await;
        let raw = Connection::open(fixture.path()).unwrap();
        raw.execute_batch(damage).unwrap();
        drop(raw);
        let error = Store::open(&fixture.path()).await.err();
        let error = error.unwrap_or_else(|| panic!("{damage}"));
        assert!(
            matches!(error, StoreError::Corrupt { .. }),
            "{damage}: {error}"
        );
    }
}

#[tokio::test]
async fn a_foreign_database_is_left_alone() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("index.sqlite");
    Connection::open(&path)
        .unwrap()
        .execute_batch("CREATE TABLE theirs (x)")
        .unwrap();
    let before = fs::read(&path).unwrap();
    let error = Store::open(&path).await.err().unwrap();
    assert!(matches!(error, StoreError::Foreign { .. }));
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[tokio::test]
async fn a_damaged_file_is_told() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("index.sqlite");
    fs::write(
        &path,
        "no database at all, only text that is long enough ".repeat(100),
    )
    .unwrap();
    let error = Store::open(&path).await.err().unwrap();
    assert_eq!(error.reason(), Reason::StoreCorrupt);
    assert!(error.hint().unwrap().contains("doctor --repair"));
}

#[tokio::test]
async fn a_file_out_of_reach_is_told() {
    let home = tempfile::tempdir().unwrap();
    let error = Store::open(home.path()).await.err().unwrap();
    assert_eq!(error.reason(), Reason::StoreUnavailable);

    let file = home.path().join("file");
    fs::write(&file, "").unwrap();
    let error = Store::open(&file.join("index.sqlite")).await.err().unwrap();
    assert_eq!(error.reason(), Reason::StoreUnavailable);
}
