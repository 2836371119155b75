//! `service logs`.

use std::process::Stdio;

use tokio::process::Command;

use super::{Site, files::Found, manager::Manager};
use crate::{cli::LogsArgs, client::Home, commands::daemon, error::Result, render::Screen};

pub(super) async fn run(home: &Home, screen: Screen, site: &Site, args: &LogsArgs) -> Result<()> {
    let is_installed = site
        .look()?
        .iter()
        .any(|(_, _, found)| *found != Found::Absent);
    if site.manager == Manager::Systemd && is_installed {
        match journal(args).await {
            Ok(()) => return Ok(()),
            Err(why) => screen.note(&format!("no journal, this is the daemon's file: {why}")),
        }
    }
    daemon::logs::run(home, args).await
}

/// Has the journal printed; says why it could not be. Asked for nothing but entries it prints none
/// where it is not kept, and that is no failure to it.
async fn journal(args: &LogsArgs) -> Result<(), String> {
    let failed = |error| format!("journalctl cannot be run: {error}");
    let probe = journalctl("1").arg("-q").output().await.map_err(failed)?;
    if !probe.status.success() || probe.stdout.is_empty() {
        return Err("the journal has nothing of the service".to_owned());
    }
    let mut command = journalctl(&args.lines.to_string());
    command.args(args.follow.then_some("-f"));
    let status = command.status().await.map_err(failed)?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("journalctl ended with {status}"))
    }
}

fn journalctl(lines: &str) -> Command {
    let mut command = Command::new("journalctl");
    command
        .args(["--user", "-u", "qmdd", "--no-pager", "-n", lines])
        .stdin(Stdio::null())
        .kill_on_drop(true);
    command
}
