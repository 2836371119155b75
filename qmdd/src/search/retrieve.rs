//! The two retrievals, for all that a query asks for.

use std::{
    collections::HashMap,
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};

use futures::future::{Either, select, try_join_all};
use tokio::time::timeout_at;

use super::{Context, Progress, SearchError, Wish, fusion::Fused, present::Documents, report};
use crate::{
    domain::{Mode, Reason, Role, Stage, StageReport, StageState, Trouble},
    infer::{
        backend::{Call, InferError, ModelInfo},
        prompts::{self, EmbedFormat},
    },
    rank::score,
    store::{LexicalHit, VectorHit},
    text::{
        chunk,
        query::{LexicalQuery, Search, SearchKind},
    },
};

/// How long a query may wait for its vector.
const EMBED_LIMIT: Duration = Duration::from_secs(10);
/// How long after its beginning a search in progress has something to tell, if only what words find.
const PATIENCE: Duration = Duration::from_millis(3);
/// Hits each list contributes to a fusion at least, however few are asked for: a document that is
/// tenth in both lists may be first in the fusion.
const MIN_DEPTH: usize = 100;

/// A search to run.
pub(super) struct Asked<'a> {
    pub search: &'a Search,
    /// How much it counts beside the others.
    pub weight: f64,
    /// Whether a generator, not the user, asks for it.
    pub expanded: bool,
}

/// A ranked list.
pub(super) struct List {
    pub source: Stage,
    /// What was searched.
    pub query: Arc<str>,
    pub weight: f64,
    pub expanded: bool,
    /// Best first.
    pub entries: Vec<Entry>,
}

/// A document in a list.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    pub document: i64,
    /// BM25 or cosine.
    pub score: f64,
    /// The score in [0, 1], comparable between queries.
    pub absolute: f64,
}

/// What the retrievals found.
#[derive(Default)]
pub(super) struct Retrieved {
    pub lists: Vec<List>,
    /// Where documents matched by meaning, nearest first.
    pub places: HashMap<i64, VectorHit>,
    pub reports: Vec<StageReport>,
    /// Why nothing was searched by meaning.
    pub error: Option<InferError>,
}

impl Retrieved {
    /// Words' finds with those of meaning.
    fn with(mut self, meaning: Self) -> Self {
        self.lists.extend(meaning.lists);
        self.reports.extend(meaning.reports);
        Self {
            places: meaning.places,
            error: meaning.error,
            ..self
        }
    }

    /// Takes in what was found later.
    pub(super) fn extend(&mut self, more: Self) {
        self.lists.extend(more.lists);
        for (document, hit) in more.places {
            self.places.entry(document).or_insert(hit);
        }
    }
}

/// Runs searches, each the ways it asks for as far as the request's mode has them.
pub(super) async fn retrieve(
    context: &Context<'_>,
    asked: &[Asked<'_>],
) -> Result<Retrieved, SearchError> {
    let (words, meaning) = tokio::try_join!(lexical(context, asked), meaning(context, asked))?;
    Ok(words.with(meaning))
}

impl Context<'_> {
    /// The same, and tells what words find as soon as it is known that the rest takes longer.
    pub(super) async fn retrieve_first(
        &self,
        asked: &[Asked<'_>],
        documents: &mut Documents,
    ) -> Result<Retrieved, SearchError> {
        if self.request.mode != Mode::Hybrid || !self.listener.wants_rankings() {
            return retrieve(self, asked).await;
        }
        let words = pin!(lexical(self, asked));
        let meaning = pin!(meaning(self, asked));
        let (words, mut meaning) = match select(words, meaning).await {
            Either::Left((words, meaning)) => (words?, meaning),
            Either::Right((meaning, words)) => return Ok(words.await?.with(meaning?)),
        };
        let soon = self.request.started + PATIENCE;
        if let Ok(meaning) = timeout_at(soon.into(), &mut meaning).await {
            return Ok(words.with(meaning?));
        }
        let ((), meaning) = tokio::try_join!(self.tell(&words, documents), meaning)?;
        Ok(words.with(meaning))
    }

    /// Tells what words alone have found.
    async fn tell(&self, words: &Retrieved, documents: &mut Documents) -> Result<(), SearchError> {
        if words.lists.is_empty() {
            return Ok(());
        }
        let started = self.request.started;
        let mut stages = words.reports.clone();
        stages.push(report(Stage::Vector, started, StageState::Running));
        let fused = Fused::of(&words.lists);
        let outcome = self.outcome(&fused, None, words, &stages, documents);
        (self.listener).ranking(Progress::Preliminary, outcome.await?);
        Ok(())
    }
}

/// What meaning finds, or that it took too long.
async fn meaning(context: &Context<'_>, asked: &[Asked<'_>]) -> Result<Retrieved, SearchError> {
    let found = context.before_deadline(vector(context, asked)).await;
    found.unwrap_or_else(|| Ok(late(context)))
}

async fn lexical(context: &Context<'_>, asked: &[Asked<'_>]) -> Result<Retrieved, SearchError> {
    let request = context.request;
    let queries: Vec<(&Asked<'_>, &LexicalQuery)> = asked
        .iter()
        .filter_map(|asked| Some((asked, asked.search.lexical.as_ref()?)))
        .collect();
    if request.mode == Mode::Vector || queries.is_empty() {
        return Ok(Retrieved::default());
    }
    let started = Instant::now();
    let depth = match (request.mode, queries.len()) {
        (Mode::Lexical, 1) => request.limit.max(context.candidates()),
        _ => request.limit.max(MIN_DEPTH),
    };
    let runs = queries.iter().map(|(_, query)| {
        let query = LexicalQuery::clone(query);
        let scope = request.scope.clone();
        (context.store).lexical(query, scope, depth, request.exhaustive)
    });
    let found = try_join_all(runs).await?;
    let lists = queries.iter().zip(found).map(|((asked, _), found)| List {
        source: Stage::Lexical,
        query: asked.search.text.as_str().into(),
        weight: asked.weight,
        expanded: asked.expanded,
        entries: (found.into_iter())
            .map(|hit: LexicalHit| Entry {
                document: hit.document,
                score: hit.score,
                absolute: score::lexical(hit.share),
            })
            .collect(),
    });
    Ok(Retrieved {
        lists: lists.collect(),
        reports: vec![report(Stage::Lexical, started, StageState::Done)],
        ..Retrieved::default()
    })
}

async fn vector(context: &Context<'_>, asked: &[Asked<'_>]) -> Result<Retrieved, SearchError> {
    let asked: Vec<&Asked<'_>> = asked
        .iter()
        .filter(|asked| asked.search.kind != SearchKind::Lex)
        .collect();
    if context.request.mode == Mode::Lexical || asked.is_empty() {
        return Ok(Retrieved::default());
    }
    let started = Instant::now();
    let missing = |error: InferError| missing(started, Trouble::of(&error), error);
    let (model, vectors) = match embed(context, &asked).await {
        Ok(embedded) => embedded,
        Err(error) => return Ok(missing(error)),
    };
    let store = context.store;
    let known = prompts::fingerprints(&model, chunk::VERSION);
    if context.backend.is_remote() && store.is_of_other_models(known, None).await? {
        return Ok(missing(InferError::other_index(&model)));
    }
    let fingerprint = prompts::fingerprint(&model, chunk::VERSION);
    let scope = &context.request.scope;
    let depth = match (context.request.mode, vectors.len()) {
        (Mode::Vector, 1) if context.expands == Wish::No => {
            context.request.limit.max(context.candidates())
        }
        _ => context.request.limit.max(MIN_DEPTH),
    };
    let runs = (vectors.into_iter())
        .map(|vector| store.nearest(&fingerprint, vector, scope.clone(), depth));
    let found = try_join_all(runs).await?;
    // Afterwards: a vector that turned out to be damaged is pending.
    let unembedded = store.pending_count(&fingerprint, scope.clone()).await?;
    let mut retrieved = Retrieved {
        reports: vec![report(Stage::Vector, started, embedded(unembedded))],
        ..Retrieved::default()
    };
    for (asked, hits) in asked.iter().zip(found) {
        retrieved.lists.push(List {
            source: Stage::Vector,
            query: asked.search.text.as_str().into(),
            weight: asked.weight,
            expanded: asked.expanded,
            entries: (hits.iter())
                .map(|hit| Entry {
                    document: hit.document,
                    score: hit.similarity,
                    absolute: score::cosine(hit.similarity),
                })
                .collect(),
        });
        for hit in hits {
            let place = retrieved.places.entry(hit.document);
            place
                .and_modify(|known| {
                    if hit.similarity > known.similarity {
                        known.clone_from(&hit);
                    }
                })
                .or_insert(hit);
        }
    }
    Ok(retrieved)
}

/// What there is when nothing could be searched by meaning.
fn missing(started: Instant, trouble: Trouble, error: InferError) -> Retrieved {
    Retrieved {
        reports: vec![report(Stage::Vector, started, StageState::Missing(trouble))],
        error: Some(error),
        ..Retrieved::default()
    }
}

/// The same where the time is up.
fn late(context: &Context<'_>) -> Retrieved {
    let trouble = Trouble {
        reason: Reason::BudgetSpent,
        message: "the time was up before the search by meaning had ended".into(),
        hint: Some("allow more time".into()),
    };
    let error = InferError::Deadline { role: Role::Embed };
    missing(context.request.started, trouble, error)
}

/// What it means that so many documents of the scope have no vectors of this model.
fn embedded(unembedded: u64) -> StageState {
    if unembedded == 0 {
        return StageState::Done;
    }
    StageState::Partial(Trouble {
        reason: Reason::VectorsPending,
        message: match unembedded {
            1 => "1 document has no vectors yet".into(),
            count => format!("{count} documents have no vectors yet"),
        },
        hint: Some("run `qmdctl embed`".into()),
    })
}

/// The searches' vectors, and the model they are of.
async fn embed(
    context: &Context<'_>,
    asked: &[&Asked<'_>],
) -> Result<(ModelInfo, Vec<Vec<f32>>), InferError> {
    let call = context.call(EMBED_LIMIT);
    let model = context.backend.described(Role::Embed, &call).await?;
    let format = EmbedFormat::of(&model);
    let texts: Vec<String> = asked
        .iter()
        .map(|asked| match asked.search.kind {
            // It is written as an answer would be.
            SearchKind::Hyde => format.document("", &asked.search.text),
            _ => format.query(&asked.search.text),
        })
        .collect();
    let count = texts.len();
    let embeddings = context.backend.embed(texts, Call::clone(&call)).await?;
    if embeddings.len() != count {
        return Err(InferError::Internal("the model gave no vector".into()));
    }
    let vectors = embeddings.into_iter().map(|embedding| embedding.values);
    Ok((model, vectors.collect()))
}
