//! A hit's passage with a header in the manner of a diff: where it starts, how long it is, how much
//! stands before and after it.

use std::{borrow::Cow, fmt::Write as _};

use qmd_proto::v1::Hit;

/// Marks where a passage was cut.
const ELLIPSIS: char = '\u{2026}';

/// The header and the passage, of at most `limit` characters; with the number of each line before it
/// when `numbered`.
pub(super) fn passage(hit: &Hit, limit: usize, numbered: bool) -> String {
    let text = cut(&hit.snippet, limit);
    let header = header(hit, &text);
    if numbered {
        return format!("{header}\n{}", with_numbers(&text, first_line(hit)));
    }
    format!("{header}\n{text}")
}

/// What is shown of a hit: the whole document where that was asked for, else its passage.
pub(super) fn content(hit: &Hit, limit: usize, numbered: bool) -> Cow<'_, str> {
    match hit.body.as_deref() {
        Some(body) => whole(body, numbered),
        None => passage(hit, limit, numbered).into(),
    }
}

/// A whole document.
pub(super) fn whole(body: &str, numbered: bool) -> Cow<'_, str> {
    if numbered {
        with_numbers(body, 1).into()
    } else {
        body.into()
    }
}

/// The header for the `shown` text, which starts at the hit's line.
pub(super) fn header(hit: &Hit, shown: &str) -> String {
    let start = first_line(hit);
    let lines = 1 + shown.matches('\n').count() as u32;
    let before = start - 1;
    let after = hit.total_lines.saturating_sub(before.saturating_add(lines));
    format!("@@ -{start},{lines} @@ ({before} before, {after} after)")
}

/// The line that a hit's passage starts at.
pub(super) fn first_line(hit: &Hit) -> u32 {
    hit.line.max(1)
}

/// A text with the number of each line before it, as `get` prints them.
pub(super) fn with_numbers(text: &str, first: u32) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    for (number, line) in (first..).zip(text.split_inclusive('\n')) {
        let _ = write!(out, "{number}: {line}");
    }
    out
}

/// At most `limit` characters, cut between words where that leaves half of them.
fn cut(text: &str, limit: usize) -> String {
    if text.chars().nth(limit).is_none() {
        return text.to_owned();
    }
    let room = limit.saturating_sub(1);
    let end = text
        .char_indices()
        .nth(room)
        .map_or(text.len(), |(at, _)| at);
    let (mut kept, rest) = text.split_at(end);
    if !rest.starts_with(char::is_whitespace) {
        let word = kept.rfind(char::is_whitespace).filter(|at| at * 2 > end);
        kept = &kept[..word.unwrap_or(end)];
    }
    format!("{}{ELLIPSIS}", kept.trim_end())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hit(snippet: &str, line: u32, total_lines: u32) -> Hit {
        Hit {
            snippet: snippet.into(),
            line,
            total_lines,
            ..Hit::default()
        }
    }

    #[test]
    fn the_header_counts_the_lines_shown() {
        assert_eq!(
            passage(&hit("a\nb", 4, 10), 300, false),
            "@@ -4,2 @@ (3 before, 5 after)\na\nb"
        );
        assert_eq!(
            passage(&hit("", 0, 0), 300, false),
            "@@ -1,1 @@ (0 before, 0 after)\n"
        );
        assert_eq!(
            passage(&hit("one two\nthree", 1, 2), 9, false),
            "@@ -1,1 @@ (0 before, 1 after)\none two\u{2026}"
        );
    }

    #[test]
    fn numbers_count_from_the_first_line_shown() {
        assert_eq!(
            passage(&hit("a\n\nb", 9, 11), 300, true),
            "@@ -9,3 @@ (8 before, 0 after)\n9: a\n10: \n11: b"
        );
        let whole = Hit {
            body: Some("x\ny\n".into()),
            ..hit("y", 2, 2)
        };
        assert_eq!(content(&whole, 300, true), "1: x\n2: y\n");
        assert_eq!(content(&whole, 1, false), "x\ny\n");
    }

    #[test]
    fn cuts_fall_between_words() {
        assert_eq!(cut("alpha beta gamma", 16), "alpha beta gamma");
        assert_eq!(cut("alpha beta gamma", 13), "alpha beta\u{2026}");
        assert_eq!(cut("alphabetagamma", 6), "alpha\u{2026}");
        assert_eq!(cut("alpha beta", 6), "alpha\u{2026}");
    }

    proptest! {
        #[test]
        fn never_longer_than_the_limit(text in "[a-c é東\n]{0,60}", limit in 1_usize..50) {
            let shown = cut(&text, limit);
            prop_assert!(shown.chars().count() <= limit);
            prop_assert!(text.starts_with(shown.trim_end_matches(ELLIPSIS)));
        }
    }
}
