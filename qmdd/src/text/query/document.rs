//! The lines of a query, and the prefixes that give them a kind.

use std::ops::Range;

/// What a line begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Prefix {
    Lex,
    Vec,
    Hyde,
    Intent,
    Expand,
}

impl Prefix {
    const ALL: [Self; 5] = [Self::Lex, Self::Vec, Self::Hyde, Self::Intent, Self::Expand];

    /// With its colon.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Lex => "lex:",
            Self::Vec => "vec:",
            Self::Hyde => "hyde:",
            Self::Intent => "intent:",
            Self::Expand => "expand:",
        }
    }

    /// The prefix of a line, in letters of any case, and what follows. `vec::` is a path of Rust.
    fn of(line: &str) -> Option<(Self, &str)> {
        Self::ALL.into_iter().find_map(|prefix| {
            let (start, rest) = line.split_at_checked(prefix.name().len())?;
            let typed = start.eq_ignore_ascii_case(prefix.name()) && !rest.starts_with(':');
            typed.then_some((prefix, rest))
        })
    }
}

/// A line that is not blank.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line<'a> {
    /// Where it begins, in bytes, white space passed over.
    pub(super) at: usize,
    pub(super) prefix: Option<Prefix>,
    /// What stands after the prefix, without white space around it.
    pub(super) text: &'a str,
    /// Where that begins, in bytes.
    text_at: usize,
}

impl Line<'_> {
    /// The bytes of its text.
    pub(super) fn range(&self) -> Range<usize> {
        self.text_at..self.end()
    }

    /// Where it ends.
    pub(super) fn end(&self) -> usize {
        self.text_at + self.text.len()
    }
}

/// The lines of a text that are not blank.
pub(super) fn lines(text: &str) -> Vec<Line<'_>> {
    let mut start = 0;
    let mut lines = Vec::new();
    for whole in text.split('\n') {
        let trimmed = whole.trim_start();
        let at = start + whole.len() - trimmed.len();
        start += whole.len() + 1;
        let trimmed = trimmed.trim_end();
        if trimmed.is_empty() {
            continue;
        }
        let (prefix, rest) = match Prefix::of(trimmed) {
            Some((prefix, rest)) => (Some(prefix), rest),
            None => (None, trimmed),
        };
        let text = rest.trim_start();
        lines.push(Line {
            at,
            prefix,
            text,
            text_at: at + trimmed.len() - text.len(),
        });
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_begin_with_a_prefix_or_not() {
        let shown: Vec<(usize, Option<Prefix>, &str)> =
            lines(" LEX: é x \r\n\n vec::new()\nvec:\n\thyde:y\nlexis: z\nintent :a\nEx")
                .into_iter()
                .map(|line| (line.at, line.prefix, line.text))
                .collect();
        assert_eq!(
            shown,
            [
                (1, Some(Prefix::Lex), "é x"),
                (15, None, "vec::new()"),
                (26, Some(Prefix::Vec), ""),
                (32, Some(Prefix::Hyde), "y"),
                (39, None, "lexis: z"),
                (48, None, "intent :a"),
                (58, None, "Ex"),
            ]
        );
        assert_eq!(lines(" \n\r\n"), []);
    }

    #[test]
    fn a_line_knows_where_its_text_is() {
        let text = "x\n  Vec:  naïve  \nhyde:";
        let lines = lines(text);
        assert_eq!(&text[lines[1].range()], "naïve");
        assert_eq!((lines[2].range(), lines[2].end()), (24..24, 24));
    }
}
