//! `SearchService`.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use qmd_proto::v1::{
    self, Notice, RankingKind, SearchEvent, SearchMode, SearchReply, SearchRequest,
    search_event::Event, search_service_server::SearchService,
};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use super::{
    App,
    context::{context, file_path},
    indexes::{Index, named},
    metadata, notices,
    status::{invalid, status},
    stream::{Events, Progress, events},
};
use crate::{
    config::IndexConfig,
    domain::{Contribution, Filter, Hit, Mode, Stage, StageReport, StageState},
    search,
    store::Scope,
    text::{
        filter,
        query::{Query, SearchKind},
    },
};

/// Hits when the request names no limit.
const DEFAULT_LIMIT: u32 = 5;
/// Candidates for the reranker when the request names no number.
const DEFAULT_CANDIDATES: u32 = 40;
/// Most candidates of a request.
const MAX_CANDIDATES: u32 = 1_000;

/// `SearchService` over the daemon's state.
pub struct Search(pub Arc<App>);

#[tonic::async_trait]
impl SearchService for Search {
    type SearchStreamStream = Events<SearchEvent>;

    async fn search(
        &self,
        request: Request<SearchRequest>,
    ) -> Result<Response<SearchReply>, Status> {
        let job = Job::new(&self.0, request.into_inner()).await?;
        // Dropped with the call when the client goes away, which cancels what it started.
        let cancel = CancellationToken::new();
        let _guard = cancel.clone().drop_guard();
        let reply = job.run(&self.0, &search::Silent, &cancel).await?;
        Ok(Response::new(reply))
    }

    async fn search_stream(
        &self,
        request: Request<SearchRequest>,
    ) -> Result<Response<Self::SearchStreamStream>, Status> {
        let job = Arc::new(Job::new(&self.0, request.into_inner()).await?);
        let app = Arc::clone(&self.0);
        Ok(events(move |events, cancel| async move {
            let told = Told {
                events,
                job: Arc::clone(&job),
            };
            let reply = job.run(&app, &told, &cancel).await?;
            let last = Told::event(RankingKind::Final, reply);
            told.events.deliver(last).await;
            Ok(())
        }))
    }
}

/// A request, checked, with what its answer needs.
struct Job {
    index: Arc<Index>,
    config: Arc<IndexConfig>,
    search: search::Request,
    explain: bool,
    editor_uri: String,
    notices: Vec<Notice>,
}

impl Job {
    async fn new(app: &App, request: SearchRequest) -> Result<Self, Status> {
        let started = Instant::now();
        let index = app.indexes.get(request.index.as_ref()).await?;
        let config = index.config().map_err(|error| status(&error))?;
        let mode = match request.mode() {
            SearchMode::Lexical => Mode::Lexical,
            SearchMode::Vector => Mode::Vector,
            SearchMode::Hybrid | SearchMode::Unspecified => Mode::Hybrid,
        };
        let query = query(&request)?;
        let collections = collections(&request, &query)?;
        for excluded in query.scope.filter.collections() {
            named(&config, excluded.as_str())?;
        }
        let notices = match collections.as_slice() {
            [] => notices::untrusted(&config, &index),
            _ => Vec::new(),
        };
        let filter = filter::parse_all(&request.filters).map_err(|error| status(&error))?;
        let filter = filter
            .unwrap_or_else(Filter::open)
            .and(query.scope.filter.clone());
        let or = |asked: u32, default: u32| if asked == 0 { default } else { asked };
        let search = search::Request {
            scope: Scope {
                collections: index.scope(&config, &collections)?,
                filter: (!filter.is_open()).then_some(filter),
            },
            mode,
            limit: or(request.limit, DEFAULT_LIMIT) as usize,
            min_score: request.min_score.unwrap_or(0.0),
            full: request.full,
            exhaustive: request.exhaustive,
            rerank: request.rerank.into(),
            expand: request.expand.into(),
            candidates: or(request.candidate_limit, DEFAULT_CANDIDATES).min(MAX_CANDIDATES)
                as usize,
            started,
            deadline: (request.budget_ms > 0)
                .then(|| started + Duration::from_millis(request.budget_ms.into())),
            query,
        };
        Ok(Self {
            editor_uri: app.indexes.editor_uri(&config).unwrap_or_default(),
            index,
            config,
            search,
            explain: request.explain,
            notices,
        })
    }

    async fn run(
        &self,
        app: &App,
        listener: &dyn search::Listener,
        cancel: &CancellationToken,
    ) -> Result<SearchReply, Status> {
        let backend = app.backend();
        let searcher = search::Searcher {
            store: &self.index.store,
            backend: &**backend,
            pace: &app.pace,
        };
        let outcome = searcher
            .search(&self.search, listener, cancel)
            .await
            .map_err(|error| status(&error))?;
        Ok(self.reply(outcome))
    }

    fn reply(&self, outcome: search::Outcome) -> SearchReply {
        let hits = outcome
            .hits
            .into_iter()
            .map(|hit| hit_to_proto(hit, &self.config, self.explain));
        SearchReply {
            hits: hits.collect(),
            stages: outcome.stages.iter().map(stage_to_proto).collect(),
            elapsed_us: outcome.elapsed.as_micros() as u64,
            editor_uri: self.editor_uri.clone(),
            notices: self.notices.clone(),
        }
    }
}

/// Tells a client how its search goes. One that does not keep up misses some of it: it never holds the
/// search up.
struct Told {
    events: Progress<SearchEvent>,
    job: Arc<Job>,
}

impl Told {
    fn event(kind: RankingKind, reply: SearchReply) -> SearchEvent {
        let ranking = v1::Ranking {
            kind: kind.into(),
            reply: Some(reply),
        };
        SearchEvent {
            event: Some(Event::Ranking(ranking)),
        }
    }
}

impl search::Listener for Told {
    fn wants_rankings(&self) -> bool {
        true
    }

    fn stage(&self, report: &StageReport) {
        let event = Some(Event::Stage(stage_to_proto(report)));
        self.events.send(SearchEvent { event });
    }

    fn ranking(&self, progress: search::Progress, outcome: search::Outcome) {
        let kind = match progress {
            search::Progress::Preliminary => RankingKind::Preliminary,
            search::Progress::Refined => RankingKind::Refined,
        };
        self.events.send(Self::event(kind, self.job.reply(outcome)));
    }
}

/// The query of a request, typed out or not.
fn query(request: &SearchRequest) -> Result<Query, Status> {
    let now = Timestamp::now();
    let intent = request.intent.trim();
    let intent = (!intent.is_empty()).then(|| intent.to_owned());
    if request.searches.is_empty() {
        let mut query = Query::parse(&request.query, now).map_err(|error| status(&error))?;
        query.intent = query.intent.or(intent);
        return Ok(query);
    }
    if !request.query.is_empty() {
        return Err(invalid(
            "the request has a query and searches; only one of them can be asked",
        ));
    }
    let searches = request.searches.iter().map(|search| {
        let kind = match search.kind() {
            v1::SearchKind::Unspecified => SearchKind::Plain,
            v1::SearchKind::Lex => SearchKind::Lex,
            v1::SearchKind::Vec => SearchKind::Vec,
            v1::SearchKind::Hyde => SearchKind::Hyde,
        };
        (kind, search.text.clone())
    });
    Query::typed(searches.collect(), intent, now).map_err(|error| status(&error))
}

/// The collections that a request and its query name: where both do, those that both name.
fn collections(request: &SearchRequest, query: &Query) -> Result<Vec<String>, Status> {
    let (asked, named) = (&request.collections, &query.scope.collections);
    if asked.is_empty() || named.is_empty() {
        return Ok([&asked[..], &named[..]].concat());
    }
    let both: Vec<String> = asked
        .iter()
        .filter(|it| named.contains(it))
        .cloned()
        .collect();
    if both.is_empty() {
        return Err(invalid(format!(
            "the query looks in {}, and the search is for {} only",
            named.join(", "),
            asked.join(", "),
        )));
    }
    Ok(both)
}

fn hit_to_proto(hit: Hit, config: &IndexConfig, explain: bool) -> v1::Hit {
    v1::Hit {
        file_path: file_path(config, &hit.collection, &hit.path),
        places: (hit.places.iter())
            .map(|place| v1::Place {
                line: place.lines.0,
                end_line: place.lines.1,
                similarity: place.similarity,
            })
            .collect(),
        docid: hit.docid.as_str().to_owned(),
        score: hit.score,
        uri: format!("qmd://{}/{}", hit.collection, hit.path),
        context: context(config, hit.collection.as_str(), &hit.path),
        collection: hit.collection.to_string(),
        path: hit.path,
        title: hit.title,
        snippet: hit.snippet,
        line: hit.lines.0,
        end_line: hit.lines.1,
        total_lines: hit.total_lines,
        heading: hit.heading,
        page: hit.page,
        metadata: metadata::to_proto(&hit.metadata),
        body: hit.body,
        explain: explain.then(|| v1::Explain {
            contributions: (hit.explanation.parts.iter())
                .map(contribution_to_proto)
                .collect(),
            fused_score: hit.explanation.fused,
            rerank_score: hit.explanation.rerank,
            rerank_weight: hit.explanation.rerank_weight,
            confidence: hit.explanation.confidence,
        }),
    }
}

fn contribution_to_proto(part: &Contribution) -> v1::Contribution {
    v1::Contribution {
        source: stage(part.source).into(),
        rank: part.rank,
        raw_score: part.raw_score,
        contribution: part.contribution,
        query: part.query.to_string(),
        weight: part.weight,
        expanded: part.expanded,
    }
}

fn stage(stage: Stage) -> v1::Stage {
    match stage {
        Stage::Lexical => v1::Stage::Lexical,
        Stage::Vector => v1::Stage::Vector,
        Stage::Expand => v1::Stage::Expand,
        Stage::Rerank => v1::Stage::Rerank,
    }
}

fn stage_to_proto(report: &StageReport) -> v1::StageReport {
    let (state, trouble) = match &report.state {
        StageState::Done => (v1::StageState::Done, None),
        StageState::Partial(trouble) => (v1::StageState::Partial, Some(trouble)),
        StageState::Missing(trouble) => (v1::StageState::Missing, Some(trouble)),
        StageState::Skipped => (v1::StageState::Skipped, None),
        StageState::Running => (v1::StageState::Running, None),
    };
    let mut proto = v1::StageReport {
        stage: stage(report.stage).into(),
        state: state.into(),
        elapsed_us: report.elapsed.as_micros() as u64,
        scored: report.scored.0 as u32,
        candidates: report.scored.1 as u32,
        ..v1::StageReport::default()
    };
    if let Some(trouble) = trouble {
        proto.reason = trouble.reason.to_string();
        proto.message.clone_from(&trouble.message);
        proto.hint = trouble.hint.clone().unwrap_or_default();
    }
    proto
}
