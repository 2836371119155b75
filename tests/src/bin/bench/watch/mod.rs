//! `make bench-watch`: how soon a saved file is found, what a checkout of thousands of files costs, and
//! what watching costs at rest.

mod latency;
mod rest;
mod storm;

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use qmd_tests::{Daemon, Random, Sandbox, wait};
use serde_json::Value;

pub(crate) use self::latency::found;
use crate::sections;

const SECTIONS: [&str; 3] = ["latency", "storm", "rest"];

/// Measures the named sections, or all of them.
pub(crate) fn measure(sections: &[String]) -> Result<()> {
    let sections = sections::chosen(SECTIONS, sections)?;
    let mut out = io::stdout();
    for section in sections {
        writeln!(out, "\n## {section}\n")?;
        match section {
            "latency" => latency::measure(&mut out)?,
            "storm" => storm::measure(&mut out)?,
            _ => rest::measure(&mut out)?,
        }
    }
    Ok(())
}

/// A daemon that follows the collection `notes`, a folder in the sandbox. Returns once every file of
/// it is in the index, and the folder is followed.
pub(crate) fn follow(sandbox: Sandbox) -> Result<(Daemon, PathBuf)> {
    let folder = sandbox.join("home/notes");
    let config = sandbox.dirs().config;
    fs::create_dir_all(&config)?;
    fs::write(
        config.join("index.yml"),
        "collections:\n  notes: {path: ~/notes}\n",
    )?;
    let daemon = Daemon::start_with(sandbox, [("QMDD_WATCH", "1")])?;
    wait::until("the first look", 4 * wait::LIMIT, || {
        let state = state(&daemon)?;
        Ok((state["following"] == "live").then_some(()))
    })?;
    Ok((daemon, folder))
}

/// What `status` says of the collection.
pub(crate) fn state(daemon: &Daemon) -> Result<Value> {
    let status = daemon.qmdctl(["status", "--json"]).ok().json();
    let state = status["index"]["collectionStates"].get(0).cloned();
    state.context("the status has no collection")
}

/// A note of some 6 KB, and where it goes: 100 in a folder.
fn note(folder: &Path, number: usize, text: &str) -> (PathBuf, String) {
    const WORDS: [&str; 16] = [
        "water", "stone", "letter", "garden", "winter", "engine", "paper", "river", "music",
        "copper", "harbour", "needle", "orchard", "signal", "timber", "window",
    ];
    let mut random = Random::new(number as u64);
    let mut body = format!("# Note {number}\n\n{text}\n\n");
    for place in 1..=900 {
        body += WORDS[random.below(WORDS.len())];
        body += if place % 15 == 0 { ".\n" } else { " " };
    }
    (folder.join(format!("{}/{number}.md", number / 100)), body)
}

/// Writes so many notes.
fn write_notes(folder: &Path, count: usize, text: &str) -> Result<()> {
    for number in 0..count {
        let (path, body) = note(folder, number, text);
        fs::create_dir_all(path.parent().context("no folder")?)?;
        fs::write(path, body)?;
    }
    Ok(())
}
