//! `make bench-lexical`: search by words alone, over the socket and timed inside of the daemon. Every
//! question is asked pruned and exhaustive, one after the other.

mod asked;
mod busy;
mod generated;

use std::{
    env, fs,
    io::{self, Write},
    path::Path,
    time::Instant,
};

use anyhow::{Context, Result, ensure};
use qmd_tests::{Daemon, Sandbox, workspace};

use self::asked::{Answers, HEAD};
use crate::collection::{self, Collection};

/// Documents of the large index, beside those of the collections.
const DOCUMENTS: usize = 100_000;
/// Documents that are then taken in while questions are asked.
const MORE: usize = 20_000;
/// Which documents these are.
const SEED: u64 = 20_261_126;

/// Measures each collection by itself, all of them together, and all of them among many documents.
pub(crate) fn measure(sections: &[String]) -> Result<()> {
    ensure!(sections.is_empty(), "`bench lexical` has no sections");
    let data = env::var_os(crate::DATA)
        .with_context(|| format!("{} names no folder of judged collections", crate::DATA))?;
    let collections = collection::load_all(Path::new(&data))?;
    tokio::runtime::Runtime::new()?.block_on(run(&collections))
}

async fn run(collections: &[Collection]) -> Result<()> {
    let mut out = io::stdout();
    writeln!(out, "## each in an index of its own\n\n{HEAD}")?;
    for collection in collections {
        let daemon = index(&mut io::sink(), &[(&collection.name, &collection.docs)])?;
        each(
            &mut out,
            &daemon,
            "own",
            std::slice::from_ref(collection),
            true,
        )
        .await?;
    }

    let mut folders: Vec<(&str, &Path)> = collections
        .iter()
        .map(|collection| (collection.name.as_str(), collection.docs.as_path()))
        .collect();
    writeln!(out, "\n## all in one index, each searched alone\n\n{HEAD}")?;
    let daemon = index(&mut io::sink(), &folders)?;
    each(&mut out, &daemon, "together", collections, true).await?;
    drop(daemon);

    let generated = tempfile::tempdir()?;
    generated::write(generated.path(), collections, DOCUMENTS, SEED)?;
    folders.push(("generated", generated.path()));
    writeln!(out)?;
    let daemon = index(&mut out, &folders)?;
    writeln!(
        out,
        "\n## beside {DOCUMENTS} generated documents, each searched alone\n\n{HEAD}"
    )?;
    each(&mut out, &daemon, "beside", collections, true).await?;
    writeln!(
        out,
        "\n## beside {DOCUMENTS} generated documents, all searched\n\n{HEAD}"
    )?;
    each(&mut out, &daemon, "among", collections, false).await?;

    let more = tempfile::tempdir()?;
    generated::write(more.path(), collections, MORE, SEED + 1)?;
    writeln!(out, "\n## while {MORE} documents are taken in\n")?;
    let (first, folder) = (&collections[0], generated.path());
    busy::measure(&mut out, &daemon, first, more.path(), folder).await
}

/// Starts a daemon and indexes folders.
fn index(out: &mut impl Write, folders: &[(&str, &Path)]) -> Result<Daemon> {
    let daemon = Daemon::start(Sandbox::new()?)?;
    for (name, folder) in folders {
        let folder = folder.to_str().context("the folder's path is not UTF-8")?;
        let _ = daemon
            .qmdctl(["collection", "add", folder, "--name", name])
            .ok();
    }
    let began = Instant::now();
    let _ = daemon.qmdctl(["update"]).ok();
    writeln!(out, "update: {:.1} s", began.elapsed().as_secs_f64())?;
    Ok(daemon)
}

/// Asks the questions of each collection, within it or within all, and leaves the rankings as files.
async fn each(
    out: &mut impl Write,
    daemon: &Daemon,
    name: &str,
    collections: &[Collection],
    alone: bool,
) -> Result<()> {
    let channel = daemon.channel().await?;
    let runs = workspace().join("target/bench");
    fs::create_dir_all(&runs)?;
    let mut sum = 0.0;
    for collection in collections {
        let within: &[String] = if alone {
            std::slice::from_ref(&collection.name)
        } else {
            &[]
        };
        let mut answers = Answers::of(&channel, collection, within).await?;
        fs::write(
            runs.join(format!("{}.lexical-{name}.tsv", collection.name)),
            &answers.run,
        )?;
        sum += answers.ndcg();
        writeln!(out, "{}", answers.row(&collection.name))?;
    }
    if collections.len() > 1 {
        writeln!(out, "\nmean nDCG@10 {:.4}", sum / collections.len() as f64)?;
    }
    Ok(())
}
