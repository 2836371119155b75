//! An index of QMD's, 2.0 to 2.8: read, and never written, nor is anything beside it.

mod error;
mod open;
mod read;
#[cfg(test)]
mod tests;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use rusqlite::Connection;
use tokio::task::spawn_blocking;

use self::open::Opened;
pub use self::{
    error::QmdError,
    read::{QmdCollection, QmdCut, QmdDocument, QmdMaker},
};
use super::error::Fault;

/// An open index of QMD's. Clones share it.
#[derive(Clone)]
pub struct QmdIndex {
    inner: Arc<Inner>,
}

struct Inner {
    path: PathBuf,
    opened: Mutex<Opened>,
}

impl QmdIndex {
    /// Opens the database file. One that QMD has not closed in good order is copied below `scratch`
    /// first, and read there.
    ///
    /// # Errors
    /// When there is none, it is no index of QMD's, QMD is writing it, or the copy cannot be made.
    pub async fn open(path: &Path, scratch: &Path) -> Result<Self, QmdError> {
        let (path, scratch) = (path.to_owned(), scratch.to_owned());
        let opened = spawn_blocking(move || {
            let opened = Opened::open(&path, &scratch)?;
            let inner = Inner {
                path,
                opened: Mutex::new(opened),
            };
            Ok(Self {
                inner: Arc::new(inner),
            })
        });
        opened
            .await
            .unwrap_or_else(|panic| Err(QmdError::Internal(panic.to_string())))
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.inner.path
    }

    /// Runs a read, which counts only if nobody wrote meanwhile.
    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, QmdError> {
        let inner = Arc::clone(&self.inner);
        let read = spawn_blocking(move || {
            let opened = inner.opened.lock().unwrap_or_else(PoisonError::into_inner);
            let result = work(&opened.connection);
            opened.check_unchanged(&inner.path)?;
            result.map_err(|fault| QmdError::at(&inner.path, fault))
        });
        read.await
            .unwrap_or_else(|panic| Err(QmdError::Internal(panic.to_string())))
    }
}
