//! A small disk of its own for a daemon's data: a tmpfs in a mount namespace that only this test and its
//! daemons are in. It can be filled and made read-only without anybody else noticing.

use std::{
    ffi::OsString,
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
};

use anyhow::{Context, Result, ensure};

use crate::{Daemon, Sandbox, program, run};

/// The disk. Gone when dropped, once no daemon is on it any more.
pub struct SmallDisk {
    /// Keeps the namespace there.
    holder: Child,
    sandbox: Arc<Sandbox>,
}

impl SmallDisk {
    /// Puts a sandbox's data on a disk of so many MiB. `None`, with a loud line, where this user may not
    /// mount anything.
    ///
    /// # Errors
    /// When the folders cannot be made.
    pub fn below(sandbox: &Arc<Sandbox>, mebibytes: u32) -> Result<Option<Self>> {
        let data = sandbox.dirs().data;
        fs::create_dir_all(&data)?;
        // Says that it is done, and waits until its input ends.
        let script = r#"mount -t tmpfs -o "size=$1m,mode=700" tmpfs "$2" && echo mounted && cat"#;
        let mut holder = Command::new("unshare")
            .args([
                "--mount",
                "--propagation",
                "private",
                "sh",
                "-c",
                script,
                "sh",
            ])
            .arg(mebibytes.to_string())
            .arg(&data)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("unshare")?;
        let mut line = String::new();
        if let Some(out) = holder.stdout.as_mut() {
            io::BufRead::read_line(&mut io::BufReader::new(out), &mut line)?;
        }
        let disk = Self {
            holder,
            sandbox: Arc::clone(sandbox),
        };
        if line.trim() == "mounted" {
            return Ok(Some(disk));
        }
        let _ = writeln!(
            io::stderr(),
            "SKIPPED: a small disk needs root, or a user who may mount in a namespace of its own"
        );
        Ok(None)
    }

    /// Starts a daemon whose data is on the disk.
    ///
    /// # Errors
    /// As [`Daemon::start`].
    pub fn daemon(&self) -> Result<Daemon> {
        let inside = self.inside();
        let mut command = self.sandbox.command(&inside[0]);
        command
            .args(&inside[1..])
            .arg(program("qmdd")?)
            .arg("serve")
            .env("QMDD_WATCH", "0");
        Daemon::start_as(Arc::clone(&self.sandbox), command)
    }

    /// Takes all the room that is left.
    ///
    /// # Errors
    /// When something else than the room is in the way.
    pub fn fill(&self) -> Result<()> {
        let mut filler = fs::File::create(self.data().join("filler"))?;
        // Large pieces first, then to the last byte.
        for size in [1 << 16, 1] {
            let piece = vec![0; size];
            loop {
                match filler.write(&piece) {
                    Ok(_) => {}
                    Err(error) if error.kind() == io::ErrorKind::StorageFull => break,
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(())
    }

    /// Gives the room back that [`Self::fill`] took.
    ///
    /// # Errors
    /// When it had taken none.
    pub fn free(&self) -> Result<()> {
        Ok(fs::remove_file(self.data().join("filler"))?)
    }

    /// Makes it read-only, or writable again.
    ///
    /// # Errors
    /// When something on it is open for writing.
    pub fn set_read_only(&self, read_only: bool) -> Result<()> {
        let how = if read_only {
            "remount,ro"
        } else {
            "remount,rw"
        };
        let inside = self.inside();
        let mut command = Command::new(&inside[0]);
        command.args(&inside[1..]).args(["mount", "-o", how]);
        let outcome = run(command.arg(self.sandbox.dirs().data))?;
        ensure!(outcome.code == Some(0), "{outcome}");
        Ok(())
    }

    /// The data folder, as it is seen from outside.
    pub fn data(&self) -> PathBuf {
        let root = PathBuf::from(format!("/proc/{}/root", self.holder.id()));
        let data = self.sandbox.dirs().data;
        root.join(data.strip_prefix(Path::new("/")).unwrap_or(&data))
    }

    /// What runs a program inside.
    fn inside(&self) -> Vec<OsString> {
        let holder = self.holder.id().to_string();
        ["nsenter", "--target", &holder, "--mount", "--"]
            .iter()
            .map(OsString::from)
            .collect()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}
