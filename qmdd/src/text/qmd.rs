//! The chunks that QMD cut a text into, told from where they begin: its index keeps no more of them.

use std::{iter, ops::Range};

/// Most UTF-16 units of a chunk, QMD's measure of length.
const CHUNK: usize = 2700;
/// How many of them the next chunk repeats.
const OVERLAP: usize = 405;
/// A chunk ends at the best place among its last units, this many.
const WINDOW: usize = 600;

/// The chunks of QMD 2.8 by their beginnings, in UTF-16 units; in bytes, in order. `None` where the
/// ends do not follow from the beginnings alone.
///
/// QMD cuts a text into pieces of 2100 to 2700 units, each of which repeats 405 of the one before, and
/// cuts a piece again that has too many tokens. Beginnings of the first kind keep distances that the
/// second kind cannot have: it is told, and not guessed at.
pub fn chunks(text: &str, starts: &[u64]) -> Option<Vec<Range<usize>>> {
    let units = Units::of(text);
    let length = units.total;
    let mut chunks = Vec::with_capacity(starts.len());
    for (index, &start) in starts.iter().enumerate() {
        let start = usize::try_from(start).ok()?;
        let rest = length.checked_sub(start)?;
        let end = match starts.get(index + 1) {
            None if rest <= CHUNK => length,
            Some(&next) if rest > CHUNK => usize::try_from(next).ok()?.checked_add(OVERLAP)?,
            _ => return None,
        };
        let is_last = index + 1 == starts.len();
        let fits = (CHUNK - WINDOW..=CHUNK).contains(&end.checked_sub(start)?);
        if (index == 0) != (start == 0) || !(is_last || fits) {
            return None;
        }
        // A chunk that would begin inside of a character begins before it, and the one before may have
        // ended either way.
        if index > 0 && units.is_astral(start) {
            return None;
        }
        chunks.push(units.byte(start)?..units.byte(end)?);
    }
    (!chunks.is_empty()).then_some(chunks)
}

/// Where UTF-16 units lie in a text of UTF-8.
struct Units<'a> {
    text: &'a str,
    /// A unit and its byte, every so often.
    marks: Vec<(usize, usize)>,
    total: usize,
}

impl<'a> Units<'a> {
    fn of(text: &'a str) -> Self {
        /// Units between two marks, about.
        const STEP: usize = 512;
        let (mut marks, mut unit) = (vec![(0, 0)], 0);
        for (byte, c) in text.char_indices() {
            if marks
                .last()
                .is_some_and(|(marked, _)| unit >= marked + STEP)
            {
                marks.push((unit, byte));
            }
            unit += c.len_utf16();
        }
        Self {
            text,
            marks,
            total: unit,
        }
    }

    /// The byte at which a unit begins; `None` in the middle of a character, and beyond the end.
    fn byte(&self, unit: usize) -> Option<usize> {
        let mark = self.marks.partition_point(|(marked, _)| *marked <= unit) - 1;
        let (marked, byte) = self.marks[mark];
        let ends = iter::once((marked, byte)).chain(self.text[byte..].chars().scan(
            (marked, byte),
            |(unit, byte), c| {
                *unit += c.len_utf16();
                *byte += c.len_utf8();
                Some((*unit, *byte))
            },
        ));
        ends.take_while(|(at, _)| *at <= unit)
            .find_map(|(at, byte)| (at == unit).then_some(byte))
    }

    /// Whether the character at a unit takes two of them.
    fn is_astral(&self, unit: usize) -> bool {
        let next = self
            .byte(unit)
            .and_then(|byte| self.text[byte..].chars().next());
        next.is_none_or(|c| c.len_utf16() == 2)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A text, with choices for [`cut`].
    fn texts() -> impl Strategy<Value = (String, Vec<usize>)> {
        let text = prop_oneof![
            4 => "[a-z \n]{0,9000}",
            1 => "([a-z]{0,40}|é|東|\u{1f600}){0,2500}",
        ];
        (text, prop::collection::vec(0..=WINDOW, 1..12))
    }

    /// Cuts units as QMD does, at places that `choices` stand for: the pieces, each with its own
    /// beginning.
    fn cut(units: &[u16], sizes: (usize, usize, usize), choices: &[usize]) -> Vec<Range<usize>> {
        let (chunk, overlap, window) = sizes;
        if units.len() <= chunk {
            return iter::once(0..units.len()).collect();
        }
        let inside =
            |at: usize| at > 0 && at < units.len() && (0xdc00..0xe000).contains(&units[at]);
        let settle = |at: usize, floor: usize| match at {
            at if !inside(at) => at,
            at if at - 1 > floor => at - 1,
            at => at + 1,
        };
        let (mut pieces, mut start): (Vec<Range<usize>>, usize) = (Vec::new(), 0);
        for choice in choices.iter().cycle() {
            let target = (start + chunk).min(units.len());
            let mut end = target;
            if end < units.len() {
                end = (target - choice % window.max(1)).max(start + 1);
            }
            end = settle(end, start);
            pieces.push(start..end);
            if end >= units.len() {
                break;
            }
            let floor = start;
            start = end.saturating_sub(overlap);
            if start <= floor {
                start = end;
            }
            start = settle(start, floor);
        }
        pieces
    }

    fn starts(pieces: &[Range<usize>]) -> Vec<u64> {
        pieces.iter().map(|piece| piece.start as u64).collect()
    }

    proptest! {
        #[test]
        fn what_qmd_cut_once_is_told((text, choices) in texts()) {
            let units: Vec<u16> = text.encode_utf16().collect();
            let pieces = cut(&units, (CHUNK, OVERLAP, WINDOW), &choices);
            let found = chunks(&text, &starts(&pieces));
            let astral = |at: usize| at > 0 && (0xd800..0xdc00).contains(&units[at]);
            if pieces.iter().any(|piece| astral(piece.start)) {
                prop_assert_eq!(found, None);
                return Ok(());
            }
            let found = found.ok_or_else(|| TestCaseError::fail("not told"))?;
            let cut: Vec<String> = found.iter().map(|bytes| text[bytes.clone()].to_owned()).collect();
            let expected: Vec<String> = pieces
                .into_iter()
                .map(|piece| String::from_utf16(&units[piece]).unwrap())
                .collect();
            prop_assert_eq!(cut, expected);
        }

        /// QMD cuts a piece of over 900 tokens again, to 95 % of what they should take.
        #[test]
        fn what_qmd_cut_twice_is_not_mistaken(
            (text, choices) in texts(),
            again in prop::collection::vec(any::<bool>(), 1..6),
            tokens in 901_usize..4000,
        ) {
            let units: Vec<u16> = text.encode_utf16().collect();
            let mut pieces = Vec::new();
            let first = cut(&units, (CHUNK, OVERLAP, WINDOW), &choices);
            let mut twice = false;
            for (piece, again) in first.into_iter().zip(again.iter().cycle()) {
                let length = piece.len();
                let tokens = tokens.min(length);
                if !again || tokens <= 900 {
                    pieces.push(piece);
                    continue;
                }
                twice = true;
                let each = length as f64 / tokens as f64;
                let size = ((900.0 * each * 0.95) as usize).clamp(1, length - 1);
                let overlap = ((OVERLAP as f64 * each / 2.0) as usize).min(size - 1);
                let window = (WINDOW as f64 * each / 2.0) as usize;
                let inner = cut(&units[piece.clone()], (size, overlap, window), &choices);
                pieces.extend(inner.iter().map(|it| piece.start + it.start..piece.start + it.end));
            }
            if twice {
                prop_assert_eq!(chunks(&text, &starts(&pieces)), None);
            }
        }

        #[test]
        fn whatever_is_told_tiles_the_text(
            (text, _) in texts(),
            starts in prop::collection::vec(0_u64..9000, 0..6),
        ) {
            for starts in [starts.clone(), iter::once(0).chain(starts).collect()] {
                let Some(found) = chunks(&text, &starts) else { continue };
                prop_assert_eq!(found.first().map(|it| it.start), Some(0));
                prop_assert_eq!(found.last().map(|it| it.end), Some(text.len()));
                prop_assert!(found.windows(2).all(|it| it[1].start < it[0].end && it[0].end < it[1].end));
            }
        }
    }

    #[test]
    fn impossible_beginnings_are_refused() {
        let text = "x".repeat(5000);
        assert_eq!(chunks("short", &[0]), Some(iter::once(0..5).collect()));
        assert_eq!(
            chunks(&text, &[0, 2000, 2500]),
            None,
            "the second is not the last"
        );
        assert_eq!(chunks(&text, &[0, 2295]), None, "the second is too long");
        assert_eq!(
            chunks(&text, &[0, 2295, 4590]),
            Some(vec![0..2700, 2295..4995, 4590..5000])
        );
        for starts in [
            &[][..],
            &[1],
            &[0, 0],
            &[0, 9000],
            &[2295, 0],
            &[0, u64::MAX],
        ] {
            assert_eq!(chunks(&text, starts), None, "{starts:?}");
        }
    }
}
