//! Finding documents by address.

use super::*;
use crate::domain::{Address, Target};

impl Fixture {
    async fn find(&self, address: &str) -> Vec<String> {
        self.find_within(address, &["docs", "notes"]).await
    }

    async fn find_within(&self, address: &str, within: &[&str]) -> Vec<String> {
        let target = Address::parse(address).unwrap().target;
        let within = within.iter().map(|each| name(each)).collect();
        let found = self.store.find(&target, within).await.unwrap();
        found
            .into_iter()
            .map(|each| format!("{}/{}", each.collection, each.path))
            .collect()
    }
}

async fn shelves() -> Fixture {
    let fixture = Fixture::new(&["docs", "notes"]).await;
    fixture
        .put(
            "notes",
            &[
                ("plan.md", "notes plan"),
                ("2024/plan.md", "old plan"),
                ("docs/guide.md", "a guide in notes"),
                ("100%_sure.md", "abc"),
            ],
        )
        .await;
    fixture
        .put("docs", &[("guide.md", "the guide"), ("copy.md", "abc")])
        .await;
    fixture
}

#[tokio::test]
async fn the_most_exact_reading_of_an_address_wins() {
    let fixture = shelves().await;
    for (address, found) in [
        ("qmd://notes/plan.md", vec!["notes/plan.md"]),
        ("qmd://docs/plan.md", vec![]),
        ("docs/guide.md", vec!["docs/guide.md"]),
        ("notes/docs/guide.md", vec!["notes/docs/guide.md"]),
        ("plan.md", vec!["notes/plan.md"]),
        ("./plan.md", vec!["notes/plan.md"]),
        ("guide.md", vec!["docs/guide.md"]),
        ("2024/plan.md", vec!["notes/2024/plan.md"]),
        ("lan.md", vec![]),
        ("/plan.md", vec![]),
        ("%_sure.md", vec![]),
        ("100%_sure.md", vec!["notes/100%_sure.md"]),
        ("nothing", vec![]),
    ] {
        assert_eq!(fixture.find(address).await, found, "{address}");
    }
}

#[tokio::test]
async fn the_end_of_a_path_may_fit_several() {
    let fixture = shelves().await;
    fixture
        .put("docs", &[("x/deep/a.md", "1"), ("y/deep/a.md", "2")])
        .await;
    assert_eq!(
        fixture.find("deep/a.md").await,
        ["docs/x/deep/a.md", "docs/y/deep/a.md"]
    );
}

#[tokio::test]
async fn docids_are_prefixes_of_the_content_hash() {
    let fixture = shelves().await;
    let both = ["docs/copy.md", "notes/100%_sure.md"];
    // SHA-256 of "abc" starts with ba7816bf8f01cfea.
    for docid in ["#ba7816", "#BA7816B", "#ba7816bf8f01cfea", "ba7816bf"] {
        assert_eq!(fixture.find(docid).await, both, "{docid}");
    }
    assert_eq!(fixture.find("#ba7817").await, [""; 0]);
    let whole = format!("#{}", ContentHash::of("abc"));
    assert_eq!(fixture.find(&whole).await, both);
    let target = Target::DocId(ContentHash::of("the guide").docid());
    let found = fixture
        .store
        .find(&target, vec![name("docs")])
        .await
        .unwrap();
    assert_eq!((found.len(), found[0].bytes), (1, 9));
}

#[tokio::test]
async fn only_the_collections_in_scope_are_looked_at() {
    let fixture = shelves().await;
    for address in ["#ba7816", "copy.md", "docs/copy.md", "qmd://docs/copy.md"] {
        let of_docs = fixture.find_within(address, &["docs", "none"]).await;
        assert_eq!(of_docs, ["docs/copy.md"], "{address}");
        let of_notes = fixture.find_within(address, &["notes"]).await;
        assert!(!of_notes.contains(&"docs/copy.md".to_owned()), "{address}");
        assert_eq!(fixture.find_within(address, &[]).await, [""; 0]);
    }
}

#[tokio::test]
async fn files_that_were_left_out_are_found_in_the_same_way() {
    let fixture = shelves().await;
    for (collection, path) in [("notes", "x/scan.pdf"), ("docs", "y/scan.pdf")] {
        let change = vec![skip(path, Reason::FileDamaged)];
        let applied = fixture.store.apply(&name(collection), change).await;
        applied.unwrap();
    }
    let found = async |address: &str| {
        let target = Address::parse(address).unwrap().target;
        let within = vec![name("docs"), name("notes")];
        let found = fixture.store.find_skipped(&target, within).await.unwrap();
        assert!(
            found
                .iter()
                .all(|file| file.file.why.reason == Reason::FileDamaged)
        );
        found
            .into_iter()
            .map(|file| format!("{}/{}", file.collection, file.file.path))
            .collect::<Vec<_>>()
    };
    for address in ["qmd://notes/x/scan.pdf", "notes/x/scan.pdf", "x/scan.pdf"] {
        assert_eq!(found(address).await, ["notes/x/scan.pdf"], "{address}");
    }
    assert_eq!(
        found("scan.pdf").await,
        ["docs/y/scan.pdf", "notes/x/scan.pdf"]
    );
    for address in ["plan.md", "can.pdf", "#ba7816"] {
        assert_eq!(found(address).await, [""; 0], "{address}");
    }
}

#[tokio::test]
async fn a_test_chooses_documents_in_order() {
    let fixture = shelves().await;
    let chosen = async |collections: &[&str], end: &'static str| {
        let within = collections.iter().map(|each| name(each)).collect();
        let test = move |_: &str, path: &str| path.ends_with(end);
        let found = fixture.store.matching(within, test).await.unwrap();
        found
            .into_iter()
            .map(|each| format!("{}/{}", each.collection, each.path))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        chosen(&["notes", "docs"], "guide.md").await,
        ["docs/guide.md", "notes/docs/guide.md"]
    );
    assert_eq!(chosen(&["docs"], ".md").await.len(), 2);
    assert_eq!(chosen(&[], ".md").await, [""; 0]);
}

#[tokio::test]
async fn near_misses_are_suggested() {
    let fixture = shelves().await;
    let within = || vec![name("docs"), name("notes")];
    let near = async |text: &str| fixture.store.similar(text, within(), 2).await.unwrap();
    assert_eq!(near("qmd://notes/paln.md").await[0], "notes/plan.md");
    assert_eq!(near("Guide.md").await[0], "docs/guide.md");
    assert_eq!(near("guid").await, ["docs/guide.md", "notes/docs/guide.md"]);
    assert_eq!(near("entirely different").await, [""; 0]);
    assert_eq!(near("").await, [""; 0]);
    let folders = async |text: &str| {
        let found = fixture.store.similar_folders(text, within(), 3).await;
        found.unwrap()
    };
    assert_eq!(folders("notes/2042").await, ["notes/2024"]);
    assert_eq!(folders("notes/doc").await, ["notes/docs"]);
    assert_eq!(folders("plan.md").await, [""; 0]);
    let scoped = fixture
        .store
        .similar("plan.md", vec![name("docs")], 5)
        .await;
    assert_eq!(scoped.unwrap(), [""; 0]);
}
