//! A document's lines, for the formats that are made of them.

use std::{collections::HashMap, hash::Hash};

/// A line.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line<'a> {
    /// Byte offset into the document.
    pub(super) start: usize,
    /// Byte offset of the next line.
    pub(super) end: usize,
    /// Its text, without line feed and white space at its end.
    pub(super) text: &'a str,
}

impl<'a> Line<'a> {
    /// Its text without white space on either side.
    pub(super) fn trimmed(&self) -> &'a str {
        self.text.trim_start()
    }

    pub(super) fn is_blank(&self) -> bool {
        self.text.is_empty()
    }

    /// Bytes of white space at its start.
    pub(super) fn indent(&self) -> usize {
        self.text.len() - self.trimmed().len()
    }

    /// The sign that it repeats from its first character to its last, `least` times or more.
    pub(super) fn repeats(&self, least: usize) -> Option<char> {
        let sign = self
            .text
            .chars()
            .next()
            .filter(char::is_ascii_punctuation)?;
        let all = self.text.chars().all(|c| c == sign);
        (all && self.text.len() >= least).then_some(sign)
    }
}

/// The lines of a document, which tile it.
pub(super) fn lines(text: &str) -> Vec<Line<'_>> {
    let mut start = 0;
    let line = |line: &'_ str| {
        let begin = start;
        start += line.len();
        (begin, start)
    };
    let spans: Vec<_> = text.split_inclusive('\n').map(line).collect();
    let line = |(start, end): (usize, usize)| Line {
        start,
        end,
        text: text[start..end].trim_end(),
    };
    spans.into_iter().map(line).collect()
}

/// Where lines are that can end a block, so that looking for the end of each block stays quick however
/// many begin and never end.
pub(super) struct Ends<K>(HashMap<K, Vec<usize>>);

impl<K: Hash + Eq> Ends<K> {
    /// `key` tells what a line, given with its index, can end.
    pub(super) fn of<'a>(lines: &[Line<'a>], key: impl Fn(usize, &Line<'a>) -> Option<K>) -> Self {
        let mut ends: HashMap<K, Vec<usize>> = HashMap::new();
        for (at, line) in lines.iter().enumerate() {
            if let Some(key) = key(at, line) {
                ends.entry(key).or_default().push(at);
            }
        }
        Self(ends)
    }

    /// The first of them after the line `at`.
    pub(super) fn after(&self, at: usize, key: &K) -> Option<usize> {
        let ends = self.0.get(key)?;
        ends.get(ends.partition_point(|end| *end <= at)).copied()
    }
}

/// Whether a line opens an item of a list: one of the signs and a space, or a number or a letter with
/// a stop or a bracket and a space.
pub(super) fn is_item(line: &str, signs: &[char]) -> bool {
    let line = line.trim_start();
    let rest = line.trim_start_matches(|c: char| c.is_ascii_digit());
    let numbered = match line.len() - rest.len() {
        0 => line.strip_prefix(|c: char| c.is_ascii_alphabetic() || c == '#'),
        1..=9 => Some(rest),
        _ => None,
    };
    let after = line
        .strip_prefix(signs)
        .or_else(|| numbered?.strip_prefix(['.', ')']));
    after.is_some_and(|after| after.starts_with([' ', '\t']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_known_by_their_signs() {
        for (line, expected) in [
            ("- a", true),
            ("  * a", true),
            ("+a", false),
            ("12. a", true),
            ("1) a", true),
            ("a. b", true),
            ("#. b", true),
            ("1.5 b", false),
            ("e.g. b", false),
            ("1234567890. b", false),
            ("-", false),
            ("", false),
        ] {
            assert_eq!(is_item(line, &['-', '*', '+']), expected, "{line}");
        }
    }
}
