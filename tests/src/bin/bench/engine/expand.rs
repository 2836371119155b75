//! Query expansion by the starter's generator: how long, and whether every line is valid.

use std::{
    io::Write,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use qmd_proto::v1::{
    ExpandRequest, ExpansionKind, inference_service_client::InferenceServiceClient,
};

use super::Bench;
use crate::figures::spread;

const QUERIES: usize = 200;
const LIMIT: Duration = Duration::from_secs(10);
/// What a call may take beyond the limit of its generation.
const SLACK: Duration = Duration::from_millis(250);

pub(super) async fn measure(out: &mut impl Write, bench: &Bench) -> Result<()> {
    let mut client = InferenceServiceClient::new(bench.channel.clone());
    let mut times = Vec::with_capacity(QUERIES);
    let (mut lines, mut empty, mut late) = (0, 0, 0);
    for place in 0..QUERIES {
        let text = &bench.texts[place % bench.texts.len()];
        let words: Vec<&str> = text.split_whitespace().take(3 + place % 9).collect();
        let request = ExpandRequest {
            query: words.join(" "),
            limit_ms: LIMIT.as_millis() as u32,
            ..ExpandRequest::default()
        };
        let began = Instant::now();
        let reply = client.expand(request).await?.into_inner();
        let took = began.elapsed();
        times.push(took);
        late += usize::from(took > LIMIT + SLACK);
        empty += usize::from(reply.expansions.is_empty());
        for expansion in &reply.expansions {
            lines += 1;
            let valid = expansion.kind() != ExpansionKind::Unspecified
                && !expansion.text.trim().is_empty()
                && !expansion.text.contains('\n');
            ensure!(valid, "not a valid expansion: {expansion:?}");
        }
    }
    writeln!(
        out,
        "{QUERIES} expansions: {lines} lines, all valid; {empty} queries got none; {late} over the limit \
         of {} s",
        LIMIT.as_secs()
    )?;
    writeln!(out, "- {}", spread(&mut times))?;
    ensure!(late == 0, "over the time limit");
    Ok(())
}
