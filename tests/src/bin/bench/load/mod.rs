//! `make bench-load`: a thousand connections with ten requests each, and what an editor feels of a client
//! that asks for hundreds of things at once. `bench soak` is in `soak`.

mod crowd;
mod greedy;

use std::io::{self, Write};

use anyhow::{Context, Result};
use qmd_tests::{Daemon, Sandbox};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

pub(crate) use self::greedy::{GREEDY, be as be_greedy};
use crate::{
    sections,
    update::notes::{self, Notes},
};

const SECTIONS: [&str; 2] = ["crowd", "greedy"];

/// Measures the named sections, or all of them.
pub(crate) fn measure(sections: &[String]) -> Result<()> {
    let sections = sections::chosen(SECTIONS, sections)?;
    take_descriptors()?;
    let mut out = io::stdout();
    let mut notes = Notes::new();
    let daemon = Daemon::start(Sandbox::new()?)?;
    index(&daemon, &mut notes)?;
    let questions = notes.questions(500);
    writeln!(
        out,
        "{} notes, questions of three words, by words",
        notes::COUNT
    )?;
    let runtime = tokio::runtime::Runtime::new()?;
    for section in sections {
        writeln!(out, "\n## {section}\n")?;
        match section {
            "crowd" => runtime.block_on(crowd::measure(&mut out, &daemon, &questions))?,
            _ => greedy::measure(&mut out, &runtime, &daemon, &questions)?,
        }
    }
    Ok(())
}

/// A descriptor for each connection.
fn take_descriptors() -> Result<()> {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    setrlimit(Resource::Nofile, raised).context("too few descriptors")
}

fn index(daemon: &Daemon, notes: &mut Notes) -> Result<()> {
    let folder = daemon.join("home/notes");
    notes.write_all(&folder)?;
    let path = folder.to_str().context("the folder's path")?;
    let add = ["collection", "add", path, "--name", "notes"];
    let _ = daemon.qmdctl(add).ok();
    let _ = daemon.qmdctl(["update"]).ok();
    Ok(())
}
