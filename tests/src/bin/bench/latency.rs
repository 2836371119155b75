//! How long a search takes in a warm daemon: as a whole process, from its start to its end, and over an open
//! connection.

use std::{
    io::Write,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use qmd_proto::v1::SearchMode;
use qmd_tests::{Daemon, calls, program};
use tonic::{Status, transport::Channel};

use crate::{quality::MODES, upstream::Upstream};

/// How often each command is timed.
const ROUNDS: usize = 50;

/// Times every mode, and upstream's lexical search beside them, in turn within one loop, so that what
/// else the machine does falls on all alike.
pub(crate) fn measure(
    out: &mut impl Write,
    daemon: &Daemon,
    queries: &[String],
    upstream: Option<&Upstream>,
) -> Result<()> {
    ensure!(!queries.is_empty(), "there is no query to time");
    let qmdctl = program("qmdctl")?;
    let mut own = MODES.map(|_| Vec::new());
    let mut theirs = Vec::new();
    for round in 0..ROUNDS {
        let query = &queries[round % queries.len()];
        for (times, (verb, _)) in own.iter_mut().zip(MODES) {
            let mut command = daemon.command(&qmdctl);
            times.push(time(command.args([verb, "--strict", "--", query]))?);
        }
        if let Some(upstream) = upstream {
            theirs.push(time(upstream.command().args(["search", query]))?);
        }
    }
    let upstream = median(&mut theirs);
    writeln!(
        out,
        "| whole process, median of {ROUNDS} | ms | upstream search / this |"
    )?;
    writeln!(out, "| --- | --- | --- |")?;
    for (times, (verb, _)) in own.iter_mut().zip(MODES) {
        let own = median(times).context("nothing was timed")?;
        let ratio = upstream.map_or("-".to_owned(), |upstream| {
            format!("{:.1}", upstream.as_secs_f64() / own.as_secs_f64())
        });
        writeln!(
            out,
            "| qmdctl {verb} | {:.1} | {ratio} |",
            milliseconds(own)
        )?;
    }
    if let Some(upstream) = upstream {
        writeln!(
            out,
            "| upstream search | {:.1} | 1.0 |",
            milliseconds(upstream)
        )?;
    }
    Ok(())
}

/// Runs a command to its end. What it prints is thrown away.
pub(crate) fn time(command: &mut Command) -> Result<Duration> {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let began = Instant::now();
    let status = command
        .status()
        .with_context(|| format!("{command:?} cannot be run"))?;
    let elapsed = began.elapsed();
    ensure!(status.success(), "{command:?} ended with {status}");
    Ok(elapsed)
}

/// Searches for ten hits by words, as an editor does.
pub(crate) async fn by_words(channel: &Channel, question: &str) -> Result<Duration, Status> {
    let began = Instant::now();
    calls::search(channel, question, SearchMode::Lexical, 10).await?;
    Ok(began.elapsed())
}

/// `None` of nothing; the mean of the two middle ones of an even number.
fn median(times: &mut [Duration]) -> Option<Duration> {
    times.sort_unstable();
    let upper = *times.get(times.len() / 2)?;
    let lower = *times.get((times.len() - 1) / 2)?;
    Some((lower + upper) / 2)
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        let of = |times: &[u64]| {
            let mut times: Vec<_> = times.iter().copied().map(Duration::from_millis).collect();
            median(&mut times)
        };
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[9, 1, 5]), Some(Duration::from_millis(5)));
        assert_eq!(of(&[8, 2, 4, 100]), Some(Duration::from_millis(6)));
    }

    #[test]
    fn a_failing_command_has_no_time() {
        assert!(time(&mut Command::new("true")).is_ok());
        assert!(time(&mut Command::new("false")).is_err());
    }
}
