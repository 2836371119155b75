//! What is to be done, worked out from what is found: nothing here has effects.

use std::path::PathBuf;

use super::{
    files::{Change, Wanted},
    manager::{Manager, SERVICE, SOCKET, Words, domain, target},
    state::{State, Unit},
};

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// Write a file, unless it says what it should already.
    Write {
        /// Where.
        path: PathBuf,
        /// What it says.
        text: String,
        /// What is different.
        change: Change,
    },
    /// Take a file away.
    Remove(PathBuf),
    /// End the daemon that was not started by the service manager.
    StopDaemon,
    /// Have the manager do something.
    Run(Words),
}

/// How a service is wanted.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Wish {
    /// Started at login.
    pub(super) warm: bool,
    /// A daemon in its way is ended.
    pub(super) stop_daemon: bool,
}

/// The steps of an installation. Without a state, when nobody could be asked, nothing is believed to
/// be enabled.
pub(super) fn install(
    manager: Manager,
    files: Vec<Wanted>,
    state: Option<&State>,
    wish: Wish,
) -> Vec<Step> {
    let commands = match manager {
        Manager::Systemd => enable(&files, state, wish.warm),
        Manager::Launchd { user } => bootstrap(user, &files, state),
    };
    let mut steps: Vec<Step> = files
        .into_iter()
        .map(|file| Step::Write {
            path: file.path,
            text: file.text,
            change: file.change,
        })
        .collect();
    // With the files in place no client starts another daemon in the place of this one.
    steps.extend(wish.stop_daemon.then_some(Step::StopDaemon));
    steps.extend(commands.into_iter().map(Step::Run));
    steps
}

fn enable(files: &[Wanted], state: Option<&State>, warm: bool) -> Vec<Words> {
    let unit = |name: &str| state.and_then(|state| state.unit(name));
    // Now, or since the manager last looked: by hand, or by an installation that failed half-way.
    let is_stale = |name: &str| unit(name).is_some_and(|unit| unit.outdated);
    let is_updated = |name| {
        let mut named = files.iter().filter(|file| file.name == name);
        is_stale(name) || named.any(|file| matches!(file.change, Change::Updated { .. }))
    };
    let mut commands = Vec::new();
    let changed = files.iter().any(|file| file.change != Change::Unchanged);
    if changed || is_updated(SOCKET) || is_updated(SERVICE) {
        commands.push(Words::of("systemctl --user daemon-reload"));
    }
    // Does nothing for what is not active. The service goes along with its socket.
    let again = Words::of("systemctl --user try-restart");
    if is_updated(SOCKET) {
        commands.push(again.and(SOCKET));
    } else if is_updated(SERVICE) {
        commands.push(again.and(SERVICE));
    }
    let mut wanted = vec![SOCKET];
    wanted.extend(warm.then_some(SERVICE));
    let is_ready = |name: &&str| !changed && unit(name).is_some_and(Unit::is_ready);
    if !wanted.iter().all(is_ready) {
        let enable = Words::of("systemctl --user enable --now");
        commands.push(wanted.into_iter().fold(enable, Words::and));
    }
    commands
}

fn bootstrap(user: u32, files: &[Wanted], state: Option<&State>) -> Vec<Words> {
    let changed = files.iter().any(|file| file.change != Change::Unchanged);
    let is_loaded = state.is_some_and(State::is_loaded);
    let mut commands = Vec::new();
    if is_loaded && changed {
        commands.push(Words::of("launchctl bootout").and(target(user)));
    }
    if !is_loaded || changed {
        for file in files {
            let load = Words::of("launchctl bootstrap").and(domain(user));
            commands.push(load.and(file.path.to_string_lossy()));
        }
    }
    commands
}

/// The steps that take an installation away: of its files, those that are there.
pub(super) fn uninstall(
    manager: Manager,
    files: &[(&'static str, PathBuf)],
    state: Option<&State>,
) -> Vec<Step> {
    let remove = files.iter().map(|(_, path)| Step::Remove(path.clone()));
    let (before, after) = match manager {
        Manager::Systemd => {
            // A unit that still listens, and whose file is gone already.
            let is_left = |name: &&'static str| {
                let unit = state.and_then(|state| state.unit(name));
                files.iter().all(|(file, _)| file != name)
                    && unit.is_some_and(|unit| unit.active == "active")
            };
            let mut left = [SOCKET, SERVICE].into_iter().filter(is_left).peekable();
            let stop = Words::of("systemctl --user stop");
            let stop = left.peek().is_some().then(|| left.fold(stop, Words::and));
            let disable = Words::of("systemctl --user disable --now");
            let disable = files
                .iter()
                .map(|(name, _)| *name)
                .fold(disable, Words::and);
            let reload = Words::of("systemctl --user daemon-reload");
            (stop.into_iter().chain([disable]).collect(), Some(reload))
        }
        Manager::Launchd { user } => {
            // Where nobody could be asked, it may be.
            let is_loaded = state.is_none_or(State::is_loaded);
            let out = Words::of("launchctl bootout").and(target(user));
            (Vec::from_iter(is_loaded.then_some(out)), None)
        }
    };
    let before = before.into_iter().map(Step::Run);
    before
        .chain(remove)
        .chain(after.into_iter().map(Step::Run))
        .collect()
}

/// The steps that start what is installed.
pub(super) fn start(manager: Manager, agent: Option<PathBuf>, state: &State) -> Vec<Step> {
    let words = match (manager, agent) {
        // It starts as it is loaded.
        (Manager::Launchd { user }, Some(agent)) if !state.is_loaded() => {
            let load = Words::of("launchctl bootstrap").and(domain(user));
            load.and(agent.to_string_lossy())
        }
        _ => manager.start(),
    };
    vec![Step::Run(words)]
}

#[cfg(test)]
mod tests;
