//! A checkout that touches thousands of files.

use std::{
    io::Write,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::Result;
use qmd_tests::{Events, Sandbox, run};

use super::{follow, write_notes};
use crate::process::Process;

const FILES: usize = 5_000;
/// Clock ticks of processor time in a second, on every Linux.
const TICKS: f64 = 100.0;

pub(super) fn measure(out: &mut impl Write) -> Result<()> {
    let sandbox = Sandbox::new()?;
    let folder = sandbox.join("home/notes");
    std::fs::create_dir_all(&folder)?;
    let git = |folder: &Path, arguments: &[&str]| {
        let mut git = sandbox.command("git");
        git.current_dir(folder)
            .args(["-c", "user.name=bench", "-c", "user.email=bench@localhost"])
            .args(arguments);
        git
    };
    let _ = run(&mut git(
        &folder,
        &["init", "--quiet", "--initial-branch=one"],
    ))?
    .ok();
    for branch in ["one", "two"] {
        if branch == "two" {
            let _ = run(&mut git(&folder, &["checkout", "--quiet", "-b", branch]))?.ok();
        }
        write_notes(&folder, FILES, &format!("As of branch {branch}."))?;
        let _ = run(&mut git(&folder, &["add", "."]))?.ok();
        let _ = run(&mut git(
            &folder,
            &["commit", "--quiet", "--message", branch],
        ))?
        .ok();
    }
    let mut checkout = git(&folder, &["checkout", "--quiet", "one"]);
    let (daemon, _) = follow(sandbox)?;
    let process = Process::new("daemon", daemon.pid());
    let mut events = Events::listen(&daemon)?;
    let ticks = process.ticks()?;
    let began = Instant::now();
    let _ = run(&mut checkout)?.ok();
    let checked_out = began.elapsed();
    events.documents(FILES as u64)?;
    let settled = began.elapsed();
    let rounds: Vec<_> = (events.heard.iter())
        .filter(|event| event["event"] == "round")
        .collect();
    let looking: u64 = rounds
        .iter()
        .filter_map(|round| round["elapsedUs"].as_u64())
        .sum();
    let looking = Duration::from_micros(looking);
    let used = (process.ticks()? - ticks) as f64 / TICKS;
    writeln!(
        out,
        "`git checkout` of {FILES} files of 6 KB took {checked_out:.1?}; they were up to date \
         {settled:.1?} after its start, by {} rounds of together {looking:.1?} and {used:.1} s of the \
         daemon's processor time",
        rounds.len()
    )?;
    Ok(())
}
