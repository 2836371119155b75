//! `make bench-update`: how long a scan of ten thousand files takes, at first, unchanged and with one
//! change, beside upstream QMD where it is given; how soon a change is found where they are followed; and
//! what searches feel of a scan.

mod follow;
pub(crate) mod notes;
mod reads;

use std::{
    env,
    io::{self, Write},
    path::Path,
    time::Duration,
};

use anyhow::{Context, Result};
use qmd_tests::{Daemon, Sandbox, program};

use self::notes::Notes;
use crate::{
    UPSTREAM,
    figures::{ms, percentile},
    latency::time,
    sections,
    upstream::Upstream,
};

const SECTIONS: [&str; 3] = ["scan", "watch", "reads"];
/// How often each repeated scan is timed.
const ROUNDS: usize = 10;

/// Measures the named sections, or all of them.
pub(crate) fn measure(sections: &[String]) -> Result<()> {
    let sections = sections::chosen(SECTIONS, sections)?;
    let mut out = io::stdout();
    let mut notes = Notes::new();
    let daemon = Daemon::start(Sandbox::new()?)?;
    let folder = daemon.join("home/notes");
    let bytes = notes.write_all(&folder)?;
    let path = folder.to_str().context("the folder's path")?;
    let add = ["collection", "add", path, "--name", "notes"];
    let _ = daemon.qmdctl(add).ok();
    writeln!(
        out,
        "{} notes, {:.1} MB in all",
        notes::COUNT,
        bytes as f64 / 1e6
    )?;
    for section in sections {
        writeln!(out, "\n## {section}\n")?;
        match section {
            "scan" => scan(&mut out, &daemon, &folder, &mut notes)?,
            "watch" => follow::measure(&mut out)?,
            _ => reads::measure(&mut out, &daemon, &folder, &mut notes)?,
        }
    }
    Ok(())
}

/// Times of one program's scans.
#[derive(Debug, Default)]
struct Scans {
    first: Duration,
    unchanged: Vec<Duration>,
    one_changed: Vec<Duration>,
}

/// Whole processes, from start to end. What is repeated takes turns, so that what else the machine does
/// falls on both alike.
fn scan(out: &mut impl Write, daemon: &Daemon, folder: &Path, notes: &mut Notes) -> Result<()> {
    let qmdctl = program("qmdctl")?;
    let update = || time(daemon.command(&qmdctl).arg("update"));
    let upstream = env::var_os(UPSTREAM)
        .map(|program| Upstream::new(Path::new(&program), "qmdd-bench-update"));
    let mut own = Scans {
        first: update()?,
        ..Scans::default()
    };
    let mut theirs = Scans::default();
    if let Some(upstream) = &upstream {
        theirs.first = upstream.index(folder)?;
    }
    // Files of the last moments are read once more.
    update()?;
    for _ in 0..ROUNDS {
        own.unchanged.push(update()?);
        if let Some(upstream) = &upstream {
            theirs
                .unchanged
                .push(time(upstream.command().arg("update"))?);
        }
        notes.change_one(folder)?;
        own.one_changed.push(update()?);
        if let Some(upstream) = &upstream {
            theirs
                .one_changed
                .push(time(upstream.command().arg("update"))?);
        }
    }
    writeln!(out, "| whole process | ms | QMD, ms | QMD / this |")?;
    writeln!(out, "| --- | --- | --- | --- |")?;
    let median = |times: &mut Vec<Duration>| percentile(times, 0.5);
    for (name, own, theirs) in [
        ("first `update`", own.first, theirs.first),
        (
            "unchanged `update`",
            median(&mut own.unchanged),
            median(&mut theirs.unchanged),
        ),
        (
            "one file changed",
            median(&mut own.one_changed),
            median(&mut theirs.one_changed),
        ),
    ] {
        let (theirs, ratio) = match &upstream {
            None => ("-".to_owned(), "-".to_owned()),
            Some(_) => (
                format!("{:.0}", ms(theirs)),
                format!("{:.1}", theirs.as_secs_f64() / own.as_secs_f64()),
            ),
        };
        writeln!(out, "| {name} | {:.1} | {theirs} | {ratio} |", ms(own))?;
    }
    if upstream.is_none() {
        writeln!(out, "\nupstream: not measured, {UPSTREAM} names no program")?;
    }
    Ok(())
}
