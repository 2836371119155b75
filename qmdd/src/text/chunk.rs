//! Packs segments into chunks that fit a model's window, cut where the text itself pauses.

use std::ops::Range;

use super::segment::{Heading, Segment, segment};
use crate::domain::{ChunkSpan, TextSpan};

/// Version of segmenting and packing. Part of what stored vectors are keyed by: raise it with every
/// change that moves a chunk's bounds.
pub const VERSION: u32 = 1;

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

/// Packs the segments of `text` (see [`segment`](super::segment::segment)) into chunks.
/// `tokens[i]` is the number of tokens in segment `i`.
///
/// Chunks are in order, their starts strictly increase, and together they hold every character of
/// the document other than white space. A chunk holds at most `max_tokens`, unless it is a single
/// segment that alone holds more. A cut is chosen as QMD chooses it: the one in the window with the
/// highest `break_score × (1 − (distance / window)² × 0.7)`, inside fenced code only when the
/// window has no other. The next chunk repeats about `overlap_tokens`, though nothing of a section
/// that has ended. A document of white space has no chunks.
///
/// # Panics
/// When `tokens` and `segments` differ in length.
pub fn pack(text: &str, segments: &[Segment], tokens: &[u32], limits: Limits) -> Vec<ChunkSpan> {
    assert_eq!(segments.len(), tokens.len(), "one token count per segment");
    let packer = Packer::new(text, segments, tokens, limits);
    let mut headings = HeadingPath::default();
    let mut chunks = Vec::new();
    let Some(last) = (0..segments.len()).rfind(|&index| !packer.blank(index)) else {
        return chunks;
    };
    // `covered` is the first segment that no chunk holds yet.
    let (mut start, mut covered) = (0, 0);
    loop {
        let full = packer.fill(start);
        let end = if full > last {
            full
        } else {
            packer.cut(covered, full)
        };
        if let Some(lead) = (start..end).find(|&index| !packer.blank(index)) {
            chunks.push(ChunkSpan {
                span: span(&segments[start..end]),
                heading: headings.advance(&segments[..=lead]),
            });
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
pub fn places(text: &str, chunks: Vec<Range<usize>>) -> Vec<ChunkSpan> {
    let segments = segment(text);
    let mut headings = HeadingPath::default();
    let holding = |byte: usize| {
        let after = segments.partition_point(|segment| segment.bytes.start <= byte);
        after.saturating_sub(1)
    };
    let line = |byte: usize| {
        segments
            .get(holding(byte))
            .map_or(1, |segment| segment.line)
    };
    chunks
        .into_iter()
        .map(|bytes| {
            let chunk = &text[bytes.clone()];
            let lead = bytes.start + (chunk.len() - chunk.trim_start().len());
            let last = bytes.start + chunk.strip_suffix('\n').unwrap_or(chunk).len();
            ChunkSpan {
                heading: headings.advance(&segments[..(holding(lead) + 1).min(segments.len())]),
                span: TextSpan {
                    lines: (line(bytes.start), line(last)),
                    bytes,
                },
            }
        })
        .collect()
}

/// The span of a run of segments, none of which crosses a line.
fn span(segments: &[Segment]) -> TextSpan {
    match segments {
        [first, .., last] => TextSpan {
            bytes: first.bytes.start..last.bytes.end,
            lines: (first.line, last.line),
        },
        [only] => TextSpan {
            bytes: only.bytes.clone(),
            lines: (only.line, only.line),
        },
        [] => TextSpan {
            bytes: 0..0,
            lines: (1, 1),
        },
    }
}

struct Packer<'a> {
    text: &'a str,
    segments: &'a [Segment],
    /// Tokens in all segments before each index; one longer than `segments`.
    before: Vec<u64>,
    limits: Limits,
}

impl<'a> Packer<'a> {
    fn new(text: &'a str, segments: &'a [Segment], tokens: &[u32], limits: Limits) -> Self {
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

    fn blank(&self, index: usize) -> bool {
        self.text[self.segments[index].bytes.clone()]
            .trim()
            .is_empty()
    }

    fn tokens(&self, range: Range<usize>) -> u64 {
        self.before[range.end] - self.before[range.start]
    }

    /// The end of the longest chunk that starts at `start`: one segment at least.
    fn fill(&self, start: usize) -> usize {
        let most = self.before[start] + u64::from(self.limits.max_tokens);
        let fitting = self.before.partition_point(|&sum| sum <= most) - 1;
        fitting.max(start + 1)
    }

    /// The best cut after `covered`, up to `full`.
    fn cut(&self, covered: usize, full: usize) -> usize {
        let window = u64::from(self.limits.window_tokens);
        let best = |in_fence: bool| {
            (covered + 1..=full)
                .rev()
                .take_while(|&cut| self.tokens(cut..full) <= window)
                .filter(|&cut| self.segments[cut].in_fence == in_fence)
                .map(|cut| (cut, self.value(cut, full)))
                .filter(|&(_, value)| value > 0.0)
                // Of equal cuts the later one.
                .reduce(|best, next| if next.1 > best.1 { next } else { best })
        };
        best(false)
            .or_else(|| best(true))
            .map_or(full, |(cut, _)| cut)
    }

    fn value(&self, cut: usize, full: usize) -> f64 {
        let window = f64::from(self.limits.window_tokens.max(1));
        let distance = self.tokens(cut..full) as f64 / window;
        f64::from(self.segments[cut].break_score) * (1.0 - distance.powi(2) * DISTANCE_PENALTY)
    }

    /// Where the chunk after `start..end` begins, so that it repeats some of it and yet reaches
    /// beyond it.
    fn overlap(&self, start: usize, end: usize) -> usize {
        let wanted = u64::from(self.limits.overlap_tokens);
        let room = u64::from(self.limits.max_tokens).saturating_sub(self.tokens(end..end + 1));
        let mut from = end;
        while from > start + 1 && self.segments[from].heading.is_none() {
            let (with, without) = (self.tokens(from - 1..end), self.tokens(from..end));
            // Takes a segment more when that comes nearer to the size wanted.
            if with > room || with + without > 2 * wanted {
                break;
            }
            from -= 1;
        }
        // Blank lines alone are nothing to repeat.
        (from..end).find(|&index| !self.blank(index)).unwrap_or(end)
    }
}

/// The headings in force at a place that only moves forward.
#[derive(Default)]
struct HeadingPath<'a> {
    seen: usize,
    open: Vec<&'a Heading>,
}

impl<'a> HeadingPath<'a> {
    /// The path after all of `segments`, which extend the ones given before.
    fn advance(&mut self, segments: &'a [Segment]) -> String {
        for heading in segments
            .iter()
            .skip(self.seen)
            .filter_map(|it| it.heading.as_ref())
        {
            self.open.retain(|open| open.level < heading.level);
            self.open.push(heading);
        }
        self.seen = segments.len();
        let texts = self.open.iter().map(|open| open.text.as_str());
        texts
            .filter(|text| !text.is_empty())
            .collect::<Vec<_>>()
            .join(" > ")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Packs with one token per byte that is not white space.
    fn pack_bytes(text: &str, max: u32, overlap: u32, window: u32) -> Vec<ChunkSpan> {
        let segments = segment(text);
        let limits = Limits {
            max_tokens: max,
            overlap_tokens: overlap,
            window_tokens: window,
        };
        pack(text, &segments, &tokens_of(text, &segments), limits)
    }

    fn tokens_of(text: &str, segments: &[Segment]) -> Vec<u32> {
        let solid = |it: &Segment| -> usize {
            text[it.bytes.clone()]
                .split_whitespace()
                .map(str::len)
                .sum()
        };
        segments.iter().map(|it| solid(it) as u32).collect()
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
        let places = places(text, vec![0..9, 7..16, 14..24, 24..text.len()]);
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
        assert_eq!(super::places(text, bytes), ours);
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
    #[should_panic(expected = "one token count per segment")]
    fn counts_must_match() {
        let limits = Limits {
            max_tokens: 1,
            overlap_tokens: 0,
            window_tokens: 0,
        };
        pack("a", &segment("a"), &[], limits);
    }

    proptest! {
        #[test]
        fn chunks_hold_the_document(
            text in "([a-z\u{e9}]{1,9} |[a-z]{150,400}|\n|\n\n|# h\n|## i\n|```\n|- |\\. |\t){0,120}",
            max in 1_u32..120,
            overlap in 0_u32..60,
            window in 0_u32..60,
            feed_tokens in 0_u32..2,
        ) {
            let segments = segment(&text);
            let mut tokens = tokens_of(&text, &segments);
            for (count, segment) in tokens.iter_mut().zip(&segments) {
                *count += feed_tokens * text[segment.bytes.clone()].matches('\n').count() as u32;
            }
            let limits = Limits { max_tokens: max, overlap_tokens: overlap, window_tokens: window };
            let chunks = pack(&text, &segments, &tokens, limits);
            prop_assert_eq!(chunks.is_empty(), text.trim().is_empty());
            let (mut end, mut last_start) = (0, None);
            for ChunkSpan { span: TextSpan { bytes, lines }, .. } in &chunks {
                prop_assert!(last_start < Some(bytes.start) && bytes.end > end);
                // No gap but white space; repeats within the limit.
                prop_assert!(bytes.start <= end || text[end..bytes.start].trim().is_empty());
                let within = |from: usize, to: usize| -> (u32, usize) {
                    let inside = segments.iter().zip(&tokens)
                        .filter(|(it, _)| it.bytes.start >= from && it.bytes.end <= to);
                    inside.fold((0, 0), |(sum, count), (_, &tokens)| (sum + tokens, count + 1))
                };
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
                (end, last_start) = (bytes.end, Some(bytes.start));
            }
            prop_assert!(text[end..].trim().is_empty());
        }
    }
}
