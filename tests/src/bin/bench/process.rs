//! A process from outside.

use std::fs;

use anyhow::{Context, Result};

/// A process as `/proc` shows it.
#[derive(Debug)]
pub(crate) struct Process {
    /// What it is called in results.
    pub(crate) name: &'static str,
    pid: u32,
}

impl Process {
    /// A process by its id.
    pub(crate) fn new(name: &'static str, pid: u32) -> Self {
        Self { name, pid }
    }

    /// Resident memory in KiB, mapped weights included.
    pub(crate) fn resident(&self) -> Result<u64> {
        field(&format!("/proc/{}/status", self.pid), "VmRSS:")
    }

    /// The most resident memory that it has had, in KiB.
    pub(crate) fn peak(&self) -> Result<u64> {
        field(&format!("/proc/{}/status", self.pid), "VmHWM:")
    }

    /// Open file descriptors.
    pub(crate) fn descriptors(&self) -> Result<usize> {
        Ok(fs::read_dir(format!("/proc/{}/fd", self.pid))?.count())
    }

    /// Processor time used, in clock ticks.
    pub(crate) fn ticks(&self) -> Result<u64> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid))?;
        let (_, fields) = stat.rsplit_once(')').context("no stat")?;
        let fields: Vec<&str> = fields.split_whitespace().collect();
        let number = |place: usize| -> Result<u64> {
            Ok(fields.get(place).context("a short stat")?.parse()?)
        };
        // utime and stime.
        Ok(number(11)? + number(12)?)
    }

    /// Threads, and how often any of them gave up the processor: each time it was woken before.
    pub(crate) fn switches(&self) -> Result<(usize, u64)> {
        let mut threads = 0;
        let mut switches = 0;
        for task in fs::read_dir(format!("/proc/{}/task", self.pid))? {
            let status = task?.path().join("status");
            switches += field(&status.display().to_string(), "voluntary_ctxt_switches:")?;
            threads += 1;
        }
        Ok((threads, switches))
    }
}

fn field(file: &str, name: &str) -> Result<u64> {
    let text = fs::read_to_string(file)?;
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let value = line.and_then(|line| line.split_whitespace().next());
    Ok(value
        .with_context(|| format!("{file} has no {name}"))?
        .parse()?)
}
