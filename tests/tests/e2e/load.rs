//! Load: every connection gets its turn, and what there is no room for is refused with a time.

use std::{fs, iter, time::Duration};

use anyhow::{Context, Result, bail, ensure};
use qmd_proto::{
    Reason,
    v1::{
        EmbedInput, EmbedRequest, GetRequest, ListRequest, MultiGetReply, MultiGetRequest,
        SearchMode, StatusRequest, control_service_client::ControlServiceClient,
        document_service_client::DocumentServiceClient,
        inference_service_client::InferenceServiceClient,
    },
};
use qmd_tests::{Daemon, Sandbox, calls, program, wait};
use tokio::{sync::mpsc, task::JoinSet, time::Instant};
use tonic::{
    Code, Request, Status, Streaming,
    transport::{Channel, Endpoint},
};
use tonic_types::StatusExt;

/// As in docs/configuration.md: streams of documents of one connection and of all, requests of one
/// connection that wait, and descriptors that are not for connections.
const READINGS_EACH: usize = 4;
const READINGS: usize = 64;
const WAITING_EACH: usize = 128;
const RESERVED: usize = 256;

/// Several times of what is sent before it is read.
const DOCUMENTS: usize = 24;

/// A daemon with documents that are just small enough to be delivered.
fn with_documents() -> Result<Daemon> {
    let daemon = Daemon::start(Sandbox::new()?)?;
    let folder = daemon.join("home/notes");
    fs::create_dir_all(&folder)?;
    for number in 0..DOCUMENTS {
        let text = format!("# Note {number}\n\n{}\n", "walrus ".repeat(8_500));
        fs::write(folder.join(format!("{number}.md")), text)?;
    }
    let path = folder.to_str().context("path")?;
    let add = ["collection", "add", path, "--name", "notes"];
    let _ = daemon.qmdctl(add).ok();
    let _ = daemon.qmdctl(["update"]).ok();
    Ok(daemon)
}

/// A connection on which hardly anything is sent before it is read.
async fn narrow(daemon: &Daemon) -> Result<Channel> {
    let address = format!("unix:{}", daemon.socket()?.display());
    let endpoint = Endpoint::try_from(address)?.initial_stream_window_size(16 << 10);
    Ok(endpoint.connect().await?)
}

/// Takes places by reading nothing of what was asked for. Dropping one gives its place back.
async fn stall(channel: &Channel, count: usize) -> Result<Vec<Streaming<MultiGetReply>>> {
    let mut stalled = Vec::new();
    for _ in 0..count {
        let request = MultiGetRequest {
            patterns: vec!["notes/*.md".into()],
            ..MultiGetRequest::default()
        };
        let mut documents = DocumentServiceClient::new(channel.clone());
        stalled.push(documents.multi_get(request).await?.into_inner());
    }
    Ok(stalled)
}

/// Lists all documents; how many there are.
async fn list(channel: Channel) -> Result<usize, Status> {
    let mut documents = DocumentServiceClient::new(channel);
    let mut pages = documents.list(ListRequest::default()).await?.into_inner();
    let mut count = 0;
    while let Some(page) = pages.message().await? {
        count += page.documents.len();
    }
    Ok(count)
}

/// Looks at a refusal, and at what it says of when to ask again.
fn expect_refusal(status: &Status) -> Result<()> {
    ensure!(status.code() == Code::ResourceExhausted, "{status:?}");
    let details = status.get_error_details();
    let info = details.error_info().context("no reason")?;
    ensure!(info.reason == Reason::TooManyRequests.as_str(), "{info:?}");
    let hint = info.metadata.get("hint").context("no hint")?;
    ensure!(hint.starts_with("ask again in "), "{hint}");
    let told = details.retry_info().and_then(|info| info.retry_delay);
    ensure!(told.is_some_and(|told| !told.is_zero()), "no time");
    Ok(())
}

/// Lists under way, by the connection that they are of.
struct Line {
    tasks: JoinSet<()>,
}

impl Line {
    /// Has a connection, whose places are taken, wait with as much as it may: with one more, that one is
    /// refused. What comes of the others goes to `ends`.
    async fn fill(
        channel: &Channel,
        name: char,
        ends: &mpsc::UnboundedSender<(char, Result<usize, Status>)>,
    ) -> Result<Self> {
        let (refusals, mut refused) = mpsc::unbounded_channel();
        let mut tasks = JoinSet::new();
        for _ in 0..=WAITING_EACH {
            let (channel, ends, refusals) = (channel.clone(), ends.clone(), refusals.clone());
            tasks.spawn(async move {
                match list(channel).await {
                    Err(status) if status.code() == Code::ResourceExhausted => {
                        let _ = refusals.send(status);
                    }
                    end => drop(ends.send((name, end))),
                }
            });
        }
        let status = refused.recv().await.context("none was refused")?;
        expect_refusal(&status)?;
        Ok(Self { tasks })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_connection_is_refused_while_another_is_answered() -> Result<()> {
    let daemon = with_documents()?;
    let greedy = narrow(&daemon).await?;
    let stalled = stall(&greedy, READINGS_EACH).await?;
    let (ends, mut ended) = mpsc::unbounded_channel();
    let mut line = Line::fill(&greedy, 'a', &ends).await?;
    assert!(ended.is_empty(), "it was answered out of turn");

    // Another connection, and on the greedy one what does not wait, or not for the same.
    assert_eq!(list(daemon.channel().await?).await?, DOCUMENTS);
    let words = calls::search(&greedy, "walrus", SearchMode::Lexical, 3).await;
    expect_refusal(&words.unwrap_err())?;
    let mut control = ControlServiceClient::new(greedy.clone());
    control.status(StatusRequest::default()).await?;
    let _ = daemon.qmdctl(["search", "walrus"]).ok();
    assert!(ended.is_empty(), "it was answered out of turn");

    drop(stalled);
    for _ in 0..WAITING_EACH {
        let (_, end) = ended.recv().await.context("the line ended early")?;
        assert_eq!(end?, DOCUMENTS);
    }
    while let Some(done) = line.tasks.join_next().await {
        done?;
    }
    assert_eq!(list(greedy).await?, DOCUMENTS);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_wait_for_one_place_take_turns() -> Result<()> {
    let daemon = with_documents()?;
    let (mut channels, mut stalled) = (Vec::new(), Vec::new());
    for _ in 0..READINGS / READINGS_EACH {
        let channel = narrow(&daemon).await?;
        stalled.extend(stall(&channel, READINGS_EACH).await?);
        channels.push(channel);
    }
    let (ends, mut ended) = mpsc::unbounded_channel();
    let mut lines = Vec::new();
    for name in ['a', 'b'] {
        lines.push(Line::fill(&daemon.channel().await?, name, &ends).await?);
    }
    assert!(ended.is_empty(), "somebody was answered without a place");
    drop(stalled.pop());
    let mut order = String::new();
    for _ in 0..2 * WAITING_EACH {
        let (name, end) = ended.recv().await.context("the lines ended early")?;
        assert_eq!(end?, DOCUMENTS);
        order.push(name);
    }
    // Answers of two connections may overtake each other, if not by much.
    for half in (WAITING_EACH / 4..2 * WAITING_EACH).step_by(16) {
        let first = order[..half].matches('a').count();
        assert!(first.abs_diff(half / 2) <= 16, "{order}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_gives_up_makes_room_in_the_line() -> Result<()> {
    let daemon = with_documents()?;
    let channel = narrow(&daemon).await?;
    let _stalled = stall(&channel, READINGS_EACH).await?;
    let (ends, _ended) = mpsc::unbounded_channel();
    let line = Line::fill(&channel, 'a', &ends).await?;
    expect_refusal(&list(channel.clone()).await.unwrap_err())?;
    drop(line);
    // What waits gives up by itself, which shows that it was let in.
    let deadline = Instant::now() + wait::LIMIT;
    loop {
        let mut request = Request::new(ListRequest::default());
        request.set_timeout(Duration::from_secs(1));
        let mut documents = DocumentServiceClient::new(channel.clone());
        let Err(status) = documents.list(request).await else {
            bail!("it was answered without a place");
        };
        // Who of client and daemon looks at the clock first.
        if [Code::DeadlineExceeded, Code::Cancelled].contains(&status.code()) {
            return Ok(());
        }
        expect_refusal(&status)?;
        ensure!(Instant::now() < deadline, "no room was made");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_too_many_is_told_so_until_another_leaves() -> Result<()> {
    const MOST: usize = 44;
    let sandbox = Sandbox::new()?;
    let mut command = sandbox.command("sh");
    let script = format!("ulimit -n {} && exec \"$0\" serve", RESERVED + MOST);
    command.args(["-c", &script]).arg(program("qmdd")?);
    let daemon = Daemon::start_as(sandbox, command)?;
    let folder = daemon.join("home/notes");
    fs::create_dir_all(&folder)?;
    let path = folder.to_str().context("path")?.to_owned();
    let _ = daemon
        .qmdctl(["collection", "add", &path, "--name", "notes"])
        .ok();

    let search = |channel: Channel| async move {
        calls::search(&channel, "walrus", SearchMode::Lexical, 3).await
    };
    let mut channels = Vec::new();
    for _ in 0..MOST {
        let channel = daemon.channel().await?;
        // Nobody of those before is leaving any more.
        let deadline = Instant::now() + wait::LIMIT;
        while let Err(status) = search(channel.clone()).await {
            expect_refusal(&status)?;
            ensure!(Instant::now() < deadline, "no room");
        }
        channels.push(channel);
    }
    let late = daemon.channel().await?;
    let status = search(late.clone()).await.unwrap_err();
    expect_refusal(&status)?;
    assert_eq!(status.message(), "the daemon has 44 connections already");
    // It can still be looked at, and ended.
    let mut control = ControlServiceClient::new(late.clone());
    control.status(StatusRequest::default()).await?;
    let _ = daemon.qmdctl(["status"]).ok();
    let _ = daemon
        .qmdctl(["search", "walrus"])
        .fails(Reason::TooManyRequests);

    channels.pop();
    let deadline = Instant::now() + wait::LIMIT;
    while let Err(status) = search(late.clone()).await {
        expect_refusal(&status)?;
        ensure!(Instant::now() < deadline, "no room was made");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_are_too_large_are_refused_and_cost_nothing() -> Result<()> {
    let daemon = Daemon::start(Sandbox::new()?)?;
    let channel = daemon.channel().await?;
    let reason = |status: &Status| status.get_details_error_info().map(|info| info.reason);
    let too_large = Some(Reason::RequestTooLarge.as_str().to_owned());
    let mut documents = DocumentServiceClient::new(channel.clone());
    let mut inference = InferenceServiceClient::new(channel.clone());
    for bytes in [5 << 20, 64 << 20] {
        let request = GetRequest {
            address: "x".repeat(bytes),
            ..GetRequest::default()
        };
        let status = documents.get(request).await.unwrap_err();
        assert_eq!(reason(&status), too_large, "{status:?}");
    }
    let input = EmbedInput {
        text: "x".repeat(1 << 20),
        title: String::new(),
    };
    let request = EmbedRequest {
        inputs: iter::repeat_n(input, 64).collect(),
        ..EmbedRequest::default()
    };
    let status = inference.embed(request).await.unwrap_err();
    assert_eq!(reason(&status), too_large, "{status:?}");
    let mut control = ControlServiceClient::new(channel);
    control.status(StatusRequest::default()).await?;
    Ok(())
}
