//! The whole way, as a person has it: cranfield is indexed and embedded, and its questions are asked.

use std::{env, io::Write, path::PathBuf, time::Instant};

use anyhow::{Context, Result};
use qmd_proto::v1::SearchMode;
use qmd_tests::{Daemon, calls};
use tonic::transport::Channel;

use super::ranks::Tally;
use crate::collection::{self, Collection};

/// Hits asked for: enough to know where one went that left the first ranks.
const DEPTH: u32 = 100;

pub(super) async fn measure(out: &mut impl Write, here: &Daemon, there: &Daemon) -> Result<()> {
    let Some(cranfield) = cranfield()? else {
        let variable = crate::DATA;
        writeln!(
            out,
            "not measured, {variable} names no folder with cranfield"
        )?;
        return Ok(());
    };
    for (name, daemon) in [("here", here), ("at the remote end", there)] {
        let docs = cranfield.docs.to_str().context("the path is not UTF-8")?;
        let _ = daemon
            .qmdctl(["collection", "add", docs, "--name", "cranfield"])
            .ok();
        let _ = daemon.qmdctl(["update"]).ok();
        let began = Instant::now();
        let _ = daemon.qmdctl(["embed"]).ok();
        let seconds = began.elapsed().as_secs_f64();
        writeln!(out, "- embedded {name} in {seconds:.0} s")?;
    }
    let (here, there) = (here.channel().await?, there.channel().await?);
    let mut tally = Tally::default();
    for (_, query) in cranfield.judged() {
        let (near, far) = (ask(&here, query).await?, ask(&there, query).await?);
        tally.add(&borrowed(&near), &borrowed(&far));
    }
    writeln!(out, "- {}", tally.told())?;
    Ok(())
}

/// The judged collection, where there is one.
fn cranfield() -> Result<Option<Collection>> {
    let Some(data) = env::var_os(crate::DATA).map(PathBuf::from) else {
        return Ok(None);
    };
    let mut all = collection::load_all(&data)?.into_iter();
    Ok(all.find(|collection| collection.name == "cranfield"))
}

/// The documents nearest by meaning, with their scores.
async fn ask(channel: &Channel, query: &str) -> Result<Vec<(String, f64)>> {
    let reply = calls::search(channel, query, SearchMode::Vector, DEPTH).await?;
    let hits = reply.hits.into_iter();
    Ok(hits.map(|hit| (hit.uri, hit.score)).collect())
}

fn borrowed(hits: &[(String, f64)]) -> Vec<(&str, f64)> {
    let hits = hits.iter();
    hits.map(|(uri, score)| (uri.as_str(), *score)).collect()
}
