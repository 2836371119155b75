//! Whether a daemon runs, without asking it: to connect would start one where a socket unit listens.

use std::{
    fs::{self, File, TryLockError},
    path::Path,
};

use qmd_proto::instance::InstanceRecord;
use rustix::process::{Pid, test_kill_process};

/// The process of the daemon that holds a lock.
pub(super) fn daemon(lock_file: &Path) -> Option<u32> {
    let record = InstanceRecord::decode(&fs::read(lock_file).ok()?)?;
    let pid = Pid::from_raw(i32::try_from(record.pid).ok()?)?;
    // The lock is tried only when its holder may be alive: to hold it for a moment could make a daemon
    // that is just starting believe in another one.
    test_kill_process(pid).ok()?;
    let held = File::open(lock_file).ok()?.try_lock_shared();
    matches!(held, Err(TryLockError::WouldBlock)).then_some(record.pid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_daemon_runs_while_it_holds_its_lock() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("qmdd.lock");
        assert_eq!(daemon(&path), None);
        let record = InstanceRecord {
            pid: std::process::id(),
            version: "0.1.0".into(),
            socket: "/run/q.sock".into(),
        };
        fs::write(&path, record.encode()).unwrap();
        assert_eq!(daemon(&path), None, "a leftover");
        let holder = File::open(&path).unwrap();
        holder.lock().unwrap();
        assert_eq!(daemon(&path), Some(std::process::id()));
        drop(holder);
        assert_eq!(daemon(&path), None);
    }
}
