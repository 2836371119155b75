//! Where in its document a line lies, as people tell it: under which headings.

use super::{
    format::Format,
    outline::{Block, blocks},
};

/// The headings above a line (counted from 1), outermost first, joined by ` > `; the line's own is the
/// last of them. Empty above the first heading, and in documents whose headings are not known.
pub fn headings(text: &str, path: &str, line: u32) -> String {
    if !matches!(Format::of(path), Format::Markdown | Format::Html) {
        return String::new();
    }
    let end = text
        .match_indices('\n')
        .nth(line.saturating_sub(1) as usize)
        .map_or(text.len(), |(feed, _)| feed);
    let mut above: Vec<(u8, String)> = Vec::new();
    for (bytes, block) in blocks(text) {
        if bytes.start >= end {
            break;
        }
        if let Block::Heading(heading) = block
            && !heading.text.is_empty()
        {
            above.retain(|(level, _)| *level < heading.level);
            above.push((heading.level, heading.text));
        }
    }
    let above: Vec<String> = above.into_iter().map(|(_, text)| text).collect();
    above.join(" > ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_lies_under_the_headings_before_it() {
        let text =
            "intro\n# One\na\n## Two\nb\n### Three\nc\n## Four\nd\n```\n# code\n```\n# Five\n";
        for (line, expected) in [
            (1, ""),
            (2, "One"),
            (3, "One"),
            (5, "One > Two"),
            (7, "One > Two > Three"),
            (9, "One > Four"),
            (11, "One > Four"),
            (13, "Five"),
            (99, "Five"),
        ] {
            assert_eq!(headings(text, "a.md", line), expected, "line {line}");
        }
        assert_eq!(headings(text, "a.py", 5), "");
        assert_eq!(headings("", "a.md", 1), "");
    }
}
