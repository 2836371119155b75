//! Real files to cut.

use std::{
    collections::BTreeMap,
    env, fs,
    io::Write,
    path::{Path, PathBuf},
};

use anyhow::{Result, ensure};
use qmd_tests::{Random, corpus, workspace};
use qmdd::text::segment::Kind;

/// Longest file taken, as the daemon has it.
const MAX_BYTES: u64 = 16 << 20;
/// Bytes taken of each kind, but where the variable names folders: then all.
const BYTES_A_KIND: usize = 40 << 20;

pub(super) struct File {
    pub(super) path: PathBuf,
    pub(super) kind: Kind,
    pub(super) text: String,
}

impl File {
    /// Its kind, as people call it.
    pub(super) fn label(&self) -> &'static str {
        match self.kind {
            Kind::Markdown => "Markdown",
            Kind::Org => "Org",
            Kind::ReStructured => "reStructuredText",
            Kind::AsciiDoc => "AsciiDoc",
            Kind::Code(language) => language.name(),
            Kind::Plain => "other text",
        }
    }
}

/// Those of the folders that the variable names, else of the crates that cargo has unpacked, else of
/// this workspace; and the judged collections.
pub(super) fn all(out: &mut impl Write) -> Result<Vec<File>> {
    let named = env::var_os(super::CODE);
    let crates = env::home_dir().map(|home| home.join(".cargo/registry/src"));
    let mut folders: Vec<PathBuf> = match &named {
        Some(folders) => env::split_paths(folders).collect(),
        None => vec![
            crates
                .filter(|folder| folder.is_dir())
                .unwrap_or_else(|| workspace().to_owned()),
        ],
    };
    folders.push(env::var_os(crate::DATA).map_or_else(corpus::folder, PathBuf::from));
    let mut files = Vec::new();
    for folder in &folders {
        collect(folder, &mut files)?;
    }
    ensure!(!files.is_empty(), "there is no file");
    if named.is_none() {
        Random::new(1).shuffle(&mut files);
        let mut bytes: BTreeMap<&str, usize> = BTreeMap::new();
        files.retain(|file| {
            let bytes = bytes.entry(file.label()).or_default();
            *bytes += file.text.len();
            *bytes <= BYTES_A_KIND
        });
    }
    let bytes: usize = files.iter().map(|file| file.text.len()).sum();
    writeln!(
        out,
        "{} files with {:.1} MB of text",
        files.len(),
        bytes as f64 / 1e6
    )?;
    Ok(files)
}

fn collect(folder: &Path, files: &mut Vec<File>) -> Result<()> {
    let entries = fs::read_dir(folder)?.collect::<Result<Vec<_>, _>>();
    let mut entries: Vec<_> = entries?.into_iter().map(|entry| entry.path()).collect();
    entries.sort();
    for path in entries {
        let metadata = path.symlink_metadata()?;
        if metadata.is_dir() && !path.ends_with("target") && !path.ends_with(".git") {
            collect(&path, files)?;
        } else if metadata.is_file()
            && metadata.len() <= MAX_BYTES
            && let Ok(text) = fs::read_to_string(&path)
            && !text.contains('\0')
        {
            let kind = Kind::of(&path.to_string_lossy());
            files.push(File { path, kind, text });
        }
    }
    Ok(())
}
