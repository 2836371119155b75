//! Finding documents by address.

use super::*;
use crate::domain::{Address, Target};

impl Fixture {
    async fn find(&self, address: &str) -> Vec<String> {
        let target = Address::parse(address).unwrap().target;
        let found = self.store.find(&target).await.unwrap();
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
    assert_eq!(fixture.store.find(&target).await.unwrap().len(), 1);
}

#[tokio::test]
async fn near_misses_are_suggested() {
    let fixture = shelves().await;
    let near = async |text: &str| fixture.store.similar_paths(text, 2).await.unwrap();
    assert_eq!(near("qmd://notes/paln.md").await[0], "notes/plan.md");
    assert_eq!(near("Guide.md").await[0], "docs/guide.md");
    assert_eq!(near("guid").await, ["docs/guide.md", "notes/docs/guide.md"]);
    assert_eq!(near("entirely different").await, [""; 0]);
    assert_eq!(near("").await, [""; 0]);
}
