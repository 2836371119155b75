//! `bench`: QMD's fixtures on the present index.

use std::time::Instant;

use qmd_proto::v1::{SearchReply, Stage, StageReport, StageState};
use qmdctl::eval::{
    bench::{Benched, Row, backend},
    fixture::{FixtureQuery, Score},
    report::{Mode, NotRun},
};

use super::eval::{ask::Ask, load, measure, prepare};
use crate::{
    cli::{BenchArgs, Format},
    client::{Client, Home},
    error::{Failure, Result},
    render::{self, Notice, Screen, Step},
};

/// QMD asks for as many hits as are expected to hold the files, and at least for these.
const LEAST: usize = 10;

pub(super) async fn run(home: &Home, screen: Screen, args: &BenchArgs) -> Result<()> {
    let fixture = load::fixture(&args.fixture)?;
    let client = home.connect().await?;
    let collection = args.collection.as_ref().or(fixture.collection.as_ref());
    let ask = Ask {
        index: home.index(),
        collections: collection.cloned().into_iter().collect(),
    };
    prepare::documents(&client, home.index(), &ask.collections).await?;
    let mut failed = prepare::unable(&client, screen, home.index(), &Mode::ALL).await?;
    let mut progress = screen.progress();
    let mut queries = Vec::new();
    for (at, query) in fixture.queries.iter().enumerate() {
        progress.show(&Step {
            label: "asking".into(),
            done: at as u64,
            total: fixture.queries.len() as u64,
            detail: query.id.clone(),
            bytes: false,
        });
        let mut rows = Vec::new();
        for mode in Mode::ALL {
            let row = match failed.iter().find(|(failed, _)| *failed == mode) {
                Some((_, why)) => Row::Failed(why.clone()),
                None => self::query(&client, &ask, query, mode, &mut failed).await?,
            };
            rows.push((mode, row));
        }
        queries.push(Benched {
            id: query.id.clone(),
            query: query.query.clone(),
            kind: query.kind.clone(),
            expected: query.expected_files.clone(),
            rows,
        });
    }
    progress.finish();
    let name = args.fixture.display().to_string();
    let shown = if screen.format() == Format::Json {
        render::benched_json(&name, &queries)?
    } else {
        render::benched(&queries)
    };
    Screen::print(&shown)?;
    for (mode, why) in &failed {
        Screen::warn(&Notice {
            message: format!("{} failed: {}", backend(*mode), why.message),
            reason: why.reason.clone(),
            hint: why.hint.clone(),
        });
    }
    if failed.len() < Mode::ALL.len() {
        return Ok(());
    }
    match failed.into_iter().next() {
        Some((_, why)) => Err(Failure::of_text(&why.reason, why.message, why.hint).into()),
        None => Ok(()),
    }
}

/// Asks a query in one mode. A mode that cannot run is added to the failed ones.
async fn query(
    client: &Client,
    ask: &Ask,
    query: &FixtureQuery,
    mode: Mode,
    failed: &mut Vec<(Mode, NotRun)>,
) -> Result<Row> {
    let limit = query.expected_in_top_k.max(LEAST) as u32;
    let Some(request) = ask.as_qmd(mode, &query.query, limit) else {
        return Ok(Row::NotAsked);
    };
    let began = Instant::now();
    let answered = client.search().search(request).await;
    let ms = began.elapsed().as_secs_f64() * 1e3;
    let why = match answered {
        Ok(reply) => {
            let reply = reply.into_inner();
            match measure::missing(&reply).or_else(|| unranked(&reply, mode)) {
                Some(why) => why,
                None => return Ok(scored(query, reply, ms)),
            }
        }
        Err(status) => {
            let failure = Failure::from(status);
            let refused = measure::is_refusal(&failure);
            let why = prepare::not_run(failure)?;
            if refused {
                return Ok(Row::Failed(why));
            }
            why
        }
    };
    failed.push((mode, why.clone()));
    Ok(Row::Failed(why))
}

/// Why what should be reranked was not.
fn unranked(reply: &SearchReply, mode: Mode) -> Option<NotRun> {
    if mode != Mode::Full || reply.hits.is_empty() {
        return None;
    }
    let mut stages = reply.stages.iter();
    let rerank = stages.find(|report| report.stage() == Stage::Rerank);
    let state = rerank.map_or(StageState::Unspecified, StageReport::state);
    if matches!(state, StageState::Done | StageState::Partial) {
        return None;
    }
    let notice = rerank.and_then(Notice::of_stage);
    Some(match notice {
        Some(notice) => NotRun {
            reason: notice.reason,
            message: notice.message,
            hint: notice.hint,
        },
        None => prepare::none("reranking did not run"),
    })
}

fn scored(query: &FixtureQuery, reply: SearchReply, ms: f64) -> Row {
    let files: Vec<String> = reply.hits.into_iter().map(|hit| hit.uri).collect();
    Row::Scored {
        score: Score::of(&files, &query.expected_files, query.expected_in_top_k),
        ms,
        files,
    }
}

#[cfg(test)]
mod tests {
    use qmd_proto::v1::Hit;

    use super::*;

    #[test]
    fn full_is_no_other_name_for_hybrid() {
        let reply = |state: Option<StageState>| SearchReply {
            hits: vec![Hit::default()],
            stages: state
                .map(|state| StageReport {
                    stage: Stage::Rerank.into(),
                    state: state.into(),
                    reason: "MODEL_MISSING".into(),
                    message: "no file".into(),
                    ..StageReport::default()
                })
                .into_iter()
                .collect(),
            ..SearchReply::default()
        };
        let why = |state| unranked(&reply(state), Mode::Full).map(|why| why.reason);
        assert_eq!(why(Some(StageState::Done)), None);
        assert_eq!(why(Some(StageState::Partial)), None);
        assert_eq!(
            why(Some(StageState::Missing)).as_deref(),
            Some("MODEL_MISSING")
        );
        let none = Some("MODEL_NOT_CONFIGURED");
        assert_eq!(why(Some(StageState::Skipped)).as_deref(), none);
        assert_eq!(why(None).as_deref(), none);
        assert_eq!(unranked(&reply(None), Mode::Hybrid), None);
        assert_eq!(unranked(&SearchReply::default(), Mode::Full), None);
    }

    #[test]
    fn hits_are_scored_by_their_addresses() {
        let query = FixtureQuery {
            id: "q".into(),
            query: "x".into(),
            kind: String::new(),
            expected_files: vec!["sub/a.md".into()],
            expected_in_top_k: 2,
        };
        let hit = |uri: &str| Hit {
            uri: uri.into(),
            ..Hit::default()
        };
        let reply = SearchReply {
            hits: vec![hit("qmd://docs/b.md"), hit("qmd://docs/sub/a.md")],
            ..SearchReply::default()
        };
        let Row::Scored { score, files, .. } = scored(&query, reply, 1.0) else {
            panic!("it is scored");
        };
        assert_eq!((score.hits, files.len()), (1, 2));
        assert!((score.reciprocal_rank - 0.5).abs() < 1e-12);
    }
}
