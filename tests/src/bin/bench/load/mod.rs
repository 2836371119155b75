//! `make bench-load`: a thousand connections with ten requests each, and what an editor feels of a client
//! that asks for hundreds of things at once. `bench soak` is in `soak`.

mod crowd;
mod greedy;

use std::{
    io::{self, Write},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use qmd_proto::v1::{SearchMode, SearchRequest, search_service_client::SearchServiceClient};
use qmd_tests::{Daemon, Sandbox};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tonic::{Status, transport::Channel};

use crate::update::notes::{self, Notes};

const SECTIONS: [&str; 2] = ["crowd", "greedy"];

/// What the greedy client calls itself by, as a process of its own.
pub(crate) use self::greedy::GREEDY;

/// Measures the named sections, or all of them.
pub(crate) fn measure(sections: &[String]) -> Result<()> {
    let is_known = |name: &&String| SECTIONS.contains(&name.as_str());
    if let Some(unknown) = sections.iter().find(|name| !is_known(name)) {
        bail!(
            "there is no section {unknown}; there are {}",
            SECTIONS.join(", ")
        );
    }
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
    for section in SECTIONS {
        if !sections.is_empty() && !sections.iter().any(|wanted| wanted == section) {
            continue;
        }
        writeln!(out, "\n## {section}\n")?;
        match section {
            "crowd" => runtime.block_on(crowd::measure(&mut out, &daemon, &questions))?,
            _ => greedy::measure(&mut out, &runtime, &daemon, &questions)?,
        }
    }
    Ok(())
}

/// Is the greedy client until its standard input ends.
pub(crate) fn be_greedy(arguments: &[String]) -> Result<()> {
    greedy::be(arguments)
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

/// Searches by words, as an editor does; how long it took.
async fn search(channel: &Channel, question: &str) -> Result<Duration, Status> {
    let request = SearchRequest {
        query: question.to_owned(),
        mode: SearchMode::Lexical.into(),
        limit: 10,
        ..SearchRequest::default()
    };
    let mut client = SearchServiceClient::new(channel.clone());
    let began = Instant::now();
    client.search(request).await?;
    Ok(began.elapsed())
}
