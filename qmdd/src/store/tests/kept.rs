//! Vectors outlive their last document for a while.

use super::*;

/// A text of its own for each number.
fn text(number: usize) -> String {
    format!("text number {number}")
}

impl Fixture {
    async fn pending_texts(&self) -> u64 {
        let pending = self.store.pending_count(MODEL, scope(&["notes"])).await;
        pending.unwrap()
    }

    async fn kept(&self) -> i64 {
        self.number("SELECT count(*) FROM kept").await
    }

    async fn scan_ended(&self, at: i64) {
        self.store.finish_scan(&name("notes"), at).await.unwrap();
    }
}

fn now() -> i64 {
    std::time::UNIX_EPOCH.elapsed().unwrap().as_secs() as i64
}

#[tokio::test]
async fn a_text_that_comes_back_is_not_embedded_again() {
    let fixture = Fixture::new(&["notes"]).await;
    fixture
        .put("notes", &[("a.md", "alpha"), ("b.md", "beta")])
        .await;
    fixture
        .embed("notes", MODEL, |text| vec![1.0, text.len() as f32])
        .await;
    let vector = fixture
        .store
        .nearest(MODEL, vec![1.0, 5.0], scope(&["notes"]), 1);
    let before = vector.await.unwrap();

    fixture.remove("notes", &["a.md"]).await;
    assert_eq!(fixture.kept().await, 1);
    fixture.assert_whole().await;
    let without = fixture
        .store
        .nearest(MODEL, vec![1.0, 5.0], scope(&["notes"]), 9);
    assert_eq!(without.await.unwrap().len(), 1, "nor is it found meanwhile");

    fixture.put("notes", &[("moved/a.md", "alpha")]).await;
    assert_eq!(
        (fixture.pending_texts().await, fixture.kept().await),
        (0, 0)
    );
    let vector = fixture
        .store
        .nearest(MODEL, vec![1.0, 5.0], scope(&["notes"]), 1);
    let after = vector.await.unwrap();
    assert_eq!(
        (
            &after[0].chunk,
            &after[0].heading,
            after[0].similarity.to_bits()
        ),
        (
            &before[0].chunk,
            &before[0].heading,
            before[0].similarity.to_bits()
        )
    );
    fixture.assert_whole().await;
}

#[tokio::test]
async fn an_edit_that_is_taken_back_is_not_embedded_again() {
    let fixture = Fixture::new(&["notes"]).await;
    fixture.put("notes", &[("a.md", "alpha")]).await;
    fixture.embed("notes", MODEL, |_| vec![1.0, 0.0]).await;
    fixture.put("notes", &[("a.md", "alpha, edited")]).await;
    assert_eq!(fixture.pending_texts().await, 1);
    fixture.put("notes", &[("a.md", "alpha")]).await;
    assert_eq!(fixture.pending_texts().await, 0);
    fixture.assert_whole().await;
}

#[tokio::test]
async fn what_was_never_embedded_leaves_nothing() {
    let fixture = Fixture::new(&["notes"]).await;
    fixture.put("notes", &[("a.md", "alpha")]).await;
    fixture.remove("notes", &["a.md"]).await;
    assert_eq!(fixture.kept().await, 0);
    assert_eq!(fixture.number("SELECT count(*) FROM contents").await, 0);
}

#[tokio::test]
async fn a_removed_collection_leaves_nothing() {
    let fixture = Fixture::new(&["notes"]).await;
    fixture.put("notes", &[("a.md", "alpha")]).await;
    fixture.embed("notes", MODEL, |_| vec![1.0, 0.0]).await;
    fixture.sync(&[]).await;
    assert_eq!(fixture.kept().await, 0);
    fixture.assert_whole().await;
}

#[tokio::test]
async fn nothing_is_kept_for_longer_than_a_week() {
    let fixture = Fixture::new(&["notes"]).await;
    fixture.put("notes", &[("a.md", "alpha")]).await;
    fixture.embed("notes", MODEL, |_| vec![1.0, 0.0]).await;
    fixture.remove("notes", &["a.md"]).await;
    let week = 7 * 24 * 3600;
    fixture.scan_ended(now() + week - 60).await;
    assert_eq!(fixture.kept().await, 1);
    fixture.scan_ended(now() + week + 60).await;
    assert_eq!(fixture.kept().await, 0);
    assert_eq!(fixture.number("SELECT count(*) FROM kept_chunks").await, 0);
}

#[tokio::test]
async fn of_too_many_the_oldest_go() {
    let fixture = Fixture::new(&["notes"]).await;
    let fill = fixture.store.write(|transaction| {
        transaction.execute_batch(
            "INSERT INTO fingerprints VALUES (1, 'model-1', 2);
             WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 30)
             INSERT INTO kept (hash, fingerprint_id, chunks, checksum, kept_at)
             SELECT randomblob(32), 1, 1000, 0, 1000000 + i FROM n",
        )?;
        Ok(())
    });
    fill.await.unwrap();
    fixture.scan_ended(1_000_100).await;
    assert_eq!(fixture.kept().await, 20);
    assert_eq!(
        fixture.number("SELECT min(kept_at) FROM kept").await,
        1_000_011
    );
}

#[tokio::test]
async fn damaged_vectors_are_not_given_back() {
    for damage in [
        "UPDATE kept_chunks SET vector = x'0000803f00000040' WHERE seq = 0",
        "UPDATE kept_chunks SET line_end = line_end + 1 WHERE seq = 0",
        "DELETE FROM kept_chunks WHERE seq = 0",
    ] {
        let fixture = Fixture::new(&["notes"]).await;
        fixture
            .put("notes", &[("a.md", &text(0)), ("b.md", &text(1))])
            .await;
        fixture.embed("notes", MODEL, |_| vec![1.0, 0.0]).await;
        fixture.remove("notes", &["a.md", "b.md"]).await;
        let write = fixture.store.write(move |transaction| {
            transaction.execute(
                &format!("{damage} AND kept_id = (SELECT id FROM kept WHERE hash = ?1)"),
                [ContentHash::of(&text(0)).0],
            )?;
            Ok(())
        });
        write.await.unwrap();
        fixture
            .put("notes", &[("a.md", &text(0)), ("b.md", &text(1))])
            .await;
        assert_eq!(fixture.pending_texts().await, 1, "{damage}");
        assert_eq!(fixture.kept().await, 0);
    }
}
