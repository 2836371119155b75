//! Opening what lies in a collection's folder without ever leaving it.

use std::{
    fs::File,
    io,
    os::fd::{AsFd, OwnedFd},
    path::Path,
};

use rustix::fs::{CWD, Mode, OFlags, openat};

/// A collection's folder, open.
pub(super) struct Inside(OwnedFd);

/// For a folder on the way, which need not be readable.
#[cfg(target_os = "linux")]
const PASS: OFlags = OFlags::PATH;
#[cfg(not(target_os = "linux"))]
const PASS: OFlags = OFlags::RDONLY;

impl Inside {
    /// Opens a folder. The way to it may lead over links: it is the user's choice.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let flags = PASS | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self(openat(CWD, path, flags, Mode::empty())?))
    }

    /// Opens a file by its path inside, for reading. No part of the way may be a link: somebody may
    /// have put it there since the walk, to lead elsewhere. What would block, such as a pipe, is opened
    /// without waiting.
    pub(super) fn file(&self, path: &str) -> io::Result<File> {
        let (folders, name) = match path.rsplit_once('/') {
            Some((folders, name)) => (folders, name),
            None => ("", path),
        };
        let through = PASS | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut folder: Option<OwnedFd> = None;
        for part in folders.split('/').filter(|part| !part.is_empty()) {
            refuse_up(part)?;
            let at = folder.as_ref().unwrap_or(&self.0);
            folder = Some(openat(at, part, through, Mode::empty())?);
        }
        refuse_up(name)?;
        let flags =
            OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let at = folder.as_ref().unwrap_or(&self.0);
        Ok(File::from(openat(at.as_fd(), name, flags, Mode::empty())?))
    }
}

fn refuse_up(part: &str) -> io::Result<()> {
    if part == ".." {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{fs, io::Read, os::unix::fs::symlink};

    use super::*;

    #[test]
    fn no_way_leads_out() {
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("secret.md"), "secret").unwrap();
        let folder = tempfile::tempdir().unwrap();
        let at = |path: &str| folder.path().join(path);
        fs::create_dir_all(at("a/b")).unwrap();
        fs::write(at("a/b/c.md"), "text").unwrap();
        symlink(outside.path(), at("out")).unwrap();
        symlink(outside.path().join("secret.md"), at("a/secret.md")).unwrap();
        symlink(at("a/b/c.md"), at("inside.md")).unwrap();
        let root = Inside::open(folder.path()).unwrap();
        let mut text = String::new();
        root.file("a/b/c.md")
            .unwrap()
            .read_to_string(&mut text)
            .unwrap();
        assert_eq!(text, "text");
        for refused in [
            "out/secret.md",
            "a/secret.md",
            "inside.md",
            "a/../../x",
            "..",
            "none.md",
            "a/b/c.md/d",
        ] {
            assert!(root.file(refused).is_err(), "{refused}");
        }
    }

    #[test]
    fn the_folder_itself_may_be_a_link() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("real")).unwrap();
        fs::write(folder.path().join("real/a.md"), "text").unwrap();
        symlink("real", folder.path().join("link")).unwrap();
        let root = Inside::open(&folder.path().join("link")).unwrap();
        assert!(root.file("a.md").is_ok());
    }
}
