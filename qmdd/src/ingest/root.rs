//! Whether a collection's folder is there: one that is not may be a disk that is not mounted.

use std::{fs, os::unix::fs::MetadataExt, path::Path};

use crate::{
    domain::Reason,
    store::{Skipped, Why},
};

/// Which folder it is, whatever its path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity {
    /// What it is on.
    pub device: u64,
    inode: u64,
}

/// The folder's identity, when it can be listed; else why its documents are kept as they were.
/// `last` is the device it was on when it held documents: an empty folder that is not on it may be
/// the place where a disk is not mounted. Blocks.
pub(super) fn check(root: &Path, last: Option<u64>) -> Result<Identity, Skipped> {
    let found = fs::metadata(root).and_then(|metadata| {
        // A folder that cannot be listed looks like an empty one to whoever does not ask.
        let is_empty = fs::read_dir(root)?.next().is_none();
        Ok((metadata, is_empty))
    });
    let (metadata, is_empty) = found.map_err(|error| missing(root, &error.to_string()))?;
    let identity = Identity {
        device: metadata.dev(),
        inode: metadata.ino(),
    };
    if is_empty && last.is_some_and(|last| last != identity.device) {
        return Err(missing(root, "empty, and not on the disk it was on"));
    }
    Ok(identity)
}

/// A folder that is not there.
pub(super) fn missing(root: &Path, why: &str) -> Skipped {
    Skipped {
        path: root.to_string_lossy().into_owned(),
        why: Why {
            reason: Reason::FolderMissing,
            message: format!("{why}; its documents are kept as they were"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_told_from_what_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        assert_eq!(check(dir.path(), None), check(&dir.path().join("."), None));
        assert_ne!(check(dir.path(), None), check(Path::new("/"), None));
        for none in [file, dir.path().join("none")] {
            let skipped = check(&none, None).unwrap_err();
            assert_eq!(skipped.why.reason, Reason::FolderMissing);
            assert!(skipped.why.message.ends_with("kept as they were"));
        }
    }

    #[test]
    fn an_empty_folder_on_another_device_may_be_a_disk_that_is_not_mounted() {
        let dir = tempfile::tempdir().unwrap();
        let device = check(dir.path(), None).unwrap().device;
        assert!(check(dir.path(), Some(device)).is_ok(), "emptied");
        let skipped = check(dir.path(), Some(device + 1)).unwrap_err();
        assert!(
            skipped
                .why
                .message
                .starts_with("empty, and not on the disk")
        );
        fs::write(dir.path().join("a.md"), "text").unwrap();
        assert!(
            check(dir.path(), Some(device + 1)).is_ok(),
            "moved to another disk"
        );
    }
}
