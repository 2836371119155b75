//! A check finds what is wrong, and nothing else.

use super::*;
use crate::domain::{Failure, Target};

/// Two documents, embedded, and one that was removed.
async fn filled() -> Fixture {
    let fixture = Fixture::new(&["notes"]).await;
    fixture
        .put(
            "notes",
            &[
                ("a.md", "alpha words"),
                ("b.md", "beta words"),
                ("c.md", "gamma words"),
            ],
        )
        .await;
    fixture
        .embed("notes", MODEL, |text| vec![1.0, text.len() as f32])
        .await;
    fixture.remove("notes", &["c.md"]).await;
    fixture
}

impl Fixture {
    /// Changes the file behind the back of everything that watches over it.
    async fn tamper(&self, sql: &'static str) {
        let tampered = self.store.maintain(move |connection| {
            connection.pragma_update(None, "foreign_keys", false)?;
            connection.execute_batch(sql)?;
            connection.pragma_update(None, "foreign_keys", true)?;
            Ok(())
        });
        tampered.await.unwrap();
    }

    async fn parts_with_problems(&self, depth: Depth) -> Vec<Part> {
        let checked = self.store.check(depth).await.unwrap();
        let bad = checked
            .into_iter()
            .filter(|checked| !checked.problems.is_empty());
        bad.map(|checked| checked.part).collect()
    }
}

#[tokio::test]
async fn a_whole_database_has_no_problems() {
    let fixture = filled().await;
    let checked = fixture.store.check(Depth::Full).await.unwrap();
    assert_eq!(checked.len(), 5);
    for checked in checked {
        assert!(
            checked.problems.is_empty() && checked.count > 0,
            "{checked:?}"
        );
    }
    fixture.assert_whole().await;
}

#[tokio::test]
async fn each_kind_of_damage_is_found_in_its_part() {
    for (sql, part) in [
        (
            "UPDATE contents SET body = 'alpha wordz' WHERE id = 1",
            Part::Texts,
        ),
        (
            "UPDATE contents SET body = CAST(x'ff' AS TEXT) WHERE id = 1",
            Part::Texts,
        ),
        ("UPDATE contents SET bytes = 1 WHERE id = 1", Part::Texts),
        (
            "UPDATE documents SET title = CAST(x'ab' AS TEXT) WHERE id = 1",
            Part::Words,
        ),
        (
            "INSERT INTO metadata VALUES (1, 0, 'status', 0, 0, CAST(x'ab' AS TEXT), 'a', NULL, NULL)",
            Part::Texts,
        ),
        (
            "UPDATE vectors_2 SET embedding = '[1, 2]' WHERE chunk_id = 1",
            Part::Vectors,
        ),
        ("UPDATE chunks SET line_end = 9 WHERE id = 1", Part::Vectors),
        (
            "UPDATE chunks SET heading = 'other' WHERE id = 1",
            Part::Vectors,
        ),
        ("UPDATE kept_chunks SET tokens = 9", Part::Vectors),
        (
            "UPDATE documents SET title = 'another' WHERE id = 1",
            Part::Words,
        ),
        (
            "INSERT OR REPLACE INTO documents_fts (rowid, title, path, body)
             VALUES (1, 'alpha words', 'a.md', 'alpha other')",
            Part::Words,
        ),
        (
            "DELETE FROM embedded WHERE content_id = 1",
            Part::References,
        ),
        (
            "UPDATE embedded SET chunks = 2 WHERE content_id = 1",
            Part::References,
        ),
        ("DELETE FROM vectors_2 WHERE chunk_id = 1", Part::References),
        (
            "DELETE FROM documents_fts WHERE rowid = 1",
            Part::References,
        ),
        ("DELETE FROM collections", Part::References),
        (
            "INSERT INTO contents (hash, bytes, body) VALUES (x'00', 0, '')",
            Part::References,
        ),
    ] {
        let fixture = filled().await;
        fixture.tamper(sql).await;
        let found = fixture.parts_with_problems(Depth::Full).await;
        assert!(found.contains(&part), "{sql}: {found:?}");
        if part == Part::References {
            assert_eq!(
                fixture.parts_with_problems(Depth::Quick).await,
                [part],
                "{sql}"
            );
        } else if part != Part::Texts {
            // Another text has other words, too.
            assert_eq!(found, [part], "{sql}");
        }
    }
}

#[tokio::test]
async fn a_problem_names_a_document_and_how_many_more_there_are() {
    let fixture = filled().await;
    fixture.tamper("UPDATE contents SET body = 'other'").await;
    let checked = fixture.store.check(Depth::Full).await.unwrap();
    let texts = checked.iter().find(|checked| checked.part == Part::Texts);
    assert_eq!(texts.unwrap().problems, ["damaged: notes/a.md and 1 more"]);
}

#[tokio::test]
async fn a_damaged_page_is_found_and_the_rest_still_read() {
    let fixture = filled().await;
    let page = fixture
        .number("SELECT rootpage FROM sqlite_schema WHERE name = 'metadata_folded'")
        .await;
    fixture.store.close().await;
    let mut bytes = std::fs::read(fixture.path()).unwrap();
    let start = (page as usize - 1) * 4096;
    bytes[start..start + 16].fill(0xaa);
    std::fs::write(fixture.path(), bytes).unwrap();
    let store = Store::open(&fixture.path()).await.unwrap();
    let fixture = Fixture { store, ..fixture };
    let found = fixture.parts_with_problems(Depth::Full).await;
    assert_eq!(found, [Part::Structure]);
    assert_eq!(fixture.number("SELECT count(*) FROM documents").await, 2);
}

#[tokio::test]
async fn a_damaged_text_is_not_given_out() {
    let fixture = filled().await;
    let target = Target::DocId(ContentHash::of("beta words").docid());
    let found = fixture.store.find(&target, vec![name("notes")]).await;
    let id = found.unwrap()[0].id;
    let whole = fixture.store.document(id).await.unwrap().unwrap();
    assert_eq!(whole.text, "beta words");
    fixture
        .tamper("UPDATE contents SET body = 'beta wordz' WHERE body = 'beta words'")
        .await;
    let error = fixture.store.document(id).await.unwrap_err();
    assert_eq!(error.reason(), Reason::ContentCorrupt);
    assert!(error.to_string().contains("notes/b.md"), "{error}");
}
