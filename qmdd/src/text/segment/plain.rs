//! The layout of text whose format is not known, and of code before its grammar is asked: blank lines,
//! and what is not indented.

use super::{Code, Language, Layout, lines::lines, score};
use crate::text::page::FEED;

pub(super) fn layout(text: &str) -> Layout {
    let mut layout = Layout::default();
    let mut after_blank = false;
    for line in lines(text) {
        if line.text.starts_with(FEED) || text[line.start..].starts_with(FEED) {
            layout.fixed.push((line.start, score::RULE));
        } else if !line.is_blank() {
            let worth = match (after_blank, line.indent()) {
                // What closes stays with what it closes.
                _ if closes(line.trimmed()) => score::NONE,
                (true, 0) => score::PARAGRAPH,
                (true, _) => score::INDENTED,
                (false, 0) => score::ITEM,
                (false, _) => score::LINE,
            };
            layout.fixed.push((line.start, worth));
        }
        after_blank = line.is_blank();
    }
    layout
}

/// The same, with what a grammar can tell more about.
pub(super) fn code(text: &str, language: Language) -> Layout {
    let mut layout = layout(text);
    layout.code.push(Code {
        bytes: 0..text.len(),
        language,
    });
    layout
}

fn closes(line: &str) -> bool {
    line.starts_with(['}', ')', ']']) || line.starts_with("</") || line == "end" || line == "fi"
}

#[cfg(test)]
mod tests {
    use super::super::tests::cuts;

    #[test]
    fn blank_lines_and_indentation_tell() {
        let text = "# comment\nkey:\n  a: 1\n\n  b: 2\n}\n\nnext:\n\u{c}page\n";
        assert_eq!(
            cuts(text, super::layout(text)),
            [
                ("# comment", 5),
                ("key:", 5),
                ("  a: 1", 1),
                ("", 1),
                ("  b: 2", 10),
                ("}", 0),
                ("", 1),
                ("next:", 20),
                ("\u{c}page", 60),
            ]
        );
    }
}
