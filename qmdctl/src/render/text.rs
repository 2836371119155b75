//! Small pieces of text: safe, and as people read them.

use std::{borrow::Cow, time::Duration};

use anstyle::{AnsiColor, Color, Style};

pub(super) const BOLD: Style = Style::new().bold();
pub(super) const DIM: Style = Style::new().dimmed();
pub(super) const PATH: Style = coloured(AnsiColor::Cyan);
pub(super) const GOOD: Style = coloured(AnsiColor::Green);
pub(super) const MATCH: Style = coloured(AnsiColor::Yellow).bold();
pub(super) const WARNING: Style = coloured(AnsiColor::Yellow).bold();
pub(super) const ERROR: Style = coloured(AnsiColor::Red).bold();
pub(super) const HINT: Style = coloured(AnsiColor::Cyan);

const fn coloured(color: AnsiColor) -> Style {
    Style::new().fg_color(Some(Color::Ansi(color)))
}

/// Replaces what a terminal would obey. Documents come from anywhere; none of them may move the
/// cursor or set a window's title.
pub(crate) fn clean(text: &str) -> Cow<'_, str> {
    let obeyed = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
    if text.contains(obeyed) {
        // A carriage return before a line feed says nothing, and pages are counted elsewhere.
        let unix = text.replace("\r\n", "\n").replace('\u{c}', "");
        unix.replace(obeyed, "\u{fffd}").into()
    } else {
        text.into()
    }
}

/// The same on one line.
pub(super) fn clean_line(text: &str) -> String {
    one_line(&clean(text))
}

/// A text on one line: each run of blanks and line ends is a space.
pub(super) fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// `1 file`, `2 files`.
pub(crate) fn count(number: u64, thing: &str) -> String {
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}

/// A size in binary units.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    let mut value = bytes as f64 / 1024.0;
    let mut unit = 0;
    // What would round to 1024 is one of the next unit.
    while value >= 1023.95 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    if bytes < 1024 {
        format!("{bytes} B")
    } else {
        format!("{value:.1} {}", UNITS[unit])
    }
}

/// How long ago a moment was; both in seconds since the Unix epoch.
pub(super) fn ago(at: i64, now: i64) -> String {
    match u64::try_from(now.saturating_sub(at)) {
        Ok(0) | Err(_) => "just now".to_owned(),
        Ok(seconds) => format!("{} ago", duration(Duration::from_secs(seconds))),
    }
}

/// A time span, to what matters of it.
pub(super) fn duration(span: Duration) -> String {
    let seconds = span.as_secs();
    match seconds {
        0 => format!("{:.1} ms", span.as_secs_f64() * 1e3),
        1..60 => format!("{:.1} s", span.as_secs_f64()),
        60..3_600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{} h {} min", seconds / 3_600, seconds % 3_600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3_600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_cannot_steer_the_terminal() {
        assert_eq!(
            clean("a\x1b]0;owned\x07b\r\nc\td"),
            "a\u{fffd}]0;owned\u{fffd}b\nc\td"
        );
        assert_eq!(clean("plain é 東"), "plain é 東");
        assert_eq!(clean_line(" a\n\tb "), "a b");
    }

    #[test]
    fn sizes_and_spans_read_well() {
        let sizes = [0, 1023, 1024, 1_048_575, 25 << 20, 5 << 40].map(size);
        assert_eq!(
            sizes,
            ["0 B", "1023 B", "1.0 KiB", "1.0 MiB", "25.0 MiB", "5.0 TiB"]
        );
        let spans = [2_345, 1_500_000, 61_000_000, 3_660_000_000, 90_000_000_000]
            .map(|micros| duration(Duration::from_micros(micros)));
        assert_eq!(
            spans,
            ["2.3 ms", "1.5 s", "1 min 1 s", "1 h 1 min", "1 d 1 h"]
        );
        assert_eq!(
            [0, 1, 2].map(|n| count(n, "file")),
            ["0 files", "1 file", "2 files"]
        );
    }
}
