//! The files of an installation: what lies in their places, and what is written there.

use std::{
    fs::{self, Permissions},
    io::{self, ErrorKind, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use super::{failures, marker};
use crate::error::{Failure, Result};

/// Anyone may read them, as other units.
const MODE: u32 = 0o644;

/// What lies in the place of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    /// Nothing.
    Absent,
    /// A file that an installation wrote.
    Ours {
        /// What it says.
        text: String,
        /// Of which version it is.
        version: String,
    },
    /// The file of the repository, copied by hand and not changed.
    Shipped,
    /// Somebody's own.
    Foreign {
        /// What it says; empty when it is no file.
        text: String,
        /// What is different about it.
        why: &'static str,
    },
}

/// Looks at a place.
pub(super) fn look(path: &Path, shipped: &str) -> Result<Found, Failure> {
    let failed = |error| failures::file(path, &error);
    let foreign = |why| Found::Foreign {
        text: String::new(),
        why,
    };
    let kind = match fs::symlink_metadata(path) {
        Ok(found) => found.file_type(),
        Err(error) if is_absent(&error) => return Ok(Found::Absent),
        Err(error) => return Err(failed(error)),
    };
    if kind.is_symlink() {
        // Of a manager of configurations, or a mask.
        return Ok(foreign("is a link"));
    }
    if !kind.is_file() {
        return Ok(foreign("is no file"));
    }
    let text = String::from_utf8_lossy(&fs::read(path).map_err(failed)?).into_owned();
    let version = marker::version(&text).map(str::to_owned);
    Ok(match version {
        Some(version) => Found::Ours { text, version },
        None if text == shipped => Found::Shipped,
        None => Found::Foreign {
            text,
            why: "was not written by an installation, or has been edited",
        },
    })
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

/// What is to happen to a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    /// It says what it should.
    Unchanged,
    /// There is none yet.
    New,
    /// It takes the place of another one.
    Updated {
        /// The version of the other one, if an installation wrote it.
        from: Option<String>,
    },
}

/// A file of an installation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted {
    /// Its name.
    pub(super) name: &'static str,
    /// Where it lies.
    pub(super) path: PathBuf,
    /// What it says.
    pub(super) text: String,
    /// What is to happen to it.
    pub(super) change: Change,
}

/// What is to happen to a file that should say `text`; refused where it would be somebody's loss.
pub(super) fn change(
    found: Found,
    path: &Path,
    text: &str,
    force: bool,
) -> Result<Change, Failure> {
    Ok(match found {
        Found::Absent => Change::New,
        Found::Ours { text: old, .. } if old == text => Change::Unchanged,
        Found::Ours { version, .. } => Change::Updated {
            from: Some(version),
        },
        Found::Shipped => Change::Updated { from: None },
        Found::Foreign { .. } if force => Change::Updated { from: None },
        Found::Foreign { why, .. } => return Err(failures::foreign(path, why, "install")),
    })
}

/// Puts a file in its place in one step.
pub(super) fn write(path: &Path, text: &str) -> Result<()> {
    replace(path, text).map_err(|error| failures::file(path, &error).into())
}

fn replace(path: &Path, text: &str) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(folder)?;
    let mut new = tempfile::Builder::new()
        .prefix(".qmdd-")
        .permissions(Permissions::from_mode(MODE))
        .tempfile_in(folder)?;
    new.write_all(text.as_bytes())?;
    new.as_file().sync_all()?;
    new.persist(path)?;
    Ok(())
}

/// Takes a file away, if it is there.
pub(super) fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if !is_absent(&error) => Err(failures::file(path, &error).into()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHIPPED: &str = "[Unit]\n";

    fn ours(version: &str) -> String {
        marker::unit("qmdd.service", version) + SHIPPED
    }

    #[test]
    fn what_lies_there_is_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("units/qmdd.service");
        let look = || look(&path, SHIPPED).unwrap();
        assert_eq!(look(), Found::Absent);
        write(&path, &ours("0.1.0")).unwrap();
        assert!(matches!(look(), Found::Ours { version, .. } if version == "0.1.0"));
        let mode = path.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777 & !MODE, 0, "no more than anyone may read");
        write(&path, SHIPPED).unwrap();
        assert_eq!(look(), Found::Shipped);
        write(&path, "[Unit]\nDescription=mine\n").unwrap();
        assert!(matches!(look(), Found::Foreign { text, .. } if text.contains("mine")));
        let left: Vec<_> = fs::read_dir(path.parent().unwrap()).unwrap().collect();
        assert_eq!(left.len(), 1, "no temporary file stays: {left:?}");
        remove(&path).unwrap();
        remove(&path).unwrap();
        std::os::unix::fs::symlink("/dev/null", &path).unwrap();
        assert!(matches!(
            look(),
            Found::Foreign {
                why: "is a link",
                ..
            }
        ));
        remove(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert!(matches!(
            look(),
            Found::Foreign {
                why: "is no file",
                ..
            }
        ));
        assert!(write(&path, "x").is_err());
    }

    #[test]
    fn only_what_an_installation_wrote_is_written_anew() {
        let text = ours("0.2.0");
        let ours = |version: &str| Found::Ours {
            text: ours(version),
            version: version.to_owned(),
        };
        let foreign = || Found::Foreign {
            text: "mine".into(),
            why: "is a link",
        };
        let change = |found, force| change(found, Path::new("/u/q"), &text, force);
        assert_eq!(change(Found::Absent, false).unwrap(), Change::New);
        assert_eq!(change(ours("0.2.0"), false).unwrap(), Change::Unchanged);
        let from = |from: Option<&str>| Change::Updated {
            from: from.map(str::to_owned),
        };
        assert_eq!(change(ours("0.1.0"), false).unwrap(), from(Some("0.1.0")));
        assert_eq!(change(Found::Shipped, false).unwrap(), from(None));
        assert_eq!(change(foreign(), true).unwrap(), from(None));
        let failure = change(foreign(), false).unwrap_err();
        assert_eq!(failure.reason, "CONFIG_CONFLICT");
        assert!(failure.hint.unwrap().contains("--force"));
    }
}
