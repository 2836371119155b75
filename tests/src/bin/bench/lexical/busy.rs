//! What searches by words feel of an update that takes in many documents.

use std::{
    fs,
    io::Write,
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use qmd_tests::{Daemon, program};
use tonic::transport::Channel;

use super::asked::{SHOWN, ask};
use crate::{
    collection::Collection,
    figures::{ms, percentile, spread},
};

/// Searches while nothing else runs.
const IDLE: usize = 1_000;
/// Between two searches: somebody types.
const PAUSE: Duration = Duration::from_millis(5);

/// Asks a collection's questions of it, idle and while the documents in `more` are taken in, which
/// become a part of the indexed `folder`.
pub(super) async fn measure(
    out: &mut impl Write,
    daemon: &Daemon,
    collection: &Collection,
    more: &Path,
    folder: &Path,
) -> Result<()> {
    let channel = daemon.channel().await?;
    let questions: Vec<&str> = collection.judged().map(|(_, text)| text).collect();
    let within = std::slice::from_ref(&collection.name);
    let question = |round: usize| questions[round % questions.len()];
    let mut idle = Vec::new();
    for round in 0..IDLE {
        idle.push(timed(&channel, question(round), within).await?);
    }

    fs::rename(more, folder.join("more"))?;
    let mut update = daemon
        .command(program("qmdctl")?)
        .arg("update")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let (began, mut busy) = (Instant::now(), Vec::new());
    let status = loop {
        busy.push(timed(&channel, question(busy.len()), within).await?);
        if let Some(status) = update.try_wait()? {
            break status;
        }
    };
    ensure!(status.success(), "the update ended with {status}");
    let took = began.elapsed().as_secs_f64();
    let bound = (3.0 * ms(percentile(&mut idle, 0.99))).max(5.0);
    writeln!(
        out,
        "- idle: {}\n- while documents are taken in ({took:.1} s, {} searches): {}\n- p99 meanwhile \
         {:.1} ms; three times the idle one, or 5 ms: {bound:.1} ms",
        spread(&mut idle),
        busy.len(),
        spread(&mut busy),
        ms(percentile(&mut busy, 0.99))
    )?;
    Ok(())
}

/// How long a search takes, seen from outside.
async fn timed(channel: &Channel, question: &str, within: &[String]) -> Result<Duration> {
    tokio::time::sleep(PAUSE).await;
    let began = Instant::now();
    ask(channel, question, within, SHOWN, false).await?;
    Ok(began.elapsed())
}
