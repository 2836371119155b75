//! Whether the remote end gives what this machine gives.

use std::{
    collections::BTreeMap,
    env,
    io::Write,
    path::{Path, PathBuf},
};

use anyhow::Result;
use qmd_proto::v1::{EmbedKind, Embedding};
use qmd_tests::{Daemon, calls};

use crate::{collection, texts};

/// Ranks that are compared.
const TOP: usize = 10;
/// Scores closer than this may change places.
const NEAR: f64 = 1e-3;
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

    let (asked_here, asked_there) = (
        calls::vectors(&here, &queries, EmbedKind::Query).await?,
        calls::vectors(&there, &queries, EmbedKind::Query).await?,
    );
    let (mut same, mut swapped, mut other) = (0, 0, 0);
    let mut tops = Vec::new();
    for (near_query, far_query) in asked_here.iter().zip(&asked_there) {
        let scores = cosines(near_query, &near);
        let near = top(&scores);
        let far = top(&cosines(far_query, &far));
        let mut gaps = near
            .iter()
            .zip(&far)
            .map(|(&a, &b)| (scores[a] - scores[b]).abs());
        if near == far {
            same += 1;
        } else if gaps.all(|gap| gap < NEAR) {
            swapped += 1;
        } else {
            other += 1;
        }
        tops.push(near);
    }
    writeln!(
        out,
        "- first {TOP} of {} questions: {same} equal, {swapped} but for places of scores closer than {NEAR}, \
         {other} other",
        queries.len()
    )?;

    let mut difference = 0_f64;
    for (query, top) in queries.iter().zip(&tops).take(RERANKED) {
        let documents: Vec<String> = top.iter().map(|&place| texts[place].clone()).collect();
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

/// How near each text is to a question.
fn cosines(query: &Embedding, texts: &[Embedding]) -> Vec<f64> {
    texts.iter().map(|text| dot(query, text)).collect()
}

/// The places of the highest scores.
fn top(scores: &[f64]) -> Vec<usize> {
    let mut places: Vec<usize> = (0..scores.len()).collect();
    places.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
    places.truncate(TOP);
    places
}

fn dot(a: &Embedding, b: &Embedding) -> f64 {
    let products = a.values.iter().zip(&b.values);
    products.map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}
