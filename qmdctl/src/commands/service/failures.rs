//! What can go wrong with a service, each with its reason and with what to do next.

use std::{io, path::Path};

use qmd_proto::Reason;

use super::manager::{Manager, Words};
use crate::error::Failure;

/// What a user without a service manager is told in any case.
const NOT_NEEDED: &str = "without a service, qmdctl starts the daemon by itself";

/// The service manager is not there, or does not answer.
pub(super) fn unreachable(manager: Manager, why: &str) -> Failure {
    let message = match manager {
        Manager::Systemd => format!("the user's systemd cannot be reached: {why}"),
        Manager::Launchd { .. } => format!("launchd cannot be reached: {why}"),
    };
    Failure::new(Reason::ToolFailed, message).hint(format!(
        "log in as the user whose service it is, not by su or sudo; {NOT_NEEDED}"
    ))
}

/// The same, for who could be content with the files.
pub(super) fn or_files_alone(failure: Failure, way: &str) -> Failure {
    let hint = failure.hint.clone().unwrap_or_default();
    failure.hint(format!("{hint}; {way}"))
}

/// The manager looks for units elsewhere.
pub(super) fn folder_not_read(folder: &Path) -> Failure {
    let message = format!(
        "the user's systemd does not read units from {}",
        folder.display()
    );
    Failure::new(Reason::ToolFailed, message).hint(
        "run it with HOME and XDG_CONFIG_HOME as they are at login; QMD_CONFIG_DIR can name \
         another configuration",
    )
}

/// A command of the manager failed.
pub(super) fn command_failed(manager: Manager, words: &Words, said: &str) -> Failure {
    let tells = |line: &&str| {
        let by_the_way = ["See ", "Created symlink", "Removed "];
        !line.is_empty() && !by_the_way.iter().any(|start| line.starts_with(start))
    };
    let last = said.lines().map(str::trim).rfind(tells);
    let why = last.unwrap_or("it did not say why");
    Failure::new(Reason::ToolFailed, format!("`{words}` failed: {why}"))
        .hint(format!("see {}, then run this again", manager.look()))
}

/// Nothing is installed that could be started or stopped.
pub(super) fn not_installed() -> Failure {
    Failure::new(Reason::ConfigUnavailable, "the service is not installed")
        .hint("install it with `qmdctl service install`")
}

/// A file is there that no installation has written.
pub(super) fn foreign(path: &Path, why: &str, verb: &str) -> Failure {
    let message = format!("{} {why}: it is left alone", path.display());
    Failure::new(Reason::ConfigConflict, message).hint(format!(
        "move it away, or run `qmdctl service {verb} --force` to lose it"
    ))
}

/// A file cannot be read, written or removed.
pub(super) fn file(path: &Path, error: &io::Error) -> Failure {
    Failure::of_path(path, error, Reason::ConfigUnavailable)
        .hint("check that the folder and the file are yours, and that there is space left")
}

/// A daemon runs that the manager did not start.
pub(super) fn started_by_hand(pid: u32, option: Option<&str>) -> Failure {
    let message = format!("a daemon runs that the service manager did not start, process {pid}");
    let or = option.map_or(String::new(), |option| format!(", or use `{option}`"));
    Failure::new(Reason::DaemonRunning, message)
        .hint(format!("stop it with `qmdctl daemon stop`{or}"))
}

/// No daemon to name in the files.
pub(super) fn program_missing() -> Failure {
    Failure::new(
        Reason::DaemonStartFailed,
        "there is no qmdd to install as a service",
    )
    .hint("install qmdd beside qmdctl or on the PATH, or set QMDD_BIN to its place")
}

/// A path or a variable that the manager's files have no way to write.
pub(super) fn unwritable(what: &str, why: &str, hint: &str) -> Failure {
    Failure::new(Reason::InvalidArgument, format!("{what} {why}")).hint(hint)
}

/// Root, on another user's behalf.
pub(super) fn root(user: &str) -> Failure {
    let message = format!("you are root for {user}, and the service would be root's");
    Failure::new(Reason::SocketRefused, message).hint(format!(
        "run it as {user}, without sudo; for a service of root itself log in as root"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_command_is_named_with_what_it_complained_of() {
        let words = Words::of("systemctl --user start qmdd.service");
        let message = |said: &str| command_failed(Manager::Systemd, &words, said).message;
        let said = "Created symlink /a -> /b.\n\
             Job for qmdd.service failed because the control process exited with error code.\n\
             See \"systemctl --user status qmdd.service\" for details.\n";
        assert_eq!(
            message(said),
            "`systemctl --user start qmdd.service` failed: Job for qmdd.service failed because \
             the control process exited with error code."
        );
        assert!(message("\n").ends_with("failed: it did not say why"));
    }
}
