//! Where the workspace and its built programs lie.

use std::{
    env,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};

/// Names another daemon than the one that was built beside the tests, such as one with fewer features.
const DAEMON: &str = "QMD_TEST_QMDD";

/// The root of the workspace.
pub fn workspace() -> &'static Path {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().unwrap_or(tests)
}

/// A built program of the workspace, of the same profile as this one: it lies beside this executable,
/// or one folder up when this is a test.
///
/// # Errors
/// When it has not been built.
pub fn program(name: &str) -> Result<PathBuf> {
    let own = env::current_exe().context("this executable has no path")?;
    let folders = own.ancestors().skip(1).take(2);
    let places: Vec<PathBuf> = folders.map(|folder| folder.join(name)).collect();
    match places.iter().find(|path| path.is_file()) {
        Some(path) => Ok(path.clone()),
        None => bail!("{name} is neither of {places:?}: build it first with `make build`"),
    }
}

/// The daemon to test: `QMD_TEST_QMDD`, else the one that was built.
///
/// # Errors
/// When it has not been built.
pub(crate) fn daemon() -> Result<PathBuf> {
    env::var_os(DAEMON).map_or_else(|| program("qmdd"), |path| Ok(path.into()))
}
