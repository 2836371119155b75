//! Embedding state and nearest neighbours.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use proptest::prelude::*;

use super::*;

/// Far beyond what any of this takes; a test that gets there has failed.
const PATIENCE: Duration = Duration::from_secs(50);

impl Fixture {
    /// Paths near a vector, nearest first.
    async fn near(&self, vector: &[f32], scope: Scope, limit: usize) -> Vec<String> {
        let hits = self
            .store
            .nearest(MODEL, vector.to_vec(), scope, limit)
            .await
            .unwrap();
        assert!(
            hits.is_sorted_by(|a, b| a.similarity >= b.similarity),
            "{hits:?}"
        );
        self.paths(hits.iter().map(|hit| hit.document)).await
    }

    async fn pending_paths(&self, model: &str, collections: &[&str]) -> Vec<String> {
        let collections: Vec<_> = collections.iter().map(|each| name(each)).collect();
        let count = self
            .store
            .pending_count(model, Scope::of(collections.clone()))
            .await
            .unwrap();
        let pending = self
            .store
            .pending(model, collections, 0, 100)
            .await
            .unwrap();
        assert_eq!(pending.len() as u64, count);
        pending.into_iter().map(|each| each.path).collect()
    }
}

/// A unit vector at an angle of some degrees.
fn at(degrees: f32) -> Vec<f32> {
    let (y, x) = degrees.to_radians().sin_cos();
    vec![x, y]
}

/// The text's number as an angle.
fn by_number(text: &str) -> Vec<f32> {
    at(text.parse().unwrap())
}

#[tokio::test]
async fn contents_are_pending_until_embedded() {
    let fixture = Fixture::new(&["a", "b"]).await;
    fixture
        .put("a", &[("1.md", "10"), ("2.md", "20"), ("3.md", "10")])
        .await;
    fixture.put("b", &[("4.md", "40"), ("5.md", "20")]).await;
    assert_eq!(fixture.pending_paths(MODEL, &["a"]).await, ["1.md", "2.md"]);
    assert_eq!(fixture.pending_paths(MODEL, &["b"]).await, ["5.md", "4.md"]);
    assert_eq!(
        fixture.pending_paths(MODEL, &["a", "b"]).await,
        ["1.md", "2.md", "4.md"]
    );
    assert_eq!(fixture.pending_paths(MODEL, &["unknown"]).await, [""; 0]);

    let first = fixture
        .store
        .pending(MODEL, vec![name("a")], 0, 1)
        .await
        .unwrap();
    assert_eq!(
        (first[0].title.as_str(), first[0].text.as_str()),
        ("10", "10")
    );
    let next = fixture
        .store
        .pending(MODEL, vec![name("a")], first[0].content_id, 9)
        .await
        .unwrap();
    assert_eq!(next.len(), 1);

    fixture.embed("a", MODEL, by_number).await;
    assert_eq!(fixture.pending_paths(MODEL, &["a", "b"]).await, ["4.md"]);
    assert_eq!(fixture.pending_paths("model-2", &["a", "b"]).await.len(), 3);
    let counts = fixture.store.counts(Some(MODEL)).await.unwrap();
    assert_eq!(
        (counts.vectors, counts.stale_vectors, counts.pending),
        (2, 0, 1)
    );
}

#[tokio::test]
async fn a_text_with_nothing_to_embed_is_done_at_once() {
    let fixture = Fixture::new(&["a"]).await;
    fixture.put("a", &[("blank.md", "  ")]).await;
    let pending = fixture
        .store
        .pending(MODEL, vec![name("a")], 0, 9)
        .await
        .unwrap();
    let blank = EmbeddedContent {
        content_id: pending[0].content_id,
        chunks: Vec::new(),
    };
    fixture
        .store
        .put_chunks(MODEL, 2, vec![blank])
        .await
        .unwrap();
    assert_eq!(fixture.pending_paths(MODEL, &["a"]).await, [""; 0]);
    assert_eq!(fixture.store.counts(None).await.unwrap().pending, 0);
}

#[tokio::test]
async fn new_vectors_take_the_place_of_stale_ones() {
    let fixture = Fixture::new(&["a"]).await;
    fixture.put("a", &[("1.md", "10"), ("2.md", "20")]).await;
    fixture.embed("a", "old", by_number).await;
    let counts = fixture.store.counts(Some(MODEL)).await.unwrap();
    assert_eq!(
        (counts.chunks, counts.vectors, counts.stale_vectors),
        (2, 0, 2)
    );
    assert_eq!(counts.pending, 2);
    assert_eq!(
        fixture.near(&at(0.0), scope(&["a"]), 9).await,
        [""; 0],
        "spaces are not mixed"
    );

    let pending = fixture
        .store
        .pending(MODEL, vec![name("a")], 0, 1)
        .await
        .unwrap();
    let one = EmbeddedContent {
        content_id: pending[0].content_id,
        chunks: vec![chunk(0, at(90.0)), chunk(1, at(45.0))],
    };
    fixture.store.put_chunks(MODEL, 2, vec![one]).await.unwrap();
    let counts = fixture.store.counts(Some(MODEL)).await.unwrap();
    assert_eq!(
        (counts.vectors, counts.stale_vectors, counts.pending),
        (2, 1, 1)
    );
    // The stale vector of 2.md is nearer, and of another space.
    assert_eq!(fixture.near(&at(20.0), scope(&["a"]), 9).await, ["1.md"]);
    fixture.assert_whole().await;

    // A model of another length takes over.
    fixture.embed("a", "wide", |_| vec![0.0, 0.0, 1.0]).await;
    let counts = fixture.store.counts(Some("wide")).await.unwrap();
    assert_eq!(
        (counts.vectors, counts.stale_vectors, counts.pending),
        (2, 0, 0)
    );
    assert_eq!(fixture.number("SELECT count(*) FROM vectors_2").await, 0);
    fixture.assert_whole().await;
}

#[tokio::test]
async fn what_is_gone_meanwhile_is_passed_over() {
    let fixture = Fixture::new(&["a"]).await;
    fixture.put("a", &[("1.md", "10")]).await;
    let gone = EmbeddedContent {
        content_id: 99,
        chunks: vec![chunk(0, at(0.0))],
    };
    fixture
        .store
        .put_chunks(MODEL, 2, vec![gone])
        .await
        .unwrap();
    assert_eq!(fixture.store.counts(None).await.unwrap().chunks, 0);
    fixture.assert_whole().await;
}

#[tokio::test]
async fn unusable_vectors_are_refused() {
    let fixture = Fixture::new(&["a"]).await;
    fixture.put("a", &[("1.md", "10")]).await;
    let put = async |model: &str, dimensions, vector| {
        let content = EmbeddedContent {
            content_id: 1,
            chunks: vec![chunk(0, vector)],
        };
        fixture
            .store
            .put_chunks(model, dimensions, vec![content])
            .await
    };
    for vector in [
        vec![],
        vec![1.0],
        vec![1.0, f32::NAN],
        vec![f32::INFINITY, 0.0],
        vec![0.0; 2],
    ] {
        assert!(matches!(
            put(MODEL, 2, vector.clone()).await,
            Err(StoreError::Vector(_))
        ));
        fixture.embed("a", "other", by_number).await;
        let near = fixture
            .store
            .nearest("other", vector, scope(&["a"]), 1)
            .await;
        assert!(matches!(near, Err(StoreError::Vector(_))));
    }
    put(MODEL, 2, at(0.0)).await.unwrap();
    let other_length = put(MODEL, 3, vec![1.0, 0.0, 0.0]).await;
    assert!(matches!(other_length, Err(StoreError::Vector(_))));
    assert_eq!(fixture.store.counts(Some(MODEL)).await.unwrap().vectors, 1);
}

#[tokio::test]
async fn clearing_makes_pending_again() {
    let fixture = Fixture::new(&["a", "b"]).await;
    fixture.put("a", &[("1.md", "10"), ("2.md", "20")]).await;
    fixture.put("b", &[("3.md", "30")]).await;
    fixture.embed("a", MODEL, by_number).await;
    fixture.embed("b", MODEL, by_number).await;
    fixture.store.clear_vectors(scope(&["a"])).await.unwrap();
    assert_eq!(
        fixture.pending_paths(MODEL, &["a", "b"]).await,
        ["1.md", "2.md"]
    );
    assert_eq!(
        fixture.near(&at(0.0), scope(&["a", "b"]), 9).await,
        ["3.md"]
    );
    fixture.assert_whole().await;
    fixture
        .store
        .clear_vectors(scope(&["a", "b"]))
        .await
        .unwrap();
    assert_eq!(fixture.store.counts(None).await.unwrap().chunks, 0);
}

#[tokio::test]
async fn a_hit_knows_its_best_chunk() {
    let fixture = Fixture::new(&["a"]).await;
    fixture.put("a", &[("1.md", "10"), ("copy.md", "10")]).await;
    let chunks = vec![chunk(0, at(0.0)), chunk(1, at(60.0)), chunk(2, at(120.0))];
    let content = EmbeddedContent {
        content_id: 1,
        chunks,
    };
    fixture
        .store
        .put_chunks(MODEL, 2, vec![content])
        .await
        .unwrap();
    let hits = fixture
        .store
        .nearest(MODEL, at(70.0), scope(&["a"]), 9)
        .await
        .unwrap();
    assert_eq!(
        hits.iter().map(|hit| hit.document).collect::<Vec<_>>(),
        [1, 2]
    );
    for hit in hits {
        assert_eq!(
            hit.chunk,
            TextSpan {
                bytes: 10..20,
                lines: (2, 3)
            }
        );
        assert_eq!(hit.heading, "heading 1");
        assert!((hit.similarity - f64::from(10_f32.to_radians().cos())).abs() < 1e-6);
    }
}

#[tokio::test]
async fn the_scope_is_applied_inside_the_pass() {
    let fixture = Fixture::new(&["near", "far", "none"]).await;
    let numbers: Vec<String> = (0..40).map(|number| number.to_string()).collect();
    let files: Vec<(&str, &str)> = numbers
        .iter()
        .map(|number| (number.as_str(), number.as_str()))
        .collect();
    fixture.put("near", &files).await;
    fixture.put("far", &[("80.md", "80"), ("0.md", "0")]).await;
    fixture.embed("near", MODEL, by_number).await;
    fixture.embed("far", MODEL, by_number).await;
    assert_eq!(fixture.near(&at(1.0), scope(&["far"]), 1).await, ["0.md"]);
    assert_eq!(
        fixture.near(&at(1.0), scope(&["far"]), 9).await,
        ["0.md", "80.md"]
    );
    assert_eq!(fixture.near(&at(1.0), scope(&["none"]), 9).await, [""; 0]);
    assert_eq!(
        fixture
            .near(&at(1.0), scope(&["near", "far", "none"]), 100)
            .await
            .len(),
        42
    );
    assert_eq!(fixture.near(&at(1.0), scope(&["near"]), 0).await, [""; 0]);
}

#[tokio::test]
async fn long_documents_do_not_crowd_out_the_others() {
    let fixture = Fixture::new(&["a"]).await;
    fixture
        .put(
            "a",
            &[
                ("long.md", "long"),
                ("longer.md", "longer"),
                ("short.md", "short"),
            ],
        )
        .await;
    let many = |start: f32| (0..5000_u32).map(move |n| chunk(n, at(start + n as f32 / 5000.0)));
    let contents = vec![
        EmbeddedContent {
            content_id: 1,
            chunks: many(0.0).collect(),
        },
        EmbeddedContent {
            content_id: 2,
            chunks: many(2.0).collect(),
        },
        EmbeddedContent {
            content_id: 3,
            chunks: vec![chunk(0, at(50.0))],
        },
    ];
    fixture.store.put_chunks(MODEL, 2, contents).await.unwrap();
    let near = fixture.near(&at(0.0), scope(&["a"]), 3).await;
    assert_eq!(near, ["long.md", "longer.md", "short.md"]);
    assert_eq!(
        fixture.near(&at(0.0), scope(&["a"]), 2).await,
        ["long.md", "longer.md"]
    );
}

/// A direction in eight dimensions, the same for the same text.
fn by_hash(text: &str) -> Vec<f32> {
    let hash = ContentHash::of(text).0;
    hash.iter()
        .take(8)
        .map(|byte| f32::from(*byte) - 127.5)
        .collect()
}

/// That search through the index in memory and the scan of what is stored find the same.
async fn assert_equals_scan(
    fixture: &Fixture,
    vector: &[f32],
    scope: &Scope,
    limit: usize,
) -> Vec<VectorHit> {
    let store = &fixture.store;
    let found = store
        .nearest(MODEL, vector.to_vec(), scope.clone(), limit)
        .await
        .unwrap();
    let scanned = store
        .nearest_by_scan(MODEL, vector.to_vec(), scope.clone(), limit)
        .await
        .unwrap();
    assert_eq!(found, scanned);
    found
}

#[tokio::test]
async fn the_index_in_memory_follows_the_database() {
    let fixture = Fixture::new(&["few", "many"]).await;
    let numbers: Vec<String> = (0..1200).map(|number| number.to_string()).collect();
    let files: Vec<(&str, &str)> = numbers
        .iter()
        .map(|each| (each.as_str(), each.as_str()))
        .collect();
    fixture.put("few", &files[..100]).await;
    fixture.put("many", &files[100..]).await;
    fixture.embed("few", MODEL, by_hash).await;
    fixture.embed("many", MODEL, by_hash).await;
    let (few, both) = (scope(&["few"]), scope(&["few", "many"]));
    let query = by_hash("query");
    for loaded in [false, true] {
        if loaded {
            let size = fixture.store.load_vectors(MODEL).await.unwrap();
            assert_eq!(size.vectors, 1200);
            assert!(size.bytes > 1200 * 8);
        }
        for limit in [1, 30, 400] {
            assert_eq!(
                assert_equals_scan(&fixture, &query, &both, limit)
                    .await
                    .len(),
                limit
            );
            let found = assert_equals_scan(&fixture, &query, &few, limit).await;
            assert_eq!(found.len(), limit.min(100));
        }
    }

    // What is gone is not found, and goes from memory too.
    let gone: Vec<&str> = files[100..1100].iter().map(|(path, _)| *path).collect();
    fixture.remove("many", &gone).await;
    assert_eq!(
        assert_equals_scan(&fixture, &query, &both, 400).await.len(),
        200
    );
    let swept = async {
        while fixture.store.load_vectors(MODEL).await.unwrap().vectors > 200 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, swept)
        .await
        .expect("it is swept");
    assert_eq!(
        assert_equals_scan(&fixture, &query, &both, 400).await.len(),
        200
    );

    // What comes is found at once; a document that moves is found where it went.
    fixture
        .put("many", &[("new.md", "new"), ("copy of 7.md", "7")])
        .await;
    fixture.embed("many", MODEL, by_hash).await;
    let found = assert_equals_scan(&fixture, &by_hash("new"), &scope(&["many"]), 1).await;
    assert_eq!(
        fixture.paths(found.iter().map(|hit| hit.document)).await,
        ["new.md"]
    );
    let found = assert_equals_scan(&fixture, &by_hash("7"), &scope(&["many"]), 1).await;
    assert_eq!(
        fixture.paths(found.iter().map(|hit| hit.document)).await,
        ["copy of 7.md"]
    );

    // What is rolled back was never there.
    let failed: Result<(), StoreError> = fixture
        .store
        .write(|transaction| {
            transaction.execute("DELETE FROM contents WHERE id < 50", [])?;
            Err(StoreError::Cancelled.into())
        })
        .await;
    assert!(failed.is_err());
    assert_eq!(
        assert_equals_scan(&fixture, &query, &few, 400).await.len(),
        100
    );

    // Another process finds the same.
    fixture.store.close().await;
    let fixture = Fixture {
        store: Store::open(&fixture.path()).await.unwrap(),
        folder: fixture.folder,
    };
    assert_eq!(
        assert_equals_scan(&fixture, &query, &both, 400).await.len(),
        202
    );
    fixture.sync(&["many"]).await;
    assert_eq!(
        assert_equals_scan(&fixture, &query, &both, 400).await.len(),
        102
    );
    fixture.assert_whole().await;
}

#[tokio::test]
async fn a_damaged_vector_is_not_searched_and_made_anew() {
    let fixture = Fixture::new(&["a"]).await;
    fixture
        .put("a", &[("1.md", "10"), ("2.md", "20"), ("3.md", "30")])
        .await;
    fixture.embed("a", MODEL, by_number).await;
    fixture.store.close().await;
    let file = rusqlite::Connection::open(fixture.path()).unwrap();
    let table = "vectors_2_vector_chunks00";
    let mut vectors: Vec<u8> = file
        .query_row(&format!("SELECT vectors FROM {table}"), [], |row| {
            row.get(0)
        })
        .unwrap();
    // The second vector of two floats.
    vectors[8] ^= 1;
    file.execute(&format!("UPDATE {table} SET vectors = ?1"), [vectors])
        .unwrap();
    drop(file);

    let fixture = Fixture {
        store: Store::open(&fixture.path()).await.unwrap(),
        folder: fixture.folder,
    };
    assert_eq!(
        fixture.near(&at(20.0), scope(&["a"]), 9).await,
        ["1.md", "3.md"]
    );
    // Writes run in their order, so what the search had removed is gone after this one.
    fixture.store.write(|_| Ok(())).await.unwrap();
    assert_eq!(fixture.pending_paths(MODEL, &["a"]).await, ["2.md"]);
    fixture.embed("a", MODEL, by_number).await;
    assert_eq!(fixture.near(&at(20.0), scope(&["a"]), 1).await, ["2.md"]);
    fixture.assert_whole().await;
}

#[tokio::test]
async fn any_number_can_be_equally_near() {
    let fixture = Fixture::new(&["a"]).await;
    let numbers: Vec<String> = (0..5000).map(|number| number.to_string()).collect();
    let files: Vec<(&str, &str)> = numbers
        .iter()
        .map(|each| (each.as_str(), each.as_str()))
        .collect();
    fixture.put("a", &files).await;
    fixture.embed("a", MODEL, |_| at(40.0)).await;
    fixture.store.load_vectors(MODEL).await.unwrap();
    for limit in [10, 4999, 9999] {
        let hits = fixture
            .store
            .nearest(MODEL, at(0.0), scope(&["a"]), limit)
            .await
            .unwrap();
        let documents: Vec<i64> = hits.iter().map(|hit| hit.document).collect();
        assert_eq!(documents, (1..=5000).take(limit).collect::<Vec<_>>());
    }
    let scanned = fixture
        .store
        .nearest_by_scan(MODEL, at(0.0), scope(&["a"]), 9999)
        .await;
    assert_eq!(scanned.unwrap().len(), 5000);
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_see_whole_states_only() {
    let fixture = Fixture::new(&["a"]).await;
    fixture.put("a", &[("1.md", "text")]).await;
    let version = |number: u16| EmbeddedContent {
        content_id: 1,
        chunks: (0..3)
            .map(|place| chunk(place, at(f32::from(number) / 4.0)))
            .collect(),
    };
    let store = &fixture.store;
    store.put_chunks(MODEL, 2, vec![version(0)]).await.unwrap();
    let written = AtomicU64::new(0);
    let write = async {
        for number in 1..=300 {
            store
                .put_chunks(MODEL, 2, vec![version(number)])
                .await
                .unwrap();
            written.store(number.into(), Ordering::SeqCst);
        }
    };
    let read = async {
        while written.load(Ordering::SeqCst) < 300 {
            let least = written.load(Ordering::SeqCst);
            let hits = store
                .nearest(MODEL, at(0.0), scope(&["a"]), 9)
                .await
                .unwrap();
            assert_eq!(hits.len(), 1, "the document always has vectors");
            let number = hits[0].similarity.acos().to_degrees() * 4.0;
            assert!(
                number + 0.1 > least as f64,
                "{number} after {least} was written"
            );
        }
    };
    tokio::join!(write, read);
}

#[derive(Debug, Clone)]
enum Step {
    Put(&'static str, u8, u8),
    Remove(&'static str, u8),
    Embed(&'static str, &'static str),
    Clear(&'static str),
    RollBack,
    /// Keeps this collection alone, then has both again.
    Keep(&'static str),
}

fn history() -> impl Strategy<Value = Step> {
    let collection = || prop_oneof![Just("a"), Just("b")];
    prop_oneof![
        8 => (collection(), 0..12_u8, 0..20_u8).prop_map(|(name, path, text)| Step::Put(name, path, text)),
        3 => (collection(), 0..12_u8).prop_map(|(name, path)| Step::Remove(name, path)),
        6 => collection().prop_map(|name| Step::Embed(name, MODEL)),
        1 => collection().prop_map(|name| Step::Embed(name, "other")),
        1 => collection().prop_map(Step::Clear),
        1 => Just(Step::RollBack),
        1 => collection().prop_map(Step::Keep),
    ]
}

async fn take(fixture: &Fixture, step: Step) {
    match step {
        Step::Put(name, path, text) => {
            fixture
                .put(name, &[(&path.to_string(), &text.to_string())])
                .await;
        }
        Step::Remove(name, path) => fixture.remove(name, &[&path.to_string()]).await,
        Step::Embed(name, model) => fixture.embed(name, model, by_hash).await,
        Step::Clear(name) => fixture.store.clear_vectors(scope(&[name])).await.unwrap(),
        Step::RollBack => {
            let undone = fixture.store.write(|transaction| {
                transaction.execute("DELETE FROM chunks", [])?;
                Err::<(), _>(StoreError::Cancelled.into())
            });
            assert!(undone.await.is_err());
        }
        Step::Keep(name) => {
            fixture.sync(&[name]).await;
            fixture.sync(&["a", "b"]).await;
        }
    }
}

/// Every document of the scope that has vectors, with its similarity, the nearest first; one by one.
async fn compare_all(fixture: &Fixture, query: &[f32], scope: &Scope) -> Vec<(i64, f64)> {
    let (query, names) = (query.to_vec(), scope.collections.clone());
    let all = fixture.store.read(move |transaction| {
        let mut chunks = transaction.prepare(
            "SELECT documents.id, chunks.id, collections.name
             FROM chunks JOIN documents USING (content_id)
                 JOIN collections ON collections.id = collection_id
             WHERE fingerprint_id = (SELECT id FROM fingerprints WHERE name = ?1)
             ORDER BY chunks.id, documents.id",
        )?;
        let mut rows = chunks.query([MODEL])?;
        let mut all: Vec<(i64, f64)> = Vec::new();
        while let Some(row) = rows.next()? {
            let name: String = row.get(2)?;
            if !names.iter().any(|wanted| wanted.as_str() == name) {
                continue;
            }
            let bytes: Vec<u8> = transaction.query_row(
                "SELECT embedding FROM vectors_8 WHERE chunk_id = ?1",
                [row.get::<_, i64>(1)?],
                |row| row.get(0),
            )?;
            let vector: Vec<f32> = bytes
                .as_chunks()
                .0
                .iter()
                .map(|value| f32::from_ne_bytes(*value))
                .collect();
            let product = |a: &[f32], b: &[f32]| -> f64 {
                a.iter()
                    .zip(b)
                    .map(|(a, b)| f64::from(*a) * f64::from(*b))
                    .sum()
            };
            let lengths = product(&query, &query).sqrt() * product(&vector, &vector).sqrt();
            all.push((row.get(0)?, product(&query, &vector) / lengths));
        }
        all.sort_by(|a, b| b.1.total_cmp(&a.1));
        Ok(all)
    });
    all.await.unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever happens in between, search finds what a comparison with everything finds.
    #[test]
    fn any_history_is_searched_exactly(
        steps in proptest::collection::vec(history(), 1..40),
        limit in 1..30_usize,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let fixture = Fixture::new(&["a", "b"]).await;
            for step in steps {
                take(&fixture, step).await;
                for names in [&["a"][..], &["a", "b"]] {
                    let scope = scope(names);
                    let found = assert_equals_scan(&fixture, &by_hash("query"), &scope, limit).await;
                    let found: Vec<_> = found.iter().map(|hit| (hit.document, hit.similarity)).collect();
                    let mut expected = compare_all(&fixture, &by_hash("query"), &scope).await;
                    expected.truncate(limit);
                    assert_eq!(found, expected);
                }
            }
        });
    }

    /// Against a plain scan: documents by their best chunk, scope and stale vectors minded.
    #[test]
    fn nearest_is_exact(
        documents in proptest::collection::vec(
            (0..2_usize, proptest::collection::vec(0..360_u16, 0..4), any::<bool>()), 1..20),
        query in 0..360_u16,
        one_collection in any::<bool>(),
        limit in 1..12_usize,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (found, expected) = runtime.block_on(async {
            let fixture = Fixture::new(&["a", "b"]).await;
            let mut expected = Vec::new();
            for (number, (collection, angles, stale)) in documents.iter().enumerate() {
                let text = number.to_string();
                fixture.put(["a", "b"][*collection], &[(&text, &text)]).await;
                let chunks = angles.iter().zip(0..).map(|(angle, n)| chunk(n, at(f32::from(*angle))));
                let content_id = number as i64 + 1;
                let content = EmbeddedContent { content_id, chunks: chunks.collect() };
                let model = if *stale { "old" } else { MODEL };
                fixture.store.put_chunks(model, 2, vec![content]).await.unwrap();
                let apart = |angle: &u16| {
                    let apart = angle.abs_diff(query) % 360;
                    apart.min(360 - apart)
                };
                if !stale && (*collection == 0 || !one_collection) {
                    expected.extend(angles.iter().map(apart).min());
                }
            }
            expected.sort_unstable();
            expected.truncate(limit);
            let names: &[&str] = if one_collection { &["a"] } else { &["a", "b"] };
            let vector = at(f32::from(query));
            let hits = fixture.store.nearest(MODEL, vector, scope(names), limit).await.unwrap();
            let found: Vec<f64> = hits.iter().map(|hit| hit.similarity).collect();
            (found, expected)
        });
        prop_assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(expected) {
            let expected = f64::from(expected).to_radians().cos();
            prop_assert!((found - expected).abs() < 1e-5, "{found} for {expected}");
        }
    }
}
