//! What a daemon costs when nobody asks, and whether models that come and go leave memory behind.

use std::{
    io::Write,
    time::{Duration, Instant},
};

use anyhow::Result;
use qmd_proto::v1::{
    LoadModelsRequest, ModelRole, UnloadModelsRequest, control_service_client::ControlServiceClient,
};

use qmd_tests::calls;

use super::Bench;
use crate::process::Process;

const WATCHED: Duration = Duration::from_secs(30);
const CYCLES: usize = 100;
/// Time for what was just done to settle.
const SETTLE: Duration = Duration::from_secs(3);

/// Says what a process has in memory, and had.
pub(super) fn resident(out: &mut impl Write, process: &Process, before: u64) -> Result<()> {
    let after = process.resident()?;
    writeln!(
        out,
        "- memory of the {}: {:.1} MiB before, {:.1} MiB after ({:+.1} %)",
        process.name,
        before as f64 / 1024.0,
        after as f64 / 1024.0,
        100.0 * (after as f64 / before as f64 - 1.0)
    )?;
    Ok(())
}

pub(super) async fn measure(out: &mut impl Write, bench: &Bench) -> Result<()> {
    let embed = calls::model(&bench.channel, ModelRole::Embed).await?;
    let generate = calls::model(&bench.channel, ModelRole::Generate).await?;
    let processes = [
        Process::new("daemon", bench.daemon.pid()),
        Process::new("embedding worker", embed.worker_pid),
        Process::new("generating worker", generate.worker_pid),
    ];
    tokio::time::sleep(SETTLE).await;
    let mut before = Vec::new();
    for process in &processes {
        before.push((process.ticks()?, process.switches()?.1));
    }
    tokio::time::sleep(WATCHED).await;
    let seconds = WATCHED.as_secs_f64();
    for (process, (ticks, switches)) in processes.iter().zip(before) {
        let used = process.ticks()? - ticks;
        let (threads, after) = process.switches()?;
        writeln!(
            out,
            "- the {} over {seconds} s: {used} clock ticks of processor time, {:.2} wake-ups/s a thread \
             ({threads} threads)",
            process.name,
            (after - switches) as f64 / seconds / threads as f64
        )?;
    }
    come_and_go(out, bench).await
}

/// Loads and unloads the embedding model again and again.
async fn come_and_go(out: &mut impl Write, bench: &Bench) -> Result<()> {
    let mut control = ControlServiceClient::new(bench.channel.clone());
    let daemon = Process::new("daemon", bench.daemon.pid());
    let mut first = (0, 0);
    let mut last = (0, 0);
    let began = Instant::now();
    for cycle in 0..CYCLES {
        let roles = vec![ModelRole::Embed.into()];
        control
            .unload_models(UnloadModelsRequest {
                roles: roles.clone(),
            })
            .await?;
        control.load_models(LoadModelsRequest { roles }).await?;
        calls::query(&bench.channel, &format!("question {cycle}")).await?;
        let model = calls::model(&bench.channel, ModelRole::Embed).await?;
        let worker = Process::new("worker", model.worker_pid);
        last = (daemon.resident()?, worker.resident()?);
        if cycle == 0 {
            first = last;
        }
    }
    writeln!(
        out,
        "- {CYCLES} times unloaded and loaded, {:.0} ms each",
        began.elapsed().as_secs_f64() * 1e3 / CYCLES as f64
    )?;
    for (name, first, last) in [("daemon", first.0, last.0), ("worker", first.1, last.1)] {
        writeln!(
            out,
            "- memory of the {name}: {:.1} MiB after the first, {:.1} MiB after the last ({:+.1} %)",
            first as f64 / 1024.0,
            last as f64 / 1024.0,
            100.0 * (last as f64 / first as f64 - 1.0)
        )?;
    }
    Ok(())
}
