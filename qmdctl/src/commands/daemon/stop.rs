//! `daemon stop`.

use std::{
    fs::{File, TryLockError},
    io::ErrorKind,
    path::Path,
    time::Duration,
};

use qmd_proto::{Reason, v1::ShutdownRequest};
use tokio::time::{Instant, sleep};

use crate::{
    client::Home,
    error::{Failure, Result},
    render::Screen,
};

/// How long the daemon may take to finish what is under way.
const LIMIT: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(10);

pub(in crate::commands) async fn run(home: &Home, screen: Screen) -> Result<()> {
    match stop(home).await? {
        Some(pid) => screen.done(&format!("qmdd stopped, process {pid}")),
        None => screen.done("no daemon runs"),
    }
}

/// Ends the daemon and waits until it is gone. Returns its process id; `None` when none ran.
pub(super) async fn stop(home: &Home) -> Result<Option<u32>> {
    let Some(client) = home.connect_running().await? else {
        return Ok(None);
    };
    let pid = client
        .control()
        .shutdown(ShutdownRequest {})
        .await?
        .into_inner()
        .pid;
    // An open connection would keep it from ending.
    drop(client);
    let lock = home.dirs.lock_file();
    let deadline = Instant::now() + LIMIT;
    while is_held(&lock)? {
        if Instant::now() > deadline {
            let message = format!("the daemon has not ended after {} s", LIMIT.as_secs());
            let failure = Failure::new(Reason::DaemonUnreachable, message);
            return Err(failure
                .hint(format!("see `qmdctl daemon logs`, or `kill {pid}`"))
                .into());
        }
        sleep(POLL).await;
    }
    Ok(Some(pid))
}

/// Whether a daemon holds its lock.
fn is_held(path: &Path) -> Result<bool> {
    let failed = |error| Failure::of_path(path, &error, Reason::FileUnreadable);
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(failed(error).into()),
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(failed(error).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_held_while_its_holder_lives() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("qmdd.lock");
        assert!(!is_held(&path).unwrap());
        let holder = File::create(&path).unwrap();
        holder.lock().unwrap();
        assert!(is_held(&path).unwrap());
        drop(holder);
        assert!(!is_held(&path).unwrap());
    }
}
