//! Finds the words of a query in running text, by the tokens that the index found them by.

use std::ops::Range;

use foldhash::HashMap;

use super::{
    Analyzer, BACKWARDS, FORWARDS, Language, flag,
    fold::{fold, normalize},
    pairs, plain,
    split::{Compound, Piece, parts, pieces},
};
use crate::text::query::Term;

/// Most words looked for; what a longer query adds would not move a passage.
const MAX_WORDS: usize = 64;

/// Words that are remembered.
const MOST_MET: usize = 10_000;

/// Words to look for in a text.
#[derive(Debug)]
pub struct Sought {
    language: Language,
    analyzer: Analyzer,
    /// Tokens, each with the number of the word that it is a form of.
    tokens: HashMap<String, usize>,
    /// Beginnings and endings of tokens.
    prefixes: Vec<(String, usize)>,
    suffixes: Vec<(String, usize)>,
    /// For each ASCII character that one of them begins with, a bit for each that follows there.
    seconds: [u128; 128],
    /// What words turned out to be as they are written: texts repeat theirs.
    met: HashMap<String, Option<usize>>,
    count: usize,
}

impl Sought {
    /// The words of `terms`, to be found in texts of a language.
    pub fn new(terms: &[String], language: Language) -> Self {
        let mut sought = Self {
            language,
            analyzer: Analyzer::new(),
            tokens: HashMap::default(),
            prefixes: Vec::new(),
            suffixes: Vec::new(),
            seconds: [0; 128],
            met: HashMap::default(),
            count: 0,
        };
        for text in terms {
            let term = Term {
                text: text.clone(),
                phrase: false,
                prefix: false,
                field: None,
            };
            for want in sought.analyzer.wanted(&term, &[language]) {
                if sought.count == MAX_WORDS {
                    return sought;
                }
                let number = sought.count;
                // Of a name that the index has as one, the parts alone are not meant.
                let as_one = want.forms.iter().any(|form| form.tokens.len() == 1);
                for form in want.forms {
                    if as_one && form.tokens.len() > 1 {
                        continue;
                    }
                    for token in form.tokens {
                        sought.add(&token, form.prefix, number);
                    }
                }
                sought.count += 1;
            }
        }
        sought
    }

    /// How many words there are. They have the numbers below.
    pub fn count(&self) -> usize {
        self.count
    }

    fn add(&mut self, token: &str, prefix: bool, number: usize) {
        if let Some(ending) = token.strip_prefix(BACKWARDS) {
            self.suffixes.push((ending.chars().rev().collect(), number));
            return;
        }
        let token = token.strip_prefix(FORWARDS).unwrap_or(token).to_owned();
        if let Some(first) = token.bytes().next().filter(u8::is_ascii) {
            self.seconds[usize::from(first)] |= match token.as_bytes().get(1) {
                Some(second) if second.is_ascii() => 1 << second,
                // Any may follow.
                _ => u128::MAX,
            };
        }
        if prefix {
            self.prefixes.push((token, number));
        } else {
            // A word that is asked for twice has its first number.
            self.tokens.entry(token).or_insert(number);
        }
    }

    /// Calls `found` with the place and the number of each word in the text, in no strict order.
    pub fn find(&mut self, text: &str, mut found: impl FnMut(Range<usize>, usize)) {
        if self.count == 0 {
            return;
        }
        for piece in pieces(text) {
            match piece {
                Piece::Unspaced(run) => {
                    let mut at = run.start;
                    for token in pairs(&text[run]) {
                        if let Some(number) = self.number(&normalize(token)) {
                            found(at..at + token.len(), number);
                        }
                        at += token.chars().next().map_or(0, char::len_utf8);
                    }
                }
                Piece::Compound(compound) => self.find_in(text, &compound, &mut found),
            }
        }
    }

    fn find_in(
        &mut self,
        text: &str,
        compound: &Compound,
        found: &mut impl FnMut(Range<usize>, usize),
    ) {
        if let Some(run) = plain(text, compound) {
            let number = self.number_of_word(&text[run.clone()]);
            found_at(run, number, found);
            return;
        }
        let mut all = String::new();
        let mut whole = None;
        for word in &compound.words {
            let (Some(first), Some(last)) = (word.runs.first(), word.runs.last()) else {
                continue;
            };
            let range = first.start..last.end;
            whole = Some(whole.map_or(range.start, |it: Range<usize>| it.start)..range.end);
            let written: String = word.runs.iter().map(|run| &text[run.clone()]).collect();
            let number = self.number_of_word(&(written.clone() + word.suffix));
            found_at(range, number, found);
            all += &written;
            for run in &word.runs {
                let mut at = run.start;
                for part in parts(&text[run.clone()]) {
                    let number = self.number_of_word(part);
                    found_at(at..at + part.len(), number, found);
                    at += part.len();
                }
            }
        }
        if let Some(range) = whole {
            let number = self.number_of_word(&all).or_else(|| {
                let stem = self.analyzer.stem(&fold(&all), self.language).to_owned();
                compound.flag.then(|| self.number(&flag(&stem))).flatten()
            });
            found_at(range, number, found);
        }
    }

    /// The number of a word as it is written.
    fn number_of_word(&mut self, written: &str) -> Option<usize> {
        if self.suffixes.is_empty() && !self.may_be(written.as_bytes()) {
            return None;
        }
        if let Some(number) = self.met.get(written) {
            return *number;
        }
        let folded = fold(&normalize(written));
        let stem = self.analyzer.stem(&folded, self.language).to_owned();
        let number = self.number(&stem).or_else(|| {
            let opened = self.prefixes.iter().find(|(it, _)| folded.starts_with(it));
            opened.map(|(_, number)| *number)
        });
        if self.met.len() < MOST_MET {
            self.met.insert(written.to_owned(), number);
        }
        number
    }

    /// Whether a word that begins so can be one of those that are looked for.
    fn may_be(&self, written: &[u8]) -> bool {
        let letter = |place: usize| written.get(place).map_or(b'y', u8::to_ascii_lowercase);
        let (first, second) = (letter(0), letter(1));
        if !first.is_ascii() {
            return true;
        }
        let seconds = self.seconds[usize::from(first)];
        if seconds == 0 {
            return false;
        }
        // Of English words no ending begins with the second letter, but for some like "dying".
        let is_kept = second.is_ascii_alphanumeric() && second != b'y';
        self.language != Language::English || !is_kept || seconds & (1 << second) != 0
    }

    fn number(&self, token: &str) -> Option<usize> {
        self.tokens
            .get(token)
            .or_else(|| {
                let opens = self.prefixes.iter().find(|(it, _)| token.starts_with(it));
                opens.map(|(_, number)| number)
            })
            .or_else(|| {
                let ends = self.suffixes.iter().find(|(it, _)| token.ends_with(it));
                ends.map(|(_, number)| number)
            })
            .copied()
    }
}

fn found_at(
    range: Range<usize>,
    number: Option<usize>,
    found: &mut impl FnMut(Range<usize>, usize),
) {
    if let Some(number) = number {
        found(range, number);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn found(terms: &str, text: &str) -> Vec<String> {
        let terms: Vec<String> = terms.split(' ').map(str::to_owned).collect();
        let mut found = Vec::new();
        Sought::new(&terms, Language::of(text)).find(text, |range, number| {
            found.push((range.start, format!("{number}:{}", &text[range])));
        });
        found.sort();
        found.dedup();
        found.into_iter().map(|(_, word)| word).collect()
    }

    #[test]
    fn words_are_found_in_every_form_that_the_index_knows() {
        for (terms, text, expected) in [
            (
                "model",
                "Models remodel MODEL (model)",
                "0:Models 0:MODEL 0:model",
            ),
            ("boundaries", "a boundary", "0:boundary"),
            ("to two", "Too to, TWO", "0:to 1:TWO"),
            ("c++", "cat C++ c", "0:C"),
            ("--flag", "the --flag", "0:flag"),
            ("été", "Étés", "0:Étés"),
            ("foo_bar", "FooBar foo_bar foo", "0:FooBar 0:foo_bar"),
            ("bar", "fooBar", "0:Bar"),
            ("gpt-4", "the gpt-4", "0:gpt-4"),
            ("東京都", "新東京と京都", "0:東京 1:京都"),
            ("水", "地下水", "0:水"),
            ("Haus", "Die Häuser und der Wald", "0:Häuser"),
            (
                "versicherung",
                "die Krankenversicherung ist da",
                "0:Krankenversicherung",
            ),
            ("книга", "две книги", "0:книги"),
            ("", "nothing", ""),
        ] {
            assert_eq!(found(terms, text).join(" "), expected, "{terms} in {text}");
        }
    }

    proptest! {
        #[test]
        fn endings_leave_the_first_two_letters(word in "[a-z0-9][a-xz0-9][a-z0-9]{0,10}") {
            let mut analyzer = Analyzer::new();
            let stem = analyzer.stem(&word, Language::English);
            prop_assert_eq!(&stem[..2], &word[..2]);
        }
    }
}
