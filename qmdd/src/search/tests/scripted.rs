//! Models that do as a test says.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::sync::Semaphore;

use crate::{
    domain::Role,
    infer::backend::{
        Assignment, Backend, Call, ChatMarkup, Embedding, Finish, Generation, InferError,
        ModelInfo, ModelReport, ModelState, Pieces, Sampling, Scored,
    },
};

/// Models of all roles, some of which may be missing.
pub(super) struct Scripted {
    pub roles: Vec<Role>,
    /// A text's vector.
    pub vector: fn(&str) -> Vec<f32>,
    /// A passage's score.
    pub score: fn(&str) -> f32,
    /// What the generator writes.
    pub written: &'static str,
    /// How many queries may be embedded, and how many passages read; more are added while a test runs.
    pub embeddable: Semaphore,
    pub readable: Semaphore,
    /// The passages that were read.
    pub read: Mutex<Vec<String>>,
    /// Calls of the generator.
    pub generated: AtomicUsize,
}

impl Scripted {
    /// With these roles, reading as much as it is asked to.
    pub(super) fn new(roles: &[Role]) -> Self {
        Self {
            roles: roles.to_vec(),
            vector: |text| {
                let degrees = text
                    .split(|c: char| !c.is_ascii_digit())
                    .find_map(|number| number.parse::<f32>().ok())
                    .unwrap_or(89.0);
                let (y, x) = degrees.to_radians().sin_cos();
                vec![x, y]
            },
            score: |_| 0.5,
            written: "",
            embeddable: Semaphore::new(Semaphore::MAX_PERMITS),
            readable: Semaphore::new(Semaphore::MAX_PERMITS),
            read: Mutex::default(),
            generated: AtomicUsize::new(0),
        }
    }

    fn missing(role: Role) -> InferError {
        InferError::NotConfigured { role }
    }
}

#[async_trait::async_trait]
impl Backend for Scripted {
    async fn embed(&self, texts: Vec<String>, _: Call) -> Result<Vec<Embedding>, InferError> {
        let embed = |text: String| Embedding {
            values: (self.vector)(&text),
            tokens: 1,
        };
        self.info(Role::Embed)?;
        // It is never closed.
        if let Ok(permit) = self.embeddable.acquire().await {
            permit.forget();
        }
        Ok(texts.into_iter().map(embed).collect())
    }

    async fn rerank(
        &self,
        _: String,
        documents: Vec<String>,
        _: Call,
    ) -> Result<Vec<Scored>, InferError> {
        self.info(Role::Rerank)?;
        let mut scored = Vec::new();
        for document in documents {
            let permit = self.readable.acquire().await;
            permit
                .map_err(|_| InferError::WorkerCrashed {
                    role: Role::Rerank,
                    detail: "signal 6".into(),
                })?
                .forget();
            // Slow enough to be told from what is remembered.
            tokio::time::sleep(Duration::from_millis(1)).await;
            scored.push(Scored {
                score: (self.score)(&document),
                cut: false,
            });
            self.read.lock().unwrap().push(document);
        }
        Ok(scored)
    }

    async fn generate(
        &self,
        _: String,
        _: Sampling,
        _: Option<Pieces>,
        _: Call,
    ) -> Result<Generation, InferError> {
        self.info(Role::Generate)?;
        self.generated.fetch_add(1, Ordering::Relaxed);
        Ok(Generation {
            text: self.written.to_owned(),
            tokens: 1,
            finish: Finish::Stop,
        })
    }

    async fn tokenize(
        &self,
        role: Role,
        _: Vec<String>,
        _: bool,
        _: Call,
    ) -> Result<Vec<Vec<i32>>, InferError> {
        Err(Self::missing(role))
    }

    async fn detokenize(
        &self,
        role: Role,
        _: Vec<Vec<i32>>,
        _: Call,
    ) -> Result<Vec<String>, InferError> {
        Err(Self::missing(role))
    }

    fn assign(&self, _: Role, _: Assignment) {}

    async fn ready(&self, role: Role, _: Call) -> Result<ModelInfo, InferError> {
        self.info(role)
    }

    async fn unload(&self, role: Role) -> Result<(), InferError> {
        Err(Self::missing(role))
    }

    fn info(&self, role: Role) -> Result<ModelInfo, InferError> {
        if !self.roles.contains(&role) {
            return Err(Self::missing(role));
        }
        Ok(ModelInfo {
            architecture: "scripted".into(),
            name: "scripted".into(),
            context_tokens: 512,
            dimensions: 2,
            sha256: "00".repeat(32),
            chat: ChatMarkup::Plain,
        })
    }

    fn report(&self) -> Vec<ModelReport> {
        Role::ALL
            .map(|role| ModelReport {
                state: match self.info(role) {
                    Ok(info) => ModelState::Ready(info),
                    Err(_) => ModelState::NotConfigured,
                },
                ..ModelReport::unconfigured(role)
            })
            .into()
    }

    fn name(&self) -> &'static str {
        "scripted"
    }

    async fn shutdown(&self) {}
}
