//! The starter models, which the tests share with the user's own qmdd: they are only ever read.

mod floats;
mod forged;
pub mod gguf;
mod half;

use std::{
    env,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use qmd_proto::paths::Dirs;

pub use self::{
    floats::floats,
    forged::{Flaw, broken, embedder, generator, rank_head, renamed},
    half::f16,
};

/// Files of the starter profile.
const STARTER: [&str; 2] = [
    "all-minilm-l6-v2-q8_0.gguf",
    "smollm2-135m-instruct-q4_1.gguf",
];

/// Where the starter models are: `QMD_TEST_MODELS`, else the user's model store.
///
/// # Errors
/// When one of them is absent, with the command that fetches them.
pub fn folder() -> Result<PathBuf> {
    let folder = match env::var_os("QMD_TEST_MODELS") {
        Some(folder) => PathBuf::from(folder),
        None => Dirs::from_process()
            .context("this user has no home folder")?
            .models(),
    };
    for file in STARTER {
        if !folder.join(file).is_file() {
            bail!(
                "the starter model {file} is not in {}: fetch it with `make models`",
                folder.display()
            );
        }
    }
    Ok(folder)
}

/// Puts links to the starter models into a model store.
///
/// # Errors
/// As [`folder`], or when the links cannot be made.
pub fn link_into(store: &Path) -> Result<()> {
    let folder = folder()?;
    std::fs::create_dir_all(store)?;
    for file in STARTER {
        symlink(folder.join(file), store.join(file))?;
    }
    Ok(())
}
