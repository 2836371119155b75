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
    let known = fixture.store.known_files(&name("notes")).await.unwrap();
    let expected = [("a.md", "alpha"), ("b.md", "beta")].map(|(path, text)| KnownFile {
        path: path.into(),
        stamp: stamp(text.len() as u64),
        hash: ContentHash::of(text),
        title: text.into(),
    });
    assert_eq!(known, expected);

    fixture
        .store
        .apply(
            &name("notes"),
            vec![
                Change::Touch {
                    path: "a.md".into(),
                    stamp: stamp(77),
                },
                put("b.md", "changed"),
                remove("gone.md"),
            ],
        )
        .await
        .unwrap();
    let known = fixture.store.known_files(&name("notes")).await.unwrap();
    assert_eq!(known[0].stamp, stamp(77));
    assert_eq!(known[0].hash, ContentHash::of("alpha"));
    assert_eq!(known[1].hash, ContentHash::of("changed"));
    fixture.assert_whole().await;
}

#[tokio::test]
async fn unknown_collections_are_told() {
    let fixture = Fixture::new(&["notes"]).await;
    let other = name("other");
    let known = fixture.store.known_files(&other).await;
    let applied = fixture.store.apply(&other, vec![put("a.md", "x")]).await;
    let finished = fixture.store.finish_scan(&other, Vec::new(), 0).await;
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
    let skipped = Skipped {
        path: "z".into(),
        reason: Reason::FileBinary,
        message: "m".into(),
    };
    fixture
        .store
        .finish_scan(&name("a"), vec![skipped.clone()], 5)
        .await
        .unwrap();
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
                updated_at: Some(5)
            },
            CollectionInfo {
                name: name("b"),
                path: "/files/b".into(),
                documents: 1,
                updated_at: None
            },
        ]
    );
    let listed = fixture.store.skipped().await.unwrap();
    assert_eq!(
        listed,
        [SkippedFile {
            collection: name("a"),
            file: skipped
        }]
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
async fn a_scan_replaces_what_the_one_before_skipped() {
    let fixture = Fixture::new(&["a"]).await;
    let skipped = |path: &str| Skipped {
        path: path.into(),
        reason: Reason::FileTooLarge,
        message: "large".into(),
    };
    let first = vec![skipped("x"), skipped("y")];
    fixture
        .store
        .finish_scan(&name("a"), first, 1)
        .await
        .unwrap();
    fixture
        .store
        .finish_scan(&name("a"), vec![skipped("z")], 2)
        .await
        .unwrap();
    let listed = fixture.store.skipped().await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].file, skipped("z"));
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
