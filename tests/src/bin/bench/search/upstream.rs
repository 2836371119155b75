//! How upstream ranks the judged collections: its server, with the same model, the query typed as words
//! and as meaning, without its reranker.

use std::io::Write;

use anyhow::{Context, Result};
use qmdctl::eval::metrics;

use crate::{collection::Collection, upstream::Upstream};

const KINDS: [(&str, &[&str]); 3] = [
    ("lex", &["lex"]),
    ("vec", &["vec"]),
    ("lex and vec", &["lex", "vec"]),
];

const NDCG_AT: usize = 10;
const RECALL_AT: u32 = 100;

pub(super) fn measure(
    out: &mut impl Write,
    collections: &[Collection],
    upstream: &Upstream,
) -> Result<()> {
    writeln!(
        out,
        "| collection | searches | nDCG@{NDCG_AT} | Recall@{RECALL_AT} |"
    )?;
    writeln!(out, "| --- | --- | --- | --- |")?;
    let mut means = KINDS.map(|_| 0.0);
    for collection in collections {
        upstream.index(&collection.docs)?;
        upstream.embed()?;
        let mut server = upstream.serve()?;
        for ((name, kinds), mean) in KINDS.into_iter().zip(&mut means) {
            let (mut ndcg, mut recall, mut queries) = (0.0, 0.0, 0.0);
            for (id, text) in collection.judged() {
                let grades = collection.judgements(id).context("a judged query")?;
                let ranking = server.search(kinds, text, RECALL_AT)?;
                ndcg += metrics::ndcg(&ranking, grades, NDCG_AT);
                recall += metrics::recall(&ranking, grades, RECALL_AT as usize);
                queries += 1.0;
            }
            *mean += ndcg / queries / collections.len() as f64;
            writeln!(
                out,
                "| {} | {name} | {:.4} | {:.4} |",
                collection.name,
                ndcg / queries,
                recall / queries
            )?;
        }
    }
    for ((name, _), mean) in KINDS.iter().zip(means) {
        writeln!(out, "| mean | {name} | {mean:.4} | |")?;
    }
    Ok(())
}
