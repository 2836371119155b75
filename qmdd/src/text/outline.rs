//! The block structure of a Markdown document, as far as titles and chunks need it.

use std::ops::Range;

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

use super::front_matter::body_start;

/// Longest heading text kept, in characters.
const MAX_CHARS: usize = 200;

/// A heading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heading {
    /// 1 (outermost) to 6.
    pub level: u8,
    /// Its text without markup, on one line, at most 200 characters.
    pub text: String,
}

/// A block at which a document may be cut.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Block {
    /// ATX (`# x`) or setext (underlined).
    Heading(Heading),
    /// A fenced code block, to the end of its closing fence.
    Fence {
        /// What stands behind the opening fence.
        info: String,
    },
    /// An indented code block.
    Code,
    /// A table.
    Table,
    /// A thematic break.
    Rule,
    /// An item of any list.
    Item,
}

/// Every block with its bytes in the document, by start. Front matter holds none.
pub(super) fn blocks(text: &str) -> Vec<(Range<usize>, Block)> {
    let base = body_start(text);
    let options = Options::ENABLE_HEADING_ATTRIBUTES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_TABLES
        | Options::ENABLE_WIKILINKS;
    let mut blocks = Vec::new();
    // The text of the heading being read.
    let mut heading: Option<String> = None;
    for (event, bytes) in Parser::new_ext(&text[base..], options).into_offset_iter() {
        let bytes = base + bytes.start..base + bytes.end;
        match (event, &mut heading) {
            (Event::Start(Tag::Heading { .. }), _) => heading = Some(String::new()),
            (Event::End(TagEnd::Heading(level)), Some(raw)) => {
                let text = one_line(raw);
                blocks.push((
                    bytes,
                    Block::Heading(Heading {
                        level: level as u8,
                        text,
                    }),
                ));
                heading = None;
            }
            (Event::Text(part) | Event::Code(part), Some(raw)) => raw.push_str(&part),
            (Event::SoftBreak | Event::HardBreak, Some(raw)) => raw.push(' '),
            (Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(info))), _) => {
                let info = info.into_string();
                blocks.push((bytes, Block::Fence { info }));
            }
            (Event::Start(Tag::CodeBlock(CodeBlockKind::Indented)), _) => {
                blocks.push((bytes, Block::Code));
            }
            (Event::Start(Tag::Table(_)), _) => blocks.push((bytes, Block::Table)),
            (Event::Rule, _) => blocks.push((bytes, Block::Rule)),
            (Event::Start(Tag::Item), _) => blocks.push((bytes, Block::Item)),
            _ => {}
        }
    }
    blocks
}

/// The text with runs of white space as single spaces, without control characters, cut to
/// 200 characters.
pub(super) fn one_line(text: &str) -> String {
    let words: Vec<_> = text.split_whitespace().collect();
    let kept = words
        .join(" ")
        .chars()
        .filter(|c| !c.is_control())
        .take(MAX_CHARS)
        .collect::<String>();
    kept.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headings(text: &str) -> Vec<(u8, String)> {
        let heading = |block| match block {
            (_, Block::Heading(heading)) => Some((heading.level, heading.text)),
            _ => None,
        };
        blocks(text).into_iter().filter_map(heading).collect()
    }

    #[test]
    fn headings_lose_their_markup() {
        for (text, expected) in [
            ("# A *b* `c` ~~d~~ **e**\n", (1, "A b c d e")),
            (
                "## [link](http://x.y) and ![alt](i.png)\n",
                (2, "link and alt"),
            ),
            (
                "### [[page|alias]] {#id .class} ###\n",
                (3, "alias {#id .class}"),
            ),
            ("# With id {#id}\n", (1, "With id")),
            ("Two\nlines\n---\n", (2, "Two lines")),
            ("# <b>bold</b> &amp; co\r\n", (1, "bold & co")),
            ("#\tx\u{1b}[31m\n", (1, "x[31m")),
        ] {
            assert_eq!(
                headings(text),
                [(expected.0, expected.1.to_owned())],
                "{text}"
            );
        }
    }

    #[test]
    fn code_and_front_matter_hold_no_headings() {
        let text =
            "---\n# x\na: 1\n---\n```sh\n# no\n```\n1. step\n\n   ~~~\n   # no\n   ~~~\n\n# yes\n";
        assert_eq!(headings(text), [(1, "yes".to_owned())]);
        let info = "sh".to_owned();
        assert_eq!(blocks(text)[0], (17..31, Block::Fence { info }));
    }

    #[test]
    fn long_headings_are_cut() {
        assert_eq!(
            headings(&format!("# {}\n", "é".repeat(300)))[0]
                .1
                .chars()
                .count(),
            200
        );
    }
}
