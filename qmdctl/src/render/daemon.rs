//! The running daemon.

use std::{fmt::Write as _, time::Duration};

use qmd_proto::v1::DaemonStatus;
use serde::Serialize;

use super::{
    json::pretty,
    text::{BOLD, GOOD, clean_line, duration, size},
};
use crate::error::Result;

/// The daemon for people.
pub(crate) fn daemon_status(daemon: &DaemonStatus) -> String {
    let since = match daemon.uptime_s {
        0 => "just started".to_owned(),
        seconds => format!("up for {}", duration(Duration::from_secs(seconds))),
    };
    let mut text = format!(
        "{BOLD}Daemon{BOLD:#}\n  {GOOD}running{GOOD:#}, version {}, process {}, {since}\n",
        clean_line(&daemon.version),
        daemon.pid,
    );
    for (name, value) in [
        ("inference", &daemon.backend),
        ("memory", &size(daemon.rss_bytes)),
        ("socket", &daemon.socket),
        ("configuration", &daemon.config_home),
        ("data", &daemon.data_home),
        ("log", &daemon.log_file),
    ] {
        let _ = writeln!(text, "  {name:<14}{}", clean_line(value));
    }
    text
}

/// The daemon in JSON.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DaemonJson<'a> {
    version: &'a str,
    protocol: u32,
    pid: u32,
    uptime_seconds: u64,
    socket: &'a str,
    config_home: &'a str,
    data_home: &'a str,
    log_file: &'a str,
    rss_bytes: u64,
    backend: &'a str,
}

impl<'a> From<&'a DaemonStatus> for DaemonJson<'a> {
    fn from(daemon: &'a DaemonStatus) -> Self {
        Self {
            version: &daemon.version,
            protocol: daemon.protocol,
            pid: daemon.pid,
            uptime_seconds: daemon.uptime_s,
            socket: &daemon.socket,
            config_home: &daemon.config_home,
            data_home: &daemon.data_home,
            log_file: &daemon.log_file,
            rss_bytes: daemon.rss_bytes,
            backend: &daemon.backend,
        }
    }
}

/// The daemon as a JSON object.
pub(crate) fn daemon_status_json(daemon: &DaemonStatus) -> Result<String> {
    pretty(&DaemonJson::from(daemon))
}
