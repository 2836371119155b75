//! Logging: to a file that only its owner reads, and to standard error where somebody reads that.

use std::{
    env,
    fs::OpenOptions,
    io::{self, IsTerminal},
    os::unix::fs::OpenOptionsExt,
    sync::Mutex,
};

use qmd_proto::paths::Dirs;
use tracing_subscriber::{EnvFilter, Layer, fmt, layer::SubscriberExt, util::SubscriberInitExt};

use super::{DaemonError, lock::private_folder};

/// What is logged unless `QMDD_LOG` says otherwise.
const DEFAULT_FILTER: &str = "info,h2=warn,hyper=warn,tower=warn";

/// Starts logging. The filter is in `tracing`'s own syntax, such as `debug` or `qmdd::infer=trace`.
pub(super) fn start(dirs: &Dirs, filter: Option<&str>) -> Result<(), DaemonError> {
    let path = dirs.log_file();
    let failed = |source: io::Error| DaemonError::Io {
        path: path.clone(),
        source,
    };
    private_folder(&dirs.state).map_err(failed)?;
    let file = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(&path)
        .map_err(failed)?;
    let filter = || EnvFilter::new(filter.unwrap_or(DEFAULT_FILTER));
    // Started by a client, standard error is only there for a failed start.
    let watched = io::stderr().is_terminal() || env::var_os("JOURNAL_STREAM").is_some();
    let console = watched.then(|| {
        fmt::layer()
            .with_ansi(false)
            .with_writer(io::stderr)
            .with_filter(filter())
    });
    tracing_subscriber::registry()
        .with(
            fmt::layer()
                .with_ansi(false)
                .with_writer(Mutex::new(file))
                .with_filter(filter()),
        )
        .with(console)
        .try_init()
        .map_err(|error| DaemonError::Serve(error.to_string()))
}
