//! Packs segments into chunks that fit a model's window, cut where the text itself pauses.

use std::ops::Range;

use super::segment::{Section, Segment, Segments};
use crate::domain::{ChunkSpan, TextSpan};

/// Version of segmenting and packing. Part of what stored vectors are keyed by: raise it with every
/// change that moves a chunk's bounds.
pub const VERSION: u32 = 2;

/// Share of a cut's value that is lost at the far end of the window.
const DISTANCE_PENALTY: f64 = 0.7;

/// Sizes in tokens, special tokens not counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Longest chunk.
    pub max_tokens: u32,
    /// How much of a chunk's end the next one repeats, to the nearest segment.
    pub overlap_tokens: u32,
    /// How far back from the longest chunk's end a better cut is looked for.
    pub window_tokens: u32,
}

impl Limits {
    /// QMD's proportions: 15 % overlap, and a cut looked for in the last 22 %.
    pub fn of(max_tokens: u32) -> Self {
        Self {
            max_tokens,
            overlap_tokens: max_tokens * 15 / 100,
            window_tokens: max_tokens * 22 / 100,
        }
    }
}

/// Packs the segments of `text` (see [`segment`](super::segment::segment)) into chunks.
/// `tokens[i]` is the number of tokens in piece `i`.
///
/// Chunks are in order, their starts strictly increase, and together they hold every character of
/// the document other than white space. A chunk holds at most `max_tokens`, unless it is a single
/// piece that alone holds more. A cut is chosen as QMD chooses it: the one in the window with the
/// highest `break_score × (1 − (distance / window)² × 0.7)`. No cut goes through a block that should
/// stay whole, unless the block alone is too long for a chunk; the chunk before it ends early instead.
/// The next chunk repeats about `overlap_tokens`, though nothing of a section that has ended, and no
/// part of a block that was whole. A document of white space has no chunks.
///
/// # Panics
/// When `tokens` and `segments` differ in length.
pub fn pack(text: &str, segments: &Segments, tokens: &[u32], limits: Limits) -> Vec<ChunkSpan> {
    let packer = Packer::new(text, segments, tokens, limits);
    let mut headings = HeadingPath::new(text, segments);
    let mut chunks = Vec::new();
    let Some(last) = (0..tokens.len()).rfind(|&index| !packer.blank(index)) else {
        return chunks;
    };
    // `covered` is the first piece that no chunk holds yet.
    let (mut start, mut covered) = (0, 0);
    loop {
        let full = packer.fill(start);
        let end = if full > last {
            full
        } else {
            packer.cut(covered, full)
        };
        if (start..end).any(|index| !packer.blank(index)) {
            let span = packer.span(start..end);
            let heading = headings.of(&span.bytes);
            chunks.push(ChunkSpan { span, heading });
        }
        if end > last {
            return chunks;
        }
        start = packer.overlap(start, end);
        covered = end;
    }
}

/// Chunks that something else has cut, each with its lines and headings. They come in the order of their
/// beginnings, on character boundaries.
pub fn places(text: &str, segments: &Segments, chunks: Vec<Range<usize>>) -> Vec<ChunkSpan> {
    let mut headings = HeadingPath::new(text, segments);
    let line = |byte: usize| {
        let upto = |piece: &Segment| piece.bytes.start <= byte;
        let piece = segments.pieces[..segments.pieces.partition_point(upto)].last();
        piece.map_or(1, |piece| {
            piece.line + text[piece.bytes.start..byte].matches('\n').count() as u32
        })
    };
    let place = |bytes: Range<usize>| {
        let chunk = &text[bytes.clone()];
        let last = bytes.start + chunk.strip_suffix('\n').unwrap_or(chunk).len();
        ChunkSpan {
            heading: headings.of(&bytes),
            span: TextSpan {
                lines: (line(bytes.start), line(last)),
                bytes,
            },
        }
    };
    chunks.into_iter().map(place).collect()
}

struct Packer<'a> {
    text: &'a str,
    segments: &'a Segments,
    /// Tokens in all pieces before each index; one longer than the pieces.
    before: Vec<u64>,
    limits: Limits,
}

impl<'a> Packer<'a> {
    fn new(text: &'a str, segments: &'a Segments, tokens: &[u32], limits: Limits) -> Self {
        assert_eq!(
            segments.pieces.len(),
            tokens.len(),
            "one token count per piece"
        );
        let sums = tokens.iter().scan(0, |sum, &count| {
            *sum += u64::from(count);
            Some(*sum)
        });
        let before = std::iter::once(0).chain(sums).collect();
        Self {
            text,
            segments,
            before,
            limits,
        }
    }

    fn piece(&self, index: usize) -> &'a Segment {
        &self.segments.pieces[index]
    }

    fn blank(&self, index: usize) -> bool {
        self.text[self.piece(index).bytes.clone()].trim().is_empty()
    }

    fn tokens(&self, range: Range<usize>) -> u64 {
        self.before[range.end] - self.before[range.start]
    }

    fn fits(&self, range: &Range<usize>) -> bool {
        self.tokens(range.clone()) <= u64::from(self.limits.max_tokens)
    }

    /// The block that a cut at an index goes through.
    fn through(&self, index: usize) -> Option<&'a Range<usize>> {
        let wholes = &self.segments.wholes;
        let before = wholes.partition_point(|whole| whole.start < index);
        let whole = wholes.get(before.checked_sub(1)?)?;
        (index < whole.end).then_some(whole)
    }

    fn span(&self, pieces: Range<usize>) -> TextSpan {
        let (first, last) = (self.piece(pieces.start), self.piece(pieces.end - 1));
        // A piece of blank lines has several.
        let end = &self.text[last.bytes.clone()];
        let feeds = end.strip_suffix('\n').unwrap_or(end).matches('\n').count();
        TextSpan {
            bytes: first.bytes.start..last.bytes.end,
            lines: (first.line, last.line + feeds as u32),
        }
    }

    /// The end of the longest chunk that starts at `start`: one piece at least.
    fn fill(&self, start: usize) -> usize {
        let most = self.before[start] + u64::from(self.limits.max_tokens);
        let fitting = self.before.partition_point(|&sum| sum <= most) - 1;
        fitting.max(start + 1)
    }

    /// The best cut after `covered`, up to `full`.
    fn cut(&self, covered: usize, full: usize) -> usize {
        let outside = |cut: usize| self.through(cut).is_none();
        if let Some(cut) = self.best(covered, full, outside) {
            return cut;
        }
        match self.through(full) {
            // All of the window is inside one block: cut before that.
            Some(whole) if self.fits(whole) && whole.start > covered => self
                .best(covered, whole.start, outside)
                .unwrap_or(whole.start),
            _ => self.best(covered, full, |_| true).unwrap_or(full),
        }
    }

    /// The cut of the highest value in the window before `full`, of those allowed.
    fn best(&self, covered: usize, full: usize, allowed: impl Fn(usize) -> bool) -> Option<usize> {
        let window = u64::from(self.limits.window_tokens);
        (covered + 1..=full)
            .rev()
            .take_while(|&cut| self.tokens(cut..full) <= window)
            .filter(|&cut| allowed(cut))
            .map(|cut| (cut, self.value(cut, full)))
            .filter(|&(_, value)| value > 0.0)
            // Of equal cuts the later one.
            .reduce(|best, next| if next.1 > best.1 { next } else { best })
            .map(|(cut, _)| cut)
    }

    fn value(&self, cut: usize, full: usize) -> f64 {
        let window = f64::from(self.limits.window_tokens.max(1));
        let distance = self.tokens(cut..full) as f64 / window;
        f64::from(self.piece(cut).break_score) * (1.0 - distance.powi(2) * DISTANCE_PENALTY)
    }

    /// Where the chunk after `start..end` begins, so that it repeats some of it and yet reaches
    /// beyond it.
    fn overlap(&self, start: usize, end: usize) -> usize {
        let wanted = u64::from(self.limits.overlap_tokens);
        // What must have room: the next piece, or the block that begins there.
        let next = match self.through(end + 1) {
            Some(whole) if whole.start == end && self.fits(whole) => whole.clone(),
            _ => end..end + 1,
        };
        let room = u64::from(self.limits.max_tokens).saturating_sub(self.tokens(next));
        let mut from = end;
        while from > start + 1 && !self.piece(from).opens_section {
            let (with, without) = (self.tokens(from - 1..end), self.tokens(from..end));
            // Takes a piece more when that comes nearer to the size wanted.
            if with > room || with + without > 2 * wanted {
                break;
            }
            from -= 1;
        }
        // The end of a block says little without its beginning.
        if let Some(whole) = self.through(from)
            && whole.end <= end
        {
            from = whole.end;
        }
        // Blank lines alone are nothing to repeat.
        (from..end).find(|&index| !self.blank(index)).unwrap_or(end)
    }
}

/// The names of the sections around chunks, whose starts only move forward.
struct HeadingPath<'a> {
    text: &'a str,
    segments: &'a Segments,
    /// Sections that begin at or before the last chunk asked about.
    seen: usize,
    /// Those of them that go on.
    open: Vec<&'a Section>,
}

impl<'a> HeadingPath<'a> {
    fn new(text: &'a str, segments: &'a Segments) -> Self {
        Self {
            text,
            segments,
            seen: 0,
            open: Vec::new(),
        }
    }

    /// The sections that hold all the words of a chunk, outermost first.
    fn of(&mut self, chunk: &Range<usize>) -> String {
        let text = &self.text[chunk.clone()];
        let first = text.find(char::is_alphanumeric).unwrap_or(0);
        let last = text.rfind(char::is_alphanumeric).unwrap_or(first);
        let (first, last) = (chunk.start + first, chunk.start + last);
        let sections = &self.segments.sections[self.seen..];
        for section in sections.iter().take_while(|it| it.bytes.start <= first) {
            self.seen += 1;
            self.open
                .retain(|open| open.bytes.end > section.bytes.start);
            self.open.push(section);
        }
        let around = self.open.iter().filter(|it| it.bytes.end > last);
        let names = around.map(|section| section.name.as_str());
        names
            .filter(|name| !name.is_empty())
            .collect::<Vec<_>>()
            .join(" > ")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{
        super::segment::{
            Kind, Layout, layout, segment,
            tests::{any_kind, any_text},
        },
        *,
    };

    /// Packs Markdown with one token per byte that is not white space.
    fn pack_bytes(text: &str, max: u32, overlap: u32, window: u32) -> Vec<ChunkSpan> {
        let segments = segment(text, layout(text, Kind::Markdown));
        let limits = Limits {
            max_tokens: max,
            overlap_tokens: overlap,
            window_tokens: window,
        };
        pack(text, &segments, &tokens_of(text, &segments), limits)
    }

    fn tokens_of(text: &str, segments: &Segments) -> Vec<u32> {
        let solid = |it: &Segment| -> usize {
            text[it.bytes.clone()]
                .split_whitespace()
                .map(str::len)
                .sum()
        };
        segments.pieces.iter().map(|it| solid(it) as u32).collect()
    }

    /// Each chunk's text and heading path.
    fn shown(text: &str, chunks: Vec<ChunkSpan>) -> Vec<(&str, String)> {
        chunks
            .into_iter()
            .map(|it| (&text[it.span.bytes], it.heading))
            .collect()
    }

    #[test]
    fn a_document_that_fits_is_one_chunk() {
        let text = "\n# Head\n\nbody\n\n";
        let chunks = pack_bytes(text, 20, 5, 10);
        assert_eq!(chunks.len(), 1);
        assert_eq!(
            chunks[0].span,
            TextSpan {
                bytes: 0..text.len(),
                lines: (1, 5)
            }
        );
        assert_eq!(chunks[0].heading, "Head");
        assert_eq!(pack_bytes(" \n\n\t\n", 20, 5, 10), []);
    }

    #[test]
    fn cuts_fall_at_headings_and_sections_do_not_mix() {
        let text = "# A\naaaa\n\nbbbb\n## B\ncccc\ndddd\n# C\neeee\n";
        let expected = [
            ("# A\naaaa\n\nbbbb\n", "A"),
            ("## B\ncccc\ndddd\n", "A > B"),
            ("# C\neeee\n", "C"),
        ];
        let expected = expected.map(|(text, heading)| (text, heading.to_owned()));
        assert_eq!(shown(text, pack_bytes(text, 13, 8, 10)), expected);
    }

    #[test]
    fn the_next_chunk_repeats_the_end() {
        let text = "aaaa\nbbbb\ncccc\ndddd\neeee\n";
        let texts: Vec<_> = shown(text, pack_bytes(text, 12, 4, 0))
            .into_iter()
            .map(|it| it.0)
            .collect();
        assert_eq!(texts, ["aaaa\nbbbb\ncccc\n", "cccc\ndddd\neeee\n"]);
    }

    #[test]
    fn code_is_cut_only_when_it_must_be() {
        let text = "aaaa\n\nbbbb\n```\ncccc\n\ndddd\n```\n";
        let cuts = |max, window| {
            let chunks = pack_bytes(text, max, 0, window);
            chunks
                .into_iter()
                .map(|it| it.span.bytes.start)
                .collect::<Vec<_>>()
        };
        // Back to the opening fence although the blank line inside lies nearer.
        assert_eq!(cuts(16, 10), [0, 11]);
        // Too long for one chunk: cut inside, at the blank line.
        assert_eq!(cuts(8, 6), [0, 11, 21]);
    }

    #[test]
    fn chunks_cut_elsewhere_get_their_places() {
        let text = "intro\n# A\naaaa\n\n## B\nbbbb\ncc cc\n";
        let segments = segment(text, layout(text, Kind::Markdown));
        let places = places(text, &segments, vec![0..9, 7..16, 14..24, 24..text.len()]);
        let shown: Vec<_> = places
            .iter()
            .map(|it| {
                (
                    &text[it.span.bytes.clone()],
                    it.span.lines,
                    it.heading.as_str(),
                )
            })
            .collect();
        let expected = [
            ("intro\n# A", (1, 2), ""),
            (" A\naaaa\n\n", (2, 4), "A"),
            ("\n\n## B\nbbb", (3, 6), "A > B"),
            ("b\ncc cc\n", (6, 7), "A > B"),
        ];
        assert_eq!(shown, expected);
        // Where they fall as ours do, they get what ours have.
        let ours = pack_bytes(text, 13, 8, 10);
        let bytes = ours.iter().map(|it| it.span.bytes.clone()).collect();
        assert_eq!(super::places(text, &segments, bytes), ours);
    }

    #[test]
    fn a_segment_over_the_limit_is_its_own_chunk() {
        let text = "aa\nbbbbbbbbbb\ncc\n";
        let texts: Vec<_> = shown(text, pack_bytes(text, 5, 3, 5))
            .into_iter()
            .map(|it| it.0)
            .collect();
        assert_eq!(texts, ["aa\n", "bbbbbbbbbb\n", "cc\n"]);
    }

    #[test]
    #[should_panic(expected = "one token count per piece")]
    fn counts_must_match() {
        let limits = Limits {
            max_tokens: 1,
            overlap_tokens: 0,
            window_tokens: 0,
        };
        pack("a", &segment("a", Layout::default()), &[], limits);
    }

    #[test]
    fn a_block_that_fits_is_never_cut() {
        let text = "aa\n```\nbbbb\ncccc\n```\n| a |\n|---|\n| b |\n\ndd\n";
        let cut = |max| {
            let chunks = shown(text, pack_bytes(text, max, 4, 3));
            chunks.into_iter().map(|it| it.0).collect::<Vec<_>>()
        };
        let table = "| a |\n|---|\n| b |\n\ndd\n";
        // Not even where the chunk before it is short.
        assert_eq!(cut(14), ["aa\n", "```\nbbbb\ncccc\n```\n", table]);
        assert_eq!(cut(17), ["aa\n```\nbbbb\ncccc\n```\n", table]);
    }

    #[test]
    fn a_heading_stays_with_what_is_below_it() {
        for text in [
            "aaaaaaaa\n\n## H\n\n```\nbbbbbbbb\n```\n",
            "aaaaaaaa\n\n## H\n\nbbbbbbbbbbbbb\n",
        ] {
            let chunks = pack_bytes(text, 19, 0, 8);
            let starts: Vec<_> = chunks.into_iter().map(|it| it.span.bytes.start).collect();
            assert_eq!(starts, [0, 10], "{text}");
        }
    }

    #[test]
    fn the_path_is_of_what_holds_the_whole_chunk() {
        let text = "# A\n## B\nbb\n## C\ncc\n### D\ndddddd\n***\n# E\neeee\n";
        let expected = [
            ("# A\n## B\nbb\n", "A"),
            ("## C\ncc\n", "A > C"),
            ("### D\ndddddd\n", "A > C > D"),
            // A rule says nothing.
            ("***\n# E\neeee\n", "E"),
        ];
        let expected = expected.map(|(text, path)| (text, path.to_owned()));
        assert_eq!(shown(text, pack_bytes(text, 10, 0, 9)), expected);
    }

    proptest! {
        #[test]
        fn chunks_hold_the_document(
            text in any_text(),
            kind in any_kind(),
            max in 1_u32..300,
            overlap in 0_u32..60,
            window in 0_u32..60,
            feed_tokens in 0_u32..2,
        ) {
            let segments = segment(&text, layout(&text, kind));
            let mut tokens = tokens_of(&text, &segments);
            for (count, piece) in tokens.iter_mut().zip(&segments.pieces) {
                *count += feed_tokens * text[piece.bytes.clone()].matches('\n').count() as u32;
            }
            let limits = Limits { max_tokens: max, overlap_tokens: overlap, window_tokens: window };
            let chunks = pack(&text, &segments, &tokens, limits);
            prop_assert_eq!(chunks.is_empty(), text.trim().is_empty());
            let within = |from: usize, to: usize| -> (u32, usize) {
                let inside = segments.pieces.iter().zip(&tokens)
                    .filter(|(it, _)| it.bytes.start >= from && it.bytes.end <= to);
                inside.fold((0, 0), |(sum, count), (_, &tokens)| (sum + tokens, count + 1))
            };
            let block = |whole: &Range<usize>| {
                let pieces = &segments.pieces[whole.clone()];
                pieces[0].bytes.start..pieces[pieces.len() - 1].bytes.end
            };
            let mut fitting = segments.wholes.iter().map(block).collect::<Vec<_>>();
            fitting.retain(|block| within(block.start, block.end).0 <= max);
            let (mut end, mut last_start) = (0, None);
            for ChunkSpan { span: TextSpan { bytes, lines }, .. } in &chunks {
                prop_assert!(last_start < Some(bytes.start) && bytes.end > end);
                // No gap but white space; repeats within the limit.
                prop_assert!(bytes.start <= end || text[end..bytes.start].trim().is_empty());
                prop_assert!(within(bytes.start, end).0 <= 2 * overlap);
                let (sum, count) = within(bytes.start, bytes.end);
                prop_assert!(sum <= max || count == 1);
                let chunk = text.get(bytes.clone());
                prop_assert!(chunk.is_some_and(|it| !it.trim().is_empty()));
                let feeds = |to: usize| text[..to].matches('\n').count() as u32;
                prop_assert_eq!(lines.0, feeds(bytes.start) + 1);
                let chunk = chunk.unwrap_or_default();
                let inner = chunk.strip_suffix('\n').unwrap_or(chunk);
                prop_assert_eq!(lines.1, feeds(bytes.start + inner.len()) + 1);
                for block in &fitting {
                    let cut = |at: usize| block.start < at && at < block.end;
                    prop_assert!(!cut(bytes.start) && !cut(bytes.end), "{:?} cuts {:?}", bytes, block);
                }
                (end, last_start) = (bytes.end, Some(bytes.start));
            }
            prop_assert!(text[end..].trim().is_empty());
        }
    }
}
