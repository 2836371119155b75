//! `Doctor`: looks the installation over, and measures what the embedding model does.

mod database;
mod repair;

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use qmd_proto::v1::{Check, CheckState, DoctorRequest};
use tonic::Status;

use super::App;
use crate::{
    domain::{Failure, Role},
    infer::{
        backend::{Call, InferError, ModelReport, ModelState},
        hardware,
        prompts::EmbedFormat,
    },
};

/// How long the measurement lasts.
const MEASURE: Duration = Duration::from_secs(2);

/// Texts in one call of the measurement, of about 200 tokens each.
const BATCH: usize = 16;

/// Below this much free space on the disk of the data, updates may soon fail.
const DISK_LOW: u64 = 1 << 30;

const MIB: u64 = 1 << 20;

/// Every check, in the order of reading.
///
/// # Errors
/// When the index is unknown or its configuration cannot be read.
pub(super) async fn examine(app: &Arc<App>, request: DoctorRequest) -> Result<Vec<Check>, Status> {
    let mut checks = vec![daemon(app), instructions(), disk(&app.settings.dirs.data)];
    checks.extend(database::examine(app, &request).await?);
    let reports = app.backend().report();
    checks.extend(reports.iter().map(model));
    if !request.quick {
        checks.push(speed(app).await);
    }
    checks.push(cache(app));
    Ok(checks)
}

fn daemon(app: &App) -> Check {
    let version = env!("CARGO_PKG_VERSION");
    let socket = app.socket.display();
    let backend = app.backend();
    let backend = backend.name();
    fine(
        "daemon",
        format!("qmdd {version} at {socket}, backend {backend}"),
    )
}

fn instructions() -> Check {
    let used = hardware::used().join(" ");
    let used = if used.is_empty() {
        "no vector instructions".to_owned()
    } else {
        used
    };
    let unused = hardware::unused();
    if unused.is_empty() {
        return fine("processor", format!("built for {used}"));
    }
    Check {
        name: "processor".into(),
        state: CheckState::Warning.into(),
        detail: format!(
            "built for {used}; the processor has {} too",
            unused.join(" ")
        ),
        hint: "build from source on this machine: `make build`".into(),
        ..Check::default()
    }
}

fn disk(data: &Path) -> Check {
    let Ok(disk) = rustix::fs::statvfs(data) else {
        return note(
            "disk",
            format!("free space under {} is not told", data.display()),
        );
    };
    let free = disk.f_bavail * disk.f_frsize;
    let detail = format!("{} MiB free under {}", free / MIB, data.display());
    if free >= DISK_LOW {
        return fine("disk", detail);
    }
    Check {
        name: "disk".into(),
        state: CheckState::Warning.into(),
        detail,
        hint: "make room: an update that finds the disk full changes nothing".into(),
        ..Check::default()
    }
}

fn model(report: &ModelReport) -> Check {
    let name = format!("{} model", report.role);
    let planned = report.planned_bytes / MIB;
    match &report.state {
        ModelState::Ready(_) => fine(
            &name,
            format!(
                "{} on {}, {planned} MiB planned",
                report.name, report.device
            ),
        ),
        ModelState::Unloaded => note(
            &name,
            format!("{}, unloaded; the next call loads it", report.name),
        ),
        ModelState::Loading => note(&name, format!("{} is still loading", report.name)),
        // Search does without these two.
        ModelState::NotConfigured if report.role != Role::Embed => note(&name, "none".into()),
        ModelState::NotConfigured => {
            failed(&name, &InferError::NotConfigured { role: report.role })
        }
        ModelState::Failed(error) => failed(&name, error),
    }
}

/// Embeds for two seconds, as indexing does.
async fn speed(app: &App) -> Check {
    const NAME: &str = "embedding speed";
    match measure(app).await {
        Ok((tokens, elapsed)) => fine(
            NAME,
            format!(
                "{:.0} tokens/s over {:.1} s, texts of about 200 tokens",
                tokens as f64 / elapsed.as_secs_f64(),
                elapsed.as_secs_f64()
            ),
        ),
        Err(error) => failed(NAME, &error),
    }
}

async fn measure(app: &App) -> Result<(u64, Duration), InferError> {
    let backend = app.backend();
    let model = backend.described(Role::Embed, &Call::interactive()).await?;
    let format = EmbedFormat::of(&model);
    let mut tokens = 0;
    let started = Instant::now();
    for batch in 0.. {
        if started.elapsed() >= MEASURE {
            break;
        }
        let texts = (0..BATCH).map(|text| {
            // Every text differs: equal ones are computed once.
            let words = (0..180).map(|word| WORDS[(batch + 7 * text + word * word) % WORDS.len()]);
            format.document("", &words.collect::<Vec<_>>().join(" "))
        });
        let embeddings = backend.embed(texts.collect(), Call::bulk()).await?;
        tokens += embeddings
            .iter()
            .map(|embedding| u64::from(embedding.tokens))
            .sum::<u64>();
    }
    Ok((tokens, started.elapsed()))
}

/// What the texts of the measurement are made of: one token each with most vocabularies.
const WORDS: [&str; 31] = [
    "water", "house", "music", "paper", "light", "river", "table", "green", "story", "morning",
    "garden", "winter", "bread", "stone", "window", "letter", "street", "summer", "market",
    "bridge", "forest", "island", "mountain", "engine", "number", "family", "village", "teacher",
    "doctor", "silver", "road",
];

fn cache(app: &App) -> Check {
    let cache = app.backend().cache();
    if cache.capacity == 0 {
        return note("cache", "off".into());
    }
    note(
        "cache",
        format!(
            "{} results, {} of {} MiB, {} of {} calls answered from it",
            cache.entries,
            cache.bytes.div_ceil(MIB),
            cache.capacity / MIB,
            cache.hits,
            cache.hits + cache.misses
        ),
    )
}

pub(super) fn fine(name: &str, detail: String) -> Check {
    plain(name, CheckState::Ok, detail)
}

pub(super) fn note(name: &str, detail: String) -> Check {
    plain(name, CheckState::Info, detail)
}

fn plain(name: &str, state: CheckState, detail: String) -> Check {
    Check {
        name: name.into(),
        state: state.into(),
        detail,
        ..Check::default()
    }
}

pub(super) fn failed(name: &str, error: &dyn Failure) -> Check {
    Check {
        name: name.into(),
        state: CheckState::Failed.into(),
        detail: error.to_string(),
        reason: error.reason().to_string(),
        hint: error.hint().unwrap_or_default(),
    }
}
