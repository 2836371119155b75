//! What a cleanup gives back, and what it leaves alone.

use std::{
    fs::{self, File},
    sync::mpsc,
    time::{Duration, Instant, SystemTime},
};

use super::*;

/// More text than a few pages hold.
fn long(number: usize) -> String {
    format!("text {number} ").repeat(2_000)
}

/// Documents of two models, and many that are gone.
async fn littered() -> Fixture {
    let fixture = Fixture::new(&["notes"]).await;
    let texts: Vec<String> = (0..20).map(long).collect();
    let paths: Vec<String> = (0..20).map(|number| format!("{number}.md")).collect();
    for (path, text) in paths.iter().zip(&texts) {
        fixture.put("notes", &[(path, text)]).await;
    }
    fixture.embed("notes", "old", |_| vec![1.0, 0.0, 0.0]).await;
    let pending = fixture
        .store
        .pending(MODEL, vec![name("notes")], 0, 5)
        .await;
    let some = pending.unwrap().into_iter().map(|pending| EmbeddedContent {
        content_id: pending.content_id,
        chunks: vec![chunk(0, vec![1.0, 0.0])],
    });
    fixture
        .store
        .put_chunks(MODEL, 2, some.collect())
        .await
        .unwrap();
    let gone: Vec<&str> = paths.iter().map(String::as_str).skip(10).collect();
    fixture.remove("notes", &gone).await;
    fixture
}

fn found(wasted: &[Wasted], kind: Waste) -> Wasted {
    *wasted.iter().find(|wasted| wasted.kind == kind).unwrap()
}

fn in_use() -> Vec<String> {
    vec![MODEL.to_owned()]
}

#[tokio::test]
async fn a_dry_run_counts_and_changes_nothing() {
    let fixture = littered().await;
    let before = fixture.store.counts(Some(MODEL)).await.unwrap();
    let wasted = fixture.store.waste(Some(in_use())).await.unwrap();
    assert_eq!(found(&wasted, Waste::Texts).count, 0);
    assert_eq!(found(&wasted, Waste::OtherModels).count, 5);
    assert_eq!(found(&wasted, Waste::Kept).count, 10);
    assert!(found(&wasted, Waste::Pages).bytes > 10 * 10_000);
    assert!(found(&wasted, Waste::Log).bytes > 0);
    let again = fixture.store.waste(Some(in_use())).await.unwrap();
    // The writing thread may be putting the rest in order.
    for kind in [Waste::Texts, Waste::OtherModels, Waste::Kept] {
        assert_eq!(found(&again, kind), found(&wasted, kind));
    }
    assert_eq!(fixture.store.counts(Some(MODEL)).await.unwrap(), before);
}

#[tokio::test]
async fn what_is_not_needed_goes_and_the_file_shrinks() {
    let fixture = littered().await;
    let before = fixture.store.counts(Some(MODEL)).await.unwrap();
    let removed = fixture.store.clean_up(Some(in_use())).await.unwrap();
    assert_eq!(found(&removed, Waste::OtherModels).count, 5);
    assert_eq!(found(&removed, Waste::Kept).count, 10);
    let after = fixture.store.counts(Some(MODEL)).await.unwrap();
    assert_eq!((after.documents, after.vectors), (10, before.vectors));
    assert_eq!((after.stale_vectors, after.pending), (0, 5));
    assert!(after.database_bytes < before.database_bytes * 3 / 4);
    assert_eq!(
        fs::metadata(fixture.path()).unwrap().len(),
        after.database_bytes
    );
    fixture.assert_whole().await;
    assert_eq!(fixture.number("SELECT count(*) FROM fingerprints").await, 1);

    let again = fixture.store.clean_up(Some(in_use())).await.unwrap();
    for wasted in again {
        // The log holds what the cleanup itself wrote last.
        assert!(wasted.count == 0 || wasted.kind == Waste::Log, "{wasted:?}");
    }
    fixture.assert_whole().await;
}

#[tokio::test]
async fn while_no_model_is_known_the_vectors_of_all_stay() {
    let fixture = littered().await;
    let removed = fixture.store.clean_up(None).await.unwrap();
    let others = found(&removed, Waste::OtherModels);
    assert_eq!((others.count, others.staying), (0, 10));
    let counts = fixture.store.counts(Some(MODEL)).await.unwrap();
    assert_eq!(counts.stale_vectors, 5);
}

#[tokio::test]
async fn a_reader_sees_its_snapshot_to_the_end_and_holds_nothing_up() {
    let fixture = littered().await;
    let (go_on, wait) = mpsc::channel();
    let (started, running) = mpsc::channel();
    let store = fixture.store.clone();
    let read = tokio::spawn(async move {
        let count = |transaction: &Transaction<'_>| -> rusqlite::Result<i64> {
            transaction.query_row("SELECT count(*) FROM chunks", [], |row| row.get(0))
        };
        let read = store.read(move |transaction| {
            let before = count(transaction)?;
            let _ = started.send(());
            let _ = wait.recv();
            Ok((before, count(transaction)?))
        });
        read.await
    });
    tokio::task::spawn_blocking(move || running.recv())
        .await
        .unwrap()
        .unwrap();
    fixture.store.clean_up(Some(in_use())).await.unwrap();
    assert_eq!(fixture.number("SELECT count(*) FROM chunks").await, 5);
    go_on.send(()).unwrap();
    assert_eq!(read.await.unwrap().unwrap(), (10, 10));
}

#[tokio::test]
async fn old_files_beside_the_database_go_and_young_ones_stay() {
    let fixture = Fixture::new(&["notes"]).await;
    let lay = |suffix: &str, days: u64| {
        let path = beside::named(&fixture.path(), suffix);
        fs::write(&path, "1234").unwrap();
        let then = SystemTime::now() - Duration::from_secs(days * 24 * 3600);
        File::options()
            .write(true)
            .open(&path)
            .unwrap()
            .set_modified(then)
            .unwrap();
    };
    lay(".bak-v1", 15);
    lay(".bak-v2", 13);
    lay(".broken-20260101T000000Z", 15);
    lay(".broken-20260101T000000Z-wal", 15);
    lay(".bak-v3.part", 0);
    lay(".mine", 99);
    let wasted = fixture.store.waste(None).await.unwrap();
    let counts = |kind| {
        let wasted = found(&wasted, kind);
        (wasted.count, wasted.bytes, wasted.staying)
    };
    assert_eq!(counts(Waste::Backups), (1, 4, 1));
    assert_eq!(counts(Waste::Broken), (2, 8, 0));
    assert_eq!(counts(Waste::Unfinished), (1, 4, 0));
    fixture.store.clean_up(None).await.unwrap();
    let left = fixture.store.beside().await;
    assert_eq!(left.len(), 1);
    assert!(left[0].path.ends_with("index.sqlite.bak-v2"));
    assert!(beside::named(&fixture.path(), ".mine").exists());
}

#[tokio::test]
async fn the_full_text_is_merged_when_nobody_writes() {
    let fixture = Fixture::new(&["notes"]).await;
    let others = async || {
        let wasted = fixture.store.waste(None).await.unwrap();
        found(&wasted, Waste::Words).count
    };
    let mut number = 0;
    while others().await < 3 {
        let path = format!("{number}.md");
        fixture.put("notes", &[(&path, &long(number))]).await;
        number += 1;
        assert!(number < 100, "SQLite merges by itself");
    }
    let patience = Instant::now() + Duration::from_secs(60);
    while others().await > 0 {
        assert!(Instant::now() < patience, "nothing was merged");
        tokio::task::yield_now().await;
    }
    fixture.assert_whole().await;
}
