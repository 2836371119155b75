//! Cuts a document into the atomic pieces that chunks are packed from.

use std::ops::Range;

pub use super::outline::Heading;
use super::outline::{Block, blocks};

/// Longest segment, in bytes. A token takes a byte at least, so that a segment of any text fits the
/// window of any model.
pub const MAX_BYTES: usize = 160;

/// What a cut is worth, by what stands after it. The scale is QMD's.
mod score {
    pub(super) const HEADING: [u32; 6] = [100, 90, 80, 70, 60, 50];
    pub(super) const FENCE: u32 = 80;
    pub(super) const RULE: u32 = 60;
    pub(super) const PARAGRAPH: u32 = 20;
    pub(super) const ITEM: u32 = 5;
    pub(super) const LINE: u32 = 1;
    pub(super) const SENTENCE: u32 = 1;
    pub(super) const NONE: u32 = 0;
}

/// A piece that chunking never cuts: a line with its line feed, or a part of a long line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// Byte offsets into the document, on character boundaries; at most [`MAX_BYTES`] long.
    pub bytes: Range<usize>,
    /// The line it lies on, from 1.
    pub line: u32,
    /// What a cut before it is worth: 100 at a first-level heading, 0 in the middle of a sentence.
    pub break_score: u32,
    /// Whether a cut before it falls inside a fenced code block.
    pub in_fence: bool,
    /// The heading that starts here.
    pub heading: Option<Heading>,
}

/// Splits a document into segments that tile it: joined, they are the document.
///
/// A line over [`MAX_BYTES`] is split at the ends of sentences, else at white space, else between
/// characters.
pub fn segment(text: &str) -> Vec<Segment> {
    let mut segments = Vec::new();
    let mut blocks = blocks(text).into_iter().peekable();
    let (mut fence_end, mut heading_end) = (0, 0);
    let (mut after_blank, mut after_fence) = (false, false);
    let mut start = 0;
    for (number, line) in (1..).zip(text.split_inclusive('\n')) {
        let (line_start, end) = (start, start + line.len());
        let blank = line.trim().is_empty();
        let in_fence = start < fence_end;
        let mut break_score = if start < heading_end {
            // Never between a setext heading and its underline.
            score::NONE
        } else if after_fence && !in_fence {
            score::FENCE
        } else if after_blank && !blank {
            score::PARAGRAPH
        } else {
            score::LINE
        };
        let mut heading = None;
        while let Some((bytes, block)) = blocks.next_if(|(bytes, _)| bytes.start < end) {
            let worth = match block {
                Block::Heading(found) => {
                    // One inside a quotation or a list opens no section of the document.
                    if !text[start..bytes.start].trim().is_empty() {
                        continue;
                    }
                    heading_end = bytes.end;
                    let worth = score::HEADING[usize::from(found.level.clamp(1, 6)) - 1];
                    heading = Some(found);
                    worth
                }
                Block::Fence => {
                    fence_end = bytes.end;
                    score::FENCE
                }
                Block::Rule => score::RULE,
                Block::Item => score::ITEM,
            };
            break_score = break_score.max(worth);
        }
        for (piece, worth) in pieces(line) {
            segments.push(Segment {
                bytes: start..start + piece.len(),
                line: number,
                break_score: worth.unwrap_or(break_score),
                in_fence,
                heading: heading.take(),
            });
            start += piece.len();
        }
        (after_blank, after_fence) = (blank, line_start < fence_end);
    }
    segments
}

/// The parts of a line, each with what a cut before it is worth (`None` for the first).
fn pieces(line: &str) -> impl Iterator<Item = (&str, Option<u32>)> {
    let mut rest = line;
    let mut worth = None;
    std::iter::from_fn(move || {
        let (cut, next) = if rest.len() > MAX_BYTES {
            split(rest)
        } else {
            (rest.len(), 0)
        };
        let (piece, tail) = rest.split_at(cut);
        rest = tail;
        (!piece.is_empty()).then(|| (piece, worth.replace(next)))
    })
}

/// Where to cut a line that is too long, and what that cut is worth.
fn split(line: &str) -> (usize, u32) {
    let (mut sentence, mut space, mut limit) = (0, 0, 0);
    let mut ended = false;
    for (at, c) in line.char_indices() {
        let after = at + c.len_utf8();
        if after > MAX_BYTES {
            break;
        }
        limit = after;
        match c {
            '.' | '!' | '?' | '\u{2026}' => ended = true,
            // Full-width stops end a sentence without white space after them.
            '\u{3002}' | '\u{ff01}' | '\u{ff1f}' => (ended, sentence) = (true, after),
            '"' | '\'' | ')' | ']' | '\u{201d}' | '\u{2019}' | '\u{bb}' => {}
            // A closing bracket stays with the full-width stop before it.
            '\u{300d}' | '\u{300f}' | '\u{ff09}' if ended && sentence == at => sentence = after,
            c if c.is_whitespace() => {
                space = after;
                if ended {
                    sentence = after;
                }
            }
            _ => ended = false,
        }
    }
    match (sentence, space) {
        (0, 0) => (limit, score::NONE),
        (0, space) => (space, score::NONE),
        (sentence, _) => (sentence, score::SENTENCE),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Each segment's text with what a cut before it is worth.
    fn shown(text: &str) -> Vec<(&str, u32)> {
        segment(text)
            .into_iter()
            .map(|it| (&text[it.bytes], it.break_score))
            .collect()
    }

    #[test]
    fn breaks_are_worth_what_stands_there() {
        let text = "intro\n# one\nline\n\npara\n- item\n2. item\n\n***\nSub\n---\n### three\n";
        assert_eq!(
            shown(text),
            [
                ("intro\n", 1),
                ("# one\n", 100),
                ("line\n", 1),
                ("\n", 1),
                ("para\n", 20),
                ("- item\n", 5),
                ("2. item\n", 5),
                ("\n", 1),
                ("***\n", 60),
                ("Sub\n", 90),
                ("---\n", 0),
                ("### three\n", 80),
            ]
        );
    }

    #[test]
    fn fences_are_known_inside_and_out() {
        let text = "a\n```rust\n# b\n\n- c\n```\nd\n~~~\nopen\n";
        let fences: Vec<_> = segment(text)
            .iter()
            .map(|it| (it.in_fence, it.break_score))
            .collect();
        let expected = [
            (false, 1),
            (false, 80),
            (true, 1),
            (true, 1),
            (true, 20),
            (true, 1),
            (false, 80),
            (false, 80),
            (true, 1),
        ];
        assert_eq!(fences, expected);
    }

    #[test]
    fn headings_stand_on_their_segment() {
        let text = "---\n# no: 1\n---\n# A *b*\n> # quoted\n";
        let headings: Vec<_> = segment(text).into_iter().map(|it| it.heading).collect();
        let expected = Heading {
            level: 1,
            text: "A b".to_owned(),
        };
        assert_eq!(headings, [None, None, None, Some(expected), None]);
    }

    #[test]
    fn long_lines_are_cut_at_sentences_then_words_then_characters() {
        let sentence = format!("{}end.\" ", "word ".repeat(20));
        assert_eq!(
            shown(&sentence.repeat(2)),
            [(sentence.as_str(), 1), (sentence.as_str(), 1)]
        );
        let words = "word ".repeat(40);
        assert_eq!(shown(&words), [(&words[..160], 1), (&words[160..], 0)]);
        let solid = "\u{e9}".repeat(81);
        assert_eq!(shown(&solid), [(&solid[..160], 1), (&solid[160..], 0)]);
        let japanese = format!("{}\u{3002}\u{300d}", "\u{6c34}".repeat(30)).repeat(2);
        assert_eq!(
            shown(&japanese),
            [(&japanese[..96], 1), (&japanese[96..], 1)]
        );
    }

    proptest! {
        #[test]
        fn segments_tile_the_document(
            text in "(.{0,20}|[a-z.]{1,400}|[ .?\u{e9}a]{0,300}|\n|\r\n|# |```|---\n|    |> |1\\. ){0,30}"
        ) {
            let mut end = 0;
            for segment in segment(&text) {
                prop_assert_eq!(segment.bytes.start, end);
                end = segment.bytes.end;
                let piece = text.get(segment.bytes.clone());
                prop_assert!(piece.is_some_and(|it| (1..=MAX_BYTES).contains(&it.len())));
                let feeds = text[..segment.bytes.start].matches('\n').count();
                prop_assert_eq!(segment.line as usize, feeds + 1);
                let inner = piece.unwrap_or_default().trim_end_matches('\n');
                prop_assert!(!inner.contains('\n'));
            }
            prop_assert_eq!(end, text.len());
        }
    }
}
