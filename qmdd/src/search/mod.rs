//! The search pipeline: retrieve, fuse, expand, rerank, blend, and say what was missing.

mod candidates;
mod error;
mod expand;
mod fusion;
mod present;
mod request;
mod rerank;
mod retrieve;

use std::{
    slice,
    time::{Duration, Instant},
};

use tokio_util::sync::CancellationToken;

use self::{
    fusion::{Fused, Reranked},
    present::Documents,
    rerank::Reading,
    retrieve::{Asked, Retrieved},
};
use crate::{
    domain::{Mode, Reason, Role, Stage, StageReport, StageState, Trouble},
    infer::{
        backend::{Backend, Call, ModelState},
        prompts,
    },
    store::Store,
    text::query::Expansion,
};

pub use self::{
    error::SearchError,
    request::{Listener, Outcome, Progress, Request, Silent, Wish},
    rerank::Pace,
};

/// How long before its deadline a search stops to look for more: the answer is made then.
const FINISH: Duration = Duration::from_millis(5);

/// What a search works with.
pub struct Searcher<'a> {
    /// The index.
    pub store: &'a Store,
    /// The models.
    pub backend: &'a dyn Backend,
    /// How quick the reranker was so far.
    pub pace: &'a Pace,
}

/// A search under way.
struct Context<'a> {
    store: &'a Store,
    backend: &'a dyn Backend,
    pace: &'a Pace,
    request: &'a Request,
    cancel: &'a CancellationToken,
    listener: &'a dyn Listener,
    /// Whether the reranker is to read candidates, as far as one can tell before.
    reranks: bool,
    /// Whether the generator is to add to the query: always, or where the first ranking is not decisive.
    expands: Wish,
}

impl Searcher<'_> {
    /// Runs a search. A hybrid one answers from what can be had, and reports the stages that are
    /// missing; vector search has nothing to offer without its model and fails.
    ///
    /// # Errors
    /// On a store that cannot be read, or, for [`Mode::Vector`], no model.
    pub async fn search(
        &self,
        request: &Request,
        listener: &dyn Listener,
        cancel: &CancellationToken,
    ) -> Result<Outcome, SearchError> {
        let context = Context {
            store: self.store,
            backend: self.backend,
            pace: self.pace,
            request,
            cancel,
            listener,
            reranks: reranks(request, self.backend),
            expands: expands(request, self.backend),
        };
        context.run().await
    }
}

impl Context<'_> {
    async fn run(&self) -> Result<Outcome, SearchError> {
        let asked = self.asked();
        let mut documents = Documents::default();
        let mut found = self.retrieve_first(&asked, &mut documents).await?;
        if let Some(error) = &found.error
            && found.lists.is_empty()
        {
            return Err(SearchError::Infer(error.clone()));
        }
        let mut stages = std::mem::take(&mut found.reports);
        for stage in &stages {
            self.listener.stage(stage);
        }
        let mut fused = Fused::of(&found.lists);
        if self.listener.wants_rankings() && (self.reranks || self.expands != Wish::No) {
            let outcome = self
                .outcome(&fused, None, &found, &stages, &mut documents)
                .await?;
            self.listener.ranking(Progress::Preliminary, outcome);
        }
        if let Some(report) = self.expand(&mut found, &fused).await? {
            if matches!(report.state, StageState::Done | StageState::Partial(_)) {
                fused = Fused::of(&found.lists);
            }
            self.listener.stage(&report);
            stages.push(report);
        }
        if !self.reranks {
            stages.extend(self.no_reranker());
            return self
                .outcome(&fused, None, &found, &stages, &mut documents)
                .await;
        }
        let (reranked, report) = self.rerank(&fused, &found, &stages, &mut documents).await?;
        self.listener.stage(&report);
        stages.push(report);
        self.outcome(&fused, Some(&reranked), &found, &stages, &mut documents)
            .await
    }

    /// What the user asks to search.
    fn asked(&self) -> Vec<Asked<'_>> {
        let searches = &self.request.query.searches;
        let weight = |place| {
            if place == 0 && searches.len() > 1 {
                2.0
            } else {
                1.0
            }
        };
        (searches.iter().enumerate())
            .map(|(place, search)| Asked {
                search,
                weight: weight(place),
                expanded: false,
            })
            .collect()
    }

    /// Candidates that retrieval must yield, for the reranker.
    fn candidates(&self) -> usize {
        if self.reranks {
            self.request.candidates
        } else {
            0
        }
    }

    /// What to say of a reranker that is not asked.
    fn no_reranker(&self) -> Option<StageReport> {
        (self.request.mode == Mode::Hybrid)
            .then(|| report(Stage::Rerank, Instant::now(), StageState::Skipped))
    }

    /// Has the best candidates read.
    async fn rerank(
        &self,
        fused: &Fused,
        found: &Retrieved,
        stages: &[StageReport],
        documents: &mut Documents,
    ) -> Result<(Reranked, StageReport), SearchError> {
        let started = Instant::now();
        let best: Vec<i64> = fused.documents().take(self.request.candidates).collect();
        documents.fetch(self.store, &best).await?;
        let mut reading = Reading::new(self, self.rerank_query(), &best);
        loop {
            let passages = |part: &[i64], most: usize| self.passages(part, most, found, documents);
            if !reading.step(passages).await {
                break;
            }
            if self.listener.wants_rankings() && reading.scores.len() < best.len() {
                let reranked = Reranked::new(&best, &reading.scores);
                let so_far = StageReport {
                    scored: (reading.scores.len(), best.len()),
                    ..report(Stage::Rerank, started, StageState::Running)
                };
                let stages = [stages, slice::from_ref(&so_far)].concat();
                let outcome = self
                    .outcome(fused, Some(&reranked), found, &stages, documents)
                    .await?;
                self.listener.ranking(Progress::Refined, outcome);
            }
        }
        let count = (reading.scores.len(), best.len());
        let state = match (&reading.error, count) {
            (Some(error), (0, _)) => StageState::Missing(Trouble::of(error)),
            (Some(error), _) => StageState::Partial(Trouble::of(error)),
            (None, (scored, all)) if scored < all => StageState::Partial(over_budget(scored, all)),
            (None, _) => StageState::Done,
        };
        let report = StageReport {
            scored: count,
            ..report(Stage::Rerank, started, state)
        };
        Ok((Reranked::new(&best, &reading.scores), report))
    }

    /// What candidates are compared with.
    fn rerank_query(&self) -> String {
        let query = &self.request.query;
        let text = query.searches.first().map_or("", |search| &search.text);
        match &query.intent {
            Some(intent) => format!("{intent}\n\n{text}"),
            None => text.to_owned(),
        }
    }

    /// The answer as things are.
    async fn outcome(
        &self,
        fused: &Fused,
        reranked: Option<&Reranked>,
        found: &Retrieved,
        stages: &[StageReport],
        documents: &mut Documents,
    ) -> Result<Outcome, SearchError> {
        let mut ranked = fused.ranking(&found.lists, reranked);
        ranked.retain(|ranked| ranked.score >= self.request.min_score);
        ranked.truncate(self.request.limit);
        let hits = present::hits(self.store, ranked, found, self.request, documents).await?;
        Ok(Outcome {
            hits,
            stages: stages.to_vec(),
            elapsed: self.request.started.elapsed(),
        })
    }

    /// A call to a model that may take so long, within the deadline.
    fn call(&self, limit: Duration) -> Call {
        let limit = Instant::now() + limit;
        let deadline = self
            .deadline()
            .map_or(limit, |deadline| deadline.min(limit));
        Call {
            cancel: self.cancel.clone(),
            deadline: Some(deadline),
            ..Call::interactive()
        }
    }

    /// When work must end, so that the answer comes in time.
    fn deadline(&self) -> Option<Instant> {
        let deadline = self.request.deadline?;
        Some(deadline.checked_sub(FINISH).unwrap_or(deadline))
    }

    /// What comes of it, unless the deadline comes first.
    async fn before_deadline<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        match self.deadline() {
            None => Some(work.await),
            Some(deadline) => tokio::time::timeout_at(deadline.into(), work).await.ok(),
        }
    }

    /// Whether there is no time left.
    fn is_late(&self) -> bool {
        self.left().is_some_and(|left| left.is_zero())
    }

    /// How much time is left.
    fn left(&self) -> Option<Duration> {
        let left = |deadline: Instant| deadline.saturating_duration_since(Instant::now());
        self.deadline().map(left)
    }
}

/// Whether candidates are reranked: by default where there is a reranker, be it loaded or not.
fn reranks(request: &Request, backend: &dyn Backend) -> bool {
    let has_one = || {
        let reports = backend.report();
        let reranker = reports.iter().find(|report| report.role == Role::Rerank);
        reranker.is_some_and(|report| report.state != ModelState::NotConfigured)
    };
    match request.rerank {
        Wish::No => false,
        Wish::Yes => true,
        Wish::Auto => request.mode == Mode::Hybrid && has_one(),
    }
}

/// Whether the query is expanded: by default, where it helps, by a generator that was trained for it.
/// Others make rankings worse more often than better (docs/ranking.md).
fn expands(request: &Request, backend: &dyn Backend) -> Wish {
    let is_trained = || {
        let model = backend.info(Role::Generate);
        model.is_ok_and(|model| prompts::is_for_expansion(&model))
    };
    match (request.expand, request.query.expansion) {
        (Wish::No, _) | (Wish::Auto, Expansion::Never) => Wish::No,
        (Wish::Yes, _) | (_, Expansion::Asked) => Wish::Yes,
        (Wish::Auto, Expansion::Auto) if request.mode == Mode::Hybrid && is_trained() => Wish::Auto,
        (Wish::Auto, Expansion::Auto) => Wish::No,
    }
}

/// What to say of candidates that were not reached.
fn over_budget(scored: usize, all: usize) -> Trouble {
    Trouble {
        reason: Reason::BudgetSpent,
        message: format!("the time was up after {scored} of {all} candidates were reranked"),
        hint: Some("allow more time, or fewer candidates".into()),
    }
}

/// A stage's report as it ends.
fn report(stage: Stage, started: Instant, state: StageState) -> StageReport {
    StageReport {
        stage,
        state,
        elapsed: started.elapsed(),
        scored: (0, 0),
    }
}

#[cfg(test)]
mod tests;
