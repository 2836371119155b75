//! Whether bulk work uses as many containers as there are.

use std::{io::Write, time::Instant};

use anyhow::Result;
use qmd_tests::{Sandbox, calls};

use super::{
    containers::{self, LATENCY},
    start,
};

const TEXTS: usize = 4096;
const CONTAINERS: usize = 4;

pub(super) async fn measure(out: &mut impl Write) -> Result<()> {
    let texts: Vec<String> = (0..TEXTS).map(|place| format!("text {place}")).collect();
    let mut paces = Vec::new();
    for count in [1, CONTAINERS] {
        let url = containers::start(count)?;
        let daemon = start(Sandbox::new()?, &url, count)?;
        let channel = daemon.channel().await?;
        calls::query(&channel, "awake").await?;
        let began = Instant::now();
        calls::bulk(&channel, &texts).await?;
        paces.push(TEXTS as f64 / began.elapsed().as_secs_f64());
    }
    writeln!(
        out,
        "{TEXTS} texts, {} ms a call: {:.0} texts/s with one container, {:.0} with {CONTAINERS}: {:.2} times \
         as fast",
        LATENCY.as_millis(),
        paces[0],
        paces[1],
        paces[1] / paces[0]
    )?;
    Ok(())
}
