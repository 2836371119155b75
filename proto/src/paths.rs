//! The folders of a user's qmdd: configuration, data, cache and state.

use std::{
    env,
    path::{Path, PathBuf},
};

use directories::BaseDirs;

/// The folders, absolute. None of them need exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dirs {
    /// `index.yml` and its siblings: `QMD_CONFIG_DIR`, else `$XDG_CONFIG_HOME/qmd`, else
    /// `~/.config/qmd`, on every system, as QMD has it.
    pub config: PathBuf,
    /// Index databases and the instance lock: `$XDG_DATA_HOME/qmdd` on Linux.
    pub data: PathBuf,
    /// Models: `$XDG_CACHE_HOME/qmdd` on Linux.
    pub cache: PathBuf,
    /// QMD's own cache of model files, read and never written.
    pub qmd_cache: PathBuf,
    /// Logs: `$XDG_STATE_HOME/qmdd` on Linux.
    pub state: PathBuf,
}

impl Dirs {
    /// Reads this process's environment; `None` without a home folder.
    pub fn from_process() -> Option<Self> {
        let base = BaseDirs::new()?;
        let config = absolute_var("QMD_CONFIG_DIR")
            .or_else(|| Some(absolute_var("XDG_CONFIG_HOME")?.join("qmd")))
            .unwrap_or_else(|| base.home_dir().join(".config/qmd"));
        let qmd_cache = absolute_var("XDG_CACHE_HOME")
            .unwrap_or_else(|| base.home_dir().join(".cache"))
            .join("qmd");
        let data = base.data_local_dir().join("qmdd");
        let state = base
            .state_dir()
            .map_or_else(|| data.join("state"), |dir| dir.join("qmdd"));
        Some(Self {
            config,
            data,
            cache: base.cache_dir().join("qmdd"),
            qmd_cache,
            state,
        })
    }

    /// The lock that makes the daemon the only one on this data.
    pub fn lock_file(&self) -> PathBuf {
        self.data.join("qmdd.lock")
    }

    /// Held by a client while it starts the daemon, so that racing clients start one.
    pub fn start_lock_file(&self) -> PathBuf {
        self.data.join("qmdd.start.lock")
    }

    /// The daemon's log.
    pub fn log_file(&self) -> PathBuf {
        self.state.join("qmdd.log")
    }

    /// Where model files are kept.
    pub fn models(&self) -> PathBuf {
        self.cache.join("models")
    }

    /// What is remembered of inference.
    pub fn inference_cache(&self) -> PathBuf {
        self.cache.join("inference.cache")
    }

    /// The proxy token of the deployment at Modal, readable by this user alone.
    pub fn modal_token(&self) -> PathBuf {
        self.data.join("modal-token")
    }

    /// The configuration file of a named index.
    pub fn index_config(&self, name: &str) -> PathBuf {
        self.config.join(format!("{name}.yml"))
    }
}

fn absolute_var(name: &str) -> Option<PathBuf> {
    let path = PathBuf::from(env::var_os(name)?);
    is_usable(&path).then_some(path)
}

/// The XDG rule: relative values are invalid and ignored.
fn is_usable(path: &Path) -> bool {
    path.is_absolute()
}
