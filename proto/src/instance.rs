//! What a running daemon records in its lock file, so that a client with another environment finds
//! its socket.

use std::{ffi::OsStr, os::unix::ffi::OsStrExt, path::PathBuf};

/// The lock file's content. It says something only while the lock is held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceRecord {
    /// The daemon's process id.
    pub pid: u32,
    /// Its version.
    pub version: String,
    /// The socket it serves, absolute.
    pub socket: PathBuf,
}

impl InstanceRecord {
    /// Three lines: pid, version, socket.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = format!("{}\n{}\n", self.pid, self.version).into_bytes();
        out.extend_from_slice(self.socket.as_os_str().as_bytes());
        out.push(b'\n');
        out
    }

    /// `None` for anything that [`Self::encode`] did not write whole.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut lines = bytes.strip_suffix(b"\n")?.splitn(3, |byte| *byte == b'\n');
        let pid = std::str::from_utf8(lines.next()?).ok()?.parse().ok()?;
        let version = std::str::from_utf8(lines.next()?).ok()?.to_owned();
        let socket = PathBuf::from(OsStr::from_bytes(lines.next()?));
        socket.is_absolute().then_some(Self {
            pid,
            version,
            socket,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_back_what_it_wrote_and_nothing_shorter() {
        let record = InstanceRecord {
            pid: 42,
            version: "0.1.0".into(),
            socket: "/run/x/qmdd.sock".into(),
        };
        let bytes = record.encode();
        assert_eq!(InstanceRecord::decode(&bytes), Some(record));
        for cut in 0..bytes.len() {
            assert_eq!(InstanceRecord::decode(&bytes[..cut]), None, "cut at {cut}");
        }
    }
}
