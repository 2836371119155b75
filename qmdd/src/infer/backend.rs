//! The one interface to inference. The configuration picks the implementation; the rest of the
//! daemon cannot tell which it is.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::UnboundedSender;
use tokio_util::sync::CancellationToken;

use crate::domain::{Failure, Reason, Role};

/// Which queue a call waits in. Interactive work goes first; bulk work runs in short batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Lane {
    /// Somebody waits for the answer.
    Interactive,
    /// Indexing.
    Bulk,
}

/// What every call carries.
#[derive(Debug, Clone)]
pub struct Call {
    /// Its lane.
    pub lane: Lane,
    /// When the answer stops being of use. Honoured in the queue and between decode steps.
    pub deadline: Option<Instant>,
    /// Cancelled when the caller has gone.
    pub cancel: CancellationToken,
}

impl Call {
    /// A call somebody waits for.
    pub fn interactive() -> Self {
        Self {
            lane: Lane::Interactive,
            deadline: None,
            cancel: CancellationToken::new(),
        }
    }

    /// A call of the indexer.
    pub fn bulk() -> Self {
        Self {
            lane: Lane::Bulk,
            ..Self::interactive()
        }
    }

    /// The same call, with a time limit from now.
    #[must_use]
    pub fn within(mut self, limit: Duration) -> Self {
        self.deadline = Some(Instant::now() + limit);
        self
    }

    /// Waits for something as long as the answer is of use. `late` is the error past the deadline.
    ///
    /// # Errors
    /// `late`, or [`InferError::Cancelled`].
    #[cfg(feature = "llama")]
    pub(super) async fn wait<T>(
        &self,
        work: impl Future<Output = T>,
        late: InferError,
    ) -> Result<T, InferError> {
        let deadline = async {
            match self.deadline {
                Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            done = work => Ok(done),
            () = deadline => Err(late),
            () = self.cancel.cancelled() => Err(InferError::Cancelled),
        }
    }
}

/// A text's vector.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Embedding {
    /// L2-normalised.
    pub values: Vec<f32>,
    /// Tokens the text took, special tokens included.
    pub tokens: u32,
}

/// How well a document answers a query.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Scored {
    /// In [0, 1].
    pub score: f32,
    /// The document was longer than the window and was read up to it.
    pub cut: bool,
}

/// Hears a text while it is generated, as far as its bytes make whole characters. A generation has
/// a most number of tokens, so what waits unheard is bounded.
pub type Pieces = UnboundedSender<String>;

/// How to generate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sampling {
    /// 0 is greedy.
    pub temperature: f32,
    /// Keep the k most likely tokens; 0 keeps all.
    pub top_k: i32,
    /// Keep the smallest set of tokens of this probability.
    pub top_p: f32,
    /// Subtracted from the logits of tokens seen among the last 64.
    pub presence_penalty: f32,
    /// Equal seeds give equal text.
    pub seed: u32,
    /// At most this many tokens.
    pub max_tokens: u32,
    /// GBNF with a rule `root`; the output follows it.
    pub grammar: Option<String>,
}

/// A generated text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Generation {
    /// The text, without the prompt.
    pub text: String,
    /// Tokens generated.
    pub tokens: u32,
    /// Why it ended.
    pub finish: Finish,
}

/// Why a generation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Finish {
    /// The model or its grammar came to an end.
    Stop,
    /// `max_tokens` reached.
    Length,
    /// The deadline passed; the text is what there was.
    Deadline,
}

/// What is known of a loaded model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelInfo {
    /// `general.architecture` of the file.
    pub architecture: String,
    /// `general.name` of the file, else its file name.
    pub name: String,
    /// Longest input in tokens, special tokens included.
    pub context_tokens: u32,
    /// Length of its vectors; 0 unless it embeds.
    pub dimensions: u32,
    /// SHA-256 of the file, hex.
    pub sha256: String,
    /// How it wants turns of a conversation marked.
    pub chat: ChatMarkup,
}

/// How an instruct model's prompt marks who speaks, told by the chat template in its file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ChatMarkup {
    /// `<|im_start|>user`: Qwen, SmolLM, most others.
    ChatMl,
    /// `<start_of_turn>user`.
    Gemma,
    /// `<|start_header_id|>user<|end_header_id|>`.
    Llama3,
    /// None that is known: the bare text.
    #[default]
    Plain,
}

impl ChatMarkup {
    /// Reads a chat template for its marks.
    pub fn of_template(template: &str) -> Self {
        if template.contains("<|im_start|>") {
            Self::ChatMl
        } else if template.contains("<start_of_turn>") {
            Self::Gemma
        } else if template.contains("<|start_header_id|>") {
            Self::Llama3
        } else {
            Self::Plain
        }
    }
}

/// Which model a role is to have. The daemon resolves names to files; backends load them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelSource {
    /// As configured, for messages.
    pub name: String,
    /// The GGUF file.
    pub path: std::path::PathBuf,
    /// SHA-256 of the file, hex.
    pub sha256: String,
    /// Its measures, for the memory it will take.
    pub shape: ModelShape,
}

/// A model's measures, as its file tells them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelShape {
    /// Bytes of all tensors.
    pub weight_bytes: u64,
    /// Layers.
    pub layers: u32,
    /// Length of the hidden vectors.
    pub embedding_length: u32,
    /// Length of all keys of a token in one layer, and of all its values.
    pub key_value_length: u32,
    /// Tokens in the vocabulary.
    pub vocabulary: u32,
    /// Tokens it was trained on at most.
    pub context_tokens: u32,
    /// Whether it reads a text in one go, and so keeps no keys and values.
    pub encoder: bool,
}

/// What a role is to have.
#[derive(Debug, Clone, PartialEq)]
pub enum Assignment {
    /// No model.
    None,
    /// A model that cannot be had, or not yet.
    Withheld {
        /// As configured.
        name: String,
        /// What calls get.
        error: InferError,
    },
    /// This model.
    Model(ModelSource),
}

/// The state of a role's model.
#[derive(Debug, Clone, PartialEq)]
pub enum ModelState {
    /// No model is configured for the role.
    NotConfigured,
    /// Put out of memory; the next call loads it again, and waits for it.
    Unloaded,
    /// On its way.
    Loading,
    /// Answers at once.
    Ready(ModelInfo),
    /// Cannot be had.
    Failed(InferError),
}

/// A role's line in `status`.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelReport {
    /// Which role.
    pub role: Role,
    /// The model as configured; empty without one.
    pub name: String,
    /// Its file, when it is on this machine.
    pub path: Option<std::path::PathBuf>,
    /// Its state.
    pub state: ModelState,
    /// The worker's process id, 0 without one.
    pub worker_pid: u32,
    /// Calls waiting or running.
    pub queue_depth: u32,
    /// Times the worker was started anew after it ended on its own.
    pub restarts: u32,
    /// Longest time an interactive call has waited in the queue since the worker started.
    pub worst_wait: Duration,
    /// What it runs on; empty while it does not.
    pub device: String,
    /// Memory planned for it, in bytes.
    pub planned_bytes: u64,
}

impl ModelReport {
    /// The line of a role without a model.
    pub fn unconfigured(role: Role) -> Self {
        Self {
            role,
            name: String::new(),
            path: None,
            state: ModelState::NotConfigured,
            worker_pid: 0,
            queue_depth: 0,
            restarts: 0,
            worst_wait: Duration::ZERO,
            device: String::new(),
            planned_bytes: 0,
        }
    }
}

/// How a backend's cache does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CacheReport {
    /// Results it holds.
    pub entries: u64,
    /// Bytes they take.
    pub bytes: u64,
    /// Most bytes it may take.
    pub capacity: u64,
    /// Results found in it since the daemon started.
    pub hits: u64,
    /// Results that had to be computed.
    pub misses: u64,
}

/// Results that a cache gave up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Forgotten {
    /// How many.
    pub entries: u64,
    /// Bytes they took.
    pub bytes: u64,
}

/// Inference for the three roles. Every method may be called at any time from any task; a dropped
/// future cancels its work. Texts are finished prompts: templates are applied before.
#[async_trait]
pub trait Backend: Send + Sync {
    /// Unit vectors of finished texts, in order.
    ///
    /// # Errors
    /// [`InferError::InputTooLong`] when a text exceeds the model's window: nothing is cut.
    async fn embed(&self, texts: Vec<String>, call: Call) -> Result<Vec<Embedding>, InferError>;

    /// Relevance of each document to the query, in order. A document beyond the window is read up to it.
    async fn rerank(
        &self,
        query: String,
        documents: Vec<String>,
        call: Call,
    ) -> Result<Vec<Scored>, InferError>;

    /// Continues a finished prompt. `pieces`, if given, hears the text as it comes.
    async fn generate(
        &self,
        prompt: String,
        sampling: Sampling,
        pieces: Option<Pieces>,
        call: Call,
    ) -> Result<Generation, InferError>;

    /// Token ids of each text.
    async fn tokenize(
        &self,
        role: Role,
        texts: Vec<String>,
        add_special: bool,
        call: Call,
    ) -> Result<Vec<Vec<i32>>, InferError>;

    /// The text of each token list.
    async fn detokenize(
        &self,
        role: Role,
        items: Vec<Vec<i32>>,
        call: Call,
    ) -> Result<Vec<String>, InferError>;

    /// Gives a role its model and starts loading it in the background. A role that has this very
    /// model keeps it as it is.
    fn assign(&self, role: Role, assignment: Assignment);

    /// The model of a role, once it is loaded. One that was unloaded is loaded again.
    async fn ready(&self, role: Role, call: Call) -> Result<ModelInfo, InferError>;

    /// Puts a role's model out of memory once the calls under way are answered, and waits for it.
    ///
    /// # Errors
    /// When the role has no model, or it is not loaded yet.
    async fn unload(&self, role: Role) -> Result<(), InferError>;

    /// The model of a role, if calls to it are answered; at once.
    fn info(&self, role: Role) -> Result<ModelInfo, InferError>;

    /// The model of a role for a call about to be made: at once where [`Self::info`] tells it. A
    /// remote end that was never heard of is asked, which may wake it.
    async fn described(&self, role: Role, _: &Call) -> Result<ModelInfo, InferError> {
        self.info(role)
    }

    /// Whether the models are of another machine, where they may change without anyone here having
    /// asked for it.
    fn is_remote(&self) -> bool {
        false
    }

    /// Bulk calls worth having under way at once, so that nothing of it waits for the tokeniser or the
    /// store.
    fn width(&self) -> usize {
        16
    }

    /// Each role's state, at once and without side effects.
    fn report(&self) -> Vec<ModelReport>;

    /// How its cache does; all zero for a backend without one.
    fn cache(&self) -> CacheReport {
        CacheReport::default()
    }

    /// Forgets cached results of models that no role has, unless `dry_run`. `None` while a role's
    /// model is not known: any result may be of it.
    fn forget_unused(&self, dry_run: bool) -> Option<Forgotten> {
        let _ = dry_run;
        Some(Forgotten::default())
    }

    /// The backend's name for `status`.
    fn name(&self) -> &'static str;

    /// Ends workers and connections. Calls under way fail with [`InferError::ShuttingDown`].
    async fn shutdown(&self);
}

/// Why inference failed.
#[derive(Debug, Clone, PartialEq, thiserror::Error, Serialize, Deserialize)]
#[non_exhaustive]
pub enum InferError {
    /// The role has no model.
    #[error("no {role} model is configured")]
    NotConfigured {
        /// The role.
        role: Role,
    },
    /// The file is not there.
    #[error("the {role} model {name} is not on this machine")]
    Missing {
        /// The role.
        role: Role,
        /// The model as configured.
        name: String,
        /// The command that brings it.
        hint: String,
    },
    /// The file cannot be used.
    #[error("the {role} model {name} cannot be used: {detail}")]
    Corrupt {
        /// The role.
        role: Role,
        /// The model as configured.
        name: String,
        /// What is wrong with it.
        detail: String,
    },
    /// Still loading.
    #[error("the {role} model {name} is still loading")]
    Loading {
        /// The role.
        role: Role,
        /// The model as configured.
        name: String,
    },
    /// The worker ended while the call was in it.
    #[error("the {role} worker ended in the middle of the work ({detail})")]
    WorkerCrashed {
        /// The role.
        role: Role,
        /// Signal or exit code.
        detail: String,
    },
    /// Set aside after repeated crashes.
    #[error(
        "the {role} model {name} is set aside: it ended its worker {crashes} times in a row ({detail})"
    )]
    Quarantined {
        /// The role.
        role: Role,
        /// The model as configured.
        name: String,
        /// How many times.
        crashes: u32,
        /// The last end.
        detail: String,
    },
    /// Too long for the window.
    #[error("input {index} has {tokens} tokens, the {role} model takes {limit}")]
    InputTooLong {
        /// The role.
        role: Role,
        /// Which input.
        index: usize,
        /// Its length.
        tokens: usize,
        /// The window.
        limit: usize,
    },
    /// The grammar or another argument is unusable.
    #[error("{0}")]
    Invalid(String),
    /// Too much is waiting already.
    #[error("the {role} queue is full ({depth} calls)")]
    QueueFull {
        /// The role.
        role: Role,
        /// Calls in it.
        depth: u32,
    },
    /// The deadline passed first.
    #[error("the deadline passed before the {role} model answered")]
    Deadline {
        /// The role.
        role: Role,
    },
    /// The caller gave up.
    #[error("the call was cancelled")]
    Cancelled,
    /// The model would not fit into memory.
    #[error(
        "the {role} model {name} needs {needed_mib} MiB ({weights_mib} MiB of weights, \
         {context_mib} MiB for {context_tokens} tokens of context), and {free_mib} MiB are free"
    )]
    Memory {
        /// The role.
        role: Role,
        /// The model as configured.
        name: String,
        /// Weights and context.
        needed_mib: u64,
        /// Weights alone.
        weights_mib: u64,
        /// KV cache and compute buffers.
        context_mib: u64,
        /// Tokens the context is for.
        context_tokens: u32,
        /// What the system, or the configured limit, can give.
        free_mib: u64,
    },
    /// This build has no backend of the configured kind.
    #[error("this build of qmdd lacks the {feature} backend, which the configuration asks for")]
    BackendMissing {
        /// The feature it was built without.
        feature: String,
    },
    /// The backend cannot be used as it is configured.
    #[error("{detail}")]
    Unusable {
        /// What is wrong.
        detail: String,
        /// What mends it.
        hint: String,
    },
    /// The remote end does not answer.
    #[error("the remote end cannot be reached: {detail}")]
    Unreachable {
        /// What happened.
        detail: String,
    },
    /// The remote end wants nothing of this daemon.
    #[error("the remote end refuses: {detail}")]
    Refused {
        /// Why.
        detail: String,
        /// What mends it.
        hint: String,
    },
    /// The remote end failed, or makes no sense.
    #[error("the remote end failed: {detail}")]
    RemoteFailed {
        /// What it says.
        detail: String,
        /// What mends it.
        hint: String,
    },
    /// The remote end has other models than were reckoned with.
    #[error("not the same models: {detail}")]
    ModelsDiffer {
        /// Which.
        detail: String,
        /// What mends it.
        hint: String,
    },
    /// The daemon is ending.
    #[error("the daemon is ending")]
    ShuttingDown,
    /// A defect, or the system refused something basic.
    #[error("inference failed: {0}")]
    Internal(String),
}

impl InferError {
    /// The index holds vectors, and none of this model of the remote end.
    pub fn other_index(model: &ModelInfo) -> Self {
        Self::ModelsDiffer {
            detail: format!(
                "the remote end embeds with {} ({}), this index was embedded with another model",
                model.name,
                model.sha256.get(..12).unwrap_or_default()
            ),
            hint: "deploy the model of the index with `qmdctl modal deploy`, or embed everything \
                   anew with `qmdctl embed --force`"
                .into(),
        }
    }
}

impl Failure for InferError {
    fn reason(&self) -> Reason {
        match self {
            Self::NotConfigured { .. } => Reason::ModelNotConfigured,
            Self::Missing { .. } => Reason::ModelMissing,
            Self::Corrupt { .. } => Reason::ModelCorrupt,
            Self::Loading { .. } => Reason::ModelLoading,
            Self::WorkerCrashed { .. } => Reason::WorkerCrashed,
            Self::Quarantined { .. } => Reason::ModelQuarantined,
            Self::InputTooLong { .. } => Reason::InputTooLong,
            Self::Invalid(_) => Reason::InvalidArgument,
            Self::QueueFull { .. } => Reason::QueueFull,
            Self::Deadline { .. } => Reason::DeadlineExceeded,
            Self::Cancelled => Reason::Cancelled,
            Self::Memory { .. } => Reason::MemoryShort,
            Self::BackendMissing { .. } => Reason::BackendMissing,
            Self::Unusable { .. } => Reason::ConfigInvalid,
            Self::Unreachable { .. } => Reason::RemoteUnreachable,
            Self::Refused { .. } => Reason::RemoteRefused,
            Self::RemoteFailed { .. } => Reason::RemoteFailed,
            Self::ModelsDiffer { .. } => Reason::ModelsDiffer,
            Self::ShuttingDown => Reason::ShuttingDown,
            Self::Internal(_) => Reason::Internal,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::NotConfigured { .. } => Some(
                "run `qmdctl models pull starter`, or name a model under `models:` in index.yml"
                    .into(),
            ),
            Self::Corrupt { .. } => Some("run `qmdctl models pull` for its profile again".into()),
            Self::Loading { .. } => {
                Some("ask again in a moment; `qmdctl status` shows its progress".into())
            }
            Self::WorkerCrashed { .. } => {
                Some("ask again; `qmdctl daemon logs` has the worker's last words".into())
            }
            Self::Quarantined { .. } => Some(
                "replace the file with `qmdctl models pull`, then `qmdctl daemon restart`".into(),
            ),
            Self::InputTooLong { .. } => Some("send a shorter text".into()),
            Self::QueueFull { .. } => Some("ask again when the queue has drained".into()),
            Self::Deadline { .. } => Some("allow more time".into()),
            Self::Memory { role, .. } => Some(format!(
                "free some memory and run `qmdctl models load {role}`, or choose a smaller model: \
                 `qmdctl models use starter`"
            )),
            Self::BackendMissing { feature } => Some(format!(
                "build with `--features {feature}`, or change `modal.inference` in index.yml"
            )),
            Self::Unreachable { .. } => Some("run `qmdctl modal status`".into()),
            Self::Missing { hint, .. }
            | Self::Unusable { hint, .. }
            | Self::Refused { hint, .. }
            | Self::RemoteFailed { hint, .. }
            | Self::ModelsDiffer { hint, .. } => Some(hint.clone()),
            Self::Invalid(_) | Self::Cancelled | Self::ShuttingDown | Self::Internal(_) => None,
        }
    }
}
