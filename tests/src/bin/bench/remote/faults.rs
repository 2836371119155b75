//! What each fault of the remote end comes to: the reason a search gives, and how long it takes.

use std::{
    collections::BTreeMap,
    fs,
    io::Write,
    net::TcpListener,
    sync::{PoisonError, atomic::Ordering::SeqCst},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use futures::{StreamExt, future::join_all, stream};
use qmd_proto::v1::{
    ReloadConfigRequest, SearchMode, control_service_client::ControlServiceClient,
};
use qmd_tests::{Daemon, Random, Sandbox, calls};
use tonic::{Status, transport::Channel};
use tonic_types::StatusExt;

use super::{
    faulty::{self, Fault, Seen},
    point, start,
};

/// Callers of a container that is asleep.
const CROWD: usize = 50;
/// Looks that find no container.
const ASLEEP: usize = 3;
/// Calls with random faults.
const CALLS: usize = 1000;

pub(super) async fn measure(out: &mut impl Write) -> Result<()> {
    let (url, _) = faulty::start(0, |_, _| None)?;
    let sandbox = Sandbox::new()?;
    let notes = sandbox.join("notes");
    fs::create_dir(&notes)?;
    fs::write(
        notes.join("heron.md"),
        "# Heron\n\nIt stands in the reeds.\n",
    )?;
    let daemon = start(sandbox, &url, 1)?;
    let notes = notes.to_str().context("the path is not UTF-8")?;
    for arguments in [
        &["collection", "add", notes, "--name", "notes"][..],
        &["update"],
        &["embed"],
    ] {
        let _ = daemon.qmdctl(arguments).ok();
    }
    let channel = daemon.channel().await?;
    writeln!(out, "| Fault | A search gets | After | Requests |")?;
    writeln!(out, "| --- | --- | --- | --- |")?;
    let line = |out: &mut dyn Write, name: &str, found: &Found, requests: usize| {
        let Found { outcome, took } = found;
        let seconds = took.as_secs_f64();
        writeln!(out, "| {name} | {outcome} | {seconds:.2} s | {requests} |")
    };

    let dead = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    for (name, url) in [
        ("connection refused", format!("http://{dead}")),
        ("no such name", "https://qmdd.invalid".to_owned()),
    ] {
        take_up(&daemon, &channel, &url).await?;
        let found = search(&channel, 1).await;
        line(out, name, &found, 0)?;
    }
    let (elsewhere, visited) = faulty::start(0, |_, _| None)?;
    for (name, fault, times) in cases(&elsewhere) {
        let (url, seen) =
            faulty::start(0, move |_, before| (before < times).then(|| fault.clone()))?;
        take_up(&daemon, &channel, &url).await?;
        let found = search(&channel, 1).await;
        line(out, name, &found, requests(&seen))?;
    }
    let visits = visited.connections.load(SeqCst);
    let (url, seen) = faulty::start(ASLEEP, |_, _| None)?;
    take_up(&daemon, &channel, &url).await?;
    let found = search(&channel, CROWD).await;
    let name = format!("503 x {ASLEEP}, then 200, {CROWD} callers");
    line(out, &name, &found, requests(&seen))?;
    let [looks, _, at_once] = *seen.looks.lock().unwrap_or_else(PoisonError::into_inner);
    writeln!(out)?;
    writeln!(
        out,
        "- the redirection's target was connected to {visits} times\n\
         - {CROWD} callers of a sleeping container: {looks} looks at it, {at_once} at once"
    )?;
    random(out, &daemon, &channel).await
}

/// Each fault, with how many requests for a text meet it.
fn cases(elsewhere: &str) -> Vec<(&'static str, Fault, usize)> {
    const ALWAYS: usize = usize::MAX;
    vec![
        ("no answer", Fault::Hang, ALWAYS),
        ("reset in mid-body", Fault::Cut, ALWAYS),
        ("reset in mid-body once", Fault::Cut, 1),
        ("slow drip", Fault::Drip, ALWAYS),
        ("401", Fault::Proxy(401, ""), ALWAYS),
        ("403", Fault::Proxy(403, ""), ALWAYS),
        ("404", Fault::Proxy(404, ""), ALWAYS),
        ("429, then 200", Fault::Proxy(429, "retry-after: 1\r\n"), 1),
        ("502", Fault::Proxy(502, ""), ALWAYS),
        ("502 twice, then 200", Fault::Proxy(502, ""), 2),
        ("504", Fault::Proxy(504, ""), ALWAYS),
        (
            "303 to another host",
            Fault::Redirect(format!("{elsewhere}/v1/embed")),
            ALWAYS,
        ),
        ("llama-server restarts, then 200", Fault::Restarting, 1),
        ("another model's hash", Fault::OtherModel, ALWAYS),
        (
            "another version of the contract",
            Fault::OtherContract,
            ALWAYS,
        ),
        ("an answer of 1 GiB", Fault::Oversize, ALWAYS),
        ("no JSON", Fault::Nonsense, ALWAYS),
    ]
}

/// What searches got, and when the last of them did.
struct Found {
    outcome: String,
    took: Duration,
}

async fn search(channel: &Channel, callers: usize) -> Found {
    let began = Instant::now();
    let asked = (0..callers).map(|caller| async move {
        let query = format!("who stands in the reeds, {caller}");
        calls::search(channel, &query, SearchMode::Vector, 3).await
    });
    let mut outcomes: BTreeMap<String, usize> = BTreeMap::new();
    for result in join_all(asked).await {
        let outcome = match result {
            Ok(reply) if reply.hits.len() == 1 => "its answer".into(),
            Ok(reply) => format!("{} hits", reply.hits.len()),
            Err(error) => format!("`{}`", reason(&error)),
        };
        *outcomes.entry(outcome).or_default() += 1;
    }
    let outcomes = outcomes.into_iter().map(|(outcome, count)| match count {
        1 => outcome,
        count => format!("{count} x {outcome}"),
    });
    Found {
        outcome: outcomes.collect::<Vec<_>>().join(", "),
        took: began.elapsed(),
    }
}

fn reason(error: &Status) -> String {
    let info = error.get_details_error_info();
    info.map_or_else(|| format!("{error:?}"), |info| info.reason)
}

fn requests(seen: &Seen) -> usize {
    let texts = seen.texts.lock().unwrap_or_else(PoisonError::into_inner);
    texts.len()
}

/// Has the daemon go to another address, in a session of its own.
async fn take_up(daemon: &Daemon, channel: &Channel, url: &str) -> Result<()> {
    point(daemon, url, 1)?;
    let mut control = ControlServiceClient::new(channel.clone());
    control
        .reload_config(ReloadConfigRequest::default())
        .await?;
    Ok(())
}

/// One in five tries of a call fails, in one of six ways.
async fn random(out: &mut impl Write, daemon: &Daemon, channel: &Channel) -> Result<()> {
    let (url, seen) = faulty::start(0, |text, before| {
        let mut random = Random::new((number(text)? * 64 + before) as u64);
        if random.below(5) > 0 {
            return None;
        }
        Some(match random.below(6) {
            0 => Fault::Cut,
            1 => Fault::Proxy(502, ""),
            2 => Fault::Proxy(504, ""),
            3 => Fault::Proxy(503, ""),
            4 => Fault::Proxy(429, "retry-after: 0\r\n"),
            _ => Fault::Restarting,
        })
    })?;
    take_up(daemon, channel, &url).await?;
    let began = Instant::now();
    let calls = (0..CALLS).map(|call| async move {
        let result = calls::query(channel, &format!("call {call}")).await;
        (call, result)
    });
    let results: Vec<_> = stream::iter(calls).buffer_unordered(CROWD).collect().await;
    let seconds = began.elapsed().as_secs_f64();
    let mut answers = vec![0; CALLS];
    let requests = {
        let texts = seen.texts.lock().unwrap_or_else(PoisonError::into_inner);
        for (text, well) in texts.iter() {
            let call = number(text).context("a text of nobody")?;
            answers[call] += usize::from(*well);
        }
        texts.len()
    };
    let mut given_up: BTreeMap<String, usize> = BTreeMap::new();
    for (call, result) in &results {
        let answered = answers[*call];
        ensure!(
            answered == usize::from(result.is_ok()),
            "call {call} was answered {answered} times and ended with {result:?}"
        );
        if let Err(error) = result {
            *given_up.entry(reason(error)).or_default() += 1;
        }
    }
    writeln!(
        out,
        "- {CALLS} calls, {CROWD} at once, with a fault in every fifth of {requests} requests: {} answered, each \
         once; given up {given_up:?}; {seconds:.1} s",
        results.iter().filter(|(_, result)| result.is_ok()).count(),
    )?;
    Ok(())
}

/// The number at the end of a text, whatever a prompt puts before it.
fn number(text: &str) -> Option<usize> {
    text.rsplit(' ').next()?.parse().ok()
}
