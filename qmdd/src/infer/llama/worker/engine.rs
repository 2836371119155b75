//! Loads the model and runs its batches.

use std::num::NonZeroU32;

use llama_cpp_2::{
    context::{
        LlamaContext,
        params::{LlamaContextParams, LlamaPoolingType},
    },
    llama_backend::LlamaBackend,
    model::{LlamaModel, params::LlamaModelParams},
};

use super::{
    super::memory::{GENERATE_BATCH, contexts, window},
    admit::{Admission, PairForm, Payload},
    device,
    generate::Generator,
    pooled::{Head, Pooled},
    prefix::{PrefixReranker, Verdict},
    queue::{Budget, Share, Unit},
};
use crate::{
    domain::Role,
    infer::{
        backend::{ChatMarkup, InferError, ModelInfo},
        llama::wire::LoadSpec,
    },
};

/// Tokens of a batch of sequences. On a processor larger ones are slower: attention runs over the whole
/// batch, whatever the sequences in it. It keeps a MiniLM-class model busy for about 150 ms on one core.
const BATCH_TOKENS: usize = 256;

/// Tokens that are decoded at once on a processor where the answer must come soon: about 100 ms
/// of a small language model on two cores. Fewer take longer for each.
const PIECE_TOKENS: usize = 32;

/// llama.cpp's `LLAMA_FLASH_ATTN_TYPE_DISABLED`.
const NO_FLASH_ATTENTION: i32 = 0;

/// Most sequences in one batch (llama.cpp's own limit is 256).
const SEQUENCES: usize = 64;

/// The model's owner on the model thread.
pub(super) enum Engine {
    Pooled(Pooled),
    Prefix(PrefixReranker),
    Generate(Generator),
}

impl Engine {
    /// How large its batches may be.
    pub(super) fn budget(&self) -> Budget {
        match self {
            Self::Pooled(engine) => {
                let tokens = BATCH_TOKENS.min(engine.window());
                Budget {
                    interactive_tokens: tokens,
                    bulk_tokens: tokens,
                    sequences: SEQUENCES,
                }
            }
            Self::Prefix(engine) => Budget {
                interactive_tokens: engine.batch_tokens(),
                bulk_tokens: BATCH_TOKENS.min(engine.batch_tokens()),
                sequences: SEQUENCES - 1,
            },
            Self::Generate(_) => Budget {
                interactive_tokens: 0,
                bulk_tokens: 0,
                sequences: 1,
            },
        }
    }

    /// Decodes a batch and completes its units.
    pub(super) fn run(&mut self, batch: Vec<Unit<Payload>>) -> Result<(), InferError> {
        match self {
            Self::Pooled(engine) => engine.run(batch),
            Self::Prefix(engine) => engine.run(batch),
            Self::Generate(engine) => batch.iter().try_for_each(|unit| engine.run(unit)),
        }
    }
}

/// A model in memory.
pub(super) struct Loaded {
    /// Its engines, and which work each takes. There is one at least.
    pub engines: Vec<(Share, Engine)>,
    pub admission: Admission,
    pub info: ModelInfo,
}

/// Loads a model for its role.
pub(super) fn load(spec: &LoadSpec) -> Result<Loaded, InferError> {
    let corrupt = |detail: String| InferError::Corrupt {
        role: spec.role,
        name: spec.name.clone(),
        detail,
    };
    // The model lives as long as the process: leaking it lets contexts borrow it freely.
    let backend: &'static LlamaBackend = Box::leak(Box::new(
        LlamaBackend::init().map_err(|error| InferError::Internal(error.to_string()))?,
    ));
    let window = window(&spec.shape);
    let params = LlamaModelParams::default()
        .with_n_gpu_layers(device::layers_that_fit(spec))
        .with_use_mlock(spec.lock_memory);
    let model = LlamaModel::load_from_file(backend, &spec.path, &params)
        .map_err(|error| corrupt(format!("llama.cpp cannot load the file ({error})")))?;
    let model: &'static LlamaModel = Box::leak(Box::new(model));

    let facts = Facts::of(model);
    let context = |params: LlamaContextParams| {
        model
            .new_context(backend, params)
            .map_err(|error| corrupt(format!("llama.cpp cannot make a context ({error})")))
    };
    let pooled = |head: Head, share: Share, threads: u32| {
        let params = params_for(window, window, threads).with_embeddings(true);
        let params = match (head, share) {
            // Questions are short: there flash attention costs a tenth. In full batches it saves a fifth.
            (Head::Vector, Share::Front) => params.with_flash_attention_policy(NO_FLASH_ATTENTION),
            (Head::Vector, _) => params,
            (Head::Rank, _) => params.with_pooling_type(LlamaPoolingType::Rank),
        };
        let engine = Pooled::new(context(params)?, head, spec.shape.encoder, window as usize);
        Ok(Engine::Pooled(engine))
    };
    let engines = match spec.role {
        Role::Embed => shares(spec, |share, threads| pooled(Head::Vector, share, threads))?,
        Role::Rerank if spec.shape.encoder => {
            shares(spec, |share, threads| pooled(Head::Rank, share, threads))?
        }
        Role::Rerank => {
            let reranker = prefix_reranker(model, &facts, window, spec, context)?;
            vec![(Share::Whole, Engine::Prefix(reranker))]
        }
        Role::Generate => {
            let params = params_for(window, window.min(GENERATE_BATCH), spec.threads);
            let generator = Generator::new(model, context(params)?);
            vec![(Share::Whole, Engine::Generate(generator))]
        }
    };
    let info = ModelInfo {
        architecture: facts.architecture.clone(),
        name: facts.name.unwrap_or_else(|| spec.name.clone()),
        context_tokens: window,
        dimensions: if spec.role == Role::Embed {
            model.n_embd_out() as u32
        } else {
            0
        },
        sha256: spec.sha256.clone(),
        chat: facts.chat,
    };
    let pair_form = if spec.shape.encoder {
        PairForm::Encoder
    } else {
        PairForm::Decoder {
            architecture: facts.architecture,
        }
    };
    let admission = Admission {
        model,
        role: spec.role,
        window: window as usize,
        pair_form,
    };
    Ok(Loaded {
        engines,
        admission,
        info,
    })
}

/// An engine with all threads for interactive work, and some for bulk work that divide the threads
/// among them. On a graphics device one engine does both: it computes one batch at a time anyway.
fn shares(
    spec: &LoadSpec,
    engine: impl Fn(Share, u32) -> Result<Engine, InferError>,
) -> Result<Vec<(Share, Engine)>, InferError> {
    if device::has_graphics() {
        return Ok(vec![(Share::Whole, engine(Share::Whole, spec.threads)?)]);
    }
    let mut engines = vec![(Share::Front, engine(Share::Front, spec.threads)?)];
    let bulk = contexts(&spec.shape, spec.role, spec.threads) - 1;
    for place in 0..bulk {
        let threads = (spec.threads + place) / bulk;
        engines.push((Share::Back, engine(Share::Back, threads)?));
    }
    Ok(engines)
}

/// A context of `tokens` cells in one buffer that all sequences share.
fn params_for(tokens: u32, batch: u32, threads: u32) -> LlamaContextParams {
    LlamaContextParams::default()
        .with_n_ctx(NonZeroU32::new(tokens))
        .with_n_batch(batch)
        .with_n_ubatch(batch)
        .with_n_seq_max(SEQUENCES as u32)
        .with_kv_unified(true)
        .with_n_threads(threads as i32)
        .with_n_threads_batch(threads as i32)
        .with_no_perf(true)
}

fn prefix_reranker(
    model: &'static LlamaModel,
    facts: &Facts,
    window: u32,
    spec: &LoadSpec,
    context: impl Fn(LlamaContextParams) -> Result<LlamaContext<'static>, InferError>,
) -> Result<PrefixReranker, InferError> {
    // Room for the prefix and a batch of candidates behind it.
    let params = params_for(2 * window, window, spec.threads);
    let (params, verdict) = if facts.rank_head {
        (
            params
                .with_embeddings(true)
                .with_pooling_type(LlamaPoolingType::Rank),
            Verdict::Head {
                normalised: facts.architecture.starts_with("qwen3"),
            },
        )
    } else {
        (
            params,
            Verdict::yes_no(model).ok_or_else(|| InferError::Corrupt {
                role: spec.role,
                name: spec.name.clone(),
                detail: "it has neither a rank head nor single tokens for yes and no".into(),
            })?,
        )
    };
    let window = window as usize;
    let (batch_tokens, piece) = if device::has_graphics() {
        (window, window)
    } else {
        (BATCH_TOKENS.min(window), PIECE_TOKENS.min(window))
    };
    Ok(PrefixReranker::new(
        context(params)?,
        verdict,
        window,
        batch_tokens,
        piece,
        SEQUENCES,
    ))
}

/// What the file says of itself.
struct Facts {
    architecture: String,
    name: Option<String>,
    rank_head: bool,
    chat: ChatMarkup,
}

impl Facts {
    fn of(model: &LlamaModel) -> Self {
        let architecture = model
            .meta_val_str("general.architecture")
            .unwrap_or_default();
        let pooling = model.meta_val_str(&format!("{architecture}.pooling_type"));
        let template = model
            .meta_val_str("tokenizer.chat_template")
            .unwrap_or_default();
        Self {
            name: model.meta_val_str("general.name").ok(),
            chat: ChatMarkup::of_template(&template),
            // LLAMA_POOLING_TYPE_RANK
            rank_head: pooling.is_ok_and(|pooling| pooling == "4"),
            architecture,
        }
    }
}
