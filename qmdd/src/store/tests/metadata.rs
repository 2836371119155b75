//! Metadata: kept, and filtered by.

use super::*;
use crate::{
    domain::{Filter, Scalar, TAG_KEYS, date},
    text::{filter, query::LexicalQuery},
};

fn text(text: &str) -> Scalar {
    Scalar::Text(text.to_owned())
}

/// Documents of every kind of value; all hold the same word.
async fn documents() -> Fixture {
    let fixture = Fixture::new(&["notes", "other"]).await;
    let mut draft = Metadata::default();
    draft.set("status", text("Draft"));
    draft.set("priority", Scalar::Number(3.0));
    draft.set("date", text("2024-05-01"));
    draft.set_list("topics", vec![text("rust"), text("Search engines")]);
    let mut done = Metadata::default();
    done.set("status", text("done"));
    done.set("priority", Scalar::Number(10.0));
    done.set("date", text("2024-05-01T10:30:00Z"));
    done.set("reviewed", Scalar::Flag(true));
    done.set("topics", text("rust-lang and more"));
    let mut odd = Metadata::default();
    odd.set("priority", text("high"));
    odd.set("date", text("2023"));
    let changes = vec![
        put_with("draft", "a word", draft.clone()),
        put_with("done", "b word", done),
        put_with("odd", "c word", odd),
        put("none", "d word"),
    ];
    fixture.store.apply(&name("notes"), changes).await.unwrap();
    let changes = vec![put_with("elsewhere", "e word", draft)];
    fixture.store.apply(&name("other"), changes).await.unwrap();
    fixture
}

impl Fixture {
    async fn passing(&self, filter: &Filter) -> Vec<String> {
        let scope = Scope {
            filter: Some(filter.clone()),
            ..scope(&["notes"])
        };
        let list = self.store.list(scope, None, None, 100).await.unwrap();
        list.into_iter().map(|one| one.path).collect()
    }
}

#[tokio::test]
async fn what_was_put_comes_back() {
    let fixture = documents().await;
    let known = fixture.store.documents(vec![4, 99, 1]).await.unwrap();
    let known: Vec<Metadata> = known.into_iter().map(|it| it.metadata).collect();
    assert_eq!((known.len(), &known[0]), (2, &Metadata::default()));
    let keys: Vec<&str> = known[1]
        .properties()
        .iter()
        .map(|one| one.key.as_str())
        .collect();
    assert_eq!(keys, ["status", "priority", "date", "topics"]);
    assert_eq!(known[1].properties()[1].values, [Scalar::Number(3.0)]);
    assert!(known[1].properties()[3].list);

    fixture.put("notes", &[("draft", "a word")]).await;
    let known = fixture.store.documents(vec![1]).await.unwrap();
    assert_eq!(
        known[0].metadata,
        Metadata::default(),
        "what is gone from the file is gone"
    );
    fixture.remove("notes", &["done"]).await;
    fixture.assert_whole().await;
}

#[tokio::test]
async fn words_are_compared_with_their_like() {
    let fixture = documents().await;
    for (filter, expected) in [
        ("status = draft", &["draft"][..]),
        ("status != draft", &["done", "none", "odd"]),
        ("exists status and status != draft", &["done"]),
        ("status in (draft, DONE)", &["done", "draft"]),
        ("not exists status", &["none", "odd"]),
        ("priority > 3", &["done"]),
        ("priority >= 3", &["done", "draft"]),
        ("priority < 10", &["draft"]),
        ("priority = 10.0", &["done"]),
        ("priority = high", &["odd"]),
        ("priority > abc", &["odd"]),
        ("date = 2024-05-01", &["done", "draft"]),
        ("date = 2024-05", &["done", "draft"]),
        ("date < 2024-05-01", &["odd"]),
        ("date <= 2024-05-01", &["done", "draft", "odd"]),
        ("date <= 2023-06", &["odd"]),
        ("date > 2024-05-01", &[]),
        ("date > 2024-05-01T09:00", &["done"]),
        ("date >= 2024 and date < 2025", &["done", "draft"]),
        ("date = 2023", &["odd"]),
        ("topics contains rust", &["done", "draft"]),
        ("topics contains 'search'", &[]),
        ("topics contains 'search engines'", &["draft"]),
        ("topics = rust", &["draft"]),
        ("reviewed = true", &["done"]),
        (
            "(status = draft or reviewed = true) and not priority = 3",
            &["done"],
        ),
        ("nothing = x or status = ''", &[]),
    ] {
        let parsed = filter::parse(filter).unwrap();
        assert_eq!(fixture.passing(&parsed).await, expected, "{filter}");
    }
}

#[tokio::test]
async fn filters_of_qmd_are_typed_and_exact() {
    let fixture = documents().await;
    for (filter, expected) in [
        (
            r#"{"key":"status","operator":"eq","value":"Draft"}"#,
            &["draft"][..],
        ),
        (r#"{"key":"status","operator":"eq","value":"draft"}"#, &[]),
        (
            r#"{"key":"status","operator":"eq","value":"draft","caseInsensitive":true}"#,
            &["draft"],
        ),
        (
            r#"{"key":"status","operator":"ne","value":"Draft"}"#,
            &["done"],
        ),
        (r#"{"key":"priority","operator":"eq","value":"3"}"#, &[]),
        (r#"{"key":"priority","operator":"ne","value":3}"#, &["done"]),
        (
            r#"{"key":"priority","operator":"gte","value":3}"#,
            &["done", "draft"],
        ),
        (r#"{"key":"date","operator":"lt","value":"2024"}"#, &["odd"]),
        (
            r#"{"key":"topics","operator":"all","value":["rust","Search engines"]}"#,
            &["draft"],
        ),
        (
            r#"{"key":"topics","operator":"in","value":["rust",3]}"#,
            &["draft"],
        ),
        (
            r#"{"key":"topics","operator":"nin","value":["rust"]}"#,
            &["done"],
        ),
        (
            r#"{"key":"topics","operator":"contains","value":"engines"}"#,
            &["draft"],
        ),
        (
            r#"{"key":"topics","operator":"prefix","value":"rust-"}"#,
            &["done"],
        ),
        (
            r#"{"key":"topics","operator":"suffix","value":"MORE","caseInsensitive":true}"#,
            &["done"],
        ),
        (
            r#"{"key":"topics","operator":"suffix","value":""}"#,
            &["done", "draft"],
        ),
        (
            r#"{"key":"priority","operator":"type","value":"string"}"#,
            &["odd"],
        ),
        (
            r#"{"key":"reviewed","operator":"exists","value":false}"#,
            &["draft", "none", "odd"],
        ),
        (
            r#"{"operator":"and","operands":[{"key":"status","operator":"exists","value":true},
                {"operator":"not","operand":{"key":"reviewed","operator":"eq","value":true}}]}"#,
            &["draft"],
        ),
    ] {
        let parsed = filter::parse(filter).unwrap();
        assert_eq!(fixture.passing(&parsed).await, expected, "{filter}");
    }
}

/// A document: its name, its values, and when its file was last changed.
type Described<'a> = (&'a str, &'a [(&'a str, Scalar)], &'a str);

/// These documents, in the collection `notes`.
async fn of(documents: &[Described<'_>]) -> Fixture {
    let fixture = Fixture::new(&["notes", "other"]).await;
    let changes = documents.iter().map(|(path, values, changed)| {
        let mut metadata = Metadata::default();
        for (key, value) in *values {
            metadata.set(key, value.clone());
        }
        let mut change = put_with(path, path, metadata);
        if let Change::Put { file, .. } = &mut change {
            file.stamp.mtime_ns = since(changed) * 1_000_000_000;
        }
        change
    });
    let changes = changes.collect();
    fixture.store.apply(&name("notes"), changes).await.unwrap();
    fixture
}

/// The second at which a date begins.
fn since(text: &str) -> i64 {
    date::seconds(text).unwrap().start
}

#[tokio::test]
async fn a_document_has_a_date_of_its_own_or_its_files() {
    let fixture = of(&[
        ("file", &[("status", text("2020"))], "2024-03-01T12:00"),
        ("date", &[("date", text("2024-02"))], "2030"),
        (
            "first",
            &[
                ("created", text("2030")),
                ("modified", text("2024-01-15")),
                ("date", text("soon")),
            ],
            "2030",
        ),
        ("number", &[("date", Scalar::Number(2024.0))], "1960"),
    ])
    .await;
    for (from, expected) in [
        ("1960", &["date", "file", "first", "number"][..]),
        ("1960-01-02", &["date", "file", "first"]),
        ("2024-01-15", &["date", "file", "first"]),
        ("2024-01-15T00:00:01", &["date", "file"]),
        ("2024-02", &["date", "file"]),
        ("2024-02-02", &["file"]),
        ("2024-03-01T12:00", &["file"]),
        ("2024-03-01T12:00:01", &[]),
    ] {
        let later = Filter::Since(since(from));
        assert_eq!(fixture.passing(&later).await, expected, "{from}");
        let earlier = fixture.passing(&later.negated()).await;
        assert_eq!(earlier.len() + expected.len(), 4, "{from}");
    }
}

#[tokio::test]
async fn tags_are_elements_of_lists_with_all_that_is_below_them() {
    let fixture = of(&[
        ("one", &[("tags", text("Rust"))], "2024"),
        (
            "text",
            &[("tags", text("#work/plans, rust #Search"))],
            "2024",
        ),
        ("topic", &[("topics", text("rusty"))], "2024"),
        ("other", &[("status", text("rust"))], "2024"),
    ])
    .await;
    let mut listed = Metadata::default();
    listed.set_list("keywords", vec![text("#Work"), text("Search engines")]);
    let change = put_with("list", "list", listed);
    fixture
        .store
        .apply(&name("notes"), vec![change])
        .await
        .unwrap();
    for (tag, expected) in [
        ("rust", &["one", "text"][..]),
        ("#RUST", &["one", "text"]),
        ("work", &["list", "text"]),
        ("work/", &["list", "text"]),
        ("work/plans", &["text"]),
        ("plans", &[]),
        ("search", &["text"]),
        ("search engines", &["list"]),
        ("Rusty", &["topic"]),
        ("rus", &[]),
        ("%", &[]),
    ] {
        let tagged = Filter::tagged(tag);
        assert_eq!(fixture.passing(&tagged).await, expected, "{tag}");
        let others = fixture.passing(&tagged.negated()).await;
        assert_eq!(others.len() + expected.len(), 5, "{tag}");
    }
    assert!(TAG_KEYS.contains(&"tags"));
}

#[tokio::test]
async fn a_filter_can_name_collections_and_ask_for_nothing() {
    let fixture = documents().await;
    let passing = async |filter: Filter| {
        let scope = Scope {
            filter: Some(filter),
            ..scope(&["notes", "other"])
        };
        let list = fixture.store.list(scope, None, None, 100).await.unwrap();
        list.into_iter().map(|one| one.path).collect::<Vec<_>>()
    };
    let of = |collection| Filter::Of(name(collection));
    assert_eq!(passing(of("other")).await, ["elsewhere"]);
    assert_eq!(passing(of("other").negated()).await.len(), 4);
    assert_eq!(passing(of("unknown")).await, [""; 0]);
    assert_eq!(passing(Filter::open()).await.len(), 5);
    assert_eq!(passing(Filter::open().negated()).await, [""; 0]);
}

#[tokio::test]
async fn a_filter_bounds_every_search_from_within() {
    let fixture = documents().await;
    for collection in ["notes", "other"] {
        fixture.embed(collection, MODEL, |_| vec![1.0, 0.0]).await;
    }
    let filtered = |filter: &str| Scope {
        filter: Some(filter::parse(filter).unwrap()),
        ..scope(&["notes", "other"])
    };
    // The one that passes is found, be it the last of all and a single hit wanted.
    let query = LexicalQuery::parse("word").unwrap();
    for (filter, expected) in [("priority = high", &["odd"][..]), ("status = none", &[])] {
        let found = fixture
            .store
            .lexical(query.clone(), filtered(filter), 1, false)
            .await
            .unwrap();
        let ids = found.iter().map(|hit| hit.document);
        assert_eq!(fixture.paths(ids).await, expected, "{filter}");
        let found = fixture
            .store
            .nearest(MODEL, vec![1.0, 0.0], filtered(filter), 1)
            .await;
        let ids: Vec<i64> = found.unwrap().iter().map(|hit| hit.document).collect();
        assert_eq!(fixture.paths(ids).await, expected, "{filter}");
    }
    // Documents that share a content are told apart.
    fixture.put("other", &[("twin", "c word")]).await;
    let found = fixture
        .store
        .nearest(MODEL, vec![1.0, 0.0], filtered("priority = high"), 9)
        .await;
    assert_eq!(found.unwrap().len(), 1);
    let pending = fixture
        .store
        .pending_count("other model", filtered("priority = high"))
        .await;
    assert_eq!(pending.unwrap(), 1);
}

#[tokio::test]
async fn the_largest_filters_run() {
    let fixture = documents().await;
    let words: Vec<String> = (0..250).map(|number| format!("w{number}")).collect();
    let wide = format!("status in ({})", words.join(","));
    let long: Vec<String> = words
        .iter()
        .map(|word| format!("status != {word}"))
        .collect();
    let deep = format!("{}status = draft{}", "not (".repeat(15), ")".repeat(15));
    for (filter, passing) in [(wide, 0), (long.join(" and "), 4), (deep, 3)] {
        let parsed = filter::parse(&filter).unwrap();
        assert_eq!(fixture.passing(&parsed).await.len(), passing, "{filter}");
    }
}
