//! Upstream QMD over the same folder, in an index of its own.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::Result;
use qmd_tests::run;

use crate::latency::time;

/// The program's own index for this, apart from the user's.
const INDEX: &str = "qmdd-bench-update";

pub(super) struct Upstream {
    program: PathBuf,
    folder: PathBuf,
}

impl Upstream {
    /// With nothing indexed.
    pub(super) fn new(program: &Path, folder: &Path) -> Result<Self> {
        let upstream = Self {
            program: program.to_owned(),
            folder: folder.to_owned(),
        };
        // Left by an earlier run.
        run(upstream.command().args(["collection", "remove", INDEX]))?;
        run(upstream.command().arg("cleanup"))?;
        Ok(upstream)
    }

    /// The first scan, which comes with the collection.
    pub(super) fn first(&self) -> Result<Duration> {
        time(
            self.command()
                .args(["collection", "add"])
                .arg(&self.folder)
                .args(["--name", INDEX]),
        )
    }

    pub(super) fn update(&self) -> Result<Duration> {
        time(self.command().arg("update"))
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(["--index", INDEX]);
        command
    }
}
