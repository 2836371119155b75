//! A home of its own for a daemon and its clients: nothing of the user's is read or written.

use std::{
    env,
    ffi::OsStr,
    fs::{self, DirBuilder, File},
    io::{self, Write},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    process::Command,
    thread,
};

use anyhow::Result;
use qmd_proto::{instance::InstanceRecord, paths::Dirs, socket::SocketEnv};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::{Outcome, models, program, run};

/// What a program in the sandbox sees of the outer environment.
const INHERITED: [&str; 4] = [
    "PATH",
    "LD_LIBRARY_PATH",
    "RUST_BACKTRACE",
    "LLVM_PROFILE_FILE",
];

/// A temporary home. When it goes, so does a daemon that was started in it; when the test panics, it
/// stays, with its logs.
#[derive(Debug)]
pub struct Sandbox {
    root: TempDir,
}

impl Sandbox {
    /// An empty home, without models.
    ///
    /// # Errors
    /// When the folders cannot be made.
    pub fn new() -> Result<Self> {
        // A short name: the socket's path has a limit.
        let root = tempfile::Builder::new().prefix("qmd-").tempdir()?;
        let sandbox = Self { root };
        for folder in ["home", "run", "tmp"] {
            DirBuilder::new()
                .mode(0o700)
                .create(sandbox.root.path().join(folder))?;
        }
        Ok(sandbox)
    }

    /// A home with the starter models.
    ///
    /// # Errors
    /// As [`Self::new`], or when the models are absent.
    pub fn with_models() -> Result<Self> {
        let sandbox = Self::new()?;
        models::link_into(&sandbox.dirs().models())?;
        Ok(sandbox)
    }

    /// Shows a daemon that is started from here on the models, or hides them: without any it starts at
    /// once.
    ///
    /// # Errors
    /// When their folder cannot be moved.
    pub fn show_models(&self, shown: bool) -> Result<()> {
        let (models, aside) = (self.dirs().models(), self.join("models-aside"));
        let (from, to) = if shown {
            (aside, models)
        } else {
            (models, aside)
        };
        if from.exists() {
            fs::rename(from, to)?;
        }
        Ok(())
    }

    /// A path inside the sandbox.
    pub fn join(&self, path: impl AsRef<Path>) -> PathBuf {
        self.root.path().join(path)
    }

    /// The user's folders, as the programs in the sandbox work them out.
    pub fn dirs(&self) -> Dirs {
        let cache = self.join("home/.cache");
        let dirs = |data: PathBuf, cache_home: &Path, state: PathBuf| Dirs {
            config: self.join("home/.config/qmd"),
            data,
            cache: cache_home.join("qmdd"),
            qmd_cache: cache.join("qmd"),
            state,
        };
        if cfg!(target_os = "macos") {
            let data = self.join("home/Library/Application Support/qmdd");
            let state = data.join("state");
            return dirs(data, &self.join("home/Library/Caches"), state);
        }
        dirs(
            self.join("home/.local/share/qmdd"),
            &cache,
            self.join("home/.local/state/qmdd"),
        )
    }

    /// The socket that its daemon serves.
    ///
    /// # Errors
    /// When the path is too long: the temporary folder's is.
    pub fn socket(&self) -> Result<PathBuf> {
        let environment = SocketEnv {
            runtime_dir: Some(self.join("run").into()),
            ..SocketEnv::default()
        };
        Ok(environment.path()?)
    }

    /// A program that sees the sandbox as its home.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.env_clear().current_dir(self.join("home"));
        for name in INHERITED {
            if let Some(value) = env::var_os(name) {
                command.env(name, value);
            }
        }
        command
            .env("HOME", self.join("home"))
            .env("XDG_RUNTIME_DIR", self.join("run"))
            .env("TMPDIR", self.join("tmp"))
            // Nothing happens but what a test asks for.
            .env("QMDD_WATCH", "0")
            .env("LANG", "C.UTF-8");
        command
    }

    /// Runs `qmdctl` to its end.
    ///
    /// # Panics
    /// When it cannot be run.
    #[track_caller]
    pub fn qmdctl<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Outcome {
        let outcome =
            program("qmdctl").and_then(|qmdctl| run(self.command(qmdctl).args(arguments)));
        outcome.unwrap_or_else(|error| panic!("{error:#}"))
    }

    /// What the daemon in the sandbox recorded of itself, if one runs. Not to be asked while one is
    /// starting: it tries the lock.
    pub fn instance(&self) -> Option<InstanceRecord> {
        let lock = self.dirs().lock_file();
        // Free: what it says is a leftover.
        if File::open(&lock).ok()?.try_lock_shared().is_ok() {
            return None;
        }
        InstanceRecord::decode(&fs::read(&lock).ok()?)
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        if let Some(pid) = self
            .instance()
            .and_then(|instance| Pid::from_raw(instance.pid as i32))
        {
            let _ = kill_process(pid, Signal::KILL);
        }
        if thread::panicking() {
            self.root.disable_cleanup(true);
            // Not by a macro: what those print is held back and may be lost.
            let _ = writeln!(
                io::stderr(),
                "the sandbox stays: {}",
                self.root.path().display()
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_outer_environment_stays_outside() {
        let sandbox = Sandbox::new().unwrap();
        let outcome = run(&mut sandbox.command("env")).unwrap().ok();
        let names: Vec<&str> = outcome
            .stdout
            .lines()
            .filter_map(|line| Some(line.split_once('=')?.0))
            .collect();
        let own = ["HOME", "XDG_RUNTIME_DIR", "TMPDIR", "QMDD_WATCH", "LANG"];
        for name in &names {
            assert!(
                own.contains(name) || INHERITED.contains(name),
                "{name} came in"
            );
        }
        assert!(own.iter().all(|name| names.contains(name)));
    }

    #[test]
    fn it_goes_with_its_last_user() {
        let sandbox = Sandbox::new().unwrap();
        let root = sandbox.join("");
        assert!(sandbox.instance().is_none());
        assert!(root.is_dir());
        drop(sandbox);
        assert!(!root.exists());
    }
}
