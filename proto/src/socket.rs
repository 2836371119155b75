//! Where the daemon's socket lies: one rule for the daemon and every client.

use std::{
    env,
    ffi::OsString,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

/// Longest socket path the kernel takes, in bytes, without the closing NUL.
pub const MAX_SOCKET_PATH: usize = if cfg!(target_os = "macos") { 103 } else { 107 };

/// What the rule reads of the environment.
#[derive(Debug, Clone, Default)]
pub struct SocketEnv {
    /// `QMDD_SOCKET`: the path itself.
    pub socket: Option<OsString>,
    /// `XDG_RUNTIME_DIR`.
    pub runtime_dir: Option<OsString>,
    /// `TMPDIR`.
    pub tmp_dir: Option<OsString>,
    /// The user's numeric id.
    pub uid: u32,
}

impl SocketEnv {
    /// Reads this process's environment.
    pub fn from_process() -> Self {
        Self {
            socket: env::var_os("QMDD_SOCKET"),
            runtime_dir: env::var_os("XDG_RUNTIME_DIR"),
            tmp_dir: env::var_os("TMPDIR"),
            uid: rustix::process::getuid().as_raw(),
        }
    }

    /// The socket's path: `QMDD_SOCKET`, else `$XDG_RUNTIME_DIR/qmdd/qmdd.sock`, else
    /// `$TMPDIR/qmdd-UID/qmdd.sock`, else the same below `/tmp`. Empty and relative values are
    /// passed over, except for `QMDD_SOCKET`, which must be absolute.
    pub fn path(&self) -> Result<PathBuf, SocketPathError> {
        let path = match set(self.socket.as_ref()) {
            Some(path) if path.is_absolute() => path.to_owned(),
            Some(path) => return Err(SocketPathError::Relative(path.to_owned())),
            None => self.folder().join("qmdd.sock"),
        };
        check_length(&path)?;
        Ok(path)
    }

    fn folder(&self) -> PathBuf {
        if let Some(dir) = set(self.runtime_dir.as_ref()).filter(|dir| dir.is_absolute()) {
            return dir.join("qmdd");
        }
        let tmp = set(self.tmp_dir.as_ref()).filter(|dir| dir.is_absolute());
        tmp.unwrap_or(Path::new("/tmp"))
            .join(format!("qmdd-{}", self.uid))
    }
}

fn set(value: Option<&OsString>) -> Option<&Path> {
    value.filter(|value| !value.is_empty()).map(Path::new)
}

/// Refuses a path that the kernel would cut.
pub fn check_length(path: &Path) -> Result<(), SocketPathError> {
    let bytes = path.as_os_str().as_bytes().len();
    if bytes > MAX_SOCKET_PATH {
        return Err(SocketPathError::TooLong {
            path: path.to_owned(),
            bytes,
        });
    }
    Ok(())
}

/// No usable socket path comes out of the environment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SocketPathError {
    /// The kernel's limit is [`MAX_SOCKET_PATH`].
    #[error("the socket path {path:?} has {bytes} bytes, the system allows {MAX_SOCKET_PATH}")]
    TooLong {
        /// The path that came out of the rule.
        path: PathBuf,
        /// Its length.
        bytes: usize,
    },
    /// `QMDD_SOCKET` must be absolute, since daemon and client have different working directories.
    #[error("QMDD_SOCKET is {0:?}, which is not an absolute path")]
    Relative(PathBuf),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(socket: &str, runtime: &str, tmp: &str) -> SocketEnv {
        SocketEnv {
            socket: Some(socket.into()),
            runtime_dir: Some(runtime.into()),
            tmp_dir: Some(tmp.into()),
            uid: 7,
        }
    }

    #[test]
    fn the_first_usable_place_wins() {
        let path = |s, r, t| env(s, r, t).path().unwrap();
        assert_eq!(path("/s/x.sock", "/run/7", "/t"), Path::new("/s/x.sock"));
        assert_eq!(path("", "/run/7", "/t"), Path::new("/run/7/qmdd/qmdd.sock"));
        assert_eq!(path("", "relative", "/t"), Path::new("/t/qmdd-7/qmdd.sock"));
        assert_eq!(path("", "", ""), Path::new("/tmp/qmdd-7/qmdd.sock"));
    }

    #[test]
    fn the_limit_is_exact() {
        let fits = format!("/{}", "a".repeat(MAX_SOCKET_PATH - 1));
        assert!(env(&fits, "", "").path().is_ok());
        let long = format!("{fits}a");
        assert!(matches!(
            env(&long, "", "").path(),
            Err(SocketPathError::TooLong { bytes, .. }) if bytes == MAX_SOCKET_PATH + 1
        ));
    }

    #[test]
    fn a_relative_socket_is_refused() {
        assert!(matches!(
            env("x.sock", "", "").path(),
            Err(SocketPathError::Relative(_))
        ));
    }
}
