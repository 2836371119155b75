//! Changing documents and collections.

use super::*;
use crate::domain::Reason;

#[tokio::test]
async fn files_are_known_as_they_were_put() {
    let fixture = Fixture::new(&["notes", "other"]).await;
    fixture
        .put("notes", &[("b.md", "beta"), ("a.md", "alpha")])
        .await;
    fixture.put("other", &[("a.md", "elsewhere")]).await;
    let known = async || {
        let mut known = fixture.store.known_files(&name("notes")).await.unwrap();
        known.sort_by(|a, b| a.path.cmp(&b.path));
        known
    };
    let expected = [("a.md", "alpha"), ("b.md", "beta")].map(|(path, text)| KnownFile {
        path: path.into(),
        stamp: stamp(text.len() as u64),
        reader: 1,
        skipped: None,
    });
    assert_eq!(known().await, expected);

    let mut touched = put("a.md", "alpha");
    if let Change::Put { file, .. } = &mut touched {
        (file.stamp, file.title) = (stamp(77), "other".into());
    }
    let changes = vec![
        touched,
        put("b.md", "changed"),
        remove("gone.md"),
        put("c.md", "new"),
        skip("d.md", Reason::FileBinary),
    ];
    let applied = fixture.store.apply(&name("notes"), changes).await.unwrap();
    let expected = Applied {
        added: 1,
        changed: 1,
        unchanged: 1,
        removed: 0,
    };
    assert_eq!(applied, expected);
    let files = known().await;
    assert_eq!(files[0].stamp, stamp(77));
    assert_eq!(
        files[3].skipped,
        Some(skipped("d.md", Reason::FileBinary).why)
    );
    assert_eq!(files[3].stamp, stamp(3));
    // A title of its own is searched, be the text as it was.
    let query = crate::text::query::LexicalQuery::parse("other").unwrap();
    let found = fixture
        .store
        .lexical(query, scope(&["notes"]), 9, false)
        .await
        .unwrap();
    assert_eq!(
        fixture.paths(found.iter().map(|hit| hit.document)).await,
        ["a.md"]
    );
    fixture.assert_whole().await;
}

#[tokio::test]
async fn unknown_collections_are_told() {
    let fixture = Fixture::new(&["notes"]).await;
    let other = name("other");
    let known = fixture.store.known_files(&other).await;
    let applied = fixture.store.apply(&other, vec![put("a.md", "x")]).await;
    let finished = fixture.store.finish_scan(&other, 0).await;
    for error in [known.err(), applied.err(), finished.err()] {
        assert!(matches!(error, Some(StoreError::CollectionUnknown(name)) if name == other));
    }
    assert_eq!(fixture.store.counts(None).await.unwrap().contents, 0);
}

#[tokio::test]
async fn a_move_keeps_the_vectors_and_a_change_does_not() {
    let fixture = Fixture::new(&["notes"]).await;
    fixture
        .put("notes", &[("a.md", "alpha"), ("b.md", "beta")])
        .await;
    fixture.embed("notes", MODEL, |_| vec![1.0, 0.0]).await;
    let moved = vec![
        remove("a.md"),
        put("sub/a.md", "alpha"),
        put("b.md", "changed"),
    ];
    fixture.store.apply(&name("notes"), moved).await.unwrap();
    let pending = fixture
        .store
        .pending(MODEL, vec![name("notes")], 0, 9)
        .await
        .unwrap();
    assert_eq!(pending.len(), 1);
    assert_eq!(pending[0].path, "b.md");
    assert_eq!(fixture.number("SELECT count(*) FROM vectors_2").await, 1);
    fixture.assert_whole().await;
}

#[tokio::test]
async fn equal_files_share_their_content_until_the_last_goes() {
    let fixture = Fixture::new(&["notes", "other"]).await;
    fixture
        .put("notes", &[("a.md", "same"), ("b.md", "same")])
        .await;
    fixture.put("other", &[("c.md", "same")]).await;
    fixture.embed("notes", MODEL, |_| vec![1.0, 0.0]).await;
    for (collection, path, left) in [
        ("notes", "a.md", 1),
        ("other", "c.md", 1),
        ("notes", "b.md", 0),
    ] {
        fixture.remove(collection, &[path]).await;
        let counts = fixture.store.counts(Some(MODEL)).await.unwrap();
        assert_eq!(
            (counts.contents, counts.vectors),
            (left, left),
            "after {path}"
        );
        fixture.assert_whole().await;
    }
}

#[tokio::test]
async fn collections_follow_the_configuration() {
    let fixture = Fixture::new(&["a", "b"]).await;
    fixture.put("a", &[("x.md", "one"), ("y.md", "two")]).await;
    fixture.put("b", &[("x.md", "one")]).await;
    fixture.embed("a", MODEL, |_| vec![1.0, 0.0]).await;
    let changes = vec![skip("z", Reason::FileBinary)];
    fixture.store.apply(&name("a"), changes).await.unwrap();
    fixture.store.finish_scan(&name("a"), 5).await.unwrap();
    assert_eq!(fixture.store.counts(None).await.unwrap().skipped, 1);
    assert_eq!(fixture.sync(&["a", "b"]).await, 0);
    let info = fixture.store.collections_info().await.unwrap();
    assert_eq!(
        info,
        [
            CollectionInfo {
                name: name("a"),
                path: "/files/a".into(),
                documents: 2,
                skipped: 1,
                updated_at: Some(5)
            },
            CollectionInfo {
                name: name("b"),
                path: "/files/b".into(),
                documents: 1,
                skipped: 0,
                updated_at: None
            },
        ]
    );

    assert_eq!(fixture.sync(&["b", "c"]).await, 2);
    let counts = fixture.store.counts(Some(MODEL)).await.unwrap();
    assert_eq!(
        (counts.documents, counts.contents, counts.vectors),
        (1, 1, 1)
    );
    assert_eq!(counts.skipped, 0);
    fixture.assert_whole().await;

    let moved = vec![(name("b"), "/elsewhere".into())];
    fixture.store.sync_collections(moved).await.unwrap();
    let info = fixture.store.collections_info().await.unwrap();
    assert_eq!(info[0].path, std::path::Path::new("/elsewhere"));
    assert_eq!(info[0].documents, 1, "documents stay till the next scan");
}

#[tokio::test]
async fn a_file_is_a_document_or_left_out() {
    let fixture = Fixture::new(&["a"]).await;
    let apply = async |change| {
        fixture.store.apply(&name("a"), vec![change]).await.unwrap();
        let counts = fixture.store.counts(None).await.unwrap();
        (counts.documents, counts.skipped)
    };
    assert_eq!(apply(put("x", "one")).await, (1, 0));
    assert_eq!(
        apply(skip("x", Reason::FileUnreadable)).await,
        (1, 1),
        "for the time being"
    );
    assert_eq!(apply(skip("x", Reason::FileBinary)).await, (0, 1));
    assert_eq!(apply(skip("x", Reason::FileEmpty)).await, (0, 1));
    let counts = fixture.store.skipped_counts().await.unwrap();
    assert_eq!(counts, [(Reason::FileEmpty, 1)]);
    assert_eq!(apply(put("x", "one")).await, (1, 0));
    assert_eq!(apply(skip("y", Reason::FileEmpty)).await, (1, 1));
    assert_eq!(apply(remove("y")).await, (1, 0));
    fixture.assert_whole().await;
}

#[tokio::test]
async fn a_collection_of_another_name_keeps_what_it_has() {
    let fixture = Fixture::new(&["a", "b"]).await;
    fixture.put("a", &[("x.md", "one")]).await;
    fixture.embed("a", MODEL, |_| vec![1.0, 0.0]).await;
    let renamed = vec![
        (name("b"), "/files/b".into()),
        (name("c"), "/files/a".into()),
    ];
    assert_eq!(fixture.store.sync_collections(renamed).await.unwrap(), 0);
    let counts = fixture.store.counts(Some(MODEL)).await.unwrap();
    assert_eq!((counts.documents, counts.vectors), (1, 1));
    assert_eq!(
        fixture.store.known_files(&name("c")).await.unwrap().len(),
        1
    );
    assert!(fixture.store.known_files(&name("a")).await.is_err());
    fixture.assert_whole().await;
}

#[tokio::test]
async fn documents_come_in_the_order_asked_for() {
    let fixture = Fixture::new(&["notes"]).await;
    fixture
        .put("notes", &[("a.md", "# A\nalpha"), ("b.md", "beta")])
        .await;
    let found = fixture.store.documents(vec![2, 9, 1]).await.unwrap();
    let paths: Vec<&str> = found.iter().map(|each| each.path.as_str()).collect();
    assert_eq!(paths, ["b.md", "a.md"]);
    assert_eq!(found[1].text, "# A\nalpha");
    assert_eq!(found[1].title, "# A");
    assert_eq!(
        fixture.store.document(1).await.unwrap().as_ref(),
        Some(&found[1])
    );
    assert_eq!(fixture.store.document(9).await.unwrap(), None);
    let rows = fixture.store.rows(vec![2, 1]).await.unwrap();
    let contents: Vec<i64> = rows.iter().map(|row| row.content_id).collect();
    let bodies = fixture.store.bodies(contents.clone()).await.unwrap();
    assert_eq!(
        bodies,
        [
            (contents[0], "beta".into()),
            (contents[1], "# A\nalpha".into())
        ]
    );
}

#[tokio::test]
async fn ids_are_never_used_again() {
    let fixture = Fixture::new(&["notes"]).await;
    fixture.put("notes", &[("a.md", "alpha")]).await;
    let first = fixture.store.rows(vec![1]).await.unwrap();
    fixture.remove("notes", &["a.md"]).await;
    fixture.put("notes", &[("b.md", "beta")]).await;
    assert_eq!(fixture.store.rows(vec![first[0].id]).await.unwrap(), []);
    assert_eq!(
        fixture
            .store
            .bodies(vec![first[0].content_id])
            .await
            .unwrap(),
        []
    );
}
