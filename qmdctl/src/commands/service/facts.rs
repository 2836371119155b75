//! What an installation is made of: the daemon's place, and the variables that it reads.

use std::{
    env,
    ffi::{OsStr, OsString},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use super::failures;
use crate::error::{Failure, Result};

/// Variables that name folders. The daemon passes over relative ones.
const FOLDERS: [&str; 5] = [
    "QMD_CONFIG_DIR",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "XDG_STATE_HOME",
    "XDG_CACHE_HOME",
];
/// The other settings of the daemon.
const SETTINGS: [&str; 14] = [
    "QMD_EMBED_MODEL",
    "QMD_RERANK_MODEL",
    "QMD_GENERATE_MODEL",
    "QMDD_LOG",
    "QMDD_THREADS",
    "QMDD_KEEP_ALIVE",
    "QMDD_MLOCK",
    "QMDD_MEMORY_MB",
    "QMDD_CACHE_MB",
    "QMDD_RERANK_PROBE",
    "QMDD_WATCH",
    "QMDD_MODAL_URL",
    "QMDD_MODAL_REGION",
    "QMDD_REGION_TARGETS",
];
/// What the daemon reads too, and a file that anyone may read does not get: secrets, addresses that
/// can hold a password, and the socket's place, which is the service manager's to say.
const LEFT_OUT: [&str; 8] = [
    "QMDD_SOCKET",
    "QMDD_MODAL_TOKEN",
    "HF_TOKEN",
    "HF_ENDPOINT",
    "HTTPS_PROXY",
    "https_proxy",
    "ALL_PROXY",
    "all_proxy",
];

/// What is found in this process's environment.
#[derive(Debug)]
pub(super) struct Facts {
    /// The daemon, absolute.
    pub(super) program: PathBuf,
    /// The variables that the service gets.
    pub(super) variables: Vec<(&'static str, String)>,
    /// The variables that are set and that it does not get.
    pub(super) left_out: Vec<&'static str>,
}

impl Facts {
    /// Looks for the daemon and at the variables.
    pub(super) fn from_process() -> Result<Self> {
        let program = program(
            env::var_os("QMDD_BIN").as_deref(),
            env::current_exe().ok().as_deref(),
            env::var_os("PATH").as_deref(),
        );
        Ok(Self {
            program: program.ok_or_else(failures::program_missing)?,
            variables: variables(|name| env::var_os(name))?,
            left_out: left_out(|name| env::var_os(name)),
        })
    }
}

/// The daemon, by the rule of who starts it without a service: `QMDD_BIN`, else the one beside this
/// program, else the one on the PATH. Unlike there it must be there.
fn program(named: Option<&OsStr>, own: Option<&Path>, path: Option<&OsStr>) -> Option<PathBuf> {
    if let Some(named) = named.filter(|named| !named.is_empty()) {
        return std::path::absolute(named).ok().filter(|path| runs(path));
    }
    own.map(|own| own.with_file_name("qmdd"))
        .filter(|path| runs(path))
        .or_else(|| on_path("qmdd", path))
}

fn on_path(name: &str, path: Option<&OsStr>) -> Option<PathBuf> {
    env::split_paths(path?)
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join(name))
        .find(|path| runs(path))
}

fn runs(path: &Path) -> bool {
    path.metadata()
        .is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

fn variables(var: impl Fn(&str) -> Option<OsString>) -> Result<Vec<(&'static str, String)>> {
    let folders = FOLDERS
        .into_iter()
        .filter_map(|name| Some((name, var(name)?)))
        .filter(|(_, value)| Path::new(value).is_absolute());
    let settings = SETTINGS
        .into_iter()
        .filter_map(|name| Some((name, var(name)?)))
        .filter(|(_, value)| !value.is_empty());
    folders
        .chain(settings)
        .map(|(name, value)| Ok((name, writable(name, value)?)))
        .collect()
}

/// A value as a line of a file can hold it.
fn writable(name: &str, value: OsString) -> Result<String, Failure> {
    let hint = "set it to plain text, or unset it for this command";
    let value = value
        .into_string()
        .map_err(|_| failures::unwritable(name, "is not UTF-8", hint))?;
    if value.contains(char::is_control) {
        return Err(failures::unwritable(
            name,
            "holds a control character",
            hint,
        ));
    }
    Ok(value)
}

fn left_out(var: impl Fn(&str) -> Option<OsString>) -> Vec<&'static str> {
    let is_set = |name: &&str| var(name).is_some_and(|value| !value.is_empty());
    LEFT_OUT.into_iter().filter(is_set).collect()
}

#[cfg(test)]
mod tests {
    use std::{collections::HashMap, fs, os::unix::ffi::OsStringExt};

    use super::*;

    fn executable(path: &Path) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "").unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    #[test]
    fn the_daemon_is_found_where_a_client_would_start_it() {
        let dir = tempfile::tempdir().unwrap();
        let place = |name: &str| dir.path().join(name);
        let (own, search) = (place("bin/qmdctl"), place("path"));
        let find = |named: Option<&Path>| {
            program(
                named.map(Path::as_os_str),
                Some(&own),
                Some(search.as_os_str()),
            )
        };
        assert_eq!(find(None), None);
        executable(&place("path/qmdd"));
        assert_eq!(find(None), Some(place("path/qmdd")));
        executable(&place("bin/qmdd"));
        assert_eq!(find(None), Some(place("bin/qmdd")));
        executable(&place("own/qmdd-new"));
        assert_eq!(
            find(Some(&place("own/qmdd-new"))),
            Some(place("own/qmdd-new"))
        );
        assert_eq!(find(Some(&place("nowhere"))), None);
        fs::write(place("plain"), "").unwrap();
        assert_eq!(find(Some(&place("plain"))), None, "not executable");
    }

    fn vars<'a>(pairs: &'a [(&str, &str)]) -> impl Fn(&str) -> Option<OsString> + use<'a> {
        let map: HashMap<String, OsString> = pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), OsString::from(value)))
            .collect();
        move |name| map.get(name).cloned()
    }

    #[test]
    fn what_the_daemon_reads_is_taken_along_and_secrets_are_not() {
        let set = [
            ("QMD_CONFIG_DIR", "/c"),
            ("XDG_DATA_HOME", "relative"),
            ("XDG_CACHE_HOME", ""),
            ("QMDD_WATCH", "0"),
            ("QMDD_LOG", ""),
            ("QMDD_SOCKET", "/s"),
            ("QMDD_MODAL_TOKEN", "wk-a.ws-b"),
            ("HF_TOKEN", "hf"),
            ("QMDD_BIN", "/b"),
            ("PATH", "/p"),
        ];
        let found = variables(vars(&set)).unwrap();
        let expected = [("QMD_CONFIG_DIR", "/c"), ("QMDD_WATCH", "0")];
        assert_eq!(
            found,
            expected.map(|(name, value)| (name, value.to_owned()))
        );
        let out = left_out(vars(&set));
        assert_eq!(out, ["QMDD_SOCKET", "QMDD_MODAL_TOKEN", "HF_TOKEN"]);
    }

    #[test]
    fn what_no_line_can_hold_is_refused() {
        let reason = |value: OsString| {
            let failure = writable("QMDD_LOG", value).unwrap_err();
            (failure.reason.into_owned(), failure.message)
        };
        assert_eq!(
            reason("a\nb".into()),
            (
                "INVALID_ARGUMENT".to_owned(),
                "QMDD_LOG holds a control character".to_owned()
            )
        );
        assert_eq!(
            reason(OsString::from_vec(vec![0xff])).1,
            "QMDD_LOG is not UTF-8"
        );
    }

    /// The names that a source of the daemon asks its environment for.
    fn read_in(source: &'static str) -> impl Iterator<Item = &'static str> {
        source
            .split("text(\"")
            .skip(1)
            .filter_map(|rest| Some(rest.split_once('"')?.0))
    }

    #[test]
    fn no_variable_of_the_daemon_is_forgotten() {
        let sources = [
            include_str!("../../../../qmdd/src/config/settings.rs"),
            include_str!("../../../../qmdd/src/config/surroundings.rs"),
        ];
        let read: Vec<_> = sources.into_iter().flat_map(read_in).collect();
        assert!(read.contains(&"QMDD_THREADS"), "{read:?}");
        let known = |name: &str| {
            // The time zone is the system's.
            SETTINGS.contains(&name) || LEFT_OUT.contains(&name) || name == "TZ"
        };
        let unknown: Vec<_> = read.iter().filter(|name| !known(name)).collect();
        assert!(unknown.is_empty(), "{unknown:?}");
        assert!(SETTINGS.iter().all(|name| read.contains(name)));
    }
}
