//! What watching costs when nothing changes.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Write},
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result};
use qmd_tests::{Sandbox, wait};
use rustix::process::{Pid, Signal, kill_process};

use super::{follow, state, write_notes};
use crate::process::Process;

const FILES: usize = 10_000;
const WATCHED: Duration = Duration::from_secs(30);
/// Time for what was just done to settle, and for the threads that did it to end.
const SETTLE: Duration = Duration::from_secs(15);
/// Calls that ask for the state of a file.
const STATS: [&str; 6] = ["stat", "lstat", "fstat", "newfstatat", "fstatat64", "statx"];

pub(super) fn measure(out: &mut impl Write) -> Result<()> {
    let sandbox = Sandbox::new()?;
    let folder = sandbox.join("home/notes");
    write_notes(&folder, FILES, "At rest.")?;
    let (daemon, _) = follow(sandbox)?;
    wait::until("all documents", wait::LIMIT, || {
        Ok((state(&daemon)?["documents"] == FILES).then_some(()))
    })?;
    std::thread::sleep(SETTLE);
    let process = Process::new("daemon", daemon.pid());
    let (ticks, (threads, switches)) = (process.ticks()?, process.switches()?);
    std::thread::sleep(WATCHED);
    let used = process.ticks()? - ticks;
    let woken = process.switches()?.1 - switches;
    writeln!(
        out,
        "{FILES} watched files, {} s: {used} clock ticks of processor time, {woken} wake-ups of {threads} threads",
        WATCHED.as_secs()
    )?;
    let calls = match traced(&daemon.join("strace.out"), daemon.pid()) {
        Ok(calls) => calls,
        Err(error) => {
            // Not by a macro: what those print is held back.
            writeln!(
                io::stderr(),
                "SKIPPED: strace does not run, install it: {error:#}"
            )?;
            return Ok(());
        }
    };
    let stats: u64 = STATS.iter().filter_map(|name| calls.get(*name)).sum();
    let all: u64 = calls.values().sum();
    writeln!(
        out,
        "by strace, {} s: {stats} calls for the state of a file, {all} calls of any kind: {calls:?}",
        WATCHED.as_secs()
    )?;
    Ok(())
}

/// The system calls of all threads of a process over some time, by name.
fn traced(file: &std::path::Path, pid: u32) -> Result<BTreeMap<String, u64>> {
    let mut strace = Command::new("strace")
        .args(["-f", "-qq", "-p", &pid.to_string(), "-o"])
        .arg(file)
        .stdin(Stdio::null())
        .spawn()?;
    std::thread::sleep(WATCHED);
    let own = Pid::from_raw(strace.id() as i32).context("no process id")?;
    kill_process(own, Signal::INT)?;
    let ended = strace.wait()?;
    // It ends by the signal that it was sent; with a code when it could not attach.
    anyhow::ensure!(
        ended.code().is_none_or(|code| code > 128 || code == 0),
        "strace ended with {ended}"
    );
    let mut calls = BTreeMap::new();
    for line in fs::read_to_string(file)?.lines() {
        let call = line
            .split_once(' ')
            .map_or(line, |(_, call)| call.trim_start());
        let name = match call.strip_prefix("<... ") {
            // The other half of a call that was counted.
            Some(_) => continue,
            None => call.split_once('(').map_or("", |(name, _)| name),
        };
        let is_name =
            !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if is_name {
            *calls.entry(name.to_owned()).or_insert(0) += 1;
        }
    }
    Ok(calls)
}
