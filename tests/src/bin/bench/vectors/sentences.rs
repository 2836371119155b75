//! Real sentences: those of the judged collections, and those of the documentation in the sources
//! that cargo fetched for this workspace, which every machine that builds it has.

use std::{
    collections::HashSet,
    env, fs,
    ops::RangeInclusive,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use qmd_tests::workspace;

use super::embeddings::hash;
use crate::collection;

/// Sentences to store.
pub(super) const STORED: usize = 50_000;
/// Queries, none of them stored.
pub(super) const QUERIES: usize = 500;

/// Words of a sentence.
const WORDS: RangeInclusive<usize> = 5..=60;
/// Most bytes of a sentence: what is longer is no prose, and may be more than the model takes.
const BYTES: usize = 500;

/// What is stored, and what is asked.
pub(super) struct Sentences {
    pub(super) stored: Vec<String>,
    pub(super) queries: Vec<String>,
    /// How many of the stored ones are of judged collections.
    pub(super) of_collections: usize,
    /// How many of the queries are judged ones; the others are sentences held back.
    pub(super) judged: usize,
}

/// Collects them; the same for the same sources.
pub(super) fn load() -> Result<Sentences> {
    let mut seen = HashSet::new();
    let mut queries = Vec::new();
    let mut stored = Vec::new();
    if let Some(data) = env::var_os(crate::DATA) {
        for collection in collection::load_all(Path::new(&data))? {
            queries.extend(collection.judged().map(|(_, text)| text.to_owned()));
            for file in files(&collection.docs, "md")? {
                let text = fs::read_to_string(&file)?;
                stored.extend(of_markdown(&text).filter(|one| seen.insert(one.clone())));
            }
        }
    }
    let asked: HashSet<&String> = queries.iter().collect();
    stored.retain(|one| one.len() <= BYTES && !asked.contains(one));
    stored.truncate(STORED);
    queries.truncate(QUERIES);
    let (of_collections, judged) = (stored.len(), queries.len());
    let mut documentation = Vec::new();
    for folder in sources()? {
        for file in files(&folder, "rs")? {
            // What is not UTF-8 is no documentation.
            let text = fs::read_to_string(&file).unwrap_or_default();
            documentation.extend(of_source(&text).filter(|one| seen.insert(one.clone())));
        }
    }
    // In an order that has nothing to do with where they come from, and that another crate hardly changes.
    documentation.sort_by_key(|one| hash(one));
    documentation.retain(|one| one.len() <= BYTES);
    let wanted = STORED + QUERIES - stored.len() - queries.len();
    ensure!(
        documentation.len() >= wanted,
        "{} sentences where {wanted} are wanted: fetch the sources with `cargo fetch`",
        documentation.len()
    );
    let mut documentation = documentation.into_iter();
    let missing = STORED - stored.len();
    stored.extend(documentation.by_ref().take(missing));
    let missing = QUERIES - queries.len();
    queries.extend(documentation.take(missing));
    Ok(Sentences {
        stored,
        queries,
        of_collections,
        judged,
    })
}

/// The folders of the crates that the lock file names, as far as cargo fetched them.
fn sources() -> Result<Vec<PathBuf>> {
    let home = env::var_os("CARGO_HOME").map_or_else(
        || Some(PathBuf::from(env::var_os("HOME")?).join(".cargo")),
        |home| Some(home.into()),
    );
    let registry = home
        .context("this user has no home folder")?
        .join("registry/src");
    let mut registries: Vec<PathBuf> = fs::read_dir(&registry)
        .with_context(|| registry.display().to_string())?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_>>()?;
    registries.sort();
    let lock = fs::read_to_string(workspace().join("Cargo.lock"))?;
    let value = |line: &str, key: &str| {
        let quoted = line.strip_prefix(key)?.strip_prefix(" = \"")?;
        Some(quoted.strip_suffix('"')?.to_owned())
    };
    let mut folders = Vec::new();
    let mut name = String::new();
    for line in lock.lines() {
        if let Some(found) = value(line, "name") {
            name = found;
        } else if let Some(version) = value(line, "version") {
            let places = registries
                .iter()
                .map(|at| at.join(format!("{name}-{version}")));
            folders.extend(places.filter(|folder| folder.is_dir()).take(1));
        }
    }
    Ok(folders)
}

/// The files of a kind in a folder and those below it, in order.
fn files(folder: &Path, extension: &str) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
            let entry = entry?;
            let path = entry.path();
            if entry.file_type()?.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|found| found == extension) {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

fn of_markdown(text: &str) -> impl Iterator<Item = String> + '_ {
    let lines = text.lines().map(|line| {
        let line = line.trim();
        // A heading is a paragraph of its own.
        if line.starts_with('#') { "" } else { line }
    });
    of_paragraphs(paragraphs(lines))
}

fn of_source(text: &str) -> impl Iterator<Item = String> + '_ {
    let mut fenced = false;
    let lines = text.lines().map(move |line| {
        let line = line.trim();
        let comment = line
            .strip_prefix("///")
            .or_else(|| line.strip_prefix("//!"));
        let comment = comment.unwrap_or_default().trim();
        let fence = comment.starts_with("```");
        fenced ^= fence;
        if fenced || fence || comment.starts_with('#') {
            ""
        } else {
            comment
        }
    });
    of_paragraphs(paragraphs(lines))
}

/// Lines joined, up to empty ones.
fn paragraphs<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut paragraphs = vec![String::new()];
    for line in lines {
        match paragraphs.last_mut() {
            Some(last) if !line.is_empty() => {
                last.push_str(line);
                last.push(' ');
            }
            Some(last) if last.is_empty() => {}
            _ => paragraphs.push(String::new()),
        }
    }
    paragraphs
}

fn of_paragraphs(paragraphs: Vec<String>) -> impl Iterator<Item = String> {
    paragraphs
        .into_iter()
        .flat_map(|paragraph| sentences(&paragraph))
}

/// Sentences of a fitting length, with single spaces.
fn sentences(paragraph: &str) -> Vec<String> {
    let mut sentences = Vec::new();
    let mut words: Vec<&str> = Vec::new();
    for word in paragraph.split_whitespace() {
        words.push(word);
        if word.ends_with(['.', '?', '!']) && word.len() > 2 {
            sentences.push(std::mem::take(&mut words));
        }
    }
    sentences.push(words);
    sentences.retain(|words| WORDS.contains(&words.len()));
    sentences.iter().map(|words| words.join(" ")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_end_at_full_stops_and_paragraphs() {
        let text = "# Wing\n\nThe flow over a wing\nis steady here. Too short. And this one\nends\n\nwithout a full stop at all it goes on";
        let found: Vec<String> = of_markdown(text).collect();
        assert_eq!(
            found,
            [
                "The flow over a wing is steady here.",
                "without a full stop at all it goes on"
            ]
        );
    }

    #[test]
    fn documentation_is_read_without_its_code() {
        let text = "/// Returns the number of bytes written.\n/// ```\n/// let code = that is not a sentence at all;\n/// ```\nfn write() {} // nor is a comment of this kind one\n";
        let found: Vec<String> = of_source(text).collect();
        assert_eq!(found, ["Returns the number of bytes written."]);
    }
}
