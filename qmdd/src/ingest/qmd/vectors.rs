//! Vectors of an index of QMD's, taken in where they are what would be computed here: of this model, by
//! the same prompt, for chunks whose place is known.

use std::collections::BTreeMap;

use tokio_util::sync::CancellationToken;

use super::{
    super::IngestError,
    sample::{Sample, Sampled},
};
use crate::{
    domain::{ChunkSpan, CollectionName, ContentHash, Reason, Role, Trouble},
    infer::{
        backend::{Backend, Call, InferError, ModelInfo},
        prompts::{
            self, EmbedFormat,
            qmd::{self, QmdFormat},
        },
    },
    store::{EmbeddedChunk, EmbeddedContent, Pending, QmdCut, QmdIndex, QmdMaker, Scope, Store},
    text::{
        chunk, qmd as text_qmd,
        segment::{Kind, layout, segment},
    },
};

/// Documents fetched, and stored, in one go.
const GROUP: i64 = 32;

/// Most that a vector computed again may be off, in cosine distance: what QMD's own check allows. The
/// same file on the same processor is off by 1e-6 at most; MiniLM in F16 is off from its Q8_0 by 1.1e-4
/// at least.
const TOLERANCE: f64 = 1e-4;

/// What became of the vectors.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct QmdVectors {
    /// Documents that have theirs now.
    pub documents: u64,
    /// Their chunks.
    pub chunks: u64,
    /// Documents that are left to be embedded here, by why.
    pub left: BTreeMap<Left, u64>,
    /// Why none could be taken of a making.
    pub refused: Vec<Trouble>,
    /// Chunks that were computed again to compare them.
    pub compared: u64,
    /// The largest distance found.
    pub distance: f64,
}

/// Why a document's vectors are left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Left {
    /// QMD has not embedded all of it.
    Incomplete,
    /// It was cut again for its tokens, or as code: where its chunks end is not told.
    Cut,
    /// It was embedded with another title than it has here.
    Title,
    /// A chunk is longer than the model's window, and was cut off.
    Window,
    /// A vector is missing, or is none.
    Vector,
}

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VectorProgress {
    /// Documents looked at.
    pub done: u64,
    /// Documents to look at.
    pub total: u64,
}

/// Takes in what vectors can be of the scope's documents that lack theirs. A few are computed again
/// first: where one of them differs, none is taken.
///
/// # Errors
/// When one of the indexes cannot be read or written, or the run is cancelled. That there is no model is
/// told in the result.
pub async fn take_vectors(
    store: &Store,
    qmd: &QmdIndex,
    backend: &dyn Backend,
    scope: &[CollectionName],
    progress: impl Fn(VectorProgress),
    cancel: &CancellationToken,
) -> Result<QmdVectors, IngestError> {
    let mut taken = QmdVectors::default();
    let makers = qmd.makers().await?;
    if makers.is_empty() {
        return Ok(taken);
    }
    let call = Call {
        cancel: cancel.clone(),
        ..Call::bulk()
    };
    let model = match usable(store, backend, &call).await? {
        Ok(model) => model,
        Err(trouble) => {
            taken.refused.push(trouble);
            return Ok(taken);
        }
    };
    for maker in makers {
        if let Err(trouble) = check(&maker, &model) {
            taken.refused.push(trouble);
            continue;
        }
        let run = Run {
            store,
            qmd,
            backend,
            scope,
            theirs: QmdFormat::of(&maker.model),
            ours: EmbedFormat::of(&model),
            fingerprint: prompts::fingerprint(&model, chunk::VERSION),
            maker,
            model: &model,
            call: &call,
        };
        run.take(&mut taken, &progress).await?;
    }
    Ok(taken)
}

/// The model to compare with, or why there is none.
async fn usable(
    store: &Store,
    backend: &dyn Backend,
    call: &Call,
) -> Result<Result<ModelInfo, Trouble>, IngestError> {
    let model = match backend.ready(Role::Embed, call.clone()).await {
        Ok(model) => model,
        Err(InferError::Cancelled) => return Err(IngestError::Cancelled),
        Err(error) => return Ok(Err(Trouble::of(&error))),
    };
    if backend.is_remote() {
        let known = prompts::fingerprints(&model, chunk::VERSION);
        if store.is_of_other_models(known, None).await? {
            return Ok(Err(Trouble::of(&InferError::other_index(&model))));
        }
    }
    Ok(Ok(model))
}

/// Refuses a making that cannot be ours whatever the vectors are.
fn check(maker: &QmdMaker, model: &ModelInfo) -> Result<(), Trouble> {
    let name = &maker.model;
    let why = if maker.fingerprint != qmd::fingerprint(name) {
        format!("those of {name} were made by another version of QMD, with other chunks or prompts")
    } else if QmdFormat::of(name).document("t", "d") != EmbedFormat::of(model).document("t", "d") {
        format!(
            "QMD gave {name} other prompts than {} is trained with and gets here",
            model.name
        )
    } else {
        return Ok(());
    };
    Err(differ(why))
}

fn differ(why: String) -> Trouble {
    Trouble {
        reason: Reason::VectorsDiffer,
        message: why,
        hint: Some("run `qmdctl embed`, which computes them".into()),
    }
}

/// The vectors of one making.
struct Run<'a> {
    store: &'a Store,
    qmd: &'a QmdIndex,
    backend: &'a dyn Backend,
    scope: &'a [CollectionName],
    maker: QmdMaker,
    theirs: QmdFormat,
    ours: EmbedFormat,
    fingerprint: String,
    model: &'a ModelInfo,
    call: &'a Call,
}

/// Documents without vectors.
struct Group {
    /// The last one's content.
    last: i64,
    size: u64,
    /// Those that QMD has vectors of.
    known: Vec<Result<Known, Left>>,
}

/// A document whose chunks are known.
struct Known {
    content: i64,
    hash: ContentHash,
    spans: Vec<ChunkSpan>,
    /// What the model is given for each.
    prompts: Vec<String>,
}

impl Run<'_> {
    async fn take(
        &self,
        taken: &mut QmdVectors,
        progress: &impl Fn(VectorProgress),
    ) -> Result<(), IngestError> {
        let mut sample = Sample::default();
        let mut after = 0;
        while let Some(group) = self.group(after).await? {
            after = group.last;
            for known in group.known.into_iter().flatten() {
                sample.offer(known.hash, &known.prompts);
            }
        }
        if let Err(trouble) = self.compare(sample.finish(), taken).await? {
            taken.refused.push(trouble);
            return Ok(());
        }
        let scope = Scope::of(self.scope.to_vec());
        let total = self.store.pending_count(&self.fingerprint, scope).await?;
        let (mut after, mut done) = (0, 0);
        while let Some(group) = self.group(after).await? {
            after = group.last;
            let mut contents = Vec::new();
            for known in group.known {
                let embedded = match known {
                    Ok(known) => self.embedded(known).await?,
                    Err(left) => Err(left),
                };
                match embedded {
                    Ok(content) => {
                        taken.documents += 1;
                        taken.chunks += content.chunks.len() as u64;
                        contents.push(content);
                    }
                    Err(left) => *taken.left.entry(left).or_default() += 1,
                }
            }
            let dimensions = self.model.dimensions as usize;
            self.store
                .put_chunks(&self.fingerprint, dimensions, contents)
                .await?;
            done += group.size;
            progress(VectorProgress { done, total });
        }
        Ok(())
    }

    /// The next documents without vectors, from after the content of an id on.
    async fn group(&self, after: i64) -> Result<Option<Group>, IngestError> {
        if self.call.cancel.is_cancelled() {
            return Err(IngestError::Cancelled);
        }
        let scope = self.scope.to_vec();
        let pending = self
            .store
            .pending(&self.fingerprint, scope, after, GROUP)
            .await?;
        let Some(last) = pending.last() else {
            return Ok(None);
        };
        let hashes: Vec<ContentHash> = (pending.iter())
            .map(|document| ContentHash::of(&document.text))
            .collect();
        let cuts = self.qmd.cuts(&self.maker, hashes.clone()).await?;
        let known = (pending.iter().zip(hashes).zip(cuts))
            .filter_map(|((pending, hash), cut)| Some(self.known(pending, hash, &cut?)));
        Ok(Some(Group {
            last: last.content_id,
            size: pending.len() as u64,
            known: known.collect(),
        }))
    }

    /// A document by its chunks, if each of them was given to the model as it would be here.
    fn known(&self, pending: &Pending, hash: ContentHash, cut: &QmdCut) -> Result<Known, Left> {
        if !cut.complete {
            return Err(Left::Incomplete);
        }
        let text = &pending.text;
        let chunks = text_qmd::chunks(text, &cut.starts).ok_or(Left::Cut)?;
        let prompts: Vec<String> = chunks
            .iter()
            .map(|bytes| self.ours.document(&pending.title, &text[bytes.clone()]))
            .collect();
        let same = chunks
            .iter()
            .zip(&prompts)
            .all(|(bytes, ours)| self.theirs.document(&cut.title, &text[bytes.clone()]) == *ours);
        if !same {
            return Err(Left::Title);
        }
        let segments = segment(text, layout(text, Kind::of(&pending.path)));
        Ok(Known {
            content: pending.content_id,
            hash,
            spans: chunk::places(text, &segments, chunks),
            prompts,
        })
    }

    /// A document with its vectors.
    async fn embedded(&self, known: Known) -> Result<Result<EmbeddedContent, Left>, IngestError> {
        let tokens = self.tokens(known.prompts).await?;
        if tokens
            .iter()
            .any(|tokens| *tokens > self.model.context_tokens)
        {
            return Ok(Err(Left::Window));
        }
        let vectors = self.qmd.vectors(known.hash, known.spans.len()).await?;
        if vectors.len() != known.spans.len() {
            return Ok(Err(Left::Vector));
        }
        let mut chunks = Vec::with_capacity(vectors.len());
        for ((span, tokens), vector) in known.spans.into_iter().zip(tokens).zip(vectors) {
            let Some(vector) = unit(vector, self.model.dimensions) else {
                return Ok(Err(Left::Vector));
            };
            chunks.push(EmbeddedChunk {
                span,
                tokens,
                vector,
            });
        }
        Ok(Ok(EmbeddedContent {
            content_id: known.content,
            chunks,
        }))
    }

    /// Computes the sample again. All of it must be near to what QMD has.
    async fn compare(
        &self,
        sample: Vec<Sampled>,
        taken: &mut QmdVectors,
    ) -> Result<Result<(), Trouble>, IngestError> {
        for chunk in sample {
            let tokens = self.tokens(vec![chunk.prompt.clone()]).await?;
            if tokens
                .iter()
                .any(|tokens| *tokens > self.model.context_tokens)
            {
                continue;
            }
            let mut vectors = self.qmd.vectors(chunk.hash, chunk.of).await?;
            if vectors.len() != chunk.of {
                continue;
            }
            let theirs = vectors.swap_remove(chunk.seq);
            if theirs.len() != self.model.dimensions as usize {
                return Ok(Err(differ(format!(
                    "those of {} have {} dimensions, {} gives {}",
                    self.maker.model,
                    theirs.len(),
                    self.model.name,
                    self.model.dimensions
                ))));
            }
            let embedded = self
                .backend
                .embed(vec![chunk.prompt], self.call.clone())
                .await?;
            let distance = match (unit(theirs, self.model.dimensions), embedded.first()) {
                (Some(theirs), Some(ours)) => distance(&theirs, &ours.values),
                _ => f64::INFINITY,
            };
            taken.compared += 1;
            taken.distance = taken.distance.max(distance);
            if distance > TOLERANCE {
                return Ok(Err(differ(format!(
                    "{} gives other vectors here than {} gave QMD: one that was computed again is off \
                     by {distance:.4}, {TOLERANCE} at most is the same",
                    self.model.name, self.maker.model
                ))));
            }
        }
        Ok(Ok(()))
    }

    /// The tokens that the model sees of each text.
    async fn tokens(&self, texts: Vec<String>) -> Result<Vec<u32>, InferError> {
        let asked = texts.len();
        let call = self.call.clone();
        let items = self
            .backend
            .tokenize(Role::Embed, texts, true, call)
            .await?;
        if items.len() != asked {
            let detail = format!("{} token lists for {asked} texts", items.len());
            return Err(InferError::Internal(detail));
        }
        Ok(items.iter().map(|ids| ids.len() as u32).collect())
    }
}

/// A vector of length 1; `None` where it has no direction, or other dimensions.
fn unit(vector: Vec<f32>, dimensions: u32) -> Option<Vec<f32>> {
    let length = vector
        .iter()
        .map(|it| f64::from(*it).powi(2))
        .sum::<f64>()
        .sqrt();
    let usable = vector.len() == dimensions as usize && length.is_finite() && length > 0.0;
    usable.then(|| {
        vector
            .into_iter()
            .map(|it| (f64::from(it) / length) as f32)
            .collect()
    })
}

/// The cosine distance of two unit vectors.
fn distance(a: &[f32], b: &[f32]) -> f64 {
    let cosine: f64 = a
        .iter()
        .zip(b)
        .map(|(a, b)| f64::from(*a) * f64::from(*b))
        .sum();
    1.0 - cosine
}
