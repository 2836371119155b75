//! Logging: to a file that only its owner reads, and to standard error where somebody reads that.

use std::{
    env,
    fs::{File, OpenOptions},
    io::{self, IsTerminal},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    sync::Mutex,
};

use qmd_proto::paths::Dirs;
use tracing_subscriber::{EnvFilter, Layer, fmt, layer::SubscriberExt, util::SubscriberInitExt};

use super::{
    DaemonError,
    lock::{is_read_only, private_folder},
};

/// What is logged unless `QMDD_LOG` says otherwise.
const DEFAULT_FILTER: &str = "info,h2=warn,hyper=warn,tower=warn";

/// Starts logging. The filter is in `tracing`'s own syntax, such as `debug` or `qmdd::infer=trace`.
pub(super) fn start(dirs: &Dirs, filter: Option<&str>) -> Result<(), DaemonError> {
    let path = dirs.log_file();
    let failed = |source: io::Error| DaemonError::Io {
        path: path.clone(),
        source,
    };
    let file = match open(&path, &dirs.state) {
        // A disk that is read-only or full for now is no reason not to serve what is there.
        Err(error) if is_read_only(&error) || error.kind() == io::ErrorKind::StorageFull => None,
        opened => Some(opened.map_err(failed)?),
    };
    let filter = || EnvFilter::new(filter.unwrap_or(DEFAULT_FILTER));
    // Started by a client, standard error is only there for a failed start.
    let watched =
        io::stderr().is_terminal() || env::var_os("JOURNAL_STREAM").is_some() || file.is_none();
    let console = watched.then(|| {
        fmt::layer()
            .with_ansi(false)
            .with_writer(io::stderr)
            .with_filter(filter())
    });
    let file = file.map(|file| {
        fmt::layer()
            .with_ansi(false)
            .with_writer(Mutex::new(file))
            .with_filter(filter())
    });
    tracing_subscriber::registry()
        .with(file)
        .with(console)
        .try_init()
        .map_err(|error| DaemonError::Serve(error.to_string()))
}

fn open(path: &Path, folder: &Path) -> io::Result<File> {
    private_folder(folder)?;
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)
}
