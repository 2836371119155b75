//! The folders of a user's qmdd: configuration, data, cache and state.

use std::{
    env,
    path::{Path, PathBuf},
};

use directories::BaseDirs;

/// The folder of a project that holds its configuration.
pub const PROJECT_FOLDER: &str = ".qmd";

/// Names of a project's configuration in [`PROJECT_FOLDER`]; the first that exists counts.
pub const PROJECT_CONFIGS: [&str; 2] = ["index.yaml", "index.yml"];

/// The configuration file of the project in a folder, when it is one.
pub fn project_config(root: &Path) -> Option<PathBuf> {
    let folder = root.join(PROJECT_FOLDER);
    PROJECT_CONFIGS
        .iter()
        .map(|name| folder.join(name))
        .find(|file| file.is_file())
}

/// The project that a folder lies in: the nearest one, going up. QMD's rule.
pub fn project_root(from: &Path) -> Option<&Path> {
    from.ancestors()
        .find(|folder| project_config(folder).is_some())
}

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

    /// What was deployed to Modal last: image and models by their hashes.
    pub fn modal_record(&self) -> PathBuf {
        self.data.join("modal-deployment.json")
    }

    /// What was measured of Modal's regions.
    pub fn region_cache(&self) -> PathBuf {
        self.cache.join("modal-region.json")
    }

    /// Which configurations of projects the user trusts.
    pub fn trust_file(&self) -> PathBuf {
        self.data.join("trusted.json")
    }

    /// Where the databases of projects lie: nothing is written into a project.
    pub fn projects(&self) -> PathBuf {
        self.data.join("projects")
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

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_nearest_project_above_counts() {
        let home = tempfile::tempdir().unwrap();
        let root = home.path().join("p");
        let deep = root.join("a/b");
        fs::create_dir_all(&deep).unwrap();
        let outer = project_root(home.path());
        assert_eq!(project_root(&deep), outer, "none below");
        fs::create_dir_all(root.join(".qmd")).unwrap();
        assert_eq!(project_root(&deep), outer, "a folder alone makes none");
        fs::write(root.join(".qmd/index.yml"), "").unwrap();
        assert_eq!(project_root(&deep), Some(root.as_path()));
        assert_eq!(project_root(&root), Some(root.as_path()));
        fs::write(root.join(".qmd/index.yaml"), "").unwrap();
        assert_eq!(project_config(&root), Some(root.join(".qmd/index.yaml")));
        fs::create_dir_all(deep.join(".qmd")).unwrap();
        fs::write(deep.join(".qmd/index.yml"), "").unwrap();
        assert_eq!(project_root(&deep), Some(deep.as_path()));
    }
}
