//! A folder of notes that changes, and what a client may expect of an index of it: the client's own
//! log of what was acknowledged.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};

use super::inspect::Document;
use crate::Random;

/// Words that notes are made of, besides one of their own.
const WORDS: [&str; 24] = [
    "walrus", "harbour", "kettle", "meadow", "lantern", "copper", "orchard", "violin", "granite",
    "saffron", "ledger", "thunder", "pepper", "cabin", "marble", "willow", "anchor", "candle",
    "glacier", "pigeon", "ribbon", "cellar", "barley", "compass",
];

/// What the paths of large notes begin with.
const LARGE: &str = "large/";

/// Notes on the disk, and what is known of their index.
#[derive(Debug)]
pub struct Notes {
    folder: PathBuf,
    random: Random,
    /// What lies in the folder.
    files: BTreeMap<String, String>,
    /// What the index has, as the daemon acknowledged.
    acknowledged: BTreeMap<String, String>,
    /// Texts whose vectors were acknowledged, and that had a document ever since.
    embedded: BTreeSet<String>,
    /// Makes every text another one.
    written: u64,
}

impl Notes {
    /// So many notes in an empty folder.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn new(folder: PathBuf, number: usize, seed: u64) -> Result<Self> {
        fs::create_dir_all(&folder)?;
        let mut notes = Self {
            folder,
            random: Random::new(seed),
            files: BTreeMap::new(),
            acknowledged: BTreeMap::new(),
            embedded: BTreeSet::new(),
            written: 0,
        };
        for note in 0..number {
            notes.write(&format!("{}/note-{note}.md", note % 8))?;
        }
        Ok(notes)
    }

    /// Where they lie.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// Writes so many of them anew.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn edit(&mut self, number: usize) -> Result<()> {
        for path in self.some(number) {
            self.write(&path)?;
        }
        Ok(())
    }

    /// Adds so many.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn add(&mut self, number: usize) -> Result<()> {
        for _ in 0..number {
            let path = format!("{}/note-{}.md", self.written % 8, self.written);
            self.write(&path)?;
        }
        Ok(())
    }

    /// Removes so many.
    ///
    /// # Errors
    /// When they cannot be removed.
    pub fn remove(&mut self, number: usize) -> Result<()> {
        for path in self.some(number) {
            fs::remove_file(self.folder.join(&path))?;
            self.files.remove(&path);
        }
        Ok(())
    }

    /// Adds so many of half a megabyte.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn add_large(&mut self, number: usize) -> Result<()> {
        for _ in 0..number {
            self.write_words(&format!("{LARGE}{}.md", self.written), 70_000)?;
        }
        Ok(())
    }

    /// Removes all of these.
    ///
    /// # Errors
    /// When they cannot be removed.
    pub fn remove_large(&mut self) -> Result<()> {
        let large = |path: &str| path.starts_with(LARGE);
        for path in self.files.keys().filter(|path| large(path)) {
            fs::remove_file(self.folder.join(path))?;
        }
        self.files.retain(|path, _| !large(path));
        Ok(())
    }

    /// Moves so many to other folders and names.
    ///
    /// # Errors
    /// When they cannot be moved.
    pub fn rename(&mut self, number: usize) -> Result<()> {
        for path in self.some(number) {
            self.written += 1;
            let to = format!("moved-{}/note-{}.md", self.written % 5, self.written);
            let target = self.folder.join(&to);
            fs::create_dir_all(target.parent().context("no folder")?)?;
            fs::rename(self.folder.join(&path), target)?;
            if let Some(text) = self.files.remove(&path) {
                self.files.insert(to, text);
            }
        }
        Ok(())
    }

    /// The daemon said that an update is done.
    pub fn updated(&mut self) {
        self.acknowledged = self.files.clone();
    }

    /// The daemon said that every document has its vectors.
    pub fn embedded(&mut self) {
        self.embedded = self.acknowledged.values().cloned().collect();
    }

    /// From here on vectors of texts without a document may go.
    pub fn cleaned(&mut self) {
        let present: BTreeSet<&String> = self.acknowledged.values().collect();
        self.embedded.retain(|text| present.contains(text));
    }

    /// What an index holds after a crash: everything acknowledged, where it was not just being
    /// replaced by what lies in the folder now.
    ///
    /// # Errors
    /// What is missing, or was never there.
    pub fn expect_all_acknowledged(&self, found: &BTreeMap<String, Document>) -> Result<()> {
        for (path, text) in &self.acknowledged {
            let newer = self.files.get(path);
            match found.get(path) {
                Some(document) => ensure!(
                    document.text == *text || Some(&document.text) == newer,
                    "{path} has a text that it never had"
                ),
                None => ensure!(newer.is_none(), "{path} was acknowledged and is gone"),
            }
        }
        for (path, document) in found {
            let known = [self.acknowledged.get(path), self.files.get(path)];
            ensure!(
                known.contains(&Some(&document.text)),
                "{path} was never there, or never so"
            );
            ensure!(
                document.embedded || !self.embedded.contains(&document.text),
                "the vectors of {path} were acknowledged and are gone"
            );
        }
        Ok(())
    }

    /// That the index holds the folder, no more and no less.
    ///
    /// # Errors
    /// What differs.
    pub fn expect_all(&self, found: &BTreeMap<String, Document>) -> Result<()> {
        for (path, text) in &self.files {
            let same = found
                .get(path)
                .is_some_and(|document| document.text == *text);
            ensure!(same, "{path} is not in the index as it is in the folder");
        }
        ensure!(
            found.len() == self.files.len(),
            "{} documents of {} files",
            found.len(),
            self.files.len()
        );
        Ok(())
    }

    fn write(&mut self, path: &str) -> Result<()> {
        let words = 40 + self.random.below(40);
        self.write_words(path, words)
    }

    fn write_words(&mut self, path: &str, words: usize) -> Result<()> {
        self.written += 1;
        let mut text = format!("# Note {}\n\n", self.written);
        for word in 0..words {
            text += WORDS[self.random.below(WORDS.len())];
            text.push(if word % 12 == 11 { '\n' } else { ' ' });
        }
        let file = self.folder.join(path);
        fs::create_dir_all(file.parent().context("no folder")?)?;
        // As editors save: never half a file.
        let draft = self.folder.join(".draft");
        fs::write(&draft, &text)?;
        fs::rename(draft, file)?;
        self.files.insert(path.to_owned(), text);
        Ok(())
    }

    /// Paths of so many, chosen at random.
    fn some(&mut self, number: usize) -> Vec<String> {
        let mut paths: Vec<String> = self.files.keys().cloned().collect();
        let mut chosen = Vec::new();
        while chosen.len() < number && !paths.is_empty() {
            let at = self.random.below(paths.len());
            chosen.push(paths.swap_remove(at));
        }
        chosen
    }
}
