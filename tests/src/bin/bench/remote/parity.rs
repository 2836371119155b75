//! Whether the remote end gives what this machine gives.

use std::{
    collections::BTreeMap,
    env,
    io::Write,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use qmd_proto::v1::{EmbedKind, Embedding};
use qmd_tests::{Daemon, calls};
use tonic::transport::Channel;

use super::ranks::{TOP, Tally};
use crate::{collection, texts};

/// Questions whose first ranks are reranked.
const RERANKED: usize = 3;

pub(super) async fn measure(out: &mut impl Write, here: &Daemon, there: &Daemon) -> Result<()> {
    let data = env::var_os(crate::DATA).map(PathBuf::from);
    let Some(data) = data.filter(|data| data.join("cranfield/docs").is_dir()) else {
        let variable = crate::DATA;
        writeln!(
            out,
            "not measured, {variable} names no folder with cranfield"
        )?;
        return Ok(());
    };
    let (texts, queries) = load(&data)?;
    let (here, there) = (here.channel().await?, there.channel().await?);
    let (near, far) = (
        calls::vectors(&here, &texts, EmbedKind::Document).await?,
        calls::vectors(&there, &texts, EmbedKind::Document).await?,
    );
    let alike: Vec<f64> = near.iter().zip(&far).map(|(a, b)| dot(a, b)).collect();
    let lowest = alike.iter().copied().fold(1.0, f64::min);
    let mean = alike.iter().sum::<f64>() / alike.len() as f64;
    writeln!(
        out,
        "- {} texts: cosine {lowest:.5} at least, {mean:.5} on average",
        texts.len()
    )?;

    let mut tally = Tally::default();
    let mut tops = Vec::new();
    for query in &queries {
        let (asked_here, asked_there) = (ask(&here, query).await?, ask(&there, query).await?);
        let (ours, theirs) = (ranking(&asked_here, &near), ranking(&asked_there, &far));
        tally.add(&ours, &theirs);
        tops.push(ours);
    }
    writeln!(out, "- {}", tally.told())?;

    let mut difference = 0_f64;
    for (query, top) in queries.iter().zip(&tops).take(RERANKED) {
        let documents = top.iter().take(TOP).map(|&(place, _)| texts[place].clone());
        let documents: Vec<String> = documents.collect();
        let near = calls::rerank(&here, query, &documents).await?;
        let far = calls::rerank(&there, query, &documents).await?;
        for (near, far) in near.iter().zip(&far) {
            difference = difference.max((near - far).abs());
        }
    }
    writeln!(
        out,
        "- rerank scores of {RERANKED} x {TOP} texts differ by {difference:.1e} at most"
    )?;
    Ok(())
}

/// Every text of cranfield, and its questions.
fn load(data: &Path) -> Result<(Vec<String>, Vec<String>)> {
    let texts = texts::all(&data.join("cranfield/docs"))?;
    let by_name: BTreeMap<String, collection::Collection> = collection::load_all(data)?
        .into_iter()
        .map(|collection| (collection.name.clone(), collection))
        .collect();
    let queries = by_name.get("cranfield").map(|cranfield| {
        let judged = cranfield.judged();
        judged.map(|(_, text)| text.to_owned()).collect()
    });
    Ok((texts, queries.unwrap_or_default()))
}

/// A question's vector, asked for as a person does.
async fn ask(channel: &Channel, query: &str) -> Result<Embedding> {
    let reply = calls::query(channel, query).await?;
    reply.embeddings.into_iter().next().context("no vector")
}

/// All texts, the nearest first.
fn ranking(query: &Embedding, texts: &[Embedding]) -> Vec<(usize, f64)> {
    let scores = texts.iter().map(|text| dot(query, text));
    let mut ranking: Vec<(usize, f64)> = (0..).zip(scores).collect();
    ranking.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    ranking
}

fn dot(a: &Embedding, b: &Embedding) -> f64 {
    let products = a.values.iter().zip(&b.values);
    products.map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}
