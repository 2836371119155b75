//! Lines as wide as the terminal, whatever the script: columns are counted as they are shown.

use std::{borrow::Cow, fmt::Write as _, ops::Range};

use anstyle::Style;
use unicode_linebreak::linebreaks;
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

/// What a tab is shown as where columns count: how wide a terminal shows it depends on its column.
const TAB: &str = "    ";
/// No line is made narrower than this: a wide character has to fit.
const MIN_WIDTH: usize = 8;

/// A piece of a line, in one style.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Run<'a> {
    /// Without line ends.
    pub(super) text: Cow<'a, str>,
    pub(super) style: Style,
    /// Where it leads when it is clicked.
    pub(super) link: Option<&'a str>,
}

impl<'a> Run<'a> {
    /// Text in a style.
    pub(super) fn new(text: impl Into<Cow<'a, str>>, style: Style) -> Self {
        Self {
            text: text.into(),
            style,
            link: None,
        }
    }

    /// Text without one.
    pub(super) fn plain(text: impl Into<Cow<'a, str>>) -> Self {
        Self::new(text, Style::new())
    }

    fn write(&self, part: &str, out: &mut String) {
        let Self { style, link, .. } = self;
        if part.is_empty() {
            return;
        }
        if let Some(link) = link {
            let _ = write!(
                out,
                "\x1b]8;;{link}\x1b\\{style}{part}{style:#}\x1b]8;;\x1b\\"
            );
        } else {
            let _ = write!(out, "{style}{part}{style:#}");
        }
    }
}

/// Adds a line to `out`: as several rows when it is wider than `width` columns. No style and no link
/// reaches over the end of a row, so any of them may be left out.
pub(super) fn line(runs: &[Run<'_>], width: Option<usize>, out: &mut String) {
    let Some(width) = width else {
        for run in runs {
            run.write(&run.text, out);
        }
        out.push('\n');
        return;
    };
    let runs: Vec<Run<'_>> = (runs.iter())
        .map(|run| Run {
            text: run.text.replace('\t', TAB).into(),
            ..run.clone()
        })
        .collect();
    let whole: String = runs.iter().map(|run| &*run.text).collect();
    for row in rows(&whole, width) {
        let mut start = 0;
        for run in &runs {
            let end = start + run.text.len();
            let (from, to) = (row.start.max(start), row.end.min(end));
            if from < to {
                run.write(&whole[from..to], out);
            }
            start = end;
        }
        out.push('\n');
    }
}

/// Adds text of several lines to `out`.
pub(super) fn lines(runs: &[Run<'_>], width: Option<usize>, out: &mut String) {
    let mut row: Vec<Run<'_>> = Vec::new();
    for run in runs {
        let mut parts = run.text.split('\n');
        let part = |text| Run {
            text: Cow::Borrowed(text),
            ..run.clone()
        };
        row.extend(parts.next().map(part));
        for text in parts {
            line(&row, width, out);
            row.clear();
            row.push(part(text));
        }
    }
    line(&row, width, out);
}

/// Where a line is parted so that no row is wider than `width` columns: after spaces and where else
/// Unicode lets a line end (UAX #14), inside of a word only when it is wider than a row. Blanks at
/// the end of a row belong to none.
fn rows(text: &str, width: usize) -> Vec<Range<usize>> {
    let width = width.max(MIN_WIDTH);
    let mut breaks = linebreaks(text).map(|(at, _)| at).peekable();
    let mut rows = Vec::new();
    // The row under way: where it starts, how wide it is, and where it may end.
    let (mut start, mut used, mut end) = (0, 0, 0);
    for (at, cluster) in text.grapheme_indices(true) {
        while let Some(allowed) = breaks.next_if(|allowed| *allowed <= at) {
            end = allowed;
        }
        let wide = cluster.width();
        // Blanks may hang over the edge.
        if used + wide > width && !cluster.trim().is_empty() && at > start {
            let cut = if end > start { end } else { at };
            rows.push(start..start + text[start..cut].trim_end().len());
            start = cut;
            used = text[start..at].width();
        }
        used += wide;
    }
    rows.push(start..start + text[start..].trim_end().len());
    rows
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::render::text::{BOLD, MATCH};

    fn wrapped(text: &str, width: usize) -> Vec<&str> {
        rows(text, width)
            .into_iter()
            .map(|row| &text[row])
            .collect()
    }

    #[test]
    fn lines_are_parted_at_spaces() {
        assert_eq!(wrapped("one two three", 8), ["one two", "three"]);
        assert_eq!(wrapped("one  two     three", 8), ["one  two", "three"]);
        assert_eq!(wrapped("", 8), [""]);
        assert_eq!(wrapped("    code stays in", 10), ["    code", "stays in"]);
        assert_eq!(wrapped("abcdefghijkl mn", 8), ["abcdefgh", "ijkl mn"]);
    }

    #[test]
    fn columns_are_counted_as_they_are_shown() {
        // Two columns a character, and no line begins with a full stop.
        assert_eq!(wrapped("東京の全文検索", 8), ["東京の全", "文検索"]);
        assert_eq!(wrapped("東京の全。", 8), ["東京の", "全。"]);
        // One sign of several characters.
        let family = "👨\u{200d}👩\u{200d}👧";
        assert_eq!(family.width(), 2);
        let families = family.repeat(5);
        assert_eq!(wrapped(&families, 8), [family.repeat(4), family.to_owned()]);
        assert_eq!(
            wrapped("é\u{301}e\u{301}e\u{301}e\u{301} abcd ab", 8),
            ["é\u{301}e\u{301}e\u{301}e\u{301}", "abcd ab"]
        );
    }

    #[test]
    fn styles_and_links_end_with_the_row() {
        let runs = [
            Run::plain("one "),
            Run {
                link: Some("file:///x"),
                ..Run::new("two three", BOLD)
            },
            Run::new("\tfour", MATCH),
        ];
        let mut out = String::new();
        line(&runs, Some(8), &mut out);
        let first = out.lines().next().unwrap().replace('\x1b', "␛");
        assert_eq!(first, "one ␛]8;;file:///x␛\\␛[1mtwo␛[0m␛]8;;␛\\");
        let plain = anstream::adapter::strip_str(&out).to_string();
        assert_eq!(plain, "one two\nthree\nfour\n");
    }

    #[test]
    fn texts_keep_their_lines() {
        let mut out = String::new();
        let runs = [Run::plain("a\n\nb"), Run::plain("c\nd e f g h")];
        lines(&runs, Some(8), &mut out);
        assert_eq!(out, "a\n\nbc\nd e f g\nh\n");
        out.clear();
        lines(&runs, None, &mut out);
        assert_eq!(out, "a\n\nbc\nd e f g h\n");
    }

    proptest! {
        #[test]
        fn rows_are_narrow_and_whole(text in "[ab é東👍、\u{301}-]{0,60}", width in 8_usize..30) {
            let rows = wrapped(&text, width);
            for row in &rows {
                prop_assert!(row.width() <= width, "{:?}", row);
            }
            let letters = |text: &str| text.replace(' ', "");
            prop_assert_eq!(letters(&rows.concat()), letters(&text));
        }
    }
}
