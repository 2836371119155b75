//! llama.cpp's plain loops, which `qmdd bare` runs in a process of their own.

use std::{
    path::Path,
    process::{Child, Command, Stdio},
};

use anyhow::{Context, Result, ensure};
use qmd_tests::program;
use serde_json::{Value, json};

/// A loop at work.
#[derive(Debug)]
pub(super) struct Bare(Child);

impl Bare {
    /// Starts one.
    pub(super) fn start(model: &Path, threads: usize, work: &Value) -> Result<Self> {
        let mut child = Command::new(program("qmdd")?)
            .arg("bare")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let stdin = child.stdin.take().context("no standard input")?;
        let job = json!({ "model": model, "threads": threads, "work": work });
        serde_json::to_writer(stdin, &job)?;
        Ok(Self(child))
    }

    /// What it took, and what came out.
    pub(super) fn ended(self) -> Result<Value> {
        let output = self.0.wait_with_output()?;
        ensure!(output.status.success(), "qmdd bare: {}", output.status);
        Ok(serde_json::from_slice(&output.stdout)?)
    }
}
