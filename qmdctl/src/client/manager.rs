//! Whether a service manager looks after the daemon: then it is not started behind its back.

use std::{env, path::Path};

use directories::BaseDirs;

/// The command by which the service manager starts the daemon; `None` when none looks after it.
pub(super) fn start_command() -> Option<String> {
    let base = BaseDirs::new()?;
    command(
        &base,
        env::var_os("XDG_RUNTIME_DIR").as_deref().map(Path::new),
    )
}

/// systemd: our socket unit is installed for the user, and the user's manager runs.
#[cfg(not(target_os = "macos"))]
fn command(base: &BaseDirs, runtime: Option<&Path>) -> Option<String> {
    let unit = base.config_dir().join("systemd/user/qmdd.socket");
    let manager = runtime?.join("systemd/private");
    (unit.exists() && manager.exists()).then(|| "systemctl --user start qmdd.socket".to_owned())
}

/// launchd: our agent is installed for the user.
#[cfg(target_os = "macos")]
fn command(base: &BaseDirs, _: Option<&Path>) -> Option<String> {
    let agent = base
        .home_dir()
        .join("Library/LaunchAgents/io.qmdd.qmdd.plist");
    let user = rustix::process::getuid().as_raw();
    agent
        .exists()
        .then(|| format!("launchctl kickstart gui/{user}/io.qmdd.qmdd"))
}
