//! Cuts a text into what is written together: words, compounds such as `wind-tunnel`, names such as
//! `foo_bar`, runs of scripts without spaces.

use std::ops::Range;

use unicode_normalization::char::is_combining_mark;

use super::fold::is_accent;

/// What is written together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    /// Words that characters such as `-`, `.` and `/` tie together; most have but one.
    Compound(Compound),
    /// Characters of a script without spaces between words.
    Unspaced(Range<usize>),
}

/// Words tied together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Compound {
    /// The words, in order; never empty.
    pub(super) words: Vec<Word>,
    /// It follows `--`, as an option of a command does.
    pub(super) flag: bool,
    /// What ties the words: all of it is a hyphen, a slash, or an apostrophe after an article.
    pub(super) loose: bool,
    /// A slash is among what ties the words.
    pub(super) path: bool,
}

/// A word, or a name of several parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word {
    /// Runs of letters and digits that `_` and apostrophes tie: never empty.
    pub(super) runs: Vec<Range<usize>>,
    /// What `++` and `#` at its end say in letters.
    pub(super) suffix: &'static str,
}

/// Articles and pronouns that French and Italian tie to a word by an apostrophe.
const ELIDED: [&str; 14] = [
    "l", "d", "j", "m", "n", "s", "t", "c", "qu", "un", "dell", "all", "nell", "sull",
];
/// English endings that an apostrophe ties to a word, and that say nothing of it.
const ENDINGS: [&str; 6] = ["s", "ll", "re", "ve", "d", "m"];

/// Whether a character is of a script that writes words without spaces between them. Korean has
/// spaces, but ties so much to its words that it is better found by its syllables.
pub(super) fn unspaced(c: char) -> bool {
    matches!(c,
        '\u{e00}'..='\u{eff}' // Thai, Lao
        | '\u{1000}'..='\u{109f}' // Burmese
        | '\u{1100}'..='\u{11ff}' // Hangul letters
        | '\u{1780}'..='\u{17ff}' // Khmer
        | '\u{3005}'..='\u{3007}' // iteration mark, zero
        | '\u{3040}'..='\u{30ff}' // kana
        | '\u{3130}'..='\u{318f}' // Hangul letters
        | '\u{31f0}'..='\u{31ff}' // kana
        | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' // Han
        | '\u{ac00}'..='\u{d7ff}' // Hangul
        | '\u{f900}'..='\u{faff}' // Han
        | '\u{ff66}'..='\u{ffdc}' // half-width kana and Hangul
        | '\u{20000}'..='\u{3ffff}' // Han
    ) && (c.is_alphanumeric() || is_combining_mark(c))
}

/// The pieces of a text, in order.
pub(super) fn pieces(text: &str) -> Pieces<'_> {
    Pieces { text, at: 0 }
}

pub(super) struct Pieces<'a> {
    text: &'a str,
    at: usize,
}

impl Iterator for Pieces<'_> {
    type Item = Piece;

    fn next(&mut self) -> Option<Piece> {
        let rest = &self.text[self.at..];
        let start = self.at + rest.find(char::is_alphanumeric)?;
        let first = self.text[start..].chars().next()?;
        if unspaced(first) {
            let rest = &self.text[start..];
            let end = start + rest.find(|c| !unspaced(c)).unwrap_or(rest.len());
            self.at = end;
            return Some(Piece::Unspaced(start..end));
        }
        Some(Piece::Compound(self.compound(start)))
    }
}

impl Pieces<'_> {
    /// The compound that starts at `start`.
    fn compound(&mut self, start: usize) -> Compound {
        let mut compound = Compound {
            flag: follows_two_dashes(self.text, start),
            loose: true,
            ..Compound::default()
        };
        let mut run = start..run_end(self.text, start);
        if is_version(self.text, &run) {
            run.start += 1;
        }
        let mut tied_to_word = false;
        loop {
            if tied_to_word && let Some(word) = compound.words.last_mut() {
                word.runs.push(run.clone());
            } else {
                compound.words.push(Word {
                    runs: vec![run.clone()],
                    suffix: "",
                });
            }
            self.at = run.end;
            if let Some((suffix, bytes)) = suffix(&self.text[run.clone()], &self.text[run.end..]) {
                if let Some(word) = compound.words.last_mut() {
                    word.suffix = suffix;
                }
                self.at += bytes;
                break;
            }
            let Some((tie, next)) = tie(self.text, run.end) else {
                break;
            };
            let end = run_end(self.text, next);
            tied_to_word = false;
            match tie {
                '_' => tied_to_word = true,
                '\'' | '’' => {
                    if is_one_of(&ENDINGS, &self.text[next..end]) {
                        self.at = end;
                        break;
                    }
                    tied_to_word = !is_one_of(&ELIDED, &self.text[run.clone()]);
                }
                '-' | '‐' => {}
                '/' | '\\' => compound.path = true,
                _ => compound.loose = false,
            }
            run = next..end;
        }
        compound
    }
}

/// Where the run of letters and digits that starts at `start` ends.
fn run_end(text: &str, start: usize) -> usize {
    let rest = &text[start..];
    let ends = |c: char| {
        if c.is_ascii() {
            !c.is_ascii_alphanumeric()
        } else {
            unspaced(c) || !(c.is_alphanumeric() || is_combining_mark(c) || is_accent(c))
        }
    };
    start + rest.find(ends).unwrap_or(rest.len())
}

/// What stands between a run that ends at `end` and the next one, and where that starts: one
/// character, or the same one twice.
fn tie(text: &str, end: usize) -> Option<(char, usize)> {
    let mut chars = text[end..].chars();
    let tie = chars.next()?;
    if !matches!(
        tie,
        '_' | '-' | '‐' | '.' | ':' | '/' | '\\' | '@' | '\'' | '’' | '+' | '&' | '~' | '#'
    ) {
        return None;
    }
    let starts = |c: char| c.is_alphanumeric() && !unspaced(c);
    let next = end + tie.len_utf8();
    match chars.next()? {
        c if starts(c) => Some((tie, next)),
        c if c == tie && matches!(c, '_' | ':') && chars.next().is_some_and(starts) => {
            Some((tie, next + c.len_utf8()))
        }
        _ => None,
    }
}

/// What `++` or `#` after a run says, and its length: C++, C#.
fn suffix(run: &str, rest: &str) -> Option<(&'static str, usize)> {
    let alone = |rest: &str| !rest.starts_with(char::is_alphanumeric);
    if rest.starts_with("++") && !rest.starts_with("+++") {
        return Some(("plusplus", 2));
    }
    if rest.starts_with('#') && run.len() <= 2 && alone(&rest[1..]) {
        return Some(("sharp", 1));
    }
    None
}

/// Whether a run begins a version such as v1.2, which is 1.2 as well.
fn is_version(text: &str, run: &Range<usize>) -> bool {
    let digits = text[run.clone()].strip_prefix(['v', 'V']);
    digits.is_some_and(|it| !it.is_empty() && it.bytes().all(|byte| byte.is_ascii_digit()))
        && text[run.end..]
            .strip_prefix('.')
            .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}

/// Whether what starts at `at` is written as an option of a command: `--flag`.
fn follows_two_dashes(text: &str, at: usize) -> bool {
    text[..at].strip_suffix("--").is_some_and(|before| {
        !before.ends_with(|c: char| c == '-' || c.is_alphanumeric())
            && text[at..].starts_with(char::is_alphabetic)
    })
}

fn is_one_of(list: &[&str], word: &str) -> bool {
    list.iter().any(|it| it.eq_ignore_ascii_case(word))
}

/// The parts of a run that its capitals and digits show: `fooBar`, `HTTPServer`, `E0308`. The run
/// itself when there are none.
pub(super) fn parts(run: &str) -> Vec<&str> {
    let bytes = run.as_bytes();
    if !run.is_ascii() || bytes.iter().all(u8::is_ascii_lowercase) {
        return vec![run];
    }
    let mut cuts = Vec::new();
    let mut between_digits = 0;
    for at in 1..bytes.len() {
        let (before, here) = (bytes[at - 1], bytes[at]);
        if before.is_ascii_digit() != here.is_ascii_digit() {
            between_digits += 1;
            cuts.push(at);
        } else if before.is_ascii_lowercase() && here.is_ascii_uppercase() {
            cuts.push(at);
        } else if before.is_ascii_uppercase()
            && here.is_ascii_lowercase()
            && at > 1
            && bytes[at - 2].is_ascii_uppercase()
            // The plural of an abbreviation: URLs.
            && (here != b's' || bytes.get(at + 1).is_some_and(u8::is_ascii_lowercase))
        {
            cuts.push(at - 1);
        }
    }
    // More is a number in hexadecimal, or text in base 64: its pieces mean nothing.
    if between_digits > 2 {
        return vec![run];
    }
    let mut parts = Vec::with_capacity(cuts.len() + 1);
    let mut start = 0;
    for cut in cuts.into_iter().chain([run.len()]) {
        parts.push(&run[start..cut]);
        start = cut;
    }
    parts
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Pieces as `word+word`, runs joined by `_`, unspaced runs in angle brackets.
    fn show(text: &str) -> Vec<String> {
        let word = |word: &Word| {
            let runs: Vec<&str> = word.runs.iter().map(|run| &text[run.clone()]).collect();
            runs.join("_") + word.suffix
        };
        pieces(text)
            .map(|piece| match piece {
                Piece::Unspaced(range) => format!("<{}>", &text[range]),
                Piece::Compound(compound) => {
                    let words: Vec<String> = compound.words.iter().map(word).collect();
                    format!(
                        "{}{}",
                        if compound.flag { "--" } else { "" },
                        words.join("+")
                    )
                }
            })
            .collect()
    }

    #[test]
    fn what_is_written_together_stays_together() {
        for (text, expected) in [
            ("plain words, here.", "plain words here"),
            ("wind-tunnel e.g. a.b.c", "wind+tunnel e+g a+b+c"),
            (
                "foo_bar foo__bar std::fs::read",
                "foo_bar foo_bar std+fs+read",
            ),
            ("src/store/tokens.rs", "src+store+tokens+rs"),
            (
                "C++ C# g++ a+b i++",
                "Cplusplus Csharp gplusplus a+b iplusplus",
            ),
            ("--dry-run x--y ---z", "--dry+run x y z"),
            ("Gerstmann's don't we'll", "Gerstmann don_t we"),
            ("l'avion qu’il O'Brien", "l+avion qu+il O_Brien"),
            ("Rust言語です rust", "Rust <言語です> rust"),
            ("ภาษาไทย!", "<ภาษาไทย>"),
            ("me@example.com", "me+example+com"),
            ("हिन्दी भाषा", "हिन्दी भाषा"),
            ("# Title #tag", "Title tag"),
            ("-- a _b_", "a b"),
            ("v1.2 V10 vb.2", "1+2 V10 vb+2"),
        ] {
            assert_eq!(show(text).join(" "), expected, "{text}");
        }
    }

    #[test]
    fn capitals_and_digits_show_parts() {
        for (run, expected) in [
            ("plain", "plain"),
            ("fooBar", "foo Bar"),
            ("HTTPServer", "HTTP Server"),
            ("URLs", "URLs"),
            ("USA", "USA"),
            ("E0308", "E 0308"),
            ("0x80070005", "0 x 80070005"),
            ("utf8", "utf 8"),
            ("a1b2c3d4", "a1b2c3d4"),
            ("Éa", "Éa"),
        ] {
            assert_eq!(parts(run).join(" "), expected, "{run}");
        }
    }

    proptest! {
        #[test]
        fn pieces_follow_each_other_on_character_boundaries(
            text in "([a-zA-Z0-9_.:/'’+#& -]|漢|ไ|é|\u{301}){0,40}|\\PC{0,40}"
        ) {
            let mut at = 0;
            for piece in pieces(&text) {
                let ranges = match piece {
                    Piece::Unspaced(range) => vec![range],
                    Piece::Compound(compound) => {
                        prop_assert!(!compound.words.is_empty());
                        compound.words.into_iter().flat_map(|word| word.runs).collect()
                    }
                };
                for range in ranges {
                    prop_assert!(range.start >= at && range.end > range.start);
                    prop_assert_eq!(parts(&text[range.clone()]).concat(), &text[range.clone()]);
                    at = range.end;
                }
            }
            // Every letter and digit is in a piece, but for English endings and a version's v.
            if !text.contains(['\'', '’', 'v', 'V']) {
                let lone = text.chars().filter(|c| c.is_alphanumeric()).count();
                let kept: usize = pieces(&text).map(|piece| match piece {
                    Piece::Unspaced(range) => text[range].chars().filter(|c| c.is_alphanumeric()).count(),
                    Piece::Compound(compound) => compound.words.iter().flat_map(|word| &word.runs)
                        .map(|run| text[run.clone()].chars().filter(|c| c.is_alphanumeric()).count()).sum(),
                }).sum();
                prop_assert_eq!(lone, kept);
            }
        }
    }
}
