//! Puts files in place atomically: written beside the target under a lock, synced, renamed.

use std::{
    ffi::OsString,
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io::{ErrorKind, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use tempfile::NamedTempFile;

use super::ModelError;

/// `path` with `suffix` added to its name.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

/// A model's file and all that may lie beside it, but for the lock, which stays.
pub(super) fn all_of(target: &Path) -> [PathBuf; 5] {
    ["", ".json", ".part", ".part.json", ".new"].map(|suffix| beside(target, suffix))
}

/// Deletes a file, or a link, if it is there. Gives what it took on the disk.
pub(super) fn delete(path: &Path) -> Result<u64, ModelError> {
    let deleted = fs::symlink_metadata(path)
        .and_then(|metadata| fs::remove_file(path).map(|()| metadata.len()));
    match deleted {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(0),
        deleted => deleted.map_err(ModelError::writing(path)),
    }
}

/// Makes the folder of a file, for this user alone.
pub(super) fn make_folder_of(path: &Path) -> Result<(), ModelError> {
    let Some(folder) = path.parent() else {
        return Ok(());
    };
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(ModelError::writing(folder))
}

/// Opens a file for this user alone, reading and writing, keeping what is in it.
pub(super) fn open_private(path: &Path) -> Result<File, ModelError> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(ModelError::writing(path))
}

/// Gives a finished file its name, so that a power cut leaves the old file or the new one.
pub(super) fn put_in_place(file: &File, from: &Path, to: &Path) -> Result<(), ModelError> {
    file.sync_all().map_err(ModelError::writing(from))?;
    fs::rename(from, to).map_err(ModelError::writing(to))?;
    let Some(folder) = to.parent() else {
        return Ok(());
    };
    let sync = File::open(folder).and_then(|folder| folder.sync_all());
    sync.map_err(ModelError::writing(folder))
}

/// Writes a small file atomically; of several writers the last one wins.
pub(super) fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), ModelError> {
    make_folder_of(path)?;
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut draft = NamedTempFile::new_in(folder).map_err(ModelError::writing(folder))?;
    draft
        .write_all(bytes)
        .and_then(|()| draft.as_file().sync_all())
        .map_err(ModelError::writing(path))?;
    draft
        .persist(path)
        .map_err(|error| ModelError::writing(path)(error.error))?;
    Ok(())
}

/// The right to write one model file, among all processes of the machine. The lock file stays:
/// removing it would let two writers lock two files of one name.
#[derive(Debug)]
pub(super) struct FileLock {
    _file: File,
}

impl FileLock {
    /// Takes the lock of `target`, or says that another has it.
    pub(super) fn try_take(target: &Path) -> Result<Option<Self>, ModelError> {
        let (path, file) = Self::open(target)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(ModelError::writing(&path)(error)),
        }
    }

    /// Takes the lock of `target`, waiting for it.
    pub(super) fn take(target: &Path) -> Result<Self, ModelError> {
        let (path, file) = Self::open(target)?;
        file.lock().map_err(ModelError::writing(&path))?;
        Ok(Self { _file: file })
    }

    fn open(target: &Path) -> Result<(PathBuf, File), ModelError> {
        make_folder_of(target)?;
        let path = beside(target, ".lock");
        let file = open_private(&path)?;
        Ok((path, file))
    }
}

/// A file on its way to `target`. Unless committed it is removed; should the process die, the next
/// draft of the same target overwrites what was left.
#[derive(Debug)]
pub(super) struct Draft {
    file: File,
    path: PathBuf,
    target: PathBuf,
    committed: bool,
}

impl Draft {
    /// Starts an empty draft. The caller holds the target's [`FileLock`].
    pub(super) fn create(target: &Path) -> Result<Self, ModelError> {
        let path = beside(target, ".new");
        let file = open_private(&path)?;
        file.set_len(0).map_err(ModelError::writing(&path))?;
        Ok(Self {
            file,
            path,
            target: target.to_owned(),
            committed: false,
        })
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Puts it in place.
    pub(super) fn commit(mut self) -> Result<(), ModelError> {
        put_in_place(&self.file, &self.path, &self.target)?;
        self.committed = true;
        Ok(())
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.committed {
            // What cannot be removed is overwritten by the next draft.
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_draft_appears_only_once_committed() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let target = folder.path().join("deep/model.gguf");
        let _lock = FileLock::take(&target).expect("lock");

        let draft = Draft::create(&target).expect("draft");
        draft.file().write_all(b"half").expect("written");
        drop(draft);
        assert!(!target.exists() && !beside(&target, ".new").exists());

        let draft = Draft::create(&target).expect("draft");
        draft.file().write_all(b"whole").expect("written");
        draft.commit().expect("committed");
        assert_eq!(fs::read(&target).expect("in place"), b"whole");
        let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
        assert_eq!(mode(&target), 0o600);
        assert_eq!(mode(target.parent().expect("folder")), 0o700);
    }

    #[test]
    fn a_lock_has_one_holder() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let target = folder.path().join("model.gguf");
        let lock = FileLock::take(&target).expect("lock");
        assert!(FileLock::try_take(&target).expect("asked").is_none());
        drop(lock);
        assert!(FileLock::try_take(&target).expect("asked").is_some());
    }

    #[test]
    fn small_files_are_replaced_whole() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("a.json");
        write_atomically(&path, b"one").expect("written");
        write_atomically(&path, b"two").expect("replaced");
        assert_eq!(fs::read(&path).expect("there"), b"two");
        assert_eq!(fs::read_dir(folder.path()).expect("listed").count(), 1);
    }
}
