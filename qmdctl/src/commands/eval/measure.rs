//! Asks every query in one mode, one after the other, and takes the time.

use std::{collections::BTreeMap, time::Instant};

use qmd_proto::{
    Reason,
    v1::{SearchReply, Stage, StageReport, StageState, StatusRequest},
};
use qmdctl::eval::{
    judged::Query,
    metrics::RECALL_AT,
    report::{Answer, Mode, NotRun},
};

use super::{ask::Ask, prepare::not_run};
use crate::{
    client::Client,
    error::{Failure, Result},
    render::{Notice, Screen, Step},
};

/// What is asked before the first query, so that none of them pays for what happens once.
const WARM_UP: &str = "warm up";

/// What came of a mode.
pub(super) struct Asked {
    /// Of each query, in their order.
    pub(super) replies: Vec<Reply>,
    /// Results of models that were remembered.
    pub(super) remembered: u64,
    /// What to say of queries that the daemon would not take.
    pub(super) refusal: Option<Notice>,
    /// What to say of stages that did less than they were asked for.
    pub(super) partial: Vec<Notice>,
}

/// A reply to one query.
pub(super) struct Reply {
    /// Paths inside the collection with their scores, best first.
    pub(super) hits: Vec<(String, f64)>,
    /// What else is known of it; the ranking is still empty.
    pub(super) answer: Answer,
}

/// Asks the queries. The inner error says why the mode does not run.
pub(super) async fn ask(
    client: &Client,
    screen: Screen,
    ask: &Ask,
    mode: Mode,
    queries: &[Query],
) -> Result<Result<Asked, NotRun>> {
    let warm_up = ask.plain(mode, WARM_UP, RECALL_AT as u32);
    match client.search().search(warm_up).await {
        Ok(reply) => {
            if let Some(missing) = missing(reply.get_ref()) {
                return Ok(Err(missing));
            }
        }
        Err(status) => return Ok(Err(not_run(status.into())?)),
    }
    let before = cache_hits(client, ask).await?;
    let mut replies = Vec::with_capacity(queries.len());
    let mut refused: Vec<(&Query, Failure)> = Vec::new();
    let mut partial: BTreeMap<(i32, String), (u64, Notice)> = BTreeMap::new();
    let mut progress = screen.progress();
    for (at, query) in queries.iter().enumerate() {
        progress.show(&Step {
            label: format!("asking {}", mode.name()),
            done: at as u64,
            total: queries.len() as u64,
            detail: String::new(),
            bytes: false,
        });
        let request = ask.plain(mode, &query.text, RECALL_AT as u32);
        let began = Instant::now();
        let answered = client.search().search(request).await;
        let round_trip_ms = began.elapsed().as_secs_f64() * 1e3;
        match answered {
            Ok(reply) => {
                let reply = reply.into_inner();
                // Half a hybrid ranking is none.
                if let Some(missing) = missing(&reply) {
                    progress.finish();
                    return Ok(Err(missing));
                }
                for report in &reply.stages {
                    if let Some(notice) = Notice::of_stage(report) {
                        let kind = (report.stage, notice.reason.clone());
                        partial.entry(kind).or_insert((0, notice)).0 += 1;
                    }
                }
                replies.push(Reply::of(query, reply, round_trip_ms));
            }
            Err(status) => {
                let failure = Failure::from(status);
                if !is_refusal(&failure) {
                    progress.finish();
                    return Ok(Err(not_run(failure)?));
                }
                refused.push((query, failure));
                replies.push(Reply {
                    hits: Vec::new(),
                    answer: Answer {
                        id: query.id.clone(),
                        refused: true,
                        ..Answer::default()
                    },
                });
            }
        }
    }
    progress.finish();
    let remembered = cache_hits(client, ask).await?.saturating_sub(before);
    Ok(Ok(Asked {
        replies,
        remembered,
        refusal: refusal(&refused),
        partial: partial
            .into_values()
            .map(|(count, notice)| Notice {
                message: format!(
                    "{}, in {count} of {} queries: {}",
                    mode.name(),
                    queries.len(),
                    notice.message
                ),
                ..notice
            })
            .collect(),
    }))
}

impl Reply {
    fn of(query: &Query, reply: SearchReply, round_trip_ms: f64) -> Self {
        let done = |stage: Stage| {
            let mut stages = reply.stages.iter();
            stages.any(|report| report.stage() == stage && ran(report))
        };
        let partial = reply
            .stages
            .iter()
            .any(|report| Notice::of_stage(report).is_some());
        Self {
            answer: Answer {
                id: query.id.clone(),
                ranking: Vec::new(),
                inside_ms: reply.elapsed_us as f64 / 1e3,
                round_trip_ms,
                refused: false,
                partial,
                reranked: done(Stage::Rerank),
                expanded: done(Stage::Expand),
            },
            hits: reply
                .hits
                .into_iter()
                .map(|hit| (hit.path, hit.score))
                .collect(),
        }
    }
}

fn ran(report: &StageReport) -> bool {
    matches!(report.state(), StageState::Done | StageState::Partial)
}

/// Why a retrieval did not run.
pub(in crate::commands) fn missing(reply: &SearchReply) -> Option<NotRun> {
    let mut retrievals = reply.stages.iter().filter(|report| {
        let retrieves = matches!(report.stage(), Stage::Lexical | Stage::Vector);
        retrieves && report.state() == StageState::Missing
    });
    let notice = Notice::of_stage(retrievals.next()?)?;
    Some(NotRun {
        reason: notice.reason,
        message: notice.message,
        hint: notice.hint,
    })
}

/// Whether the query itself is at fault.
pub(in crate::commands) fn is_refusal(failure: &Failure) -> bool {
    let faults = [
        Reason::QuerySyntax,
        Reason::QueryEmpty,
        Reason::QueryTooLong,
    ];
    faults
        .iter()
        .any(|reason| failure.reason == reason.as_str())
}

fn refusal(refused: &[(&Query, Failure)]) -> Option<Notice> {
    let (query, failure) = refused.first()?;
    let count = refused.len();
    Some(Notice {
        message: format!(
            "{count} of the queries would not be taken, and count 0; the first is {}: {}",
            query.id, failure.message
        ),
        reason: failure.reason.clone().into_owned(),
        hint: failure.hint.clone(),
    })
}

async fn cache_hits(client: &Client, ask: &Ask) -> Result<u64> {
    let request = StatusRequest {
        index: ask.index.clone(),
    };
    let status = client.control().status(request).await?.into_inner();
    Ok(status.cache.map_or(0, |cache| cache.hits))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stage(stage: Stage, state: StageState) -> StageReport {
        StageReport {
            stage: stage.into(),
            state: state.into(),
            reason: "MODEL_LOADING".into(),
            message: "it is loading".into(),
            hint: "wait".into(),
            ..StageReport::default()
        }
    }

    fn query() -> Query {
        Query {
            id: "7".into(),
            text: "x".into(),
        }
    }

    #[test]
    fn a_missing_retrieval_is_no_answer() {
        let reply = |stages| SearchReply {
            stages,
            ..SearchReply::default()
        };
        let done = stage(Stage::Lexical, StageState::Done);
        let found = missing(&reply(vec![
            done.clone(),
            stage(Stage::Vector, StageState::Missing),
        ]));
        let found = found.unwrap();
        assert_eq!(found.message, "vector search did not run: it is loading");
        assert_eq!(found.hint.as_deref(), Some("wait"));
        let rerank = stage(Stage::Rerank, StageState::Missing);
        assert_eq!(missing(&reply(vec![done, rerank])), None);
    }

    #[test]
    fn a_reply_tells_what_ran() {
        let reply = SearchReply {
            stages: vec![
                stage(Stage::Lexical, StageState::Done),
                stage(Stage::Rerank, StageState::Partial),
                stage(Stage::Expand, StageState::Skipped),
            ],
            elapsed_us: 1_500,
            ..SearchReply::default()
        };
        let answer = Reply::of(&query(), reply, 2.0).answer;
        assert!(answer.reranked && answer.partial && !answer.expanded);
        assert!((answer.inside_ms - 1.5).abs() < 1e-12);
    }

    #[test]
    fn a_refused_query_is_told_with_its_id() {
        let (query, other) = (query(), query());
        let failure = Failure::new(Reason::QuerySyntax, "a quote is open").hint("close it");
        assert!(is_refusal(&failure));
        let notice = refusal(&[(&query, failure.clone()), (&other, failure)]).unwrap();
        assert_eq!(
            notice.message,
            "2 of the queries would not be taken, and count 0; the first is 7: a quote is open"
        );
        assert!(!is_refusal(&Failure::internal("x")));
    }
}
