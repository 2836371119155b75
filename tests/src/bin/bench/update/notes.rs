//! Ten thousand notes that are the same in every run.

use std::{fmt::Write as _, fs, path::Path};

use anyhow::{Context, Result};
use qmd_tests::Random;

/// How many there are.
pub(crate) const COUNT: usize = 10_000;
/// Words that they are made of.
const WORDS: usize = 30_000;
/// Words of one note.
const LENGTH: usize = 560;

/// The notes, and what becomes of them.
pub(crate) struct Notes {
    words: Vec<String>,
    /// How often they were written anew.
    edition: u64,
    changed: usize,
}

impl Notes {
    /// None written yet.
    pub(crate) fn new() -> Self {
        let mut random = Random::new(1);
        Self {
            words: (0..WORDS).map(|_| word(&mut random)).collect(),
            edition: 0,
            changed: 0,
        }
    }

    /// Writes them all, each time with other texts. Their bytes.
    pub(crate) fn write_all(&mut self, folder: &Path) -> Result<u64> {
        self.edition += 1;
        let mut bytes = 0;
        for number in 0..COUNT {
            let path = folder.join(place(number));
            fs::create_dir_all(path.parent().context("no folder")?)?;
            let text = self.text(number);
            bytes += text.len() as u64;
            fs::write(path, text)?;
        }
        Ok(bytes)
    }

    /// Adds a word to one, another one each time. The note's path inside the folder, and the word.
    pub(crate) fn change_one(&mut self, folder: &Path) -> Result<(String, String)> {
        self.changed += 1;
        let path = place(self.changed * 37 % COUNT);
        let word = format!("zq{}xv", self.changed);
        let file = folder.join(&path);
        let text = fs::read_to_string(&file)?;
        fs::write(file, format!("{text}\n{word}\n"))?;
        Ok((path, word))
    }

    /// Questions of three words, neither the most frequent nor the rarest.
    pub(crate) fn questions(&self, count: usize) -> Vec<String> {
        let mut random = Random::new(2);
        let mut word = || self.words[200 + random.below(2_000)].clone();
        (0..count)
            .map(|_| format!("{} {} {}", word(), word(), word()))
            .collect()
    }

    fn text(&self, number: usize) -> String {
        let mut random = Random::new(self.edition << 32 | number as u64);
        let mut text = String::new();
        // Every third one has front matter.
        if number.is_multiple_of(3) {
            let status = ["draft", "done", "idea"][random.below(3)];
            let (month, day) = (1 + random.below(12), 1 + random.below(28));
            let _ = write!(
                text,
                "---\nstatus: {status}\ntopics: [{}, {}]\ndate: 2024-{month:02}-{day:02}\n---\n",
                self.word(&mut random),
                self.word(&mut random)
            );
        }
        let _ = writeln!(text, "# {} {}\n", self.word(&mut random), number);
        for place in 1..=LENGTH {
            match place % 130 {
                0 => {
                    let _ = write!(text, "\n\n## {}\n\n", self.word(&mut random));
                }
                65 => {
                    let _ = write!(text, "\n\n- {}\n- ", self.word(&mut random));
                }
                _ => {
                    text += self.word(&mut random);
                    text += if place % 13 == 0 { ".\n" } else { " " };
                }
            }
        }
        text
    }

    /// A word, by Zipf's law: the tenth as often as the first is a tenth of it.
    fn word(&self, random: &mut Random) -> &str {
        let rank = (WORDS as f64).powf(random.fraction()) as usize;
        &self.words[rank.clamp(1, WORDS) - 1]
    }
}

/// Where a note goes, inside the folder: a hundredth of them each.
fn place(number: usize) -> String {
    format!("{:02}/{number}.md", number % 100)
}

/// Something that can be spoken.
fn word(random: &mut Random) -> String {
    const HEADS: [&str; 20] = [
        "b", "br", "c", "d", "f", "g", "gr", "h", "k", "l", "m", "n", "p", "pl", "r", "s", "st",
        "t", "v", "w",
    ];
    const HEARTS: [&str; 8] = ["a", "e", "i", "o", "u", "ai", "ea", "oo"];
    const TAILS: [&str; 8] = ["", "", "n", "r", "l", "s", "nd", "ck"];
    let syllable = |random: &mut Random| {
        [
            HEADS[random.below(HEADS.len())],
            HEARTS[random.below(HEARTS.len())],
            TAILS[random.below(TAILS.len())],
        ]
        .concat()
    };
    (0..2 + random.below(2)).map(|_| syllable(random)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_editions_are_equal_and_others_differ() {
        let mut notes = Notes::new();
        notes.edition = 1;
        let first = notes.text(3);
        assert_eq!(first, notes.text(3));
        assert!((5_000..7_500).contains(&first.len()), "{}", first.len());
        assert!(first.starts_with("---\nstatus: "));
        notes.edition = 2;
        assert_ne!(first, notes.text(3));
        assert_eq!(notes.questions(2), Notes::new().questions(2));
    }
}
