//! `SearchService`.

use std::sync::Arc;

use qmd_proto::v1::{
    self, SearchEvent, SearchMode, SearchReply, SearchRequest, search_service_server::SearchService,
};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use super::{
    App,
    context::{context, file_path},
    metadata, notices,
    status::status,
    stream::{Events, events},
};
use crate::{
    config::IndexConfig,
    domain::{Contribution, Hit, Mode, Stage, StageReport, StageState},
    search,
    store::Scope,
    text::filter,
};

/// Hits when the request names no limit.
const DEFAULT_LIMIT: u32 = 5;

/// `SearchService` over the daemon's state.
pub struct Search(pub Arc<App>);

#[tonic::async_trait]
impl SearchService for Search {
    type SearchStreamStream = Events<SearchEvent>;

    async fn search_stream(
        &self,
        request: Request<SearchRequest>,
    ) -> Result<Response<Self::SearchStreamStream>, Status> {
        let reply = self.search(request).await?.into_inner();
        Ok(events(move |sink, _| async move {
            let ranking = v1::Ranking {
                kind: v1::RankingKind::Final.into(),
                reply: Some(reply),
            };
            sink.deliver(SearchEvent {
                event: Some(v1::search_event::Event::Ranking(ranking)),
            })
            .await;
            Ok(())
        }))
    }

    async fn search(
        &self,
        request: Request<SearchRequest>,
    ) -> Result<Response<SearchReply>, Status> {
        let request = request.into_inner();
        let index = self.0.indexes.get(request.index.as_ref()).await?;
        let config = index.config().map_err(|error| status(&error))?;
        let mode = match request.mode() {
            SearchMode::Lexical => Mode::Lexical,
            SearchMode::Vector => Mode::Vector,
            SearchMode::Hybrid | SearchMode::Unspecified => Mode::Hybrid,
        };
        let limit = if request.limit == 0 {
            DEFAULT_LIMIT
        } else {
            request.limit
        };
        let notices = match request.collections.as_slice() {
            [] => notices::untrusted(&config, &index),
            _ => Vec::new(),
        };
        let search = search::Request {
            scope: Scope {
                collections: index.scope(&config, &request.collections)?,
                filter: filter::parse_all(&request.filters).map_err(|error| status(&error))?,
            },
            mode,
            limit: limit as usize,
            min_score: request.min_score.unwrap_or(0.0),
            full: request.full,
            exhaustive: request.exhaustive,
            text: request.query,
        };
        // Dropped with the call when the client goes away, which cancels what it started.
        let cancel = CancellationToken::new();
        let _guard = cancel.clone().drop_guard();
        let backend = self.0.backend();
        let outcome = search::search(&index.store, &**backend, &search, &cancel)
            .await
            .map_err(|error| status(&error))?;
        let hits = outcome
            .hits
            .into_iter()
            .map(|hit| hit_to_proto(hit, &config, request.explain));
        Ok(Response::new(SearchReply {
            hits: hits.collect(),
            stages: outcome.stages.into_iter().map(stage_to_proto).collect(),
            elapsed_us: outcome.elapsed.as_micros() as u64,
            editor_uri: self.0.indexes.editor_uri(&config).unwrap_or_default(),
            notices,
        }))
    }
}

fn hit_to_proto(hit: Hit, config: &IndexConfig, explain: bool) -> v1::Hit {
    let mut collections = config.collections.iter();
    let collection = collections.find(|known| known.name == hit.collection);
    v1::Hit {
        places: Vec::new(),
        // A collection may leave the configuration while it is searched.
        file_path: collection.map_or_else(String::new, |known| file_path(known, &hit.path)),
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
            contributions: hit
                .contributions
                .iter()
                .map(contribution_to_proto)
                .collect(),
            ..v1::Explain::default()
        }),
    }
}

fn contribution_to_proto(part: &Contribution) -> v1::Contribution {
    v1::Contribution {
        source: stage(part.source).into(),
        rank: part.rank,
        raw_score: part.raw_score,
        contribution: part.contribution,
        ..v1::Contribution::default()
    }
}

fn stage(stage: Stage) -> v1::Stage {
    match stage {
        Stage::Lexical => v1::Stage::Lexical,
        Stage::Vector => v1::Stage::Vector,
    }
}

fn stage_to_proto(report: StageReport) -> v1::StageReport {
    let (state, trouble) = match report.state {
        StageState::Done => (v1::StageState::Done, None),
        StageState::Partial(trouble) => (v1::StageState::Partial, Some(trouble)),
        StageState::Missing(trouble) => (v1::StageState::Missing, Some(trouble)),
    };
    let mut proto = v1::StageReport {
        stage: stage(report.stage).into(),
        state: state.into(),
        elapsed_us: report.elapsed.as_micros() as u64,
        ..v1::StageReport::default()
    };
    if let Some(trouble) = trouble {
        proto.reason = trouble.reason.to_string();
        proto.message = trouble.message;
        proto.hint = trouble.hint.unwrap_or_default();
    }
    proto
}
