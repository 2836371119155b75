//! A part of a document for a model to read: as long as it may be, around what matched.

use std::ops::Range;

/// How much of a passage that must be cut stands before what matched: a part of so many.
const BEFORE: usize = 4;

/// At most `most` bytes of `text` within `focus`, around the byte `anchor`, cut between words where it
/// can be. A focus that does not lie in the text counts as all of it.
pub fn around(text: &str, focus: Range<usize>, anchor: usize, most: usize) -> &str {
    let focused = text.get(focus.clone());
    let (within, offset) = focused.map_or((text, 0), |within| (within, focus.start));
    if within.len() <= most {
        return within.trim();
    }
    let anchor = anchor.saturating_sub(offset).min(within.len());
    let start = anchor
        .saturating_sub(most / BEFORE)
        .min(within.len() - most);
    let start = word_start(within, boundary(within, start));
    let end = boundary(within, start + most);
    let whole = &within[start..end];
    // A word that is cut off says something else.
    let cut = end < within.len() && !within[end..].starts_with(char::is_whitespace);
    match whole.rfind(char::is_whitespace) {
        Some(space) if cut && space > 0 => whole[..space].trim(),
        _ => whole.trim(),
    }
}

/// The last place at or before `at` where a character begins, or the end.
fn boundary(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// The start of the next word, unless `at` is one or none is near.
fn word_start(text: &str, at: usize) -> usize {
    const NEAR: usize = 40;
    if at == 0 || text[..at].ends_with(char::is_whitespace) {
        return at;
    }
    let near = boundary(text, at + NEAR);
    text[at..near]
        .find(char::is_whitespace)
        .map_or(at, |space| at + space)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn short_text_is_whole_and_long_text_is_cut_between_words() {
        let text = "one two three four five six seven";
        assert_eq!(around(text, 0..text.len(), 0, 100), text);
        assert_eq!(around(text, 4..13, 0, 100), "two three");
        assert_eq!(around(text, 0..text.len(), 0, 12), "one two");
        assert_eq!(around(text, 0..text.len(), 19, 12), "five six");
        assert_eq!(around(text, 0..text.len(), text.len(), 12), "six seven");
        assert_eq!(around(text, 90..95, 0, 100), text);
    }

    proptest! {
        #[test]
        fn a_passage_lies_in_its_focus(
            text in "(\\PC|[ a-zé東]){0,80}",
            from: prop::sample::Index,
            length: prop::sample::Index,
            anchor in 0_usize..200,
            most in 1_usize..60,
        ) {
            let start = boundary(&text, from.index(text.len() + 1));
            let end = boundary(&text, start + length.index(text.len() - start + 1));
            let passage = around(&text, start..end, anchor, most);
            prop_assert!(passage.len() <= most);
            prop_assert!(text[start..end].contains(passage));
        }
    }
}
