//! What the service manager says of the service, read from what its programs print.

use super::manager::AGENT;

/// What a unit is asked for.
pub(super) const PROPERTIES: &str = "--property=Id,LoadState,ActiveState,SubState,UnitFileState,\
     FragmentPath,DropInPaths,MainPID,NeedDaemonReload";

/// A unit or an agent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Unit {
    /// Its name.
    pub(crate) name: String,
    /// Whether the manager knows it.
    pub(crate) loaded: bool,
    /// `enabled`, `disabled` or another state of its file.
    pub(crate) enabled: String,
    /// `active`, `inactive`, `failed` and others; launchd's own words on macOS.
    pub(crate) active: String,
    /// The same in detail.
    pub(crate) detail: String,
    /// The file that it is read from.
    pub(crate) file: String,
    /// Files that change it, parted by spaces.
    pub(crate) drop_ins: String,
    /// The daemon's process.
    pub(crate) pid: Option<u32>,
    /// Whether the file has changed since it was read.
    pub(crate) outdated: bool,
}

impl Unit {
    /// Whether it is there for the next request, now and after the next login.
    pub(super) fn is_ready(&self) -> bool {
        self.enabled == "enabled" && self.active == "active" && !self.outdated
    }
}

/// What the manager knows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct State {
    /// Every unit asked for.
    pub(crate) units: Vec<Unit>,
}

impl State {
    /// The unit of a name.
    pub(super) fn unit(&self, name: &str) -> Option<&Unit> {
        self.units.iter().find(|unit| unit.name == name)
    }

    /// Whether the manager knows any of it.
    pub(super) fn is_loaded(&self) -> bool {
        self.units.iter().any(|unit| unit.loaded)
    }

    /// The daemon's process, if the manager started one.
    pub(super) fn pid(&self) -> Option<u32> {
        self.units.iter().find_map(|unit| unit.pid)
    }
}

/// Reads `systemctl show` of several units.
pub(super) fn of_systemd(said: &str) -> State {
    let units = said.split("\n\n").filter_map(unit_of_systemd).collect();
    State { units }
}

fn unit_of_systemd(block: &str) -> Option<Unit> {
    let get = |key: &str| value(block, key, "=");
    let name = get("Id");
    (!name.is_empty()).then(|| Unit {
        loaded: get("LoadState") == "loaded",
        enabled: get("UnitFileState"),
        active: get("ActiveState"),
        detail: get("SubState"),
        file: get("FragmentPath"),
        drop_ins: get("DropInPaths"),
        pid: get("MainPID").parse().ok().filter(|pid| *pid != 0),
        outdated: get("NeedDaemonReload") == "yes",
        name,
    })
}

/// What the first line for a key says; empty where there is none.
fn value(said: &str, key: &str, separator: &str) -> String {
    let of_key = |line: &str| {
        let (name, value) = line.trim().split_once(separator)?;
        (name == key).then(|| value.to_owned())
    };
    said.lines().find_map(of_key).unwrap_or_default()
}

/// Reads `launchctl print` of the agent, which fails where it is not loaded.
pub(super) fn of_launchd(said: Option<&str>) -> State {
    let get = |key: &str| value(said.unwrap_or_default(), key, " = ");
    State {
        units: vec![Unit {
            name: AGENT.to_owned(),
            loaded: said.is_some(),
            active: get("state"),
            file: get("path"),
            pid: get("pid").parse().ok(),
            ..Unit::default()
        }],
    }
}

/// Whether systemd reads units from a folder, by `systemctl show --property=UnitPath`. A folder whose
/// name would be quoted there is believed.
pub(super) fn reads_units_from(said: &str, folder: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    match said.trim().strip_prefix("UnitPath=") {
        Some(list) if folder.chars().all(is_plain) => {
            list.split_whitespace().any(|path| path == folder)
        }
        _ => true,
    }
}

/// Reads `loginctl show-user --property=Linger`.
pub(super) fn lingering(said: &str) -> Option<bool> {
    match said.trim() {
        "Linger=yes" => Some(true),
        "Linger=no" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHOWN: &str = "\
Id=qmdd.socket
LoadState=loaded
ActiveState=active
SubState=listening
UnitFileState=enabled
FragmentPath=/home/ann/.config/systemd/user/qmdd.socket
DropInPaths=
NeedDaemonReload=no

Id=qmdd.service
LoadState=loaded
ActiveState=inactive
SubState=dead
UnitFileState=disabled
FragmentPath=/home/ann/.config/systemd/user/qmdd.service
DropInPaths=/home/ann/.config/systemd/user/qmdd.service.d/override.conf
MainPID=0
NeedDaemonReload=yes
";

    #[test]
    fn what_systemd_says_is_read() {
        let state = of_systemd(SHOWN);
        assert!(state.is_loaded());
        assert_eq!(state.pid(), None);
        let socket = state.unit("qmdd.socket").unwrap();
        assert!(socket.is_ready());
        assert_eq!(socket.detail, "listening");
        let service = state.unit("qmdd.service").unwrap();
        assert!(!service.is_ready() && service.outdated);
        assert!(service.drop_ins.ends_with("override.conf"));
        let running = of_systemd(&SHOWN.replace("MainPID=0", "MainPID=42"));
        assert_eq!(running.pid(), Some(42));
    }

    #[test]
    fn what_is_not_installed_is_not_loaded() {
        let shown = "Id=qmdd.socket\nLoadState=not-found\nActiveState=inactive\n";
        let state = of_systemd(shown);
        assert!(!state.is_loaded());
        assert_eq!(state.unit("qmdd.service"), None);
        assert_eq!(of_systemd(""), State::default());
        assert!(!of_launchd(None).is_loaded());
    }

    #[test]
    fn what_launchd_says_is_read() {
        let said = "gui/501/io.qmdd.qmdd = {\n\tactive count = 1\n\tpath = /Users/ann/Library/\
             LaunchAgents/io.qmdd.qmdd.plist\n\tstate = running\n\n\tpid = 77\n\tspawn = {\n\t\t\
             state = active\n\t}\n}\n";
        let state = of_launchd(Some(said));
        assert!(state.is_loaded());
        assert_eq!(state.pid(), Some(77));
        let unit = &state.units[0];
        assert_eq!(unit.active, "running");
        assert!(unit.file.ends_with("io.qmdd.qmdd.plist"));
    }

    #[test]
    fn folders_of_units_and_lingering_are_read() {
        let said = "UnitPath=/home/ann/.config/systemd/user /etc/systemd/user\n";
        assert!(reads_units_from(said, "/home/ann/.config/systemd/user"));
        assert!(!reads_units_from(said, "/home/ann/.config/systemd"));
        assert!(
            reads_units_from(said, "/home/ann b/systemd/user"),
            "believed"
        );
        assert!(reads_units_from("", "/x"), "an older systemd");
        assert_eq!(lingering("Linger=yes\n"), Some(true));
        assert_eq!(lingering("Linger=no\n"), Some(false));
        assert_eq!(lingering(""), None);
    }
}
