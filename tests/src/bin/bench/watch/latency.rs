//! From a save to the moment a search finds it.

use std::{
    fs,
    io::Write,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};
use qmd_proto::v1::{
    ModelRole, SearchMode, SearchRequest, search_service_client::SearchServiceClient,
};
use qmd_tests::{Sandbox, wait};
use tonic::transport::Channel;

use super::{follow, state};
use crate::figures::spread;

/// Documents beside the saved one.
const DOCUMENTS: usize = 1_000;
const SAVES: usize = 50;
/// Longest wait for one.
const LIMIT: Duration = Duration::from_secs(30);
/// Between two searches for what was saved. One by meaning takes the model that embeds it.
const PAUSES: [Duration; 2] = [Duration::from_millis(1), Duration::from_millis(50)];

pub(super) fn measure(out: &mut impl Write) -> Result<()> {
    let sandbox = Sandbox::with_models()?;
    let folder = sandbox.join("home/notes");
    // Short ones: it is their number that counts, and they are to be embedded first.
    fs::create_dir_all(&folder)?;
    for number in 0..DOCUMENTS {
        let text = format!("# Note {number}\n\nA short note of little weight, number {number}.\n");
        fs::write(folder.join(format!("{number}.md")), text)?;
    }
    let (daemon, folder) = follow(sandbox)?;
    daemon.wait_for_model(ModelRole::Embed)?;
    wait::until("all vectors", 4 * wait::LIMIT, || {
        Ok((state(&daemon)?["pendingEmbedding"] == 0).then_some(()))
    })?;
    let runtime = tokio::runtime::Runtime::new()?;
    let mut words = Vec::new();
    let mut meaning = Vec::new();
    runtime.block_on(async {
        let channel = daemon.channel().await?;
        for save in 0..SAVES {
            // A new text each time, in a file that is there from the second time on.
            let mark = format!("zq{save}xv");
            let name = format!("saved-{}.md", save % 10);
            let text =
                format!("# Saved\n\nThe kettle {mark} whistles in the lighthouse kitchen.\n");
            let began = Instant::now();
            fs::write(folder.join(&name), text)?;
            words.push(found(&channel, SearchMode::Lexical, &mark, &name, &mark, began).await?);
            let question = "a kettle in a lighthouse";
            meaning.push(found(&channel, SearchMode::Vector, question, &name, &mark, began).await?);
        }
        anyhow::Ok(())
    })?;
    writeln!(
        out,
        "{SAVES} saves of one file among {DOCUMENTS}, nothing else running:\n"
    )?;
    writeln!(out, "- found by `search`: {}", spread(&mut words))?;
    writeln!(out, "- found by `vsearch`: {}", spread(&mut meaning))?;
    Ok(())
}

/// How long after `began` a search finds the text with the mark in the file.
pub(crate) async fn found(
    channel: &Channel,
    mode: SearchMode,
    query: &str,
    name: &str,
    mark: &str,
    began: Instant,
) -> Result<Duration> {
    let mut client = SearchServiceClient::new(channel.clone());
    let pause = PAUSES[usize::from(mode == SearchMode::Vector)];
    loop {
        let request = SearchRequest {
            query: query.to_owned(),
            mode: mode.into(),
            limit: 20,
            ..SearchRequest::default()
        };
        let hits = client.search(request).await?.into_inner().hits;
        let is_it = |hit: &qmd_proto::v1::Hit| hit.path == name && hit.snippet.contains(mark);
        if hits.iter().any(is_it) {
            return Ok(began.elapsed());
        }
        if began.elapsed() > LIMIT {
            bail!("{name} was not found by {mode:?}");
        }
        tokio::time::sleep(pause).await;
    }
}
