//! Documents that read like those of the collections and say nothing: their sentences, drawn anew.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Result, ensure};
use qmd_tests::Random;

use crate::collection::Collection;

/// Words of a document, at least.
const WORDS: usize = 140;
/// Files of a folder.
const OF_FOLDER: usize = 1_000;

/// Writes documents of about 150 words, each of sentences drawn from all collections alike, so that
/// words are as frequent as there.
pub(super) fn write(
    folder: &Path,
    collections: &[Collection],
    count: usize,
    seed: u64,
) -> Result<()> {
    let sentences = sentences(collections)?;
    ensure!(!sentences.is_empty(), "the collections hold no sentence");
    let mut random = Random::new(seed);
    for number in 0..count {
        let place: PathBuf = folder.join(format!("{:03}", number / OF_FOLDER));
        if number % OF_FOLDER == 0 {
            fs::create_dir_all(&place)?;
        }
        let mut draw = || &sentences[random.below(sentences.len())];
        let mut text = format!("# {}\n", draw().trim_end_matches('.'));
        let mut words = 0;
        while words < WORDS {
            let sentence = draw();
            words += sentence.split(' ').count();
            text = text + "\n" + sentence;
        }
        fs::write(place.join(format!("{number:06}.md")), text + "\n")?;
    }
    Ok(())
}

/// Every sentence of five words to sixty.
fn sentences(collections: &[Collection]) -> Result<Vec<String>> {
    let mut sentences = Vec::new();
    for collection in collections {
        let mut files: Vec<PathBuf> = fs::read_dir(&collection.docs)?
            .map(|entry| Ok(entry?.path()))
            .collect::<Result<_>>()?;
        files.sort();
        for file in files {
            let text = fs::read_to_string(file)?;
            let words: Vec<&str> = text
                .split_whitespace()
                .filter(|word| *word != "#")
                .collect();
            for sentence in words.split_inclusive(|word| word.ends_with('.')) {
                if (5..=60).contains(&sentence.len()) {
                    sentences.push(sentence.join(" "));
                }
            }
        }
    }
    Ok(sentences)
}
