//! Where in its document a line lies, as people tell it: under which headings.

use super::{
    format::Format,
    front_matter::body_start,
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
    if end <= body_start(text) {
        return String::new();
    }
    let mut above: Vec<(u8, String)> = Vec::new();
    for (bytes, block) in blocks(&text[..paragraph_end(text, end)]) {
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

/// Where the paragraph ends that the byte `at` lies in: what is underlined there is a heading.
fn paragraph_end(text: &str, at: usize) -> usize {
    let rest = text[at..].split_inclusive('\n');
    let lines = rest.skip(1).take_while(|line| !line.trim().is_empty());
    let first = text[at..]
        .find('\n')
        .map_or(text.len(), |feed| at + feed + 1);
    first + lines.map(str::len).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

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

    proptest! {
        #[test]
        fn what_follows_a_line_does_not_matter(
            text in "(---\n|# a\n|## b\n|c\n|===\n|---\n|\n|```\n|- d\n|> e\n|  f\n|\\| g \\|\n|<p>\n){0,24}",
            line in 1_u32..26,
        ) {
            let end = text.match_indices('\n').nth(line as usize - 1).map_or(text.len(), |it| it.0);
            let mut whole: Vec<(u8, String)> = Vec::new();
            for (bytes, block) in blocks(&text) {
                if let Block::Heading(heading) = block && bytes.start < end && !heading.text.is_empty() {
                    whole.retain(|(level, _)| *level < heading.level);
                    whole.push((heading.level, heading.text));
                }
            }
            let whole: Vec<String> = whole.into_iter().map(|it| it.1).collect();
            prop_assert_eq!(headings(&text, "a.md", line), whole.join(" > "));
        }
    }
}
