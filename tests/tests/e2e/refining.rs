//! A search on a terminal: the first ranking at once, better ones in its place. The daemon is played
//! by the tests, so that each step waits until the one before is on the screen.

use std::{
    path::PathBuf,
    process::Command,
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::Result;
use qmd_proto::v1::{
    Hit, Ranking, RankingKind, SearchEvent, SearchReply, SearchRequest, Stage, StageReport,
    StageState,
    search_event::Event,
    search_service_server::{SearchService, SearchServiceServer},
};
use qmd_tests::{Sandbox, Terminal, program, run};
use tokio::{net::UnixListener, sync::mpsc};
use tokio_stream::wrappers::{ReceiverStream, UnixListenerStream};
use tonic::{Request, Response, Status, transport::Server};

type Told = Result<SearchEvent, Status>;

/// Streams what it is given, and answers at once with what is final.
#[derive(Clone)]
struct Part(Arc<Mutex<Option<mpsc::Receiver<Told>>>>);

#[tonic::async_trait]
impl SearchService for Part {
    type SearchStreamStream = ReceiverStream<Told>;

    async fn search(&self, _: Request<SearchRequest>) -> Result<Response<SearchReply>, Status> {
        Ok(Response::new(reply(&["final"], 40)))
    }

    async fn search_stream(
        &self,
        _: Request<SearchRequest>,
    ) -> Result<Response<Self::SearchStreamStream>, Status> {
        let mut given = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let events = given
            .take()
            .ok_or_else(|| Status::internal("asked twice"))?;
        Ok(Response::new(ReceiverStream::new(events)))
    }
}

/// A daemon that is played.
struct Played {
    sandbox: Sandbox,
    socket: PathBuf,
    events: mpsc::Sender<Told>,
}

impl Played {
    fn start() -> Result<Self> {
        let sandbox = Sandbox::new()?;
        let socket = sandbox.join("q.sock");
        let (events, given) = mpsc::channel(16);
        let part = Part(Arc::new(Mutex::new(Some(given))));
        let serve = Server::builder()
            .add_service(SearchServiceServer::new(part))
            .serve_with_incoming(UnixListenerStream::new(UnixListener::bind(&socket)?));
        tokio::spawn(serve);
        Ok(Self {
            sandbox,
            socket,
            events,
        })
    }

    fn query(&self) -> Result<Command> {
        let mut qmdctl = self.sandbox.command(program("qmdctl")?);
        qmdctl
            .args(["query", "wing"])
            .env("QMDD_SOCKET", &self.socket);
        Ok(qmdctl)
    }

    async fn tell(&self, kind: RankingKind, titles: &[&str], scored: u32) -> Result<()> {
        let ranking = Ranking {
            kind: kind.into(),
            reply: Some(reply(titles, scored)),
        };
        let event = Some(Event::Ranking(ranking));
        Ok(self.events.send(Ok(SearchEvent { event })).await?)
    }
}

/// A ranking, and how many of 40 candidates are reranked.
fn reply(titles: &[&str], scored: u32) -> SearchReply {
    let hit = |title: &&str| Hit {
        docid: "a1b2c3".into(),
        score: 0.5,
        collection: "n".into(),
        path: format!("{title}.md"),
        title: format!("The {title} one"),
        snippet: format!("Of the {title} wing."),
        line: 1,
        end_line: 1,
        total_lines: 1,
        ..Hit::default()
    };
    let reranking = StageReport {
        stage: Stage::Rerank.into(),
        state: if scored < 40 {
            StageState::Running
        } else {
            StageState::Done
        }
        .into(),
        scored,
        candidates: 40,
        ..StageReport::default()
    };
    SearchReply {
        hits: titles.iter().map(hit).collect(),
        stages: if scored > 0 {
            vec![reranking]
        } else {
            Vec::new()
        },
        ..SearchReply::default()
    }
}

/// What a terminal shows of a ranking.
fn listed(titles: &[&str]) -> String {
    let block = |title: &&str| {
        format!(
            "n/{title}.md:1 #a1b2c3\nThe {title} one\nScore: 50%\n\n@@ -1,1 @@ (0 before, 0 after)\n\
             Of the {title} wing.\n"
        )
    };
    let blocks: Vec<String> = titles.iter().map(block).collect();
    blocks.join("\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn rankings_take_each_others_place() -> Result<()> {
    let played = Played::start()?;
    let mut terminal = Terminal::run(&mut played.query()?, 60, 30)?;
    played
        .tell(RankingKind::Preliminary, &["first", "second"], 0)
        .await?;
    terminal.wait_for("refining…")?;
    assert_eq!(
        terminal.shows(),
        format!("{}\nrefining…", listed(&["first", "second"]))
    );
    played
        .tell(RankingKind::Refined, &["second", "first"], 12)
        .await?;
    terminal.wait_for("reranking 12 of 40…")?;
    assert_eq!(
        terminal.shows(),
        format!("{}\nreranking 12 of 40…", listed(&["second", "first"]))
    );
    played.tell(RankingKind::Final, &["third"], 40).await?;
    assert_eq!(terminal.ended()?, Some(0));
    assert_eq!(terminal.shows().trim_end(), listed(&["third"]).trim_end());
    assert_eq!(terminal.all(), terminal.shows());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_screen_is_left_with_the_final_ranking_alone() -> Result<()> {
    let played = Played::start()?;
    let mut terminal = Terminal::run(&mut played.query()?, 60, 10)?;
    let many = ["a", "b", "c", "d"];
    played.tell(RankingKind::Preliminary, &many, 0).await?;
    terminal.wait_for("refining… (20 more lines)")?;
    assert!(
        terminal.shows().starts_with("n/a.md:1"),
        "{}",
        terminal.shows()
    );
    for scored in [8, 16, 24] {
        let status = format!("reranking {scored} of 40…");
        played.tell(RankingKind::Refined, &many, scored).await?;
        terminal.wait_for(&status)?;
    }
    played
        .tell(RankingKind::Final, &["d", "c", "b"], 40)
        .await?;
    assert_eq!(terminal.ended()?, Some(0));
    assert_eq!(
        terminal.all().trim_end(),
        listed(&["d", "c", "b"]).trim_end()
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interruption_leaves_what_is_there() -> Result<()> {
    let played = Played::start()?;
    let mut terminal = Terminal::run(&mut played.query()?, 60, 30)?;
    played.tell(RankingKind::Preliminary, &["first"], 0).await?;
    terminal.wait_for("refining…")?;
    terminal.interrupt()?;
    assert_eq!(terminal.ended()?, Some(130));
    assert_eq!(
        terminal.shows().trim_end(),
        format!("{}\n(not the final ranking)", listed(&["first"]))
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_fails_midway_is_told_below_what_it_found() -> Result<()> {
    let played = Played::start()?;
    let mut terminal = Terminal::run(&mut played.query()?, 60, 30)?;
    played.tell(RankingKind::Preliminary, &["first"], 0).await?;
    terminal.wait_for("refining…")?;
    played
        .events
        .send(Err(Status::internal("it broke")))
        .await?;
    assert_eq!(terminal.ended()?, Some(1));
    let shows = terminal.shows();
    assert!(shows.starts_with(&listed(&["first"])), "{shows}");
    assert!(
        shows.contains("(not the final ranking)\nerror: "),
        "{shows}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipe_gets_the_final_ranking_alone() -> Result<()> {
    let played = Played::start()?;
    let outcome = run(&mut played.query()?)?.ok();
    assert_eq!(outcome.stdout, listed(&["final"]));
    assert_eq!(outcome.stderr, "");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_wants_quiet_gets_the_final_ranking_alone() -> Result<()> {
    let played = Played::start()?;
    let mut terminal = Terminal::run(played.query()?.arg("--quiet"), 60, 30)?;
    assert_eq!(terminal.ended()?, Some(0));
    assert_eq!(terminal.shows().trim_end(), listed(&["final"]).trim_end());
    assert!(!terminal.raw().contains("\x1b[J"));
    Ok(())
}
