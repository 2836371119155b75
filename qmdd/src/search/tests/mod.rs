//! The pipeline over a real store, with models that do as they are told.

mod scripted;

use std::{
    sync::{Arc, Mutex, atomic::Ordering},
    time::{Duration, Instant},
};

use tempfile::TempDir;
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;

use self::scripted::Scripted;
use super::*;
use crate::{
    domain::{ChunkSpan, CollectionName, ContentHash, Hit, Metadata, Reason, StageState, TextSpan},
    infer::{backend::InferError, prompts},
    store::{Change, EmbeddedChunk, EmbeddedContent, FileRecord, FileStamp, Scope, Store},
    text::{chunk, query::Query},
};

/// Far beyond what any of this takes; a test that gets there has failed.
const PATIENCE: Duration = Duration::from_secs(30);

/// Texts whose number is the angle of their vector.
const TEXTS: [(&str, &str); 6] = [
    ("a.md", "# wing\nwing heat 10\n"),
    ("b.md", "# heat\nheat and drag 20\n"),
    ("c.md", "# tail\ntail drag 30\n"),
    ("d.md", "# boat\nboat keel 40\n"),
    ("e.md", "# sail\nsail wing 70\n"),
    ("f.md", "# mast\nmast and boom 80\n"),
];

struct Fixture {
    store: Store,
    backend: Scripted,
    pace: Pace,
    _folder: TempDir,
}

impl Fixture {
    /// The texts, embedded.
    async fn new(backend: Scripted) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("index.sqlite"))
            .await
            .unwrap();
        store
            .sync_collections(vec![(notes(), "/files/notes".into())])
            .await
            .unwrap();
        let changes = TEXTS.iter().map(|(path, text)| Change::Put {
            file: FileRecord {
                path: (*path).to_owned(),
                title: text[2..6].to_owned(),
                metadata: Metadata::default(),
                stamp: FileStamp {
                    size: 1,
                    mtime_ns: 0,
                    inode: 1,
                },
                reader: 1,
            },
            text: Arc::from(*text),
            hash: ContentHash::of(text),
        });
        store.apply(&notes(), changes.collect()).await.unwrap();
        let fixture = Self {
            store,
            backend,
            pace: Pace::default(),
            _folder: folder,
        };
        fixture.embed().await;
        fixture
    }

    async fn embed(&self) {
        let Ok(model) = self.backend.info(Role::Embed) else {
            return;
        };
        let fingerprint = prompts::fingerprint(&model, chunk::VERSION);
        let pending = self.store.pending(&fingerprint, vec![notes()], 0, i64::MAX);
        let contents = pending.await.unwrap().into_iter().map(|pending| {
            let part = |bytes: std::ops::Range<usize>, line, vector| EmbeddedChunk {
                span: ChunkSpan {
                    span: TextSpan {
                        bytes,
                        lines: (line, line),
                    },
                    heading: String::new(),
                },
                tokens: 3,
                vector,
            };
            let vector = (self.backend.vector)(&pending.text);
            let near = vec![vector[0], vector[1] + 0.05];
            EmbeddedContent {
                content_id: pending.content_id,
                chunks: vec![part(7..pending.text.len(), 2, vector), part(0..7, 1, near)],
            }
        });
        let contents = contents.collect();
        self.store
            .put_chunks(&fingerprint, 2, contents)
            .await
            .unwrap();
    }

    async fn search(&self, request: &Request) -> Outcome {
        self.listen(request, &Silent).await.unwrap()
    }

    async fn listen(
        &self,
        request: &Request,
        listener: &dyn Listener,
    ) -> Result<Outcome, SearchError> {
        let searcher = Searcher {
            store: &self.store,
            backend: &self.backend,
            pace: &self.pace,
        };
        let cancel = CancellationToken::new();
        let search = searcher.search(request, listener, &cancel);
        tokio::time::timeout(PATIENCE, search)
            .await
            .expect("an answer")
    }
}

fn notes() -> CollectionName {
    CollectionName::new("notes").unwrap()
}

fn request(text: &str, mode: Mode) -> Request {
    Request {
        query: Query::parse(text, jiff::Timestamp::UNIX_EPOCH).unwrap(),
        mode,
        scope: Scope::of(vec![notes()]),
        limit: 10,
        min_score: 0.0,
        full: false,
        exhaustive: false,
        rerank: Wish::Auto,
        expand: Wish::Auto,
        candidates: 40,
        started: Instant::now(),
        deadline: None,
    }
}

fn paths(hits: &[Hit]) -> Vec<&str> {
    hits.iter().map(|hit| hit.path.as_str()).collect()
}

fn stage(outcome: &Outcome, stage: Stage) -> &StageReport {
    let found = outcome.stages.iter().find(|report| report.stage == stage);
    found.unwrap_or_else(|| panic!("no {stage:?} in {:?}", outcome.stages))
}

/// Hears rankings.
#[derive(Default)]
struct Heard(Mutex<Vec<(Progress, Outcome)>>, Notify);

impl Listener for Heard {
    fn wants_rankings(&self) -> bool {
        true
    }

    fn stage(&self, _: &StageReport) {}

    fn ranking(&self, progress: Progress, outcome: Outcome) {
        self.0.lock().unwrap().push((progress, outcome));
        self.1.notify_one();
    }
}

const ALL: [Role; 3] = [Role::Embed, Role::Rerank, Role::Generate];

#[tokio::test]
async fn the_parts_of_a_score_add_up_to_it() {
    let mut backend = Scripted::new(&ALL);
    backend.score = |passage| if passage.contains("tail") { 0.9 } else { 0.2 };
    backend.written = "lex: keel mast\nvec: something at 35\n";
    let fixture = Fixture::new(backend).await;
    for mode in [Mode::Lexical, Mode::Vector, Mode::Hybrid] {
        for (rerank, expand) in [
            (Wish::No, Wish::No),
            (Wish::Yes, Wish::No),
            (Wish::Yes, Wish::Yes),
        ] {
            let outcome = fixture
                .search(&Request {
                    rerank,
                    expand,
                    ..request("wing heat 12", mode)
                })
                .await;
            assert!(!outcome.hits.is_empty());
            for hit in &outcome.hits {
                let explanation = &hit.explanation;
                let sum: f64 = explanation.parts.iter().map(|part| part.contribution).sum();
                assert!(
                    (sum - hit.score).abs() < 1e-15,
                    "{mode:?} {sum} {}",
                    hit.score
                );
                let weight = explanation.rerank_weight;
                let told = (1.0 - weight) * explanation.confidence * explanation.fused
                    + weight * explanation.rerank.unwrap_or_default();
                assert!(
                    (told - hit.score).abs() < 1e-12,
                    "{mode:?} {told} {}",
                    hit.score
                );
                assert!((0.0..=1.0).contains(&hit.score));
                assert_eq!(explanation.rerank.is_some(), rerank == Wish::Yes);
            }
        }
    }
}

#[tokio::test]
async fn a_reranker_overturns_the_order_and_reads_title_and_passage() {
    let mut backend = Scripted::new(&[Role::Embed, Role::Rerank]);
    backend.score = |passage| if passage.contains("keel") { 1.0 } else { 0.1 };
    let fixture = Fixture::new(backend).await;
    let plain = Request {
        rerank: Wish::No,
        ..request("wing heat 12", Mode::Hybrid)
    };
    assert_eq!(paths(&fixture.search(&plain).await.hits)[0], "a.md");
    let reranked = fixture.search(&request("wing heat 12", Mode::Hybrid)).await;
    assert_eq!(paths(&reranked.hits)[..2], ["d.md", "a.md"]);
    let report = stage(&reranked, Stage::Rerank);
    assert_eq!((report.scored, &report.state), ((6, 6), &StageState::Done));
    let read = fixture.backend.read.lock().unwrap();
    assert!(read.contains(&"boat\nboat keel 40".to_owned()), "{read:?}");
}

#[tokio::test]
async fn the_first_ranking_waits_for_no_model() {
    let mut backend = Scripted::new(&[Role::Embed, Role::Rerank]);
    backend.readable = Semaphore::new(0);
    let fixture = Fixture::new(backend).await;
    let heard = Heard::default();
    let request = request("wing heat 12", Mode::Hybrid);
    let search = fixture.listen(&request, &heard);
    let release = async {
        heard.1.notified().await;
        let first = heard.0.lock().unwrap()[0].clone();
        assert_eq!(first.0, Progress::Preliminary);
        assert_eq!(paths(&first.1.hits)[0], "a.md");
        assert!(fixture.backend.read.lock().unwrap().is_empty());
        fixture.backend.readable.add_permits(100);
    };
    let (outcome, ()) = tokio::join!(search, release);
    assert_eq!(stage(&outcome.unwrap(), Stage::Rerank).scored, (6, 6));
}

#[tokio::test]
async fn what_words_find_does_not_wait_for_meaning() {
    let mut backend = Scripted::new(&[Role::Embed]);
    backend.embeddable = Semaphore::new(0);
    let fixture = Fixture::new(backend).await;
    let heard = Heard::default();
    let request = request("wing heat 12", Mode::Hybrid);
    let search = fixture.listen(&request, &heard);
    let release = async {
        heard.1.notified().await;
        fixture.backend.embeddable.add_permits(1);
    };
    let (outcome, ()) = tokio::join!(search, release);
    assert_eq!(
        stage(&outcome.unwrap(), Stage::Vector).state,
        StageState::Done
    );
    let heard = heard.0.lock().unwrap();
    let (_, first) = &heard[0];
    let state = &stage(first, Stage::Vector).state;
    assert_eq!((heard.len(), state), (1, &StageState::Running));
    assert_eq!(paths(&first.hits)[0], "a.md");
}

#[tokio::test]
async fn a_vector_that_is_late_is_missing() {
    let mut backend = Scripted::new(&[Role::Embed]);
    backend.embeddable = Semaphore::new(0);
    let fixture = Fixture::new(backend).await;
    let soon = || Some(Instant::now() + Duration::from_millis(100));
    let hurried = Request {
        deadline: soon(),
        ..request("wing heat 12", Mode::Hybrid)
    };
    let outcome = fixture.search(&hurried).await;
    let StageState::Missing(trouble) = &stage(&outcome, Stage::Vector).state else {
        panic!("{:?}", outcome.stages);
    };
    assert_eq!(trouble.reason, Reason::BudgetSpent);
    assert_eq!(paths(&outcome.hits)[0], "a.md");
    let by_meaning = Request {
        deadline: soon(),
        ..request("wing heat 12", Mode::Vector)
    };
    let failed = fixture.listen(&by_meaning, &Silent).await;
    assert!(matches!(
        failed,
        Err(SearchError::Infer(InferError::Deadline { .. }))
    ));
}

/// Hears how far the reranking of better rankings is.
#[derive(Default)]
struct Reranking(Mutex<Vec<(usize, usize)>>);

impl Listener for Reranking {
    fn wants_rankings(&self) -> bool {
        true
    }

    fn stage(&self, _: &StageReport) {}

    fn ranking(&self, progress: Progress, outcome: Outcome) {
        if matches!(progress, Progress::Refined) {
            let report = stage(&outcome, Stage::Rerank);
            assert_eq!(report.state, StageState::Running);
            self.0.lock().unwrap().push(report.scored);
        }
    }
}

#[tokio::test]
async fn better_rankings_say_how_far_the_reranking_is() {
    let fixture = Fixture::new(Scripted::new(&[Role::Embed, Role::Rerank])).await;
    let heard = Reranking::default();
    let hurried = Request {
        deadline: Some(Instant::now() + PATIENCE),
        ..request("wing heat 12", Mode::Hybrid)
    };
    let outcome = fixture.listen(&hurried, &heard).await.unwrap();
    let heard = heard.0.lock().unwrap();
    assert_eq!(*heard, [(1, 6), (2, 6), (3, 6), (4, 6), (5, 6)]);
    assert_eq!(stage(&outcome, Stage::Rerank).scored, (6, 6));
}

#[tokio::test]
async fn at_its_deadline_a_search_answers_with_what_was_read() {
    let mut backend = Scripted::new(&[Role::Embed, Role::Rerank]);
    backend.readable = Semaphore::new(2);
    let fixture = Fixture::new(backend).await;
    let outcome = fixture
        .search(&Request {
            deadline: Some(Instant::now() + Duration::from_secs(2)),
            ..request("wing heat 12", Mode::Hybrid)
        })
        .await;
    let report = stage(&outcome, Stage::Rerank);
    assert_eq!(report.scored, (2, 6));
    let StageState::Partial(trouble) = &report.state else {
        panic!("{report:?}");
    };
    assert_eq!(trouble.reason, Reason::BudgetSpent);
    assert_eq!(
        trouble.message,
        "the time was up after 2 of 6 candidates were reranked"
    );
    let told = |hit: &&Hit| hit.explanation.rerank.is_some();
    assert_eq!(outcome.hits.iter().filter(told).count(), 2);
    assert_eq!(outcome.hits.len(), 6);
}

#[tokio::test]
async fn passages_that_were_not_read_are_no_better_than_those_that_were() {
    let mut backend = Scripted::new(&[Role::Embed, Role::Rerank]);
    backend.readable = Semaphore::new(3);
    backend.score = |passage| if passage.contains("tail") { 0.05 } else { 0.7 };
    let fixture = Fixture::new(backend).await;
    let outcome = fixture
        .search(&Request {
            deadline: Some(Instant::now() + Duration::from_secs(2)),
            ..request("wing heat 12", Mode::Hybrid)
        })
        .await;
    assert_eq!(stage(&outcome, Stage::Rerank).scored.0, 3);
    let scores: Vec<f64> = outcome.hits.iter().map(|hit| hit.score).collect();
    let read: Vec<bool> = (outcome.hits.iter())
        .map(|hit| hit.explanation.rerank.is_some())
        .collect();
    assert_eq!(read, [true, true, true, false, false, false], "{scores:?}");
}

#[tokio::test]
async fn what_is_missing_is_said() {
    let fixture = Fixture::new(Scripted::new(&[Role::Embed])).await;
    let outcome = fixture.search(&request("wing", Mode::Hybrid)).await;
    assert_eq!(stage(&outcome, Stage::Rerank).state, StageState::Skipped);
    let outcome = fixture
        .search(&Request {
            rerank: Wish::Yes,
            expand: Wish::Yes,
            ..request("wing", Mode::Hybrid)
        })
        .await;
    for missing in [Stage::Rerank, Stage::Expand] {
        let StageState::Missing(trouble) = &stage(&outcome, missing).state else {
            panic!("{:?}", outcome.stages);
        };
        assert_eq!(trouble.reason, Reason::ModelNotConfigured);
    }
    let fixture = Fixture::new(Scripted::new(&[])).await;
    let outcome = fixture.search(&request("wing", Mode::Hybrid)).await;
    assert!(matches!(
        stage(&outcome, Stage::Vector).state,
        StageState::Missing(_)
    ));
    assert_eq!(paths(&outcome.hits)[0], "a.md");
    let failed = fixture
        .listen(&request("wing", Mode::Vector), &Silent)
        .await;
    assert!(matches!(failed, Err(SearchError::Infer(_))));
}

#[tokio::test]
async fn a_reranker_that_ends_in_the_middle_leaves_what_it_read() {
    let mut backend = Scripted::new(&[Role::Embed, Role::Rerank]);
    backend.readable = Semaphore::new(0);
    let fixture = Fixture::new(backend).await;
    fixture.backend.readable.close();
    let outcome = fixture.search(&request("wing heat 12", Mode::Hybrid)).await;
    let StageState::Missing(trouble) = &stage(&outcome, Stage::Rerank).state else {
        panic!("{:?}", outcome.stages);
    };
    assert_eq!(trouble.reason, Reason::WorkerCrashed);
    assert_eq!(paths(&outcome.hits)[0], "a.md");
}

#[tokio::test]
async fn an_expansion_that_is_half_searched_is_partial() {
    let mut backend = Scripted::new(&[Role::Generate]);
    backend.written = "lex: boom\nvec: at 81\n";
    let fixture = Fixture::new(backend).await;
    let expanded = Request {
        expand: Wish::Yes,
        ..request("wing heat 12", Mode::Hybrid)
    };
    let outcome = fixture.search(&expanded).await;
    let StageState::Partial(trouble) = &stage(&outcome, Stage::Expand).state else {
        panic!("{:?}", outcome.stages);
    };
    assert_eq!(trouble.reason, Reason::ModelNotConfigured);
    assert!(paths(&outcome.hits).contains(&"f.md"));
}

#[tokio::test]
async fn an_expansion_adds_documents_and_counts_less_than_the_query() {
    let mut backend = Scripted::new(&[Role::Embed, Role::Generate]);
    backend.written = "lex: boom\nvec: at 81\n";
    let fixture = Fixture::new(backend).await;
    let with = |expand| Request {
        expand,
        ..request("wing heat 12", Mode::Hybrid)
    };
    let plain = fixture.search(&with(Wish::No)).await;
    let expanded = fixture.search(&with(Wish::Yes)).await;
    assert_eq!(paths(&expanded.hits)[0], "a.md");
    let gain = |outcome: &Outcome| {
        let score = |path| {
            let hit = outcome.hits.iter().find(|hit| hit.path == path);
            hit.map_or(0.0, |hit| hit.score)
        };
        score("f.md") / score("d.md")
    };
    assert!(gain(&expanded) > 1.5 * gain(&plain));
    let parts = || expanded.hits.iter().flat_map(|hit| &hit.explanation.parts);
    let weight = |expanded| {
        let parts = parts().filter(move |part| part.expanded == expanded);
        parts.map(|part| part.weight).fold(0.0, f64::max)
    };
    assert!(weight(true) > 0.0 && weight(true) < weight(false));
    // The generator was not trained for it.
    assert_eq!(fixture.backend.generated.load(Ordering::Relaxed), 1);
    fixture.search(&with(Wish::Auto)).await;
    assert_eq!(fixture.backend.generated.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn asking_for_more_changes_no_order_and_a_document_is_one_hit() {
    let fixture = Fixture::new(Scripted::new(&[Role::Embed])).await;
    let all = fixture.search(&request("wing drag 12", Mode::Hybrid)).await;
    assert_eq!(all.hits.len(), 6);
    for limit in 1..6 {
        let few = fixture
            .search(&Request {
                limit,
                ..request("wing drag 12", Mode::Hybrid)
            })
            .await;
        assert_eq!(paths(&few.hits), paths(&all.hits)[..limit]);
    }
    let near = fixture.search(&request("12", Mode::Vector)).await;
    assert_eq!(near.hits.len(), 6);
    assert_eq!(near.hits[0].places.len(), 1, "{:?}", near.hits[0]);
}
