//! A daemon with a reranker, which may be one that ranks nothing of use: what is measured is mechanics.

use std::path::Path;

use anyhow::{Context, Result};
use qmd_proto::v1::ModelRole;
use qmd_tests::{Daemon, Sandbox};

/// Starts a daemon that remembers no answers of its models, and waits until its reranker is ready.
pub(crate) fn start(sandbox: Sandbox, reranker: &Path) -> Result<Daemon> {
    let reranker = reranker.to_str().context("the path is not UTF-8")?;
    let environment = [
        ("QMDD_CACHE_MB", "0"),
        ("QMD_RERANK_MODEL", reranker),
        ("QMDD_RERANK_PROBE", "0"),
    ];
    let daemon = Daemon::start_with(sandbox, environment)?;
    daemon.wait_for_model(ModelRole::Rerank)?;
    Ok(daemon)
}
