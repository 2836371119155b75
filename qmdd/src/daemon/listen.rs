//! The socket: handed over by systemd, or bound in a folder that is ours alone.

use std::{
    fs::{self, Permissions},
    io,
    os::{
        fd::FromRawFd,
        unix::{
            fs::{FileTypeExt, MetadataExt, PermissionsExt},
            net::{UnixListener as StdListener, UnixStream as StdStream},
        },
    },
    path::{Path, PathBuf},
};

use tokio::net::UnixListener;

use super::{DaemonError, lock::private_folder};

/// A listening socket.
#[derive(Debug)]
pub(super) struct Listener {
    /// Accepts connections.
    pub(super) socket: UnixListener,
    /// Removes the file at the end, if it was made here.
    pub(super) file: Option<SocketFile>,
}

/// The socket's file, removed when dropped.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    inode: u64,
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Another daemon's socket may have taken its place.
        if fs::symlink_metadata(&self.path).is_ok_and(|found| found.ino() == self.inode) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Takes the socket of the service manager, else binds `path`. Must be called inside a tokio
/// runtime, with the instance lock held: what lies at `path` is then a leftover.
pub(super) fn listen(path: &Path) -> Result<Listener, DaemonError> {
    let failed = |source: io::Error| DaemonError::Io {
        path: path.to_owned(),
        source,
    };
    if let Some(socket) = activated().map_err(failed)? {
        return Ok(Listener { socket, file: None });
    }
    prepare_folder(path)?;
    clear_leftover(path)?;
    let socket = StdListener::bind(path).map_err(failed)?;
    fs::set_permissions(path, Permissions::from_mode(0o600)).map_err(failed)?;
    let inode = fs::symlink_metadata(path).map_err(failed)?.ino();
    socket.set_nonblocking(true).map_err(failed)?;
    Ok(Listener {
        socket: UnixListener::from_std(socket).map_err(failed)?,
        file: Some(SocketFile {
            path: path.to_owned(),
            inode,
        }),
    })
}

/// The socket that systemd passed, if it did.
fn activated() -> io::Result<Option<UnixListener>> {
    let Some(fd) = sd_notify::listen_fds()?.next() else {
        return Ok(None);
    };
    // SAFETY: the service manager passed this descriptor to us, and nothing else takes it.
    #[allow(unsafe_code, reason = "adopting an inherited descriptor")]
    let socket = unsafe { StdListener::from_raw_fd(fd) };
    socket.set_nonblocking(true)?;
    UnixListener::from_std(socket).map(Some)
}

/// The folder must be ours, closed to others, and no link: else another user could put a socket of
/// his own in our clients' way.
fn prepare_folder(path: &Path) -> Result<(), DaemonError> {
    let refused = |folder: &Path, why: String| DaemonError::SocketFolder {
        folder: folder.to_owned(),
        why,
    };
    let Some(folder) = path.parent() else {
        return Err(refused(path, "it is not inside a folder".into()));
    };
    private_folder(folder).map_err(|error| refused(folder, error.to_string()))?;
    let found = fs::symlink_metadata(folder).map_err(|error| refused(folder, error.to_string()))?;
    if !found.is_dir() {
        return Err(refused(folder, "it is a link or no folder".into()));
    }
    let uid = rustix::process::getuid().as_raw();
    if found.uid() != uid {
        return Err(refused(
            folder,
            format!("it belongs to user {}, not {uid}", found.uid()),
        ));
    }
    if found.mode() & 0o077 != 0 {
        let mode = found.mode() & 0o777;
        return Err(refused(
            folder,
            format!("its mode is {mode:04o}, it must be closed to others"),
        ));
    }
    Ok(())
}

/// Removes a socket that nobody listens on. Anything else in its place is left alone.
fn clear_leftover(path: &Path) -> Result<(), DaemonError> {
    let taken = |why: &str| DaemonError::SocketTaken {
        path: path.to_owned(),
        why: why.to_owned(),
    };
    let Ok(found) = fs::symlink_metadata(path) else {
        return Ok(());
    };
    if !found.file_type().is_socket() {
        return Err(taken("something that is no socket lies there"));
    }
    if StdStream::connect(path).is_ok() {
        return Err(taken("another program listens on it"));
    }
    fs::remove_file(path).map_err(|source| DaemonError::Io {
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(mode: u32) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), Permissions::from_mode(mode)).unwrap();
        dir
    }

    #[tokio::test]
    async fn the_socket_is_private_and_goes_with_the_daemon() {
        let dir = folder(0o700);
        let path = dir.path().join("q.sock");
        let listener = listen(&path).unwrap();
        let mode = fs::symlink_metadata(&path).unwrap().mode();
        assert_eq!(mode & 0o777, 0o600);
        drop(listener);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn an_open_folder_or_a_link_is_refused() {
        let open = folder(0o755);
        let refused =
            |path: &Path| matches!(listen(path).unwrap_err(), DaemonError::SocketFolder { .. });
        assert!(refused(&open.path().join("q.sock")));
        let private = folder(0o700);
        let link = private.path().join("link");
        std::os::unix::fs::symlink(open.path(), &link).unwrap();
        assert!(refused(&link.join("q.sock")));
    }

    #[tokio::test]
    async fn a_dead_socket_is_replaced_and_a_live_one_or_a_file_is_not() {
        let dir = folder(0o700);
        let path = dir.path().join("q.sock");
        drop(StdListener::bind(&path).unwrap());
        let alive = listen(&path).unwrap();
        assert!(matches!(
            listen(&path).unwrap_err(),
            DaemonError::SocketTaken { .. }
        ));
        drop(alive);
        fs::write(&path, "a note").unwrap();
        assert!(matches!(
            listen(&path).unwrap_err(),
            DaemonError::SocketTaken { .. }
        ));
        assert!(path.exists());
    }
}
