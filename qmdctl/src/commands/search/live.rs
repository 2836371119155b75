//! A search on a terminal: the first ranking at once, and better ones in its place.

use std::{io::Write, time::Duration};

use qmd_proto::v1::{
    Ranking, RankingKind, SearchEvent, SearchReply, StageReport, search_event::Event,
};
use tokio::time::{Instant, timeout_at};
use tonic::Status;

use super::super::incomplete;
use crate::{
    error::Result,
    render::{self, Board, Size},
};

/// What is replaced within this time is not drawn: it would only flicker.
const SETTLE: Duration = Duration::from_millis(10);
/// At least this long between two drawings.
const EVERY: Duration = Duration::from_millis(50);

/// Follows a search to its end and returns the final ranking, which is not drawn.
///
/// `next` yields the next event; it may be dropped while it waits. `paint` makes the text of a ranking
/// for a terminal of a size.
pub(super) async fn follow<W: Write>(
    mut next: impl AsyncFnMut() -> Result<Option<SearchEvent>, Status>,
    board: &mut Board<W>,
    paint: impl Fn(&SearchReply, Size) -> Result<String>,
    size: impl Fn() -> Size,
) -> Result<SearchReply> {
    let mut known = Known::default();
    // When what is known will be drawn, if it is not yet, and when it was last.
    let mut due: Option<Instant> = None;
    let mut drawn: Option<Instant> = None;
    loop {
        let event = match due {
            Some(due) => timeout_at(due, next()).await,
            None => Ok(next().await),
        };
        let Ok(event) = event else {
            known.draw(board, &paint, size())?;
            (due, drawn) = (None, Some(Instant::now()));
            continue;
        };
        let Some(event) = event? else {
            return Err(incomplete("the daemon ended the search without a final ranking").into());
        };
        if let Some(reply) = known.take(event) {
            return Ok(reply);
        }
        if due.is_none() {
            let soon = Instant::now() + SETTLE;
            due = Some(drawn.map_or(soon, |drawn| soon.max(drawn + EVERY)));
        }
    }
}

/// What a search in progress has told.
#[derive(Debug, Default)]
struct Known {
    /// The best ranking so far.
    ranking: Option<SearchReply>,
    /// The stages, in the order they reported.
    stages: Vec<StageReport>,
}

impl Known {
    /// Takes an event in; the final ranking comes back.
    fn take(&mut self, event: SearchEvent) -> Option<SearchReply> {
        match event.event {
            Some(Event::Ranking(ranking)) => self.rank(ranking),
            Some(Event::Stage(report)) => {
                self.stages.push(report);
                None
            }
            // Of a newer daemon.
            None => None,
        }
    }

    fn rank(&mut self, ranking: Ranking) -> Option<SearchReply> {
        let kind = ranking.kind();
        let mut reply = ranking.reply?;
        if kind == RankingKind::Final {
            return Some(reply);
        }
        // What is under way is no shortfall of the ranking.
        self.stages.append(&mut reply.stages);
        self.ranking = Some(reply);
        None
    }

    fn draw<W: Write>(
        &self,
        board: &mut Board<W>,
        paint: impl Fn(&SearchReply, Size) -> Result<String>,
        size: Size,
    ) -> Result<()> {
        let text = match &self.ranking {
            // A blank line before the status.
            Some(ranking) if !ranking.hits.is_empty() => paint(ranking, size)? + "\n",
            _ => String::new(),
        };
        let status = render::search_status(&self.stages, self.ranking.is_some());
        board
            .draw(&text, &status, size)
            .map_err(|error| render::unwritten(&error))
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::VecDeque, future::poll_fn, task::Poll};

    use qmd_proto::v1::{Hit, Stage, StageState};

    use super::*;
    use crate::render::emulated::Emulated;

    const SIZE: Size = Size {
        columns: 40,
        rows: 10,
    };

    /// Events, each told as soon as the terminal shows a text.
    struct Script {
        screen: Emulated,
        events: VecDeque<(&'static str, SearchEvent)>,
    }

    impl Script {
        async fn next(&mut self) -> Result<Option<SearchEvent>, Status> {
            let Some((shown, _)) = self.events.front() else {
                return Ok(None);
            };
            poll_fn(|context| {
                if self.screen.shows().contains(shown) {
                    return Poll::Ready(());
                }
                context.waker().wake_by_ref();
                Poll::Pending
            })
            .await;
            Ok(self.events.pop_front().map(|(_, event)| event))
        }
    }

    fn ranking(kind: RankingKind, titles: &[&str], scored: u32) -> SearchEvent {
        let hit = |title: &&str| Hit {
            title: (*title).to_owned(),
            ..Hit::default()
        };
        let reranking = StageReport {
            stage: Stage::Rerank.into(),
            state: StageState::Running.into(),
            scored,
            candidates: 40,
            ..StageReport::default()
        };
        let reply = SearchReply {
            hits: titles.iter().map(hit).collect(),
            stages: if scored > 0 {
                vec![reranking]
            } else {
                Vec::new()
            },
            ..SearchReply::default()
        };
        SearchEvent {
            event: Some(Event::Ranking(Ranking {
                kind: kind.into(),
                reply: Some(reply),
            })),
        }
    }

    fn stage(stage: Stage) -> SearchEvent {
        SearchEvent {
            event: Some(Event::Stage(StageReport {
                stage: stage.into(),
                state: StageState::Done.into(),
                ..StageReport::default()
            })),
        }
    }

    fn titles(reply: &SearchReply) -> String {
        let titles: Vec<&str> = reply.hits.iter().map(|hit| hit.title.as_str()).collect();
        titles.join("\n") + "\n"
    }

    async fn play(
        screen: &Emulated,
        events: Vec<(&'static str, SearchEvent)>,
    ) -> Result<SearchReply> {
        let mut script = Script {
            screen: screen.clone(),
            events: events.into(),
        };
        let mut board = Board::new(screen.clone(), false);
        let next = async || script.next().await;
        let paint = |reply: &SearchReply, _| Ok(titles(reply));
        let reply = follow(next, &mut board, paint, || SIZE).await;
        if reply.is_ok() {
            board.clear(SIZE).unwrap();
        }
        reply
    }

    #[tokio::test]
    async fn each_ranking_is_shown_until_there_is_a_better_one() {
        let screen = Emulated::new(SIZE);
        let reply = play(
            &screen,
            vec![
                ("", stage(Stage::Lexical)),
                (
                    "searching…",
                    ranking(RankingKind::Preliminary, &["b", "a"], 0),
                ),
                (
                    "b\na\n\nrefining…",
                    ranking(RankingKind::Refined, &["a", "b"], 8),
                ),
                (
                    "a\nb\n\nreranking 8 of 40…",
                    ranking(RankingKind::Refined, &["c"], 16),
                ),
                (
                    "c\n\nreranking 16 of 40…",
                    ranking(RankingKind::Final, &["d"], 40),
                ),
            ],
        )
        .await
        .unwrap();
        assert_eq!(reply.hits[0].title, "d");
        assert_eq!(screen.shows(), "");
        assert_eq!(screen.cursor(), (0, 0));
    }

    #[tokio::test]
    async fn a_ranking_that_is_final_at_once_leaves_the_screen_alone() {
        let screen = Emulated::new(SIZE);
        let reply = play(
            &screen,
            vec![
                ("", ranking(RankingKind::Preliminary, &["a"], 0)),
                ("", ranking(RankingKind::Final, &["b"], 0)),
            ],
        )
        .await
        .unwrap();
        assert_eq!(reply.hits[0].title, "b");
        assert_eq!(screen.shows(), "");
    }

    #[tokio::test]
    async fn a_search_that_breaks_off_leaves_what_it_had() {
        let screen = Emulated::new(SIZE);
        let refined = ranking(RankingKind::Refined, &["a"], 8);
        let last = ("reranking 8 of 40…", stage(Stage::Expand));
        let error = play(&screen, vec![("", refined), last]).await.unwrap_err();
        assert!(matches!(error, crate::error::Error::Failed(_)));
        assert_eq!(screen.shows(), "a\n\n(not the final ranking)");
    }

    #[tokio::test]
    async fn an_event_of_a_newer_daemon_is_passed_over() {
        let screen = Emulated::new(SIZE);
        let newer = SearchEvent { event: None };
        let last = ranking(RankingKind::Final, &["a"], 0);
        let reply = play(&screen, vec![("", newer), ("", last)]).await.unwrap();
        assert_eq!(reply.hits.len(), 1);
    }
}
