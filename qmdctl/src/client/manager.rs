//! Whether a service manager looks after the daemon: then it is not started behind its back.

use std::{env, path::Path};

use directories::BaseDirs;

/// What has the service manager start the daemon.
const START: &str = "qmdctl service start";

/// The command by which the service manager starts the daemon; `None` when none looks after it.
pub(super) fn start_command() -> Option<String> {
    let base = BaseDirs::new()?;
    let runtime = env::var_os("XDG_RUNTIME_DIR");
    looks_after(&base, runtime.as_deref().map(Path::new)).then(|| START.to_owned())
}

/// systemd: our socket unit is installed for the user, and the user's manager runs.
#[cfg(not(target_os = "macos"))]
fn looks_after(base: &BaseDirs, runtime: Option<&Path>) -> bool {
    let unit = base.config_dir().join("systemd/user/qmdd.socket");
    unit.exists() && runtime.is_some_and(|runtime| runtime.join("systemd/private").exists())
}

/// launchd: our agent is installed for the user.
#[cfg(target_os = "macos")]
fn looks_after(base: &BaseDirs, _: Option<&Path>) -> bool {
    let agent = base
        .home_dir()
        .join("Library/LaunchAgents/io.qmdd.qmdd.plist");
    agent.exists()
}
