//! llama.cpp on this machine, in supervised worker processes: one a model.
//!
//! A ggml assertion, a segmentation fault or the OOM killer ends a worker, never the daemon. One
//! process a model keeps a crash to its role, and tells which model caused it.

mod bare;
mod connection;
mod memory;
mod supervisor;
mod wire;
mod worker;

use std::{
    collections::BTreeMap,
    path::PathBuf,
    pin::pin,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
    time::Duration,
};

use async_trait::async_trait;
use tokio::sync::Notify;

use self::{
    memory::Ledger,
    supervisor::Supervisor,
    wire::{Output, Work},
};
use super::backend::{
    Assignment, Backend, Call, Embedding, Generation, InferError, ModelInfo, ModelReport,
    ModelState, Pieces, Sampling, Scored,
};
use crate::domain::Role;

pub use bare::run as run_bare;
pub use worker::run as run_worker;

/// How workers are started.
#[derive(Debug, Clone)]
pub struct LlamaOptions {
    /// The program that becomes a worker when called with `worker`: this daemon's own executable.
    pub program: PathBuf,
    /// Threads a decode uses.
    pub threads: u32,
    /// How long a model that nobody calls stays in memory; `None` is for ever.
    pub keep_alive: Option<Duration>,
    /// Pin weights in memory.
    pub lock_memory: bool,
    /// Most bytes that all models together may take.
    pub memory_limit: Option<u64>,
    /// Refuse rerankers that do not rank.
    pub probe: bool,
}

/// The backend. Roles start unconfigured; see [`Backend::assign`].
pub struct LlamaBackend {
    options: LlamaOptions,
    ledger: Arc<Ledger>,
    roles: RwLock<Roles>,
    /// Told of every change of a role.
    assigned: Notify,
}

type Roles = BTreeMap<Role, Slot>;

enum Slot {
    /// Named, but not (or not yet) to be had.
    Waiting {
        name: String,
        error: InferError,
    },
    Supervised(Arc<Supervisor>),
}

impl LlamaBackend {
    /// A backend without models.
    pub fn new(options: LlamaOptions) -> Self {
        Self {
            ledger: Arc::new(Ledger::new(options.memory_limit)),
            options,
            roles: RwLock::default(),
            assigned: Notify::new(),
        }
    }

    fn supervisor(&self, role: Role) -> Result<Arc<Supervisor>, InferError> {
        let roles = self.read();
        match roles.get(&role) {
            None => Err(InferError::NotConfigured { role }),
            Some(Slot::Waiting { error, .. }) => Err(error.clone()),
            Some(Slot::Supervised(supervisor)) => Ok(Arc::clone(supervisor)),
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, Roles> {
        self.roles.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Roles> {
        self.roles.write().unwrap_or_else(PoisonError::into_inner)
    }

    async fn call(&self, role: Role, work: Work, call: Call) -> Result<Output, InferError> {
        self.supervisor(role)?.call(work, None, call).await
    }
}

fn mixed_up() -> InferError {
    InferError::Internal("the worker answered another question".into())
}

#[async_trait]
impl Backend for LlamaBackend {
    async fn embed(&self, texts: Vec<String>, call: Call) -> Result<Vec<Embedding>, InferError> {
        match self.call(Role::Embed, Work::Embed { texts }, call).await? {
            Output::Embeddings(embeddings) => Ok(embeddings),
            _ => Err(mixed_up()),
        }
    }

    async fn rerank(
        &self,
        query: String,
        documents: Vec<String>,
        call: Call,
    ) -> Result<Vec<Scored>, InferError> {
        match self
            .call(Role::Rerank, Work::Rerank { query, documents }, call)
            .await?
        {
            Output::Scores(scores) => Ok(scores),
            _ => Err(mixed_up()),
        }
    }

    async fn generate(
        &self,
        prompt: String,
        sampling: Sampling,
        pieces: Option<Pieces>,
        call: Call,
    ) -> Result<Generation, InferError> {
        let work = Work::Generate {
            prompt,
            sampling,
            stream: pieces.is_some(),
        };
        match self
            .supervisor(Role::Generate)?
            .call(work, pieces, call)
            .await?
        {
            Output::Generated(generation) => Ok(generation),
            _ => Err(mixed_up()),
        }
    }

    async fn tokenize(
        &self,
        role: Role,
        texts: Vec<String>,
        add_special: bool,
        call: Call,
    ) -> Result<Vec<Vec<i32>>, InferError> {
        match self
            .call(role, Work::Tokenize { texts, add_special }, call)
            .await?
        {
            Output::Tokens(items) => Ok(items),
            _ => Err(mixed_up()),
        }
    }

    async fn detokenize(
        &self,
        role: Role,
        items: Vec<Vec<i32>>,
        call: Call,
    ) -> Result<Vec<String>, InferError> {
        match self.call(role, Work::Detokenize { items }, call).await? {
            Output::Texts(texts) => Ok(texts),
            _ => Err(mixed_up()),
        }
    }

    fn assign(&self, role: Role, assignment: Assignment) {
        let mut roles = self.write();
        let previous = match assignment {
            Assignment::None => roles.remove(&role),
            Assignment::Withheld { name, error } => {
                roles.insert(role, Slot::Waiting { name, error })
            }
            Assignment::Model(source) => {
                if let Some(Slot::Supervised(current)) = roles.get(&role)
                    && current.serves(&source)
                {
                    return;
                }
                let supervisor = Supervisor::start(role, source, &self.options, &self.ledger);
                roles.insert(role, Slot::Supervised(supervisor))
            }
        };
        drop(roles);
        self.assigned.notify_waiters();
        if let Some(Slot::Supervised(previous)) = previous {
            previous.retire();
        }
    }

    async fn ready(&self, role: Role, call: Call) -> Result<ModelInfo, InferError> {
        loop {
            let mut assigned = pin!(self.assigned.notified());
            // Before the look, so that no change falls between it and the wait.
            assigned.as_mut().enable();
            match self.supervisor(role) {
                // Its file is being looked at.
                Err(loading @ InferError::Loading { .. }) => call.wait(assigned, loading).await?,
                found => return found?.ready(&call).await,
            }
        }
    }

    async fn unload(&self, role: Role) -> Result<(), InferError> {
        self.supervisor(role)?.unload().await
    }

    fn info(&self, role: Role) -> Result<ModelInfo, InferError> {
        self.supervisor(role)?.info()
    }

    fn report(&self) -> Vec<ModelReport> {
        let roles = self.read();
        Role::ALL
            .iter()
            .map(|&role| match roles.get(&role) {
                None => ModelReport::unconfigured(role),
                Some(Slot::Waiting { name, error }) => ModelReport {
                    name: name.clone(),
                    state: match error {
                        InferError::Loading { .. } => ModelState::Loading,
                        error => ModelState::Failed(error.clone()),
                    },
                    ..ModelReport::unconfigured(role)
                },
                Some(Slot::Supervised(supervisor)) => supervisor.report(),
            })
            .collect()
    }

    fn name(&self) -> &'static str {
        "llama"
    }

    async fn shutdown(&self) {
        let slots = std::mem::take(&mut *self.write());
        self.assigned.notify_waiters();
        for slot in slots.into_values() {
            if let Slot::Supervised(supervisor) = slot {
                supervisor.stop().await;
            }
        }
    }
}
