//! A damaged database is built anew, and keeps what is whole.

use std::fs;

use super::*;
use crate::domain::{Failure, Reason};

const PAGE: usize = 4096;

/// The files that an update would find.
fn files() -> Vec<(String, String)> {
    (0..40)
        .map(|number| {
            let text = format!("text {number}\n{}", "some words more ".repeat(number * 4));
            (format!("{number}.md"), text)
        })
        .collect()
}

/// A closed database of embedded documents, and of one that is gone.
async fn filled() -> Fixture {
    let fixture = Fixture::new(&["notes"]).await;
    take_in(&fixture).await;
    fixture.put("notes", &[("gone.md", "gone")]).await;
    fixture
        .embed("notes", MODEL, |text| vec![1.0, text.len() as f32])
        .await;
    fixture.remove("notes", &["gone.md"]).await;
    fixture.store.close().await;
    fixture
}

async fn take_in(fixture: &Fixture) {
    let files = files();
    let files: Vec<(&str, &str)> = files
        .iter()
        .map(|(path, text)| (path.as_str(), text.as_str()))
        .collect();
    fixture.put("notes", &files).await;
}

impl Fixture {
    /// The database after a repair, with what came of it.
    async fn rebuilt(self) -> (Self, Rebuilt) {
        let rebuilt = Store::rebuild(&self.path(), 1_000_000).await.unwrap();
        let store = Store::open(&self.path()).await.unwrap();
        (Self { store, ..self }, rebuilt)
    }

    async fn pending_in_all(&self) -> u64 {
        self.store.counts(Some(MODEL)).await.unwrap().pending
    }
}

#[tokio::test]
async fn nothing_is_lost_of_a_whole_database() {
    let (fixture, rebuilt) = filled().await.rebuilt().await;
    assert!(rebuilt.readable);
    assert_eq!((rebuilt.vectors, rebuilt.lost), (41, 0));
    fixture.assert_whole().await;
    let counts = fixture.store.counts(Some(MODEL)).await.unwrap();
    assert_eq!(
        (counts.documents, counts.vectors, counts.pending),
        (40, 40, 0)
    );
    assert_eq!(fixture.number("SELECT count(*) FROM kept").await, 1);
    let known = fixture.store.known_files(&name("notes")).await.unwrap();
    assert!(known.iter().all(|file| file.stamp == FileStamp::UNKNOWN));
    // The old one is as it was.
    let broken = Store::open(&rebuilt.broken).await.unwrap();
    assert_eq!(broken.counts(Some(MODEL)).await.unwrap().documents, 40);
}

#[tokio::test]
async fn whichever_page_is_damaged_the_files_and_the_rest_of_the_vectors_mend_it() {
    let fixture = filled().await;
    let whole = fs::read(fixture.path()).unwrap();
    let pages = whole.len() / PAGE;
    assert!(pages > 40, "{pages}");
    let mut fixture = fixture;
    let mut kept_some = 0;
    for page in 0..pages {
        fixture.store.close().await;
        let mut bytes = whole.clone();
        bytes[page * PAGE..][..PAGE].fill(0xee);
        for entry in fs::read_dir(fixture.folder.path()).unwrap() {
            fs::remove_file(entry.unwrap().path()).unwrap();
        }
        fs::write(fixture.path(), bytes).unwrap();
        let rebuilt;
        (fixture, rebuilt) = fixture.rebuilt().await;
        fixture.sync(&["notes"]).await;
        take_in(&fixture).await;
        fixture.assert_whole().await;
        let counts = fixture.store.counts(Some(MODEL)).await.unwrap();
        assert_eq!(counts.documents, 40, "page {page}");
        assert!(rebuilt.vectors >= counts.vectors, "page {page}");
        assert_eq!(counts.vectors + counts.pending, 40, "page {page}");
        kept_some += usize::from(rebuilt.vectors > 20);
    }
    // Vectors lie by the thousand on few pages; nearly all other pages cost none.
    assert!(kept_some > pages * 3 / 4, "{kept_some} of {pages}");
}

#[tokio::test]
async fn texts_and_vectors_that_do_not_match_are_left_out() {
    let fixture = filled().await;
    let store = Store::open(&fixture.path()).await.unwrap();
    let fixture = Fixture { store, ..fixture };
    let tampered = fixture.store.write(|transaction| {
        transaction.execute_batch(
            "UPDATE contents SET body = 'other' WHERE id = 3;
             UPDATE chunks SET line_end = 99 WHERE content_id = 5;
             UPDATE vectors_2 SET embedding = '[9, 9]' WHERE chunk_id = 7;
             INSERT INTO contents (id, hash, bytes, body) VALUES (1000, zeroblob(32), 1, 'x');
             UPDATE embedded SET content_id = 1000 WHERE content_id = 9",
        )?;
        Ok(())
    });
    tampered.await.unwrap();
    fixture.store.close().await;
    let (fixture, rebuilt) = fixture.rebuilt().await;
    assert_eq!((rebuilt.vectors, rebuilt.lost), (38, 3));
    let counts = fixture.store.counts(Some(MODEL)).await.unwrap();
    assert_eq!(counts.documents, 39, "the text of one was another");
    fixture.assert_whole().await;
    take_in(&fixture).await;
    assert_eq!(fixture.pending_in_all().await, 3);
    fixture.assert_whole().await;
}

#[tokio::test]
async fn what_is_no_database_is_set_aside() {
    let fixture = Fixture::new(&["notes"]).await;
    fixture.store.close().await;
    fs::write(fixture.path(), "no database ".repeat(1000)).unwrap();
    let (fixture, rebuilt) = fixture.rebuilt().await;
    assert_eq!(
        (rebuilt.readable, rebuilt.vectors, rebuilt.lost),
        (false, 0, 0)
    );
    assert!(
        fs::read(&rebuilt.broken)
            .unwrap()
            .starts_with(b"no database")
    );
    fixture.sync(&["notes"]).await;
    take_in(&fixture).await;
    fixture.assert_whole().await;
    // Again, within the same second: no damaged database takes another's place.
    fixture.store.close().await;
    let (_fixture, second) = fixture.rebuilt().await;
    assert_ne!(second.broken, rebuilt.broken);
    assert!(rebuilt.broken.exists() && second.broken.exists());
}

#[tokio::test]
async fn the_log_of_a_damaged_database_belongs_to_it() {
    let fixture = Fixture::new(&["notes"]).await;
    take_in(&fixture).await;
    fixture
        .embed("notes", MODEL, |text| vec![1.0, text.len() as f32])
        .await;
    // As a killed process leaves it, with all of it in the log.
    let left = tempfile::tempdir().unwrap();
    let path = left.path().join("index.sqlite");
    for part in ["", "-wal"] {
        let from = beside::named(&fixture.path(), part);
        fs::copy(from, beside::named(&path, part)).unwrap();
    }
    let rebuilt = Store::rebuild(&path, 1_000_000).await.unwrap();
    assert_eq!(rebuilt.vectors, 40);
    assert!(beside::named(&rebuilt.broken, "-wal").exists());
    let store = Store::open(&path).await.unwrap();
    assert_eq!(store.counts(Some(MODEL)).await.unwrap().vectors, 40);
}

#[tokio::test]
async fn an_interrupted_repair_is_taken_up_or_begun_again() {
    // After the damaged one was set aside, before the new one took its place.
    let fixture = filled().await;
    fs::rename(fixture.path(), beside::named(&fixture.path(), ".repaired")).unwrap();
    let store = Store::open(&fixture.path()).await.unwrap();
    assert_eq!(store.counts(Some(MODEL)).await.unwrap().documents, 40);
    store.close().await;
    // Before that: what was being built counts for nothing.
    fs::write(beside::named(&fixture.path(), ".repaired.part"), "half").unwrap();
    fs::write(beside::named(&fixture.path(), ".repaired"), "older").unwrap();
    let (fixture, rebuilt) = fixture.rebuilt().await;
    assert_eq!(rebuilt.vectors, 41);
    let left = fixture.store.beside().await;
    assert!(
        left.iter().all(|file| file.kind == Leftover::Broken),
        "{left:?}"
    );
}

#[tokio::test]
async fn a_store_under_repair_says_so() {
    let fixture = Fixture::new(&["notes"]).await;
    fixture.store.close_for_repair().await;
    let error = fixture.store.counts(None).await.unwrap_err();
    assert_eq!(error.reason(), Reason::Busy);
    let error = fixture.store.check(Depth::Quick).await.unwrap_err();
    assert_eq!(error.reason(), Reason::Busy);
}
