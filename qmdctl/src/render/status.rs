//! The state of the index, the models and the daemon.

use std::{collections::BTreeMap, fmt::Write as _, time::Duration};

use qmd_proto::v1::{CacheStatus, IndexStatus, ModelState, ModelStatus, StatusReply};
use serde::Serialize;
use serde_json::Value;

use super::{
    daemon::{DaemonJson, daemon_status},
    followed::{collection_state_json, collection_states},
    jobs::by_reason,
    json::{pretty, unless_empty},
    models::role,
    text::{BOLD, ERROR, GOOD, HINT, WARNING, clean_line, count, size},
};
use crate::error::Result;

/// Everything for people. `now` is in seconds since the Unix epoch.
pub(crate) fn status(reply: &StatusReply, now: i64) -> String {
    let mut parts = Vec::new();
    parts.extend(reply.index.as_ref().map(index));
    if let Some(index) = &reply.index
        && !index.collection_states.is_empty()
    {
        parts.push(collection_states(&index.collection_states, now));
    }
    if !reply.models.is_empty() {
        let models = model_states(&reply.models);
        parts.push(format!("{BOLD}Models{BOLD:#}\n{models}"));
    }
    parts.extend(reply.daemon.as_ref().map(|daemon| {
        let cache = reply.cache.as_ref().map(cache).unwrap_or_default();
        daemon_status(daemon) + &cache
    }));
    parts.join("\n")
}

/// What is remembered of inference.
fn cache(cache: &CacheStatus) -> String {
    let state = if cache.capacity_bytes == 0 {
        "off".to_owned()
    } else {
        format!(
            "{} in {} of {}, {} of {} asked for were there",
            count(cache.entries, "result"),
            size(cache.bytes),
            size(cache.capacity_bytes),
            cache.hits,
            cache.hits + cache.misses,
        )
    };
    format!("  {:<14}{state}\n", "cache")
}

/// The roles with their models and states, for people.
pub(crate) fn model_states(models: &[ModelStatus]) -> String {
    models.iter().map(model).collect()
}

fn index(index: &IndexStatus) -> String {
    let mut text = format!("{BOLD}Index {}{BOLD:#}\n", clean_line(&index.name));
    let documents = format!(
        "{} in {}",
        count(index.documents, "document"),
        count(index.collections.into(), "collection"),
    );
    let vectors = format!(
        "{} for {}",
        count(index.vectors, "vector"),
        count(index.chunks, "chunk")
    );
    let database = format!(
        "{} ({})",
        clean_line(&index.database),
        size(index.database_bytes)
    );
    let configuration = clean_line(&index.config_file);
    let lines = [
        ("content", &documents),
        ("embedded", &vectors),
        ("database", &database),
        ("configuration", &configuration),
    ];
    // What a database that cannot be opened holds is not known.
    let unknown = if index.closed { 2 } else { 0 };
    for (name, value) in &lines[unknown..] {
        let _ = writeln!(text, "  {name:<14}{value}");
    }
    for (number, thing, state, mend) in [
        (
            index.pending_embedding,
            "document",
            "without vectors",
            "run `qmdctl embed`",
        ),
        (
            index.stale_vectors,
            "vector",
            "of another model",
            "run `qmdctl embed`",
        ),
    ] {
        if number > 0 {
            let what = count(number, thing);
            let _ = writeln!(
                text,
                "  {WARNING}{what} {state}{WARNING:#}: {HINT}{mend}{HINT:#}"
            );
        }
    }
    if index.skipped_files > 0 {
        let files = count(index.skipped_files, "file");
        let reasons: Vec<String> = index.skipped_reasons.iter().map(by_reason).collect();
        let _ = writeln!(
            text,
            "  {WARNING}{files} left out{WARNING:#} ({}): {HINT}`qmdctl ls --skipped` tells \
             why{HINT:#}",
            reasons.join(", "),
        );
    }
    for notice in &index.notices {
        let (message, reason) = (clean_line(&notice.message), clean_line(&notice.reason));
        let _ = writeln!(text, "  {WARNING}{message}{WARNING:#} ({reason})");
        if !notice.hint.is_empty() {
            let _ = writeln!(text, "  {HINT}hint{HINT:#}: {}", clean_line(&notice.hint));
        }
    }
    text
}

fn model(model: &ModelStatus) -> String {
    let (style, state) = match model.state() {
        ModelState::Ready => (GOOD, "ready"),
        ModelState::Loading => (WARNING, "loading"),
        ModelState::Missing => (ERROR, "missing"),
        ModelState::Failed => (ERROR, "failed"),
        ModelState::Unloaded => (HINT, "not loaded"),
        ModelState::NotConfigured => (HINT, "none configured"),
        ModelState::Unspecified => (HINT, "unknown"),
    };
    let mut details = Vec::new();
    for (number, what) in [
        (model.dimensions, "dimensions"),
        (model.context_tokens, "tokens"),
    ] {
        if number > 0 {
            details.push(format!("{number} {what}"));
        }
    }
    if model.file_bytes > 0 {
        details.push(size(model.file_bytes));
    }
    if !model.device.is_empty() {
        details.push(clean_line(&model.device));
    }
    if model.worst_wait_us > 0 {
        let wait = Duration::from_micros(model.worst_wait_us);
        details.push(format!("longest wait {wait:.1?}"));
    }
    if model.restarts > 0 {
        details.push(count(model.restarts.into(), "restart"));
    }
    let details = if details.is_empty() {
        String::new()
    } else {
        format!(" ({})", details.join(", "))
    };
    let name = clean_line(&model.name);
    let name = if name.is_empty() {
        name
    } else {
        format!("{name}: ")
    };
    let mut text = format!(
        "  {:<14}{name}{style}{state}{style:#}{details}\n",
        role(model.role())
    );
    if !model.message.is_empty() {
        let reason = unless_empty(&model.reason)
            .map(|it| format!(" ({it})"))
            .unwrap_or_default();
        let _ = writeln!(text, "{:16}{}{reason}", "", clean_line(&model.message));
    }
    if !model.hint.is_empty() {
        let _ = writeln!(
            text,
            "{:16}{HINT}hint{HINT:#}: {}",
            "",
            clean_line(&model.hint)
        );
    }
    text
}

#[derive(Debug, Serialize)]
struct Json<'a> {
    index: Option<IndexJson<'a>>,
    models: Vec<ModelJson<'a>>,
    daemon: Option<DaemonJson<'a>>,
    cache: Option<CacheJson>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct IndexJson<'a> {
    name: &'a str,
    config_file: &'a str,
    database: &'a str,
    database_bytes: u64,
    collections: u32,
    documents: u64,
    chunks: u64,
    vectors: u64,
    pending_embedding: u64,
    stale_vectors: u64,
    skipped_files: u64,
    collection_states: Vec<Value>,
    watch_rounds: u64,
    watch_whole: u64,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    skipped_reasons: BTreeMap<&'a str, u64>,
    closed: bool,
    project_root: Option<&'a str>,
    notices: Vec<NoticeJson<'a>>,
}

#[derive(Debug, Serialize)]
struct NoticeJson<'a> {
    reason: &'a str,
    message: &'a str,
    hint: Option<&'a str>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ModelJson<'a> {
    role: &'static str,
    name: Option<&'a str>,
    state: &'static str,
    path: Option<&'a str>,
    reason: Option<&'a str>,
    message: Option<&'a str>,
    hint: Option<&'a str>,
    fingerprint: Option<&'a str>,
    context_tokens: u32,
    dimensions: u32,
    file_bytes: u64,
    worker_pid: Option<u32>,
    worker_rss_bytes: u64,
    queue_depth: u32,
    restarts: u32,
    worst_wait_us: u64,
    device: Option<&'a str>,
    planned_bytes: u64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct CacheJson {
    entries: u64,
    bytes: u64,
    capacity_bytes: u64,
    hits: u64,
    misses: u64,
}

/// Everything as a JSON object.
pub(crate) fn status_json(reply: &StatusReply) -> Result<String> {
    pretty(&Json {
        index: reply.index.as_ref().map(|index| IndexJson {
            name: &index.name,
            config_file: &index.config_file,
            database: &index.database,
            database_bytes: index.database_bytes,
            collections: index.collections,
            documents: index.documents,
            chunks: index.chunks,
            vectors: index.vectors,
            pending_embedding: index.pending_embedding,
            stale_vectors: index.stale_vectors,
            skipped_files: index.skipped_files,
            collection_states: (index.collection_states.iter())
                .map(collection_state_json)
                .collect(),
            watch_rounds: index.watch_rounds,
            watch_whole: index.watch_whole,
            skipped_reasons: index
                .skipped_reasons
                .iter()
                .map(|reason| (reason.reason.as_str(), reason.count))
                .collect(),
            closed: index.closed,
            project_root: unless_empty(&index.project_root),
            notices: (index.notices.iter())
                .map(|notice| NoticeJson {
                    reason: &notice.reason,
                    message: &notice.message,
                    hint: unless_empty(&notice.hint),
                })
                .collect(),
        }),
        models: reply.models.iter().map(model_json).collect(),
        daemon: reply.daemon.as_ref().map(DaemonJson::from),
        cache: reply.cache.as_ref().map(|cache| CacheJson {
            entries: cache.entries,
            bytes: cache.bytes,
            capacity_bytes: cache.capacity_bytes,
            hits: cache.hits,
            misses: cache.misses,
        }),
    })
}

/// The roles with their models and states, as a JSON list.
pub(crate) fn model_states_json(models: &[ModelStatus]) -> Result<String> {
    pretty(&models.iter().map(model_json).collect::<Vec<_>>())
}

fn model_json(model: &ModelStatus) -> ModelJson<'_> {
    ModelJson {
        role: role(model.role()),
        name: unless_empty(&model.name),
        state: match model.state() {
            ModelState::Unspecified => "unknown",
            ModelState::NotConfigured => "not_configured",
            ModelState::Missing => "missing",
            ModelState::Unloaded => "unloaded",
            ModelState::Loading => "loading",
            ModelState::Ready => "ready",
            ModelState::Failed => "failed",
        },
        path: unless_empty(&model.path),
        reason: unless_empty(&model.reason),
        message: unless_empty(&model.message),
        hint: unless_empty(&model.hint),
        fingerprint: unless_empty(&model.fingerprint),
        context_tokens: model.context_tokens,
        dimensions: model.dimensions,
        file_bytes: model.file_bytes,
        worker_pid: Some(model.worker_pid).filter(|pid| *pid != 0),
        worker_rss_bytes: model.worker_rss_bytes,
        queue_depth: model.queue_depth,
        restarts: model.restarts,
        worst_wait_us: model.worst_wait_us,
        device: unless_empty(&model.device),
        planned_bytes: model.planned_bytes,
    }
}

#[cfg(test)]
mod tests {
    use qmd_proto::v1::{
        CollectionStatus, DaemonStatus, FollowState, Following, ModelRole, Notice, ReasonCount,
    };

    use super::*;

    fn sample() -> StatusReply {
        let embed = ModelStatus {
            role: ModelRole::Embed.into(),
            name: "all-minilm-l6-v2-q8_0".into(),
            path: "/home/me/.cache/qmdd/models/m.gguf".into(),
            state: ModelState::Ready.into(),
            fingerprint: "ab12".into(),
            context_tokens: 512,
            dimensions: 384,
            file_bytes: 25 << 20,
            worker_pid: 78,
            worker_rss_bytes: 60 << 20,
            device: "CPU: AVX2 FMA, 2 threads".into(),
            worst_wait_us: 41_700,
            planned_bytes: 30 << 20,
            ..ModelStatus::default()
        };
        let rerank = ModelStatus {
            role: ModelRole::Rerank.into(),
            state: ModelState::NotConfigured.into(),
            ..ModelStatus::default()
        };
        let generate = ModelStatus {
            role: ModelRole::Generate.into(),
            name: "smollm2".into(),
            state: ModelState::Missing.into(),
            reason: "MODEL_MISSING".into(),
            message: "its file is not on this machine".into(),
            hint: "run `qmdctl models pull starter`".into(),
            ..ModelStatus::default()
        };
        StatusReply {
            daemon: Some(DaemonStatus {
                version: "0.1.0".into(),
                protocol: 1,
                pid: 77,
                uptime_s: 3_700,
                socket: "/run/user/1000/qmdd/qmdd.sock".into(),
                config_home: "/home/me/.config/qmd".into(),
                data_home: "/home/me/.local/share/qmdd".into(),
                log_file: "/home/me/.local/state/qmdd/qmdd.log".into(),
                rss_bytes: 40 << 20,
                backend: "llama".into(),
            }),
            index: Some(IndexStatus {
                name: "index".into(),
                config_file: "/home/me/.config/qmd/index.yml".into(),
                database: "/home/me/.local/share/qmdd/index.sqlite".into(),
                database_bytes: 5 << 20,
                documents: 1400,
                chunks: 2300,
                vectors: 2200,
                pending_embedding: 12,
                stale_vectors: 1,
                skipped_files: 3,
                skipped_reasons: vec![
                    ReasonCount {
                        reason: "FILE_BINARY".into(),
                        count: 2,
                    },
                    ReasonCount {
                        reason: "FILE_EMPTY".into(),
                        count: 1,
                    },
                ],
                collections: 1,
                collection_states: vec![CollectionStatus {
                    follow: Some(FollowState {
                        collection: "notes".into(),
                        following: Following::Live.into(),
                        folders: 3,
                        ..FollowState::default()
                    }),
                    path: "/home/me/notes".into(),
                    documents: 1400,
                    pending_embedding: 12,
                    updated_at: 1_000,
                }],
                watch_rounds: 5,
                watch_whole: 2,
                closed: false,
                notices: vec![Notice {
                    reason: "CONFIG_UNTRUSTED".into(),
                    message: "collections are left out: etc".into(),
                    hint: "run `qmdctl trust show`".into(),
                }],
                ..IndexStatus::default()
            }),
            models: vec![embed, rerank, generate],
            cache: Some(CacheStatus {
                entries: 9,
                bytes: 15 << 10,
                capacity_bytes: 64 << 20,
                hits: 4,
                misses: 9,
            }),
        }
    }

    #[test]
    fn in_both_formats() {
        insta::assert_snapshot!(
            "status",
            anstream::adapter::strip_str(&status(&sample(), 1_060))
        );
        insta::assert_snapshot!("status_json", status_json(&sample()).unwrap());
    }
}
