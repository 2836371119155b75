//! Cuts a document into the atomic pieces that chunks are packed from.
//!
//! Each format has a file that finds where such a document pauses and what belongs together in it: its
//! [`Layout`]. What follows is the same for all.

mod asciidoc;
mod layout;
mod lines;
mod markdown;
mod org;
mod plain;
mod rst;

use std::ops::Range;

pub use self::layout::{Code, Layout, Section};
pub use super::outline::Heading;
use super::{format::Format, language::Language};

/// Longest segment, in bytes. A token takes a byte at least, so that a segment of any text fits the
/// window of any model.
pub const MAX_BYTES: usize = 160;

/// What a cut is worth, by what stands after it. The scale is QMD's.
mod score {
    pub(super) const HEADING: [u32; 6] = [100, 90, 80, 70, 60, 50];
    pub(super) const FENCE: u32 = 80;
    pub(super) const RULE: u32 = 60;
    pub(super) const PARAGRAPH: u32 = 20;
    pub(super) const INDENTED: u32 = 10;
    pub(super) const ITEM: u32 = 5;
    pub(super) const LINE: u32 = 1;
    pub(super) const SENTENCE: u32 = 1;
    pub(super) const NONE: u32 = 0;
}

/// How a document is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Markdown, and prose without markup.
    Markdown,
    /// Org.
    Org,
    /// reStructuredText.
    ReStructured,
    /// AsciiDoc.
    AsciiDoc,
    /// Source code in a language whose grammar is known.
    Code(Language),
    /// Any other text. A form feed opens a page.
    Plain,
}

impl Kind {
    /// By the file's extension.
    pub fn of(path: &str) -> Self {
        match Format::of(path) {
            Format::Markdown | Format::Html => Self::Markdown,
            Format::Org => Self::Org,
            Format::ReStructured => Self::ReStructured,
            Format::AsciiDoc => Self::AsciiDoc,
            Format::Pdf => Self::Plain,
            Format::Other => Language::of_path(path).map_or(Self::Plain, Self::Code),
        }
    }
}

/// A document in pieces.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Segments {
    /// The pieces, which tile the document: joined, they are the document.
    pub pieces: Vec<Segment>,
    /// Runs of pieces that should stay together, such as a fenced block or a table; in order, and
    /// apart.
    pub wholes: Vec<Range<usize>>,
    /// The sections, by start, an outer one before those in it.
    pub sections: Vec<Section>,
}

/// A piece that chunking never cuts: a line with its line feed, a part of a long line, or blank lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// Byte offsets into the document, on character boundaries; at most [`MAX_BYTES`] long.
    pub bytes: Range<usize>,
    /// The line it begins on, from 1.
    pub line: u32,
    /// What a cut before it is worth: 100 at a first-level heading, 0 in the middle of a sentence.
    pub break_score: u32,
    /// Whether a section begins here.
    pub opens_section: bool,
}

/// Finds a document's layout, in time linear in its length.
pub fn layout(text: &str, kind: Kind) -> Layout {
    match kind {
        Kind::Markdown => markdown::layout(text),
        Kind::Org => org::layout(text),
        Kind::ReStructured => rst::layout(text),
        Kind::AsciiDoc => asciidoc::layout(text),
        Kind::Code(language) => plain::code(text, language),
        Kind::Plain => plain::layout(text),
    }
}

/// Splits a document along its layout.
///
/// A line over [`MAX_BYTES`] is split at the ends of sentences, else at white space, else between
/// characters.
pub fn segment(text: &str, mut layout: Layout) -> Segments {
    let sections = layout.sections(text.len());
    layout.breaks.sort_unstable();
    layout.leads.sort_unstable();
    // Of equal places the last stands: a grammar's.
    layout.fixed.sort_by_key(|(at, _)| *at);
    layout.glued.sort_unstable_by_key(|bytes| bytes.start);
    let mut breaks = layout.breaks.into_iter().peekable();
    let mut leads = layout.leads.into_iter().peekable();
    let mut fixed = layout.fixed.into_iter().peekable();
    let mut glued = layout.glued.into_iter().peekable();
    let mut openings = sections
        .iter()
        .map(|section| section.bytes.start)
        .peekable();
    let mut pieces: Vec<Segment> = Vec::new();
    let (mut start, mut glued_to, mut after_blank, mut below_heading) = (0, 0, false, false);
    // What a cut before the next line with words is worth, at least.
    let mut carried = score::LINE;
    for (line, number) in text.split_inclusive('\n').zip(1..) {
        let end = start + line.len();
        let blank = line.trim().is_empty();
        while let Some((_, worth)) = breaks.next_if(|(at, _)| *at <= start) {
            carried = carried.max(worth);
        }
        while leads.next_if(|at| *at <= start).is_some() {
            below_heading = true;
        }
        let mut opens_section = false;
        while openings.next_if(|at| *at <= start).is_some() {
            opens_section = true;
        }
        let mut worth = match (blank, after_blank) {
            (true, _) => score::LINE,
            (false, true) => carried.max(score::PARAGRAPH),
            (false, false) => carried,
        };
        if below_heading && !opens_section {
            worth = worth.min(score::LINE);
        }
        while let Some((_, exact)) = fixed.next_if(|(at, _)| *at <= start) {
            worth = exact;
        }
        if start < glued_to {
            worth = score::NONE;
        }
        while let Some(bytes) = glued.next_if(|bytes| bytes.start <= start) {
            glued_to = glued_to.max(bytes.end);
        }
        if !blank {
            (carried, below_heading) = (score::LINE, false);
        }
        match pieces.last_mut() {
            // Blank lines are one piece: a cut among them is of no use.
            Some(last)
                if blank
                    && after_blank
                    && !opens_section
                    && end - last.bytes.start <= MAX_BYTES =>
            {
                last.bytes.end = end;
                start = end;
            }
            _ => {
                for (piece, inner) in split(line) {
                    pieces.push(Segment {
                        bytes: start..start + piece.len(),
                        line: number,
                        break_score: inner.unwrap_or(worth),
                        opens_section: opens_section && inner.is_none(),
                    });
                    start += piece.len();
                }
            }
        }
        after_blank = blank;
    }
    let wholes = runs(&pieces, layout.wholes);
    Segments {
        pieces,
        wholes,
        sections,
    }
}

/// The runs of pieces that blocks take, without those that lie in another.
fn runs(pieces: &[Segment], mut blocks: Vec<Range<usize>>) -> Vec<Range<usize>> {
    blocks.sort_unstable_by_key(|block| (block.start, std::cmp::Reverse(block.end)));
    let mut runs: Vec<Range<usize>> = Vec::with_capacity(blocks.len());
    for block in blocks {
        let first = pieces.partition_point(|piece| piece.bytes.end <= block.start);
        let end = pieces.partition_point(|piece| piece.bytes.start < block.end);
        let behind = runs.last().is_none_or(|last| last.end <= first);
        if behind && end > first + 1 {
            runs.push(first..end);
        }
    }
    runs
}

/// The parts of a line, each with what a cut before it is worth (`None` for the first).
fn split(line: &str) -> impl Iterator<Item = (&str, Option<u32>)> {
    let mut rest = line;
    let mut worth = None;
    std::iter::from_fn(move || {
        let (cut, next) = if rest.len() > MAX_BYTES {
            cut(rest)
        } else {
            (rest.len(), 0)
        };
        let (piece, tail) = rest.split_at(cut);
        rest = tail;
        (!piece.is_empty()).then(|| (piece, worth.replace(next)))
    })
}

/// Where to cut a line that is too long, and what that cut is worth.
fn cut(line: &str) -> (usize, u32) {
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
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The first line of each piece, with what a cut before it is worth.
    pub(super) fn cuts(text: &str, layout: Layout) -> Vec<(&str, u32)> {
        let pieces = segment(text, layout).pieces.into_iter();
        let line = |bytes: Range<usize>| text[bytes].lines().next().unwrap_or_default();
        pieces.map(|it| (line(it.bytes), it.break_score)).collect()
    }

    /// The blocks that should stay whole.
    pub(super) fn wholes(text: &str, layout: Layout) -> Vec<&str> {
        let Segments { pieces, wholes, .. } = segment(text, layout);
        let bytes =
            |run: Range<usize>| pieces[run.start].bytes.start..pieces[run.end - 1].bytes.end;
        wholes.into_iter().map(|run| &text[bytes(run)]).collect()
    }

    /// Each piece of Markdown with what a cut before it is worth.
    fn shown(text: &str) -> Vec<(&str, u32)> {
        let pieces = segment(text, layout(text, Kind::Markdown))
            .pieces
            .into_iter();
        pieces.map(|it| (&text[it.bytes], it.break_score)).collect()
    }

    #[test]
    fn kinds_are_told_by_the_extension() {
        for (path, kind) in [
            ("a/README", Kind::Markdown),
            ("a.TXT", Kind::Markdown),
            ("a.org", Kind::Org),
            ("a.rst", Kind::ReStructured),
            ("a.adoc", Kind::AsciiDoc),
            ("a.tsx", Kind::Code(Language::Tsx)),
            ("a.yaml", Kind::Plain),
            ("a.pdf", Kind::Plain),
        ] {
            assert_eq!(Kind::of(path), kind, "{path}");
        }
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

    #[test]
    fn blank_lines_are_one_piece() {
        assert_eq!(
            shown("a\n\n \n\nb\n\n"),
            [("a\n", 1), ("\n \n\n", 1), ("b\n", 20), ("\n", 1)]
        );
        assert_eq!(shown(&"\n".repeat(300)).len(), 2);
    }

    #[test]
    fn sections_hold_what_is_below_them() {
        let text = "intro\n# A *b*\ntext\n### C\n## D\n# E\n";
        let segments = segment(text, layout(text, Kind::Markdown));
        let sections = segments.sections.iter();
        let sections: Vec<_> = sections
            .map(|it| (it.name.as_str(), &text[it.bytes.clone()]))
            .collect();
        let expected = [
            ("A b", "# A *b*\ntext\n### C\n## D\n"),
            ("C", "### C\n"),
            ("D", "## D\n"),
            ("E", "# E\n"),
        ];
        assert_eq!(sections, expected);
        let opens = segments.pieces.iter().filter(|it| it.opens_section);
        assert_eq!(opens.map(|it| it.line).collect::<Vec<_>>(), [2, 4, 5, 6]);
    }

    #[test]
    fn blocks_within_blocks_count_once() {
        let text = "a\nb\nc\nd\n";
        let mut layout = Layout::default();
        for block in [2..6, 0..6, 4..8, 6..8, 0..2] {
            layout.whole(block, 1);
        }
        // The one that overlaps is left out, and so is one of a single piece.
        assert_eq!(wholes(text, layout), ["a\nb\nc\n"]);
    }

    pub(in crate::text) fn any_kind() -> impl Strategy<Value = Kind> {
        prop::sample::select(vec![
            Kind::Markdown,
            Kind::Org,
            Kind::ReStructured,
            Kind::AsciiDoc,
            Kind::Code(Language::Rust),
            Kind::Plain,
        ])
    }

    /// Text with the marks of all formats.
    pub(in crate::text) fn any_text() -> impl Strategy<Value = String> {
        "(.{0,20}|[a-z.]{1,400}|[ .?\u{e9}a]{0,300}|\n|\n\n|\r\n|# |```|---\n|    |> |1\\. |== |====\n\
         |\\* |\n#\\+begin_src\n|\n#\\+end_src\n|\n:P:\n|\n:END:\n|\\|a\\|\n|a::\n|\\.\\. code:: c\n\
         |\n\\[source\\]\n|\n----\n|\\|===\n|\\+--\\+\n|==  ==\n|\u{c}){0,40}"
    }

    proptest! {
        #[test]
        fn segments_tile_the_document(text in any_text(), kind in any_kind()) {
            let Segments { pieces, wholes, sections } = segment(&text, layout(&text, kind));
            let mut end = 0;
            for piece in &pieces {
                prop_assert_eq!(piece.bytes.start, end);
                end = piece.bytes.end;
                let inner = text.get(piece.bytes.clone());
                prop_assert!(inner.is_some_and(|it| (1..=MAX_BYTES).contains(&it.len())));
                let feeds = text[..piece.bytes.start].matches('\n').count();
                prop_assert_eq!(piece.line as usize, feeds + 1);
                let inner = inner.unwrap_or_default();
                let line = inner.strip_suffix('\n').unwrap_or(inner);
                prop_assert!(!line.contains('\n') || inner.trim().is_empty());
            }
            prop_assert_eq!(end, text.len());
            let mut end = 0;
            for whole in wholes {
                prop_assert!(whole.start >= end && whole.len() > 1 && whole.end <= pieces.len());
                end = whole.end;
            }
            let mut around: Vec<usize> = Vec::new();
            for section in sections {
                prop_assert!(text.get(section.bytes.clone()).is_some());
                around.retain(|end| *end > section.bytes.start);
                prop_assert!(around.last().is_none_or(|end| section.bytes.end <= *end));
                around.push(section.bytes.end);
            }
        }
    }
}
