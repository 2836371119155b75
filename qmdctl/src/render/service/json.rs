//! The daemon as a service, for programs.

use serde::Serialize;

use super::super::json::{pretty, unless_empty};
use crate::{
    commands::service::{FileState, Overview, Place, Unit},
    error::Result,
};

/// The service in JSON.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ServiceJson<'a> {
    manager: &'a str,
    installed: bool,
    up_to_date: bool,
    version: &'a str,
    program: Option<&'a str>,
    files: Vec<FileJson<'a>>,
    units: Vec<UnitJson<'a>>,
    lingering: Option<bool>,
    daemon_by_hand: Option<u32>,
    unreachable: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct FileJson<'a> {
    path: String,
    state: &'static str,
    version: Option<&'a str>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct UnitJson<'a> {
    name: &'a str,
    loaded: bool,
    enabled: Option<&'a str>,
    active: Option<&'a str>,
    detail: Option<&'a str>,
    file: Option<&'a str>,
    drop_ins: Option<&'a str>,
    pid: Option<u32>,
    needs_reload: bool,
}

impl<'a> From<&'a Place> for FileJson<'a> {
    fn from(place: &'a Place) -> Self {
        let (state, version) = match &place.state {
            FileState::Absent => ("absent", None),
            FileState::Installed(version) => ("installed", Some(version.as_str())),
            FileState::ByHand => ("by-hand", None),
        };
        Self {
            path: place.path.to_string_lossy().into_owned(),
            state,
            version,
        }
    }
}

impl<'a> From<&'a Unit> for UnitJson<'a> {
    fn from(unit: &'a Unit) -> Self {
        Self {
            name: &unit.name,
            loaded: unit.loaded,
            enabled: unless_empty(&unit.enabled),
            active: unless_empty(&unit.active),
            detail: unless_empty(&unit.detail),
            file: unless_empty(&unit.file),
            drop_ins: unless_empty(&unit.drop_ins),
            pid: unit.pid,
            needs_reload: unit.outdated,
        }
    }
}

/// The service as a JSON object.
pub(crate) fn service_status_json(overview: &Overview) -> Result<String> {
    pretty(&ServiceJson {
        manager: overview.manager,
        installed: overview.is_installed(),
        up_to_date: overview.is_installed() && !overview.is_outdated(),
        version: overview.version,
        program: overview.program.as_deref(),
        files: overview.files.iter().map(FileJson::from).collect(),
        units: overview.units.iter().map(UnitJson::from).collect(),
        lingering: overview.lingering,
        daemon_by_hand: overview.by_hand,
        unreachable: overview.unreachable.as_deref(),
    })
}
