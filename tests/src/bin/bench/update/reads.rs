//! What searches by words feel of a scan that reads everything anew.

use std::{
    io::Write,
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use qmd_tests::{Daemon, program};

use super::notes::Notes;
use crate::{
    figures::{ms, percentile, spread},
    latency::by_words,
};

/// Searches while nothing else runs.
const IDLE: usize = 1_000;
/// Between two searches: somebody types.
const PAUSE: Duration = Duration::from_millis(5);

pub(super) fn measure(
    out: &mut impl Write,
    daemon: &Daemon,
    folder: &Path,
    notes: &mut Notes,
) -> Result<()> {
    let _ = daemon.qmdctl(["update"]).ok();
    let questions = notes.questions(200);
    let runtime = tokio::runtime::Runtime::new()?;
    let channel = runtime.block_on(daemon.channel())?;
    let search = |round: usize| {
        let question = &questions[round % questions.len()];
        runtime.block_on(by_words(&channel, question))
    };
    // Whatever is lazy, is so once.
    for round in 0..questions.len() {
        search(round)?;
    }
    let mut idle = Vec::new();
    for round in 0..IDLE {
        idle.push(search(round)?);
        std::thread::sleep(PAUSE);
    }

    notes.write_all(folder)?;
    let mut update = daemon
        .command(program("qmdctl")?)
        .arg("update")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let mut busy = Vec::new();
    let began = Instant::now();
    let status = loop {
        busy.push(search(busy.len())?);
        std::thread::sleep(PAUSE);
        if let Some(status) = update.try_wait()? {
            break status;
        }
    };
    ensure!(status.success(), "the update ended with {status}");
    let took = began.elapsed();
    let bound = (3.0 * ms(percentile(&mut idle, 0.99))).max(5.0);
    writeln!(out, "A search by words over the socket, three words:\n")?;
    writeln!(out, "- idle, {IDLE} searches: {}", spread(&mut idle))?;
    writeln!(
        out,
        "- while every note is read anew ({:.1} s), {} searches: {}",
        took.as_secs_f64(),
        busy.len(),
        spread(&mut busy)
    )?;
    writeln!(
        out,
        "- p99 meanwhile {:.1} ms, three times the idle one or 5 ms: {bound:.1} ms",
        ms(percentile(&mut busy, 0.99))
    )?;
    Ok(())
}
