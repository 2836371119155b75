//! How good rankings are: judged collections, measures, and what chance makes of them. Texts and numbers
//! alone; nothing here reads, asks or prints.

pub mod beir;
pub mod bench;
pub mod compare;
pub mod fixture;
pub mod judged;
pub mod metrics;
pub mod names;
pub mod report;
pub mod run;
pub mod statistics;

use std::fmt;

/// What is wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed {
    /// The line, counted from 1; `None` when it is about the whole.
    pub line: Option<usize>,
    /// What is wrong there.
    pub message: String,
}

impl Malformed {
    /// About a line, counted from 1.
    fn at(line: usize, message: impl Into<String>) -> Self {
        Self {
            line: Some(line),
            message: message.into(),
        }
    }

    /// About the whole file.
    pub fn whole(message: impl Into<String>) -> Self {
        Self {
            line: None,
            message: message.into(),
        }
    }

    /// The same, after the name of its file: `qrels.tsv:3: no grade: "x"`.
    pub fn in_file(&self, file: &str) -> String {
        format!("{file}:{self}")
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "{line}:")?;
        }
        write!(f, " {}", self.message)
    }
}

impl std::error::Error for Malformed {}

/// The lines of a file that hold something, with their numbers counted from 1.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let numbered = text.lines().enumerate().map(|(at, line)| (at + 1, line));
    numbered.filter(|(_, line)| !line.trim().is_empty())
}

/// A piece of a line, short enough for a message.
fn shown(text: &str) -> String {
    const LONGEST: usize = 60;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{:?}", format!("{}…", &text[..end])),
        None => format!("{text:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_complaint_names_file_and_line() {
        let complaint = Malformed::at(3, "no grade: \"x\"");
        assert_eq!(
            complaint.in_file("qrels.tsv"),
            "qrels.tsv:3: no grade: \"x\""
        );
        let whole = Malformed::whole("no query is judged");
        assert_eq!(whole.in_file("qrels.tsv"), "qrels.tsv: no query is judged");
    }

    #[test]
    fn empty_lines_count_and_say_nothing() {
        let found: Vec<_> = lines("\u{feff}a\r\n\n \nb").collect();
        assert_eq!(found, [(1, "a"), (4, "b")]);
    }

    #[test]
    fn long_lines_are_cut_at_characters() {
        assert_eq!(shown("short"), "\"short\"");
        assert_eq!(shown(&"é".repeat(70)), format!("\"{}…\"", "é".repeat(60)));
    }
}
