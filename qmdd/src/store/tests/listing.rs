//! Lists, a part at a time.

use super::*;

#[tokio::test]
async fn documents_are_listed_part_by_part() {
    let fixture = Fixture::new(&["b", "a"]).await;
    fixture
        .put(
            "a",
            &[("x/2.md", "one"), ("x/1.md", "two"), ("xy.md", "three")],
        )
        .await;
    fixture.put("b", &[("x", "four")]).await;
    let list = async |collections: &[&str], folder: Option<&str>, limit| {
        let mut all = Vec::new();
        let mut after = None;
        loop {
            let folder = folder.map(str::to_owned);
            let part = fixture
                .store
                .list(scope(collections), folder, after, limit)
                .await
                .unwrap();
            let Some(last) = part.last() else { return all };
            after = Some((last.collection.clone(), last.path.clone()));
            all.extend(
                part.into_iter()
                    .map(|one| format!("{}/{}", one.collection, one.path)),
            );
        }
    };
    let everything = ["a/x/1.md", "a/x/2.md", "a/xy.md", "b/x"];
    for limit in [1, 2, 9] {
        assert_eq!(list(&["a", "b"], None, limit).await, everything);
    }
    assert_eq!(list(&["b"], None, 9).await, ["b/x"]);
    assert_eq!(
        list(&["a", "b"], Some("x"), 9).await,
        ["a/x/1.md", "a/x/2.md", "b/x"]
    );
    assert_eq!(list(&["a"], Some("x/1.md"), 9).await, ["a/x/1.md"]);
    assert_eq!(list(&["a"], Some("none"), 9).await, [] as [&str; 0]);
    let first = fixture
        .store
        .list(scope(&["a"]), None, None, 1)
        .await
        .unwrap();
    assert_eq!((first[0].title.as_str(), first[0].bytes), ("two", 3));
    assert_eq!(first[0].hash, ContentHash::of("two"));
}

#[tokio::test]
async fn skipped_files_are_listed_part_by_part() {
    let fixture = Fixture::new(&["a", "b"]).await;
    for (collection, path) in [("b", "1"), ("a", "2"), ("a", "1")] {
        let change = vec![skip(path, Reason::FileEmpty)];
        fixture
            .store
            .apply(&name(collection), change)
            .await
            .unwrap();
    }
    let list = async |collection: Option<&str>| {
        let mut all = Vec::new();
        let mut after = None;
        loop {
            let collection = collection.map(name);
            let part = fixture.store.skipped(collection, after, 1).await.unwrap();
            let Some(last) = part.last() else { return all };
            after = Some((last.collection.clone(), last.file.path.clone()));
            all.extend(
                part.into_iter()
                    .map(|one| format!("{}/{}", one.collection, one.file.path)),
            );
        }
    };
    assert_eq!(list(None).await, ["a/1", "a/2", "b/1"]);
    assert_eq!(list(Some("a")).await, ["a/1", "a/2"]);
}
