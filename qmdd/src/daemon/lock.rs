//! One daemon a user: a lock beside the data that records where its socket is.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io::{self, Seek, SeekFrom, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::Path,
};

use qmd_proto::{instance::InstanceRecord, paths::Dirs};

use super::DaemonError;

/// Held as long as the daemon lives. The file stays: removing it would let two daemons lock two
/// files of one name.
#[derive(Debug)]
pub(super) struct InstanceLock {
    file: File,
}

impl InstanceLock {
    /// Takes the lock.
    ///
    /// # Errors
    /// [`DaemonError::Running`] when another daemon has it.
    pub(super) fn take(dirs: &Dirs) -> Result<Self, DaemonError> {
        let path = dirs.lock_file();
        let failed = |source: io::Error| DaemonError::Io {
            path: path.clone(),
            source,
        };
        private_folder(&dirs.data).map_err(failed)?;
        let writable = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path);
        let file = match writable {
            // The disk may be read-only for now; a lock needs no more than a file that is there.
            Err(error) if is_read_only(&error) => File::open(&path).map_err(|_| failed(error))?,
            writable => writable.map_err(failed)?,
        };
        match file.try_lock() {
            Ok(()) => Ok(Self { file }),
            Err(TryLockError::WouldBlock) => Err(DaemonError::Running {
                record: fs::read(&path)
                    .ok()
                    .and_then(|bytes| InstanceRecord::decode(&bytes)),
            }),
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }

    /// Writes where this daemon is to be found.
    pub(super) fn record(&mut self, record: &InstanceRecord) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.seek(SeekFrom::Start(0))?;
        self.file.write_all(&record.encode())
    }
}

impl Drop for InstanceLock {
    fn drop(&mut self) {
        // An empty record says that nobody is there, even to who cannot test the lock.
        let _ = self.file.set_len(0);
    }
}

/// Whether the system refuses to write.
pub(super) fn is_read_only(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied
    )
}

/// Makes a folder that only its owner may enter, and its parents.
pub(super) fn private_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}
