//! What is remembered, what never is, and what is forgotten first.

use std::sync::atomic::AtomicU32;

use super::*;
use crate::infer::backend::{ChatMarkup, ModelState};

/// Answers everything, and counts the inputs it saw.
#[derive(Default)]
struct Counting {
    seen: AtomicU32,
    finish: Option<Finish>,
    model: &'static str,
}

impl Counting {
    fn count(&self, inputs: usize) {
        self.seen.fetch_add(inputs as u32, Ordering::Relaxed);
    }
}

#[async_trait]
impl Backend for Counting {
    async fn embed(&self, texts: Vec<String>, _: Call) -> Result<Vec<Embedding>, InferError> {
        self.count(texts.len());
        if texts.iter().any(String::is_empty) {
            return Err(InferError::Internal("empty".into()));
        }
        let embedding = |text: String| Embedding {
            values: vec![text.len() as f32; 4],
            tokens: 1,
        };
        Ok(texts.into_iter().map(embedding).collect())
    }

    async fn rerank(
        &self,
        query: String,
        documents: Vec<String>,
        _: Call,
    ) -> Result<Vec<Scored>, InferError> {
        self.count(documents.len());
        let scored = |document: String| Scored {
            score: 1.0 / (1 + query.len() + document.len()) as f32,
            cut: false,
        };
        Ok(documents.into_iter().map(scored).collect())
    }

    async fn generate(
        &self,
        prompt: String,
        _: Sampling,
        _: Option<Pieces>,
        _: Call,
    ) -> Result<Generation, InferError> {
        self.count(1);
        Ok(Generation {
            text: prompt,
            tokens: 1,
            finish: self.finish.unwrap_or(Finish::Stop),
        })
    }

    async fn tokenize(
        &self,
        _: Role,
        _: Vec<String>,
        _: bool,
        _: Call,
    ) -> Result<Vec<Vec<i32>>, InferError> {
        Ok(Vec::new())
    }

    async fn detokenize(
        &self,
        _: Role,
        _: Vec<Vec<i32>>,
        _: Call,
    ) -> Result<Vec<String>, InferError> {
        Ok(Vec::new())
    }

    fn assign(&self, _: Role, _: Assignment) {}

    async fn ready(&self, role: Role, _: Call) -> Result<ModelInfo, InferError> {
        self.info(role)
    }

    async fn unload(&self, _: Role) -> Result<(), InferError> {
        Ok(())
    }

    fn info(&self, _: Role) -> Result<ModelInfo, InferError> {
        Ok(ModelInfo {
            architecture: "bert".into(),
            name: "counting".into(),
            context_tokens: 512,
            dimensions: 4,
            sha256: self.model.into(),
            chat: ChatMarkup::Plain,
        })
    }

    fn report(&self) -> Vec<ModelReport> {
        vec![ModelReport {
            state: ModelState::NotConfigured,
            ..ModelReport::unconfigured(Role::Embed)
        }]
    }

    fn name(&self) -> &'static str {
        "counting"
    }

    async fn shutdown(&self) {}
}

struct Fixture {
    folder: tempfile::TempDir,
    inner: Arc<Counting>,
}

impl Fixture {
    fn new(inner: Counting) -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            inner: Arc::new(inner),
        }
    }

    fn cached(&self, capacity: u64) -> Cached {
        let inner = Arc::clone(&self.inner);
        let file = self.folder.path().join("c/cache");
        Cached::new(inner, Store::open(file, capacity))
    }

    fn seen(&self) -> u32 {
        self.inner.seen.load(Ordering::Relaxed)
    }
}

fn texts<const N: usize>(texts: [&str; N]) -> Vec<String> {
    texts.map(str::to_owned).to_vec()
}

fn sampling(seed: u32) -> Sampling {
    Sampling {
        temperature: 0.0,
        top_k: 0,
        top_p: 1.0,
        presence_penalty: 0.0,
        seed,
        max_tokens: 8,
        grammar: None,
    }
}

#[tokio::test]
async fn only_what_is_new_is_computed() {
    let fixture = Fixture::new(Counting::default());
    let cached = fixture.cached(1 << 20);
    let call = Call::interactive;
    let first = cached.embed(texts(["a", "bb"]), call()).await.unwrap();
    let again = cached
        .embed(texts(["bb", "ccc", "a"]), call())
        .await
        .unwrap();
    assert_eq!(again[0], first[1]);
    assert_eq!(again[1].values, [3.0; 4]);
    assert_eq!(again[2], first[0]);
    assert_eq!(fixture.seen(), 3);

    let scores = cached.rerank("q".into(), texts(["a", "b"]), call()).await;
    let other = cached.rerank("qq".into(), texts(["a", "b"]), call()).await;
    assert_ne!(scores, other, "the query belongs to the key");
    assert_eq!(
        cached
            .rerank("q".into(), texts(["b", "a"]), call())
            .await
            .unwrap()
            .len(),
        2
    );
    assert_eq!(fixture.seen(), 7);
    assert_eq!(cached.cache().hits, 4);
}

#[tokio::test]
async fn indexing_does_not_push_out_questions() {
    let fixture = Fixture::new(Counting::default());
    let cached = fixture.cached(1 << 20);
    for _ in 0..2 {
        cached.embed(texts(["a"]), Call::bulk()).await.unwrap();
    }
    assert_eq!(fixture.seen(), 2);
    assert_eq!(cached.cache().entries, 0);
}

#[tokio::test]
async fn failures_and_unfinished_texts_are_not_kept() {
    let fixture = Fixture::new(Counting {
        finish: Some(Finish::Deadline),
        ..Counting::default()
    });
    let cached = fixture.cached(1 << 20);
    for _ in 0..2 {
        assert!(
            cached
                .embed(texts([""]), Call::interactive())
                .await
                .is_err()
        );
        cached
            .generate("p".into(), sampling(0), None, Call::interactive())
            .await
            .unwrap();
    }
    assert_eq!(fixture.seen(), 4);
    assert_eq!(cached.cache().entries, 0);
}

#[tokio::test]
async fn a_text_that_is_known_is_heard_too() {
    let fixture = Fixture::new(Counting::default());
    let cached = fixture.cached(1 << 20);
    let call = Call::interactive;
    cached
        .generate("p".into(), sampling(0), None, call())
        .await
        .unwrap();
    let (pieces, mut heard) = tokio::sync::mpsc::unbounded_channel();
    cached
        .generate("p".into(), sampling(0), Some(pieces), call())
        .await
        .unwrap();
    assert_eq!(heard.recv().await.as_deref(), Some("p"));
    cached
        .generate("p".into(), sampling(1), None, call())
        .await
        .unwrap();
    assert_eq!(fixture.seen(), 2, "another seed is another text");
}

#[tokio::test]
async fn bytes_are_bounded_and_the_least_used_goes() {
    let fixture = Fixture::new(Counting::default());
    // Room for two vectors of four floats.
    let cached = fixture.cached(2 * (16 + 128));
    let ask = async |text: &str| {
        cached
            .embed(texts([text]), Call::interactive())
            .await
            .unwrap()
    };
    ask("a").await;
    ask("b").await;
    ask("a").await;
    ask("c").await;
    assert_eq!(fixture.seen(), 3);
    ask("a").await;
    assert_eq!(fixture.seen(), 3, "a was used after b");
    ask("b").await;
    assert_eq!(fixture.seen(), 4);
    assert!(cached.cache().bytes <= cached.cache().capacity);
}

#[tokio::test]
async fn restarts_are_survived_and_other_models_are_strangers() {
    let fixture = Fixture::new(Counting::default());
    let ask = async |cached: &Cached| {
        cached
            .embed(texts(["a"]), Call::interactive())
            .await
            .unwrap();
    };
    let cached = fixture.cached(1 << 20);
    ask(&cached).await;
    cached.shutdown().await;
    ask(&fixture.cached(1 << 20)).await;
    assert_eq!(fixture.seen(), 1);

    let other = Arc::new(Counting {
        model: "another",
        ..Counting::default()
    });
    let file = fixture.folder.path().join("c/cache");
    let cached = Cached::new(Arc::clone(&other) as _, Store::open(file.clone(), 1 << 20));
    ask(&cached).await;
    assert_eq!(other.seen.load(Ordering::Relaxed), 1);

    let counted = cached.forget_unused(true).unwrap();
    assert_eq!((counted.entries, cached.cache().entries), (1, 2));
    assert_eq!(cached.forget_unused(false), Some(counted));
    assert_eq!(cached.cache().entries, 1);
    assert_eq!(cached.cache().bytes, counted.bytes);
    ask(&cached).await;
    assert_eq!(other.seen.load(Ordering::Relaxed), 1, "its own were kept");

    std::fs::write(&file, b"qmdd inference cache 2\n\xff\xff\xff").unwrap();
    let cached = Cached::new(other, Store::open(file, 1 << 20));
    assert_eq!(cached.cache().entries, 0, "a broken file is begun anew");
}
