//! Finds the daemon's socket and makes sure that it is this user's own daemon that listens there.

use std::{
    fs,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
    time::Duration,
};

use qmd_proto::{Reason, instance::InstanceRecord, paths::Dirs, socket::SocketEnv};
use tokio::{
    net::UnixStream,
    time::{Instant, sleep},
};

use crate::error::{Failure, Result};

/// How long a daemon may be too busy to accept.
const ACCEPT_LIMIT: Duration = Duration::from_secs(5);
const ACCEPT_RETRY: Duration = Duration::from_millis(5);

/// A stream to this user's daemon.
#[derive(Debug)]
pub(super) struct Link(UnixStream);

impl Link {
    pub(super) fn into_stream(self) -> UnixStream {
        self.0
    }
}

/// Dials the socket that the environment names, else the one that the daemon on this data recorded.
/// `None` when nobody listens on either.
pub(super) async fn find(dirs: &Dirs) -> Result<Option<Link>> {
    let named = SocketEnv::from_process().path().map_err(Failure::from)?;
    find_at(&named, &dirs.lock_file()).await
}

/// A record may be a leftover, so whether somebody answers decides. The lock itself is not tried:
/// to hold it for a moment could make a daemon that is just starting believe in another one.
async fn find_at(named: &Path, lock_file: &Path) -> Result<Option<Link>> {
    if let Some(link) = dial(named).await? {
        return Ok(Some(link));
    }
    match recorded(lock_file) {
        Some(path) if path != named => dial(&path).await,
        _ => Ok(None),
    }
}

fn recorded(lock_file: &Path) -> Option<PathBuf> {
    InstanceRecord::decode(&fs::read(lock_file).ok()?).map(|record| record.socket)
}

/// Connects. `None` when nobody listens at `path`.
pub(super) async fn dial(path: &Path) -> Result<Option<Link>> {
    let deadline = Instant::now() + ACCEPT_LIMIT;
    loop {
        match UnixStream::connect(path).await {
            Ok(stream) => return own(stream, path).map(Some),
            Err(error) => match error.kind() {
                ErrorKind::NotFound | ErrorKind::ConnectionRefused => return Ok(None),
                // More clients wait to be accepted than the system queues.
                ErrorKind::WouldBlock if Instant::now() < deadline => sleep(ACCEPT_RETRY).await,
                _ => return Err(refused(path, &error).into()),
            },
        }
    }
}

/// Another user's program must not get to see what is asked.
fn own(stream: UnixStream, path: &Path) -> Result<Link> {
    let user = rustix::process::getuid().as_raw();
    let peer = stream
        .peer_cred()
        .map_err(|error| refused(path, &error))?
        .uid();
    if peer == user {
        return Ok(Link(stream));
    }
    let failure = Failure::new(
        Reason::PeerRefused,
        format!(
            "{} is served by user {peer}, you are user {user}",
            path.display()
        ),
    );
    Err(failure
        .hint("run qmdctl as that user, or set XDG_RUNTIME_DIR to a folder of your own")
        .into())
}

fn refused(path: &Path, error: &io::Error) -> Failure {
    let message = format!("the socket {} cannot be used: {error}", path.display());
    match error.kind() {
        ErrorKind::WouldBlock => Failure::new(Reason::DaemonUnreachable, message)
            .hint("try again; `qmdctl daemon logs` tells what the daemon does"),
        _ => Failure::new(Reason::SocketRefused, message)
            .hint("look at its owner and mode with `ls -l`, or set QMDD_SOCKET"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nobody_listens_on_nothing_or_on_a_leftover() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("q.sock");
        assert!(dial(&path).await.unwrap().is_none());
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        assert!(dial(&path).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn a_listener_of_this_user_answers() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("q.sock");
        let _listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        assert!(dial(&path).await.unwrap().is_some());
    }

    #[tokio::test]
    async fn a_place_that_cannot_hold_a_socket_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        let error = dial(&file.join("q.sock")).await.unwrap_err();
        assert!(
            matches!(&error, crate::error::Error::Failed(failure) if failure.reason == "SOCKET_REFUSED"),
            "{error:?}"
        );
    }

    #[tokio::test]
    async fn a_daemon_elsewhere_is_found_by_its_record() {
        let dir = tempfile::tempdir().unwrap();
        let (named, socket) = (dir.path().join("named.sock"), dir.path().join("other.sock"));
        let lock = dir.path().join("qmdd.lock");
        let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        assert!(find_at(&named, &lock).await.unwrap().is_none(), "no record");
        fs::write(&lock, "").unwrap();
        assert!(
            find_at(&named, &lock).await.unwrap().is_none(),
            "an empty record"
        );
        let record = InstanceRecord {
            pid: 1,
            version: "0.1.0".into(),
            socket,
        };
        fs::write(&lock, record.encode()).unwrap();
        assert!(find_at(&named, &lock).await.unwrap().is_some());
        drop(listener);
        assert!(
            find_at(&named, &lock).await.unwrap().is_none(),
            "a leftover record"
        );
    }
}
