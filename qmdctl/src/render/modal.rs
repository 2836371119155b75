//! The remote end at Modal.

use std::{fmt::Write as _, time::Duration};

use qmd_proto::v1::{
    DetectRegionReply, PingModalReply, RegionMeasure, RegionSource, RemoteState, SaveModalReply,
};
use serde::Serialize;
use serde_json::{Value, json};

use super::{
    json::{pretty, unless_empty},
    models::role,
    table::table,
    text::{BOLD, ERROR, GOOD, HINT, clean_line, duration},
};
use crate::{
    commands::modal::{Outcome, Overview, Record, Trial},
    error::Result,
};

/// The region on one line, with why it is that one.
pub(crate) fn region_line(found: &DetectRegionReply) -> String {
    let mut line = format!(
        "region {} ({})",
        clean_line(&found.region),
        because(found.source())
    );
    if !found.compute_region.is_empty() {
        let _ = write!(
            line,
            "; containers in {} alone, at {} times the price",
            clean_line(&found.compute_region),
            found.compute_price_factor
        );
    }
    line
}

fn because(source: RegionSource) -> &'static str {
    match source {
        RegionSource::Config => "chosen",
        RegionSource::Environment => "chosen by QMDD_MODAL_REGION",
        RegionSource::Cache => "measured before",
        RegionSource::Probe => "measured",
        RegionSource::TimeZone => "guessed from the time zone",
        RegionSource::Default | RegionSource::Unspecified => "a default",
    }
}

fn source(source: RegionSource) -> &'static str {
    match source {
        RegionSource::Config => "config",
        RegionSource::Environment => "environment",
        RegionSource::Cache => "cache",
        RegionSource::Probe => "probe",
        RegionSource::TimeZone => "time zone",
        RegionSource::Default | RegionSource::Unspecified => "default",
    }
}

/// The region with its evidence.
pub(crate) fn region(found: &DetectRegionReply) -> String {
    let mut text = format!("{BOLD}Region{BOLD:#}\n  {}\n", region_line(found));
    if found.compute_region.is_empty() {
        let _ = writeln!(
            text,
            "  containers run anywhere; in {} alone they would cost {} times as much",
            clean_line(&found.compute_suggestion),
            found.suggestion_price_factor
        );
    }
    if found.measures.is_empty() {
        return text;
    }
    text.push('\n');
    let rows: Vec<_> = found
        .measures
        .iter()
        .map(|measure| {
            [
                clean_line(&measure.region),
                clean_line(&measure.compute),
                clean_line(&measure.target),
                best(measure).map_or_else(
                    || clean_line(&measure.error),
                    |best| format!("{best:.1} ms"),
                ),
            ]
        })
        .collect();
    text + &table(["REGION", "COMPUTE", "HOST", "CONNECTED IN"], &rows)
}

fn best(measure: &RegionMeasure) -> Option<f64> {
    measure.samples_ms.iter().copied().min_by(f64::total_cmp)
}

/// The region as a JSON object.
pub(crate) fn region_json(found: &DetectRegionReply) -> Result<String> {
    pretty(&region_value(found))
}

fn region_value(found: &DetectRegionReply) -> Value {
    let measures: Vec<Value> = found
        .measures
        .iter()
        .map(|measure| {
            json!({
                "target": measure.target,
                "region": unless_empty(&measure.region),
                "compute": measure.compute,
                "samplesMs": measure.samples_ms,
                "error": unless_empty(&measure.error),
            })
        })
        .collect();
    json!({
        "region": found.region,
        "source": source(found.source()),
        "computeRegion": unless_empty(&found.compute_region),
        "priceFactor": found.compute_price_factor,
        "computeSuggestion": found.compute_suggestion,
        "suggestionPriceFactor": found.suggestion_price_factor,
        "measuredAt": found.measured_at_s,
        "measures": measures,
        "warnings": found.warnings,
        "configFile": unless_empty(&found.config_file),
    })
}

/// What came of a deployment.
pub(crate) fn deployed(
    record: &Record,
    pong: &PingModalReply,
    woken: Duration,
    saved: &SaveModalReply,
) -> String {
    let mut text = format!(
        "deployed {} on a {}, and it is ready after {}: {}\nsaved in {}",
        clean_line(&record.app),
        clean_line(&record.gpu),
        duration(woken),
        clean_line(&record.url),
        clean_line(&saved.config_file),
    );
    for model in &pong.models {
        let _ = write!(
            text,
            "\n  {:<10}{}",
            role(model.role()),
            clean_line(&model.name)
        );
    }
    text + "\nnext: `qmdctl modal test`"
}

/// The same as a JSON object.
pub(crate) fn deployed_json(
    record: &Record,
    pong: &PingModalReply,
    saved: &SaveModalReply,
) -> Result<String> {
    pretty(&json!({
        "deployed": record,
        "llamaServer": pong.llama_server,
        "configFile": saved.config_file,
    }))
}

/// What came of an end.
pub(crate) fn destroyed(app: &str, gone: bool) -> String {
    let what = if gone {
        "was stopped already"
    } else {
        "is stopped"
    };
    format!(
        "{} {what}; inference stays on this machine",
        clean_line(app)
    )
}

/// The same as a JSON object.
pub(crate) fn destroyed_json(app: &str, gone: bool, saved: &SaveModalReply) -> Result<String> {
    pretty(&json!({
        "app": app,
        "alreadyStopped": gone,
        "configFile": saved.config_file,
    }))
}

/// Everything known of the remote end, without waking it.
pub(crate) fn modal_status(overview: &Overview) -> String {
    let configured = &overview.configured;
    let mut text = format!("{BOLD}Modal{BOLD:#}\n");
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(text, "  {name:<14}{value}");
    };
    line(
        "inference",
        if configured.inference {
            "remote"
        } else {
            "on this machine"
        },
    );
    let state = match &overview.remote {
        None => "unknown: Modal could not be asked".to_owned(),
        Some(remote) if remote.deployed => format!("{GOOD}deployed{GOOD:#}"),
        Some(_) => "not deployed".to_owned(),
    };
    line(&overview.app, &state);
    if let Some(remote) = overview.remote.as_ref().filter(|remote| remote.deployed) {
        let containers: Vec<String> = remote
            .containers
            .iter()
            .map(|(id, since)| format!("{} since {}", clean_line(id), clean_line(since)))
            .collect();
        let none = || "none: it sleeps, and costs nothing".to_owned();
        line(
            "containers",
            &Some(containers.join(", "))
                .filter(|it| !it.is_empty())
                .unwrap_or_else(none),
        );
    }
    if !configured.url.is_empty() {
        line("url", &clean_line(&configured.url));
    }
    line(
        "region",
        region_line(&overview.region).trim_start_matches("region "),
    );
    line(
        "gpu",
        &format!(
            "{}, {} to {} containers, each ends after {} s without work",
            clean_line(&configured.gpu),
            configured.min_containers,
            configured.max_containers,
            configured.scaledown_window_s,
        ),
    );
    line(
        "proxy token",
        if configured.has_token {
            "known"
        } else {
            "none"
        },
    );
    if let Some(record) = &overview.record {
        line("image", &clean_line(&record.image));
    }
    line("cost", &cost(overview));
    if let Some(pong) = &overview.pong {
        line("ping", &pong_line(pong));
    }
    text
}

fn cost(overview: &Overview) -> String {
    match overview.estimate {
        Some(estimate) => format!(
            "about ${:.2} an hour for each container that runs, ${:.4} for a query that comes alone \
             ({})",
            estimate.per_hour, estimate.per_query, overview.price_source
        ),
        None => "unknown for this GPU: see `modal billing rates`".to_owned(),
    }
}

fn pong_line(pong: &PingModalReply) -> String {
    match pong.state() {
        RemoteState::Ready => format!(
            "{GOOD}ready{GOOD:#} in {}, llama-server {}",
            duration(Duration::from_micros(pong.elapsed_us)),
            clean_line(&pong.llama_server)
        ),
        RemoteState::Starting => format!("on its way: {}", clean_line(&pong.message)),
        RemoteState::Failed | RemoteState::Unspecified => {
            format!("{ERROR}not well{ERROR:#}: {}", clean_line(&pong.message))
        }
    }
}

/// The same as a JSON object.
pub(crate) fn modal_status_json(overview: &Overview) -> Result<String> {
    let configured = &overview.configured;
    let containers = overview.remote.as_ref().map(|remote| {
        let containers = remote.containers.iter();
        containers
            .map(|(id, since)| json!({"id": id, "startTime": since}))
            .collect::<Vec<_>>()
    });
    pretty(&json!({
        "app": overview.app,
        "inference": configured.inference,
        "deployed": overview.remote.as_ref().map(|remote| remote.deployed),
        "containers": containers,
        "url": unless_empty(&configured.url),
        "region": region_value(&overview.region),
        "gpu": configured.gpu,
        "minContainers": configured.min_containers,
        "maxContainers": configured.max_containers,
        "scaledownWindow": configured.scaledown_window_s,
        "snapshot": configured.snapshot,
        "hasToken": configured.has_token,
        "lastDeployment": overview.record,
        "estimate": overview.estimate.map(|estimate| json!({
            "dollarsPerHour": estimate.per_hour,
            "dollarsPerQuery": estimate.per_query,
            "source": overview.price_source,
        })),
        "ping": overview.pong.as_ref().map(|pong| json!({
            "ready": pong.state() == RemoteState::Ready,
            "status": pong.http_status,
            "message": unless_empty(&pong.message),
            "elapsedMs": pong.elapsed_us as f64 / 1e3,
            "llamaServer": unless_empty(&pong.llama_server),
        })),
    }))
}

/// What came of a test.
pub(crate) fn trials(trials: &[Trial]) -> String {
    let mut text = String::new();
    for trial in trials {
        let (style, mark) = match trial.outcome {
            Outcome::Passed => (GOOD, "ok"),
            Outcome::Failed => (ERROR, "fail"),
            Outcome::Skipped => (HINT, "-"),
        };
        let elapsed = trial.elapsed.map(duration).unwrap_or_default();
        let line = format!(
            "  {style}{mark:<6}{style:#}{:<10}{elapsed:<10}{}",
            trial.name,
            clean_line(&trial.detail)
        );
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct TrialJson<'a> {
    name: &'a str,
    state: &'static str,
    detail: &'a str,
    elapsed_ms: Option<f64>,
}

/// The same as a JSON list.
pub(crate) fn trials_json(trials: &[Trial]) -> Result<String> {
    let trials: Vec<TrialJson<'_>> = trials
        .iter()
        .map(|trial| TrialJson {
            name: trial.name,
            state: match trial.outcome {
                Outcome::Passed => "ok",
                Outcome::Failed => "failed",
                Outcome::Skipped => "skipped",
            },
            detail: &trial.detail,
            elapsed_ms: trial.elapsed.map(|elapsed| elapsed.as_secs_f64() * 1e3),
        })
        .collect();
    pretty(&trials)
}

/// A line of a log, on a line of its own.
pub(crate) fn log_line_json(line: &str) -> Result<String> {
    let json = serde_json::to_string(&json!({ "line": line }));
    json.map(|json| json + "\n")
        .map_err(|error| crate::error::Failure::internal(format!("no JSON: {error}")).into())
}

#[cfg(test)]
mod tests;
