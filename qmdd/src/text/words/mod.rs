//! From text to words: what the index holds of a text, and what of it a query looks for. Both are
//! made here, so that they meet.
//!
//! A word is indexed by its stem, in its place. Beside the words, without a place among them, stand
//! their other forms: the parts of `foo_bar` and `fooBar`, `wind-tunnel` as one, `--flag` with its
//! dashes, long words of languages that write compounds, forwards and backwards. Scripts without
//! spaces are indexed by overlapping pairs of characters.

mod fold;
mod language;
mod sight;
mod split;
mod stop;
mod wanted;

use std::ops::Range;

use foldhash::HashMap;

use self::{
    fold::{fold, fold_into, normalize},
    split::{Compound, Piece, Word, parts, pieces},
    stop::is_stop_word,
};

pub use self::{
    language::Language,
    sight::Sought,
    wanted::{Form, Want},
};

/// Stands before an option of a command: `--flag`.
const FLAG: char = '\u{e000}';
/// Stands before a word that may be a compound, so that its beginning can be looked for ...
const FORWARDS: char = '\u{e003}';
/// ... and before the same word written backwards, so that its end can.
const BACKWARDS: char = '\u{e002}';

/// Longest token, in bytes. What is longer is cut, in texts and queries alike.
const MAX_TOKEN: usize = 96;
/// Most words of a compound that are also indexed as one.
const MAX_JOINED: usize = 4;
/// Fewest characters of a stem that may hold another word.
const MIN_COMPOUND: usize = 9;
/// Stems of a language that an [`Analyzer`] remembers.
const MAX_CACHED: usize = 50_000;

/// What the index holds of a text, as tokens with a space between. A token has no space and no
/// ASCII character but small letters and digits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tokens {
    /// The words in their places.
    pub words: String,
    /// Other forms of them.
    pub forms: String,
}

/// Makes tokens of texts and queries. Remembers stems, so one that is kept is faster.
#[derive(Debug, Default)]
pub struct Analyzer {
    stems: HashMap<Language, HashMap<String, String>>,
}

/// The tokens of one compound.
#[derive(Debug, Default)]
struct Analyzed {
    /// One for each word.
    words: Vec<String>,
    /// The parts of words that have some.
    parts: Vec<String>,
    /// All of it as one.
    joined: Option<String>,
}

impl Analyzer {
    /// One that remembers nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The tokens of a text that is in `language`. `telling` is called with each word that may say
    /// what the text is about.
    pub fn tokens(
        &mut self,
        text: &str,
        language: Language,
        mut telling: impl FnMut(&str),
    ) -> Tokens {
        let text = normalize(text);
        let text = &*text;
        let mut tokens = Tokens {
            words: String::with_capacity(text.len()),
            forms: String::new(),
        };
        let mut folded = String::new();
        for piece in pieces(text) {
            let compound = match piece {
                Piece::Unspaced(run) => {
                    for token in pairs(&text[run]) {
                        push(&mut tokens.words, token);
                        telling(token);
                    }
                    continue;
                }
                Piece::Compound(compound) => compound,
            };
            if let Some(run) = plain(text, &compound) {
                folded.clear();
                fold_into(&text[run], &mut folded);
                let stem = self.stem(&folded, language);
                push(&mut tokens.words, stem);
                if says_something(&folded) {
                    telling(stem);
                }
                if language.compounds() && stem.chars().count() >= MIN_COMPOUND {
                    push(&mut tokens.forms, &forwards(stem));
                    push(&mut tokens.forms, &backwards(stem));
                }
                continue;
            }
            let analyzed = self.compound(text, &compound, language);
            for word in &analyzed.words {
                push(&mut tokens.words, word);
                if says_something(word) {
                    telling(word);
                }
            }
            for part in &analyzed.parts {
                if part.chars().nth(1).is_some() {
                    push(&mut tokens.forms, part);
                }
            }
            if let Some(joined) = &analyzed.joined {
                push(&mut tokens.forms, joined);
            }
            if compound.flag {
                let name = analyzed.joined.as_ref().or(analyzed.words.first());
                push(&mut tokens.forms, &flag(name.map_or("", |name| name)));
            }
        }
        tokens
    }

    /// The stem of a folded word.
    fn stem(&mut self, folded: &str, language: Language) -> &str {
        let stems = self.stems.entry(language).or_default();
        let word = cut(folded);
        if !stems.contains_key(word) {
            if stems.len() >= MAX_CACHED {
                stems.clear();
            }
            stems.insert(word.to_owned(), language::stem(word, language));
        }
        &stems[word]
    }

    fn compound(&mut self, text: &str, compound: &Compound, language: Language) -> Analyzed {
        let mut analyzed = Analyzed::default();
        let mut all = String::new();
        for word in &compound.words {
            let folded = folded_word(text, word);
            analyzed.words.push(self.stem(&folded, language).to_owned());
            for part in parts_of(text, word) {
                analyzed
                    .parts
                    .push(self.stem(&fold(part), language).to_owned());
            }
            all.push_str(&folded);
        }
        if (2..=MAX_JOINED).contains(&compound.words.len()) && !compound.path {
            analyzed.joined = Some(self.stem(&all, language).to_owned());
        }
        analyzed
    }
}

/// The only run of a compound that is an ordinary word.
fn plain(text: &str, compound: &Compound) -> Option<Range<usize>> {
    let [word] = compound.words.as_slice() else {
        return None;
    };
    let [run] = word.runs.as_slice() else {
        return None;
    };
    let whole = !compound.flag && word.suffix.is_empty() && parts(&text[run.clone()]).len() == 1;
    whole.then(|| run.clone())
}

/// A word as one, folded.
fn folded_word(text: &str, word: &Word) -> String {
    let mut folded = String::new();
    for run in &word.runs {
        fold_into(&text[run.clone()], &mut folded);
    }
    folded.push_str(word.suffix);
    folded
}

/// The parts of a word, if it has several.
fn parts_of<'a>(text: &'a str, word: &Word) -> Vec<&'a str> {
    let parts: Vec<&str> = word
        .runs
        .iter()
        .flat_map(|run| parts(&text[run.clone()]))
        .collect();
    if parts.len() > 1 || !word.suffix.is_empty() {
        parts
    } else {
        Vec::new()
    }
}

/// Each character of a run with the one that follows, and the last alone: so that every character
/// begins a token. A character takes the marks after it along.
fn pairs(run: &str) -> impl Iterator<Item = &str> {
    let is_mark = unicode_normalization::char::is_combining_mark;
    let mut starts: Vec<usize> = run
        .char_indices()
        .filter(|&(at, c)| at == 0 || !is_mark(c))
        .map(|(at, _)| at)
        .collect();
    starts.push(run.len());
    (0..starts.len() - 1).map(move |place| {
        let end = starts.get(place + 2).copied().unwrap_or(run.len());
        &run[starts[place]..end]
    })
}

/// Whether a word may tell what a text is about: no small word, no number.
fn says_something(word: &str) -> bool {
    let long_enough = word.len() > 2;
    long_enough && !is_stop_word(word) && !word.bytes().all(|byte| byte.is_ascii_digit())
}

fn flag(name: &str) -> String {
    format!("{FLAG}{name}")
}

fn forwards(stem: &str) -> String {
    format!("{FORWARDS}{stem}")
}

fn backwards(stem: &str) -> String {
    std::iter::once(BACKWARDS)
        .chain(stem.chars().rev())
        .collect()
}

/// A token within the limit.
fn cut(token: &str) -> &str {
    let mut end = token.len().min(MAX_TOKEN);
    while !token.is_char_boundary(end) {
        end -= 1;
    }
    &token[..end]
}

fn push(stream: &mut String, token: &str) {
    if !stream.is_empty() {
        stream.push(' ');
    }
    stream.push_str(token);
}

#[cfg(test)]
mod tests;
