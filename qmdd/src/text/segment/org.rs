//! The layout of Org.

use super::{
    Heading, Layout,
    lines::{Ends, Line, is_item, lines},
    score,
};
use crate::text::{language::Language, outline::one_line};

/// Blocks whose text is no prose.
const VERBATIM: [&str; 4] = ["src", "example", "export", "comment"];

pub(super) fn layout(text: &str) -> Layout {
    let mut layout = Layout::default();
    let lines = lines(text);
    let ends = Ends::of(&lines, |_, line| End::of(line));
    let mut at = 0;
    while let Some(line) = lines.get(at) {
        let last = block(&mut layout, &lines, at, &ends);
        if last.is_none() {
            simple(&mut layout, line);
        }
        at = last.unwrap_or(at) + 1;
    }
    layout
}

/// What a line can end.
#[derive(PartialEq, Eq, Hash)]
enum End {
    /// A block of this name, in small letters.
    Block(String),
    Drawer,
    /// Whatever is open.
    Headline,
}

impl End {
    fn of(line: &Line<'_>) -> Option<Self> {
        let text = line.trimmed();
        if headline(line.text).is_some() {
            Some(Self::Headline)
        } else if text.eq_ignore_ascii_case(":end:") {
            Some(Self::Drawer)
        } else {
            after(text, "#+end_").map(|name| Self::Block(name.to_lowercase()))
        }
    }
}

/// The last line of the block, drawer or table that begins on a line.
fn block(layout: &mut Layout, lines: &[Line<'_>], at: usize, ends: &Ends<End>) -> Option<usize> {
    let first = &lines[at];
    let opening = first.trimmed();
    let end = |end: &End| {
        let headline = ends.after(at, &End::Headline);
        ends.after(at, end)
            .filter(|end| headline.is_none_or(|headline| *end < headline))
    };
    if opening.starts_with('|') {
        let rows = lines[at..]
            .iter()
            .take_while(|line| line.trimmed().starts_with('|'));
        let last = at + rows.count() - 1;
        layout.whole(first.start..lines[last].end, score::PARAGRAPH);
        return Some(last);
    }
    if let Some(rest) = after(opening, "#+begin_") {
        let mut words = rest.split_whitespace();
        let name = words.next()?.to_lowercase();
        if !VERBATIM.contains(&name.as_str()) {
            return None;
        }
        let last = end(&End::Block(name))?;
        layout.whole(first.start..lines[last].end, score::FENCE);
        layout.fixed.push((lines[last].start, score::NONE));
        let language = words.next().and_then(Language::of_name);
        layout.code_block(first.end..lines[last].start, language);
        return Some(last);
    }
    let name = opening.strip_prefix(':')?.strip_suffix(':')?;
    if name.is_empty() || name.contains(' ') {
        return None;
    }
    let last = end(&End::Drawer)?;
    layout.whole(first.start..lines[last].end, score::NONE);
    Some(last)
}

fn simple(layout: &mut Layout, line: &Line<'_>) {
    let text = line.trimmed();
    if let Some((level, text)) = headline(line.text) {
        let text = one_line(text);
        layout.heading(line.start..line.end, Heading { level, text });
    } else if text.len() >= 5 && text.chars().all(|c| c == '-') {
        layout.pause(line.start, score::RULE);
    } else if is_item(text, &['-', '+']) || (line.indent() > 0 && is_item(text, &['*'])) {
        layout.pause(line.start, score::ITEM);
    }
}

/// A headline's level and text.
fn headline(line: &str) -> Option<(u8, &str)> {
    let text = line.trim_start_matches('*');
    let level = line.len() - text.len();
    (level > 0 && text.starts_with(' ')).then_some((level.min(6) as u8, text))
}

/// What stands behind a keyword, whatever its case.
fn after<'a>(line: &'a str, keyword: &str) -> Option<&'a str> {
    let (start, rest) = line.split_at_checked(keyword.len())?;
    start.eq_ignore_ascii_case(keyword).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{cuts, wholes};

    #[test]
    fn headlines_blocks_and_lists_are_found() {
        let text = "\
#+TITLE: T
* One
:PROPERTIES:
:ID: x
:END:
para
- item
  * sub
** Two
#+BEGIN_SRC rust
* no headline, but it ends the block
#+END_SRC
#+begin_example
text
#+END_EXAMPLE
| a | b |
| c | d |
-----
";
        let cuts = cuts(text, super::layout(text));
        for (line, worth) in [
            ("* One", 100),
            (":PROPERTIES:", 1),
            ("- item", 5),
            ("  * sub", 5),
            ("** Two", 90),
            ("* no headline, but it ends the block", 100),
            ("#+begin_example", 80),
            ("#+END_EXAMPLE", 0),
            ("| a | b |", 80),
            ("-----", 60),
        ] {
            assert!(cuts.contains(&(line, worth)), "{line} in {cuts:?}");
        }
        let wholes = wholes(text, super::layout(text));
        assert_eq!(wholes.len(), 3);
        assert!(wholes[0].starts_with(":PROPERTIES:") && wholes[0].ends_with(":END:\n"));
        assert!(wholes[2].starts_with("| a"));
    }
}
