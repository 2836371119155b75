//! Full-text search.

use proptest::prelude::*;

use super::*;
use crate::text::query::LexicalQuery;

impl Fixture {
    async fn search_in(&self, query: &str, scope: Scope, limit: usize) -> Vec<LexicalHit> {
        let query = LexicalQuery::parse(query).unwrap();
        self.store
            .lexical(query, scope, limit, false)
            .await
            .unwrap()
    }

    /// Paths that a query finds in the collection `notes`, best first.
    async fn search(&self, query: &str) -> Vec<String> {
        let hits = self.search_in(query, scope(&["notes"]), 100).await;
        assert!(hits.iter().all(|hit| hit.score > 0.0), "{hits:?}");
        assert!(hits.is_sorted_by(|a, b| a.score >= b.score), "{hits:?}");
        self.paths(hits.iter().map(|hit| hit.document)).await
    }
}

async fn library() -> Fixture {
    let fixture = Fixture::new(&["notes"]).await;
    fixture
        .put(
            "notes",
            &[
                (
                    "wing.md",
                    "Wing\n\nLift and drag of a swept wing in the wind tunnel.",
                ),
                ("tail.md", "Tail\n\nThe tail of the wing. Naïve flutter."),
                (
                    "code.md",
                    "Names\n\nSet foo_bar and a.b.c with --dry-run on gpt-4.",
                ),
                ("parts.md", "Parts\n\nfoo then bar; gpt and 4; a, c, b."),
                ("ja.md", "料理\n\n全文検索のための日本語の文書です。"),
                ("zh.md", "菜单\n\n机器学习的方法很多。"),
                ("ko.md", "한국어\n\n검색엔진의 품질"),
                (
                    "heat.md",
                    "Conduction\n\nHeat transfers through composite slabs.",
                ),
            ],
        )
        .await;
    fixture
}

#[tokio::test]
async fn any_word_will_do_and_more_are_better() {
    let fixture = library().await;
    assert_eq!(
        fixture.search("wing drag unheard").await,
        ["wing.md", "tail.md"]
    );
    assert_eq!(fixture.search("NAIVE").await, ["tail.md"]);
    assert_eq!(fixture.search("transferring heats").await, ["heat.md"]);
    assert_eq!(fixture.search("tail").await, ["tail.md"]);
    assert_eq!(fixture.search("unheard").await, [""; 0]);
}

#[tokio::test]
async fn phrases_prefixes_and_exclusions_hold() {
    let fixture = library().await;
    assert_eq!(fixture.search("\"swept wing\"").await, ["wing.md"]);
    assert_eq!(fixture.search("\"wing swept\"").await, [""; 0]);
    assert_eq!(fixture.search("wing -flutter").await, ["wing.md"]);
    assert_eq!(fixture.search("compos*").await, ["heat.md"]);
    assert_eq!(fixture.search("\"wind tun\"*").await, ["wing.md"]);
}

#[tokio::test]
async fn names_are_found_whole_and_by_part() {
    let fixture = library().await;
    for query in ["foo_bar", "fooBar", "a.b.c", "--dry-run", "gpt-4", "dry"] {
        assert_eq!(fixture.search(query).await, ["code.md"], "{query}");
    }
    assert_eq!(fixture.search("foo").await.len(), 2);
    // With its dashes it means the option.
    fixture
        .put("notes", &[("dry.md", "Dry\n\na dry run, a dry run of all")])
        .await;
    assert_eq!(
        fixture.search("--dry-run").await,
        ["code.md", "dry.md"],
        "the option leads"
    );
}

#[tokio::test]
async fn all_words_outrank_some() {
    let fixture = Fixture::new(&["notes"]).await;
    let long = format!("Long\n\nrudder {} aileron", "other words ".repeat(300));
    let many = "Rudder\n\n".to_owned() + &"rudder ".repeat(40);
    fixture
        .put(
            "notes",
            &[
                ("many.md", &many),
                ("long.md", &long),
                ("x.md", "X\n\nother words"),
            ],
        )
        .await;
    assert_eq!(
        fixture.search("the rudder and the aileron").await,
        ["long.md", "many.md"]
    );
}

#[tokio::test]
async fn fields_bind_words() {
    let fixture = library().await;
    assert_eq!(fixture.search("title:wing").await, ["wing.md"]);
    assert_eq!(fixture.search("title:\"wing\"").await, ["wing.md"]);
    assert_eq!(fixture.search("path:code").await, ["code.md"]);
    assert_eq!(fixture.search("wing -title:tail").await, ["wing.md"]);
    assert_eq!(fixture.search("title:flutter").await, [""; 0]);
    assert_eq!(fixture.search("title:flutter heat").await, ["heat.md"]);
}

#[tokio::test]
async fn words_of_other_languages_are_found() {
    let fixture = Fixture::new(&["notes"]).await;
    fixture
        .put(
            "notes",
            &[
                ("en.md", "House\n\nThe houses are on the river."),
                (
                    "de.md",
                    "Häuser\n\nDie Häuser am Fluss sind alt, auch die Gebäudeversicherung.",
                ),
                ("ru.md", "Книги\n\nНа столе лежали новые книги."),
                (
                    "fr.md",
                    "Maisons\n\nLes maisons sont dans la forêt et sur la mer.",
                ),
                ("th.md", "ภาษา\n\nภาษาไทยง่ายมาก"),
            ],
        )
        .await;
    for (query, path) in [
        ("Haus", "de.md"),
        ("haeuser", "de.md"),
        ("Versicherung", "de.md"),
        ("книга", "ru.md"),
        ("foret", "fr.md"),
        ("maison", "fr.md"),
        ("houses", "en.md"),
        ("ภาษาไทย", "th.md"),
    ] {
        assert_eq!(fixture.search(query).await, [path], "{query}");
    }
}

#[tokio::test]
async fn paths_are_searched_too() {
    let fixture = library().await;
    assert_eq!(fixture.search("parts.md").await[0], "parts.md");
}

#[tokio::test]
async fn scripts_without_spaces_are_found() {
    let fixture = library().await;
    for (query, path) in [
        ("検索", "ja.md"),
        ("日本語の検索", "ja.md"),
        ("\"全文検索\"", "ja.md"),
        ("学习方法", "zh.md"),
        ("菜单", "zh.md"),
        ("엔진", "ko.md"),
    ] {
        assert_eq!(fixture.search(query).await, [path], "{query}");
    }
    assert_eq!(fixture.search("\"検索全文\"").await, [""; 0]);
}

#[tokio::test]
async fn nothing_typed_is_syntax() {
    let fixture = library().await;
    for query in [
        "wing AND OR NOT",
        "NEAR(wing tail)",
        "wing\" OR \"x",
        "^wing",
        "{wing} : -",
        "wing + tail",
        "wing* *",
        "'; DROP TABLE documents; -- wing",
        "wi\0ng wing",
        "wing\u{0}",
    ] {
        assert!(!fixture.search(query).await.is_empty(), "{query:?}");
    }
    assert_eq!(fixture.search("²³").await, [""; 0]);
}

#[tokio::test]
async fn a_query_of_the_longest_kind_is_answered() {
    let fixture = library().await;
    let mut query = "wing ".to_owned();
    for number in 0.. {
        let word = format!("w{number} ");
        if query.len() + word.len() > crate::text::query::MAX_BYTES {
            break;
        }
        query.push_str(&word);
    }
    assert_eq!(fixture.search(&query).await, ["wing.md", "tail.md"]);
}

#[tokio::test]
async fn the_scope_is_applied_before_the_limit() {
    let fixture = Fixture::new(&["big", "small", "empty"]).await;
    let texts: Vec<String> = (0..50)
        .map(|number| format!("wing wing {number}"))
        .collect();
    let paths: Vec<String> = (0..50).map(|number| format!("{number}.md")).collect();
    let files: Vec<(&str, &str)> = paths
        .iter()
        .map(String::as_str)
        .zip(texts.iter().map(String::as_str))
        .collect();
    fixture.put("big", &files).await;
    fixture
        .put(
            "small",
            &[("s.md", "a wing among many other words than this one")],
        )
        .await;
    let find = async |names: &[&str], limit| {
        let hits = fixture.search_in("wing", scope(names), limit).await;
        fixture.paths(hits.iter().map(|hit| hit.document)).await
    };
    assert_eq!(find(&["small"], 1).await, ["s.md"]);
    assert_eq!(find(&["empty"], 9).await, [""; 0]);
    assert_eq!(find(&["unknown"], 9).await, [""; 0]);
    assert_eq!(find(&["big", "small", "empty"], 3).await.len(), 3);
    assert_eq!(find(&["big", "small", "empty"], 99).await.len(), 51);
    assert_eq!(find(&["big", "empty"], 99).await.len(), 50);
    let some = fixture
        .search_in("wing", scope(&["big", "small"]), 99)
        .await;
    let all = fixture
        .search_in("wing", scope(&["big", "small", "empty"]), 99)
        .await;
    assert_eq!(some, all, "a filter changes neither score nor order");
}

#[tokio::test]
async fn the_index_follows_changes() {
    let fixture = library().await;
    fixture
        .put("notes", &[("heat.md", "Rudder\n\nsteers")])
        .await;
    assert_eq!(fixture.search("composite").await, [""; 0]);
    assert_eq!(fixture.search("rudder").await, ["heat.md"]);
    fixture.remove("notes", &["heat.md"]).await;
    assert_eq!(fixture.search("rudder").await, [""; 0]);
    assert_eq!(fixture.sync(&["other"]).await, 7);
    assert_eq!(
        fixture
            .number("SELECT count(*) FROM documents_fts('wing')")
            .await,
        0
    );
    fixture.assert_whole().await;
}

/// What people and programs type, and what is syntax elsewhere.
fn query() -> impl proptest::strategy::Strategy<Value = String> {
    let word = "[a-z]{1,4}|wing|the|\"[a-z ]{0,6}\"\\*?|-?(title|path):[a-z*\"]{0,4}|[a-zA-Z_.:/+#&'’-]{1,6}\\*?|\
                AND|OR|NOT|NEAR\\(|[\"*^{}():;,+?-]{1,3}|検索語?|ไทย|ß|\u{301}|\0|\\PC{1,4}";
    proptest::collection::vec(word, 0..8).prop_map(|words| words.join(" "))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn no_query_is_a_syntax_error(queries in proptest::collection::vec(query(), 40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let fixture = library().await;
            for text in queries {
                let Ok(query) = LexicalQuery::parse(&text) else { continue };
                for exhaustive in [false, true] {
                    let scope = scope(&["notes"]);
                    let found = fixture.store.lexical(query.clone(), scope, 9, exhaustive).await;
                    assert!(found.is_ok(), "{text:?}: {found:?}");
                }
            }
        });
    }
}
