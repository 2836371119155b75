//! Cancellation, panics and concurrency.

use std::{sync::mpsc, time::Duration};

use super::*;
use crate::store::threads::READERS;

const ENDLESS: &str = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n)
     SELECT max(x) FROM n";

/// Far beyond what any of this takes; a test that gets there has failed.
const PATIENCE: Duration = Duration::from_secs(50);

#[tokio::test]
async fn dropping_a_read_frees_its_thread() {
    let fixture = Fixture::new(&["notes"]).await;
    // More than there are threads: some run when they are dropped, the others still wait.
    let (started, running) = mpsc::channel();
    let reads: Vec<_> = (0..READERS * 2)
        .map(|_| {
            let store = fixture.store.clone();
            let started = started.clone();
            tokio::spawn(async move {
                let read = store.read(move |transaction| {
                    let _ = started.send(());
                    Ok(transaction.query_row(ENDLESS, [], |row| row.get::<_, i64>(0))?)
                });
                read.await
            })
        })
        .collect();
    let all_busy = tokio::task::spawn_blocking(move || {
        (0..READERS).all(|_| running.recv_timeout(PATIENCE).is_ok())
    });
    assert!(all_busy.await.unwrap());
    for read in &reads {
        read.abort();
    }
    for read in reads {
        assert!(read.await.is_err(), "aborted");
    }
    let after = tokio::time::timeout(PATIENCE, fixture.store.counts(None)).await;
    assert!(after.expect("the threads are free").is_ok());
}

#[tokio::test]
async fn an_interrupt_hits_its_own_read_alone() {
    let fixture = Fixture::new(&["notes"]).await;
    for _ in 0..200 {
        let (started, running) = mpsc::channel();
        let store = fixture.store.clone();
        let endless = tokio::spawn(async move {
            let read = store.read(move |transaction| {
                let _ = started.send(());
                Ok(transaction.query_row(ENDLESS, [], |row| row.get::<_, i64>(0))?)
            });
            read.await
        });
        tokio::task::spawn_blocking(move || running.recv_timeout(PATIENCE))
            .await
            .unwrap()
            .expect("the read starts");
        endless.abort();
        let (first, second) =
            tokio::join!(fixture.store.counts(None), fixture.store.collections_info());
        assert!(first.is_ok() && second.is_ok());
    }
}

#[tokio::test]
async fn a_write_runs_to_its_end_though_nobody_waits() {
    let fixture = Fixture::new(&["notes"]).await;
    let apply = fixture.store.write(|transaction| {
        transaction.execute("UPDATE collections SET updated_at = 7", [])?;
        Ok(())
    });
    // Polled once, which queues it, and dropped.
    let mut apply = Box::pin(apply);
    std::future::poll_fn(|context| {
        let _ = apply.as_mut().poll(context);
        std::task::Poll::Ready(())
    })
    .await;
    drop(apply);
    // Writes run in their order, so this one comes after.
    fixture.store.write(|_| Ok(())).await.unwrap();
    assert_eq!(
        fixture.number("SELECT updated_at FROM collections").await,
        7
    );
}

#[tokio::test]
async fn a_panic_takes_nothing_along() {
    let fixture = Fixture::new(&["notes"]).await;
    let write: Result<(), _> = fixture
        .store
        .write(|transaction| {
            transaction.execute("DELETE FROM collections", [])?;
            panic!("on purpose")
        })
        .await;
    assert!(matches!(write, Err(StoreError::Internal(_))));
    for _ in 0..READERS * 2 {
        let read: Result<(), _> = fixture.store.read(|_| panic!("on purpose")).await;
        assert!(matches!(read, Err(StoreError::Internal(_))));
    }
    assert_eq!(fixture.number("SELECT count(*) FROM collections").await, 1);
    fixture.put("notes", &[("a.md", "alpha")]).await;
}

#[tokio::test]
async fn a_failed_write_leaves_nothing() {
    let fixture = Fixture::new(&["notes"]).await;
    let failed = fixture
        .store
        .write(|transaction| {
            transaction.execute("DELETE FROM collections", [])?;
            Ok(transaction.execute("no sql", [])?)
        })
        .await;
    assert!(matches!(failed, Err(StoreError::Internal(_))));
    assert_eq!(fixture.number("SELECT count(*) FROM collections").await, 1);
}

#[tokio::test]
async fn readers_cannot_write() {
    let fixture = Fixture::new(&["notes"]).await;
    let read = fixture
        .store
        .read(|transaction| Ok(transaction.execute("DELETE FROM meta", [])?));
    assert!(matches!(read.await, Err(StoreError::ReadOnly { .. })));
}
