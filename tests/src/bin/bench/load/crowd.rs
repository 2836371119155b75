//! A thousand connections, each with ten requests at once, and then with more than there is room for.

use std::{
    collections::BTreeMap,
    io::Write,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use qmd_tests::Daemon;
use tokio::task::JoinSet;
use tonic::transport::Channel;
use tonic_types::StatusExt;

use crate::{figures::spread, latency::by_words, process::Process};

const CONNECTIONS: usize = 1_000;

pub(super) async fn measure(
    out: &mut impl Write,
    daemon: &Daemon,
    questions: &[String],
) -> Result<()> {
    let process = Process::new("daemon", daemon.pid());
    let mebibytes = |kibibytes: u64| kibibytes / 1024;
    writeln!(
        out,
        "- RSS at first: {} MiB",
        mebibytes(process.resident()?)
    )?;
    let mut channels = Vec::with_capacity(CONNECTIONS);
    for _ in 0..CONNECTIONS {
        channels.push(daemon.channel().await?);
    }
    // Each has been answered once.
    wave(&channels, questions, 1).await?;
    writeln!(
        out,
        "- {CONNECTIONS} connections: RSS {} MiB, {} descriptors",
        mebibytes(process.resident()?),
        process.descriptors()?
    )?;
    for each in [10, 30] {
        let began = Instant::now();
        let mut wave = wave(&channels, questions, each).await?;
        let answered = wave.times.len();
        writeln!(
            out,
            "- {} requests at once, {:.1} s: {answered} answered, {}; refused {:?}; RSS {} MiB, at most {} MiB",
            each * CONNECTIONS,
            began.elapsed().as_secs_f64(),
            spread(&mut wave.times),
            wave.refused,
            mebibytes(process.resident()?),
            mebibytes(process.peak()?),
        )?;
        ensure!(
            wave.refused
                .keys()
                .all(|reason| reason.starts_with("TOO_MANY_REQUESTS")),
            "an unclean refusal"
        );
        ensure!(
            each > 10 || wave.refused.is_empty(),
            "a crowd was not let in"
        );
    }
    drop(channels);
    tokio::time::sleep(Duration::from_secs(2)).await;
    writeln!(
        out,
        "- and 2 s after all left: RSS {} MiB, {} descriptors",
        mebibytes(process.resident()?),
        process.descriptors()?
    )?;
    Ok(())
}

/// What came of many requests.
#[derive(Default)]
struct Wave {
    times: Vec<Duration>,
    refused: BTreeMap<String, usize>,
}

/// So many requests on each connection, all at once.
async fn wave(channels: &[Channel], questions: &[String], each: usize) -> Result<Wave> {
    let mut calls = JoinSet::new();
    for (connection, channel) in channels.iter().enumerate() {
        for request in 0..each {
            let question = questions[(connection * each + request) % questions.len()].clone();
            let channel = channel.clone();
            calls.spawn(async move { by_words(&channel, &question).await });
        }
    }
    let mut wave = Wave::default();
    while let Some(result) = calls.join_next().await {
        match result? {
            Ok(time) => wave.times.push(time),
            Err(status) => {
                let details = status.get_error_details();
                let reason = details.error_info().map(|info| info.reason.as_str());
                let told = details.retry_info().and_then(|info| info.retry_delay);
                let reason = match told {
                    Some(_) => format!("{}, with a time", reason.unwrap_or("NONE")),
                    None => format!("{status:?}"),
                };
                *wave.refused.entry(reason).or_default() += 1;
            }
        }
    }
    Ok(wave)
}
