//! What is embedded: texts of one length, cut before anything is measured, so that everybody embeds
//! the same.

use std::{
    env, fs,
    io::Write,
    path::{Path, PathBuf},
};

use anyhow::{Result, ensure};
use qmd_tests::{Random, corpus};

/// Words of a text: about 180 tokens of English.
const WORDS: usize = 130;
/// Texts of a run.
const COUNT: usize = 160;

/// Texts of the judged collection cranfield, else of words of the tests' own corpus.
pub(crate) fn load(out: &mut impl Write) -> Result<Vec<String>> {
    let folder = env::var_os(crate::DATA).map(|data| PathBuf::from(data).join("cranfield/docs"));
    let mut texts = if let Some(folder) = folder.filter(|folder| folder.is_dir()) {
        writeln!(out, "texts: of cranfield")?;
        of_documents(&words_of(&folder)?)
    } else {
        let variable = crate::DATA;
        writeln!(
            out,
            "texts: words of the tests' corpus, in random order; {variable} names no folder with cranfield"
        )?;
        of_words(&words_of(&corpus::folder())?)
    };
    ensure!(!texts.is_empty(), "there is no text");
    texts.truncate(COUNT);
    Ok(texts)
}

/// Every text of a folder's documents.
pub(crate) fn all(folder: &Path) -> Result<Vec<String>> {
    Ok(of_documents(&words_of(folder)?))
}

/// The words of each document.
fn words_of(folder: &Path) -> Result<Vec<Vec<String>>> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder)?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_>>()?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "md"));
    files.sort();
    let words = |file: &PathBuf| -> Result<Vec<String>> {
        let text = fs::read_to_string(file)?;
        Ok(text.split_whitespace().map(str::to_owned).collect())
    };
    files.iter().map(words).collect()
}

fn of_documents(documents: &[Vec<String>]) -> Vec<String> {
    documents
        .iter()
        .flat_map(|words| words.chunks(WORDS))
        .map(|words| words.join(" "))
        .collect()
}

fn of_words(documents: &[Vec<String>]) -> Vec<String> {
    let words: Vec<&str> = documents.iter().flatten().map(String::as_str).collect();
    if words.is_empty() {
        return Vec::new();
    }
    let mut random = Random::new(1);
    let mut text = || {
        let words = (0..WORDS).map(|_| words[random.below(words.len())]);
        words.collect::<Vec<_>>().join(" ")
    };
    (0..COUNT).map(|_| text()).collect()
}
