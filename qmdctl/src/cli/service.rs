//! The arguments of `service`.

use clap::{Args, Subcommand};

use super::args::{Format, FormatArgs, LogsArgs};

pub(super) const SERVICE: &str =
    "A service of your own user, with systemd on Linux and launchd on macOS; never one of the whole \
system. None of this is needed: qmdctl starts the daemon when it is not running.

Example:
  qmdctl service install";
const INSTALL: &str =
    "What is set now, such as QMD_CONFIG_DIR or QMDD_THREADS, is written into the service; secrets \
are not. Run it again after a change or an update: what is up to date stays as it is.

Examples:
  qmdctl service install --dry-run
  qmdctl service install --warm";
const UNINSTALL: &str = "Example:
  qmdctl service uninstall";
const START: &str = "Example:
  qmdctl service start";
const STOP: &str = "Example:
  qmdctl service stop";
const RESTART: &str = "Example:
  qmdctl service restart";
const STATUS: &str = "Example:
  qmdctl service status --json";
const LOGS: &str = "Example:
  qmdctl service logs -f -n 20";

/// `service`.
#[derive(Debug, Subcommand)]
pub(crate) enum ServiceCommand {
    /// Have the service manager start the daemon, for the first request or from login on
    #[command(after_help = INSTALL)]
    Install(InstallArgs),
    /// Stop the service and take its files away
    #[command(after_help = UNINSTALL)]
    Uninstall(UninstallArgs),
    /// Start the daemon as a service
    #[command(after_help = START)]
    Start,
    /// Stop it, until it is started or you log in again
    #[command(after_help = STOP)]
    Stop,
    /// Stop it, then start it
    #[command(after_help = RESTART)]
    Restart,
    /// Show what is installed, and what the service manager says of it
    #[command(after_help = STATUS)]
    Status(FormatArgs),
    /// Print its log: the journal's, else the daemon's file
    #[command(after_help = LOGS)]
    Logs(LogsArgs),
}

impl ServiceCommand {
    /// The format that output and errors are wanted in.
    pub(super) fn format(&self) -> Format {
        match self {
            Self::Status(format) => format.format(),
            _ => Format::Cli,
        }
    }
}

/// `service install`.
#[derive(Debug, Args)]
pub(crate) struct InstallArgs {
    /// Start the daemon at login, not for the first request
    #[arg(long)]
    pub(crate) warm: bool,
    /// Print the files and the commands, and do nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Write the files alone, and print the commands
    #[arg(long, conflicts_with = "dry_run")]
    pub(crate) no_start: bool,
    /// Stop a daemon that was not started by the service manager
    #[arg(long)]
    pub(crate) take_over: bool,
    /// Overwrite files that are not of an installation
    #[arg(long)]
    pub(crate) force: bool,
}

/// `service uninstall`.
#[derive(Debug, Args)]
pub(crate) struct UninstallArgs {
    /// Take the files away alone, and print the commands
    #[arg(long)]
    pub(crate) no_stop: bool,
    /// Remove files that are not of an installation too
    #[arg(long)]
    pub(crate) force: bool,
}
