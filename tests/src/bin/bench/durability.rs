//! `make bench-durability`: kills and flipped bytes in the numbers that count. What is not as it must be
//! ends it, with the seed and the round.

use std::{
    env,
    io::{self, Write},
    time::Instant,
};

use anyhow::{Context, Result, bail};
use qmd_tests::durability::{flips, kills};

/// How many of each, unless this variable says otherwise.
const COUNT: (&str, usize) = ("QMD_BENCH_COUNT", 200);
/// What the random moments and places are made from.
const SEED: (&str, u64) = ("QMD_BENCH_SEED", 20_261_126);

/// Runs the sections named: `kills`, `flips`; both when none is.
///
/// # Errors
/// The first thing that is not as it must be.
pub(crate) fn measure(sections: &[String]) -> Result<()> {
    let mut out = io::stdout();
    let count = variable(COUNT.0)?.map_or(COUNT.1, |count| count as usize);
    let seed = variable(SEED.0)?.unwrap_or(SEED.1);
    let sections = match sections {
        [] => vec!["kills", "flips"],
        named => named.iter().map(String::as_str).collect(),
    };
    for section in sections {
        let started = Instant::now();
        writeln!(out, "{section}: {count}, seed {seed}")?;
        match section {
            "kills" => write!(out, "{}", kills::run(seed, count, &mut io::stderr())?)?,
            "flips" => write!(out, "{}", flips::run(seed, count, &mut io::stderr())?)?,
            other => bail!("no section {other}: there are kills and flips"),
        }
        writeln!(out, "{:.0} s", started.elapsed().as_secs_f64())?;
    }
    Ok(())
}

/// A number from the environment.
fn variable(name: &str) -> Result<Option<u64>> {
    let Some(text) = env::var_os(name) else {
        return Ok(None);
    };
    let number = text.to_str().and_then(|text| text.parse().ok());
    Ok(Some(
        number.with_context(|| format!("{name} is no number"))?,
    ))
}
