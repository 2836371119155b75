//! `service status`.

use std::path::PathBuf;

use super::{
    Site, VERSION,
    facts::Facts,
    files::Found,
    manager::Manager,
    plist, runner, running,
    state::{State, Unit},
    unit,
};
use crate::{
    cli::Format,
    client::Home,
    error::Result,
    render::{self, Screen},
};

/// All there is to say of the service.
#[derive(Debug, Clone, Default)]
pub(crate) struct Overview {
    /// The service manager.
    pub(crate) manager: &'static str,
    /// Its files.
    pub(crate) files: Vec<Place>,
    /// The daemon that the files name.
    pub(crate) program: Option<String>,
    /// The daemon that an installation would name now; `None` when there is none.
    pub(crate) expected: Option<PathBuf>,
    /// What the manager says of each unit.
    pub(crate) units: Vec<Unit>,
    /// Why it says nothing.
    pub(crate) unreachable: Option<String>,
    /// Whether the service outlasts the last session; `None` when nobody knows.
    pub(crate) lingering: Option<bool>,
    /// The process of a daemon that the manager did not start.
    pub(crate) by_hand: Option<u32>,
    /// The version of this program.
    pub(crate) version: &'static str,
}

/// The place of a file.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// Where it is.
    pub(crate) path: PathBuf,
    /// What lies there.
    pub(crate) state: FileState,
}

/// What lies in the place of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FileState {
    /// Nothing.
    Absent,
    /// A file of an installation, with the version that wrote it.
    Installed(String),
    /// Somebody's own.
    ByHand,
}

impl Overview {
    /// Whether there is a service.
    pub(crate) fn is_installed(&self) -> bool {
        let lies_there = |place: &Place| place.state != FileState::Absent;
        self.files.iter().any(lies_there) || self.units.iter().any(|unit| unit.loaded)
    }

    /// Whether an installation would change something: a version, or the daemon's place.
    pub(crate) fn is_outdated(&self) -> bool {
        let is_old = |place: &Place| match &place.state {
            FileState::Installed(version) => version != self.version,
            FileState::Absent => true,
            FileState::ByHand => false,
        };
        let elsewhere = match (&self.program, &self.expected) {
            (Some(program), Some(expected)) => *program != expected.to_string_lossy(),
            _ => false,
        };
        let ours = |place: &Place| matches!(place.state, FileState::Installed(_));
        self.files.iter().any(ours) && (self.files.iter().any(is_old) || elsewhere)
    }
}

pub(super) async fn run(home: &Home, screen: Screen, site: &Site) -> Result<()> {
    let found = site.look()?;
    let program = found.iter().find_map(|(_, _, found)| program(site, found));
    let (state, unreachable) = match runner::ask(site.manager, site.runtime()).await {
        Ok(state) => (state, None),
        Err(failure) => (State::default(), Some(failure.message)),
    };
    let by_hand = running::daemon(&home.dirs.lock_file()).filter(|pid| state.pid() != Some(*pid));
    let expected = Facts::from_process().ok();
    let overview = Overview {
        manager: site.manager.name(),
        files: found.into_iter().map(place).collect(),
        program,
        expected: expected.map(|facts| facts.program),
        units: state.units,
        unreachable,
        lingering: runner::lingering(site.manager).await,
        by_hand,
        version: VERSION,
    };
    match screen.format() {
        Format::Cli => Screen::print(&render::service_status(&overview)),
        Format::Json => Screen::print(&render::service_status_json(&overview)?),
    }
}

fn place((_, path, found): (&'static str, PathBuf, Found)) -> Place {
    let state = match found {
        Found::Absent => FileState::Absent,
        Found::Ours { version, .. } => FileState::Installed(version),
        Found::Shipped | Found::Foreign { .. } => FileState::ByHand,
    };
    Place { path, state }
}

/// The daemon that a file names.
fn program(site: &Site, found: &Found) -> Option<String> {
    let shipped = site.manager.shipped().last()?.text;
    let text = match found {
        Found::Ours { text, .. } | Found::Foreign { text, .. } => text.as_str(),
        Found::Shipped => shipped,
        Found::Absent => return None,
    };
    match site.manager {
        Manager::Systemd => unit::program_in(text),
        Manager::Launchd { .. } => plist::program_in(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn overview(states: [FileState; 2]) -> Overview {
        Overview {
            files: states
                .into_iter()
                .map(|state| Place {
                    path: "/u".into(),
                    state,
                })
                .collect(),
            program: Some("/b/qmdd".into()),
            expected: Some("/b/qmdd".into()),
            version: "0.2.0",
            ..Overview::default()
        }
    }

    #[test]
    fn an_old_version_another_place_and_a_missing_file_are_outdated() {
        let installed = |version: &str| FileState::Installed(version.into());
        let current = overview([installed("0.2.0"), installed("0.2.0")]);
        assert!(current.is_installed() && !current.is_outdated());
        assert!(overview([installed("0.2.0"), installed("0.1.0")]).is_outdated());
        assert!(overview([FileState::Absent, installed("0.2.0")]).is_outdated());
        let moved = Overview {
            expected: Some("/new/qmdd".into()),
            ..current.clone()
        };
        assert!(moved.is_outdated());
        let gone = Overview {
            expected: None,
            ..current
        };
        assert!(!gone.is_outdated(), "nothing better is known");
        let by_hand = overview([FileState::ByHand, FileState::ByHand]);
        assert!(by_hand.is_installed() && !by_hand.is_outdated());
        assert!(!overview([FileState::Absent, FileState::Absent]).is_installed());
    }
}
