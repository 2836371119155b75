//! Pages: a form feed opens each but the first, as printers and PDF tools have it.

/// Opens a page.
pub const FEED: char = '\u{c}';

/// The page that a line (counted from 1) is on, counted from 1; `None` where the text has no pages.
pub fn of_line(text: &str, line: u32) -> Option<u32> {
    if !text.contains(FEED) {
        return None;
    }
    let upto = text.split_inclusive('\n').take(line as usize);
    Some(
        1 + upto
            .map(|line| line.matches(FEED).count() as u32)
            .sum::<u32>(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn form_feeds_count_pages() {
        let text = "one\ntwo\n\u{c}three\n\u{c}\u{c}four\n";
        let pages: Vec<_> = (1..=4).map(|line| of_line(text, line)).collect();
        assert_eq!(pages, [Some(1), Some(1), Some(2), Some(4)]);
        assert_eq!(of_line("one\n", 1), None);
        assert_eq!(of_line(text, 99), Some(4));
    }
}
