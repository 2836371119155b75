//! The layout of AsciiDoc.

use super::{
    Heading, Layout,
    lines::{Ends, Line, is_item, lines},
    score,
};
use crate::text::{front_matter::body_start, language::Language, outline::one_line};

pub(super) fn layout(text: &str) -> Layout {
    let mut layout = Layout::default();
    let lines = lines(text);
    let ends = Ends::of(&lines, |_, line| delimiter(line.text).map(|_| line.text));
    let mut at = lines.partition_point(|line| line.start < body_start(text));
    // The lines that say something about the next block: its title, its attributes.
    let mut about: Option<usize> = None;
    while let Some(line) = lines.get(at) {
        if is_about(line.text) {
            about.get_or_insert(line.start);
            at += 1;
            continue;
        }
        let about = about.take().unwrap_or(line.start)..line.start;
        if !about.is_empty() {
            layout.glued.push(about.start..line.end);
        }
        let last = block(&mut layout, &lines, at, &ends, &text[about.clone()]);
        if last.is_none() {
            simple(&mut layout, line, about.start);
        }
        at = last.unwrap_or(at) + 1;
    }
    layout
}

/// What a cut before a block is worth that such a line opens. Examples, sidebars and quotations hold
/// prose, which may be cut.
fn delimiter(line: &str) -> Option<u32> {
    let mut signs = line.chars();
    let first = signs.next()?;
    let repeated = line.len() >= 4 && signs.all(|sign| sign == first);
    if line.starts_with("```") || (repeated && "-.+/".contains(first)) {
        return Some(score::FENCE);
    }
    let is_table = line.len() == 4 && line.ends_with("===") && "|,:!".contains(first);
    is_table.then_some(score::PARAGRAPH)
}

/// The last line of the block between two equal lines that begins on a line. `about` is what stands
/// before it about it.
fn block(
    layout: &mut Layout,
    lines: &[Line<'_>],
    at: usize,
    ends: &Ends<&str>,
    about: &str,
) -> Option<usize> {
    let first = &lines[at];
    let worth = delimiter(first.text)?;
    let fenced = first.text.strip_prefix("```");
    let last = ends.after(at, &fenced.map_or(first.text, |_| "```"))?;
    layout.whole(first.start - about.len()..lines[last].end, worth);
    layout.fixed.push((lines[last].start, score::NONE));
    let named = fenced.or_else(|| source(about));
    let language = named.and_then(|name| Language::of_name(name.trim()));
    layout.code_block(first.end..lines[last].start, language);
    Some(last)
}

/// The language of `[source,rust]` or `[,rust]`.
fn source(about: &str) -> Option<&str> {
    about.lines().find_map(|line| {
        let attributes = line.trim().strip_prefix('[')?.strip_suffix(']')?;
        let mut parts = attributes.split(',');
        let first = parts.next()?;
        (first.is_empty() || first.starts_with("source")).then(|| parts.next())?
    })
}

/// Whether a line says something about the block after it.
fn is_about(line: &str) -> bool {
    let is_title = |rest: &str| rest.starts_with(char::is_alphanumeric);
    (line.starts_with('[') && line.ends_with(']')) || line.strip_prefix('.').is_some_and(is_title)
}

/// Any other line. What is about it begins at `start`.
fn simple(layout: &mut Layout, line: &Line<'_>, start: usize) {
    if let Some((level, text)) = heading(line.text) {
        let text = one_line(text);
        layout.heading(start..line.end, Heading { level, text });
    } else if ["'''", "---", "***", "<<<"].contains(&line.text) {
        layout.pause(start, score::RULE);
    } else if is_item(line.text, &['*', '-', '.']) || is_nested_item(line.trimmed()) {
        layout.pause(start, score::ITEM);
    }
}

/// `=` or `#`, as many as the section is deep.
fn heading(line: &str) -> Option<(u8, &str)> {
    ['=', '#'].into_iter().find_map(|sign| {
        let text = line.trim_start_matches(sign);
        let level = line.len() - text.len();
        ((1..=6).contains(&level) && text.starts_with(' ')).then_some((level as u8, text))
    })
}

/// `**` or `..`, as many as the list is deep.
fn is_nested_item(line: &str) -> bool {
    ['*', '.'].into_iter().any(|sign| {
        let rest = line.trim_start_matches(sign);
        (2..=6).contains(&(line.len() - rest.len())) && rest.starts_with(' ')
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{cuts, wholes};

    #[test]
    fn headings_blocks_and_lists_are_found() {
        let text = "\
= Title
:toc:

para

.About it
[source,rust]
----
= no heading
----

[#id]
== Section

para
* item
** sub
|===
|a |b
|===
'''
....
never closed
";
        let cuts = cuts(text, super::layout(text));
        for (line, worth) in [
            ("= Title", 100),
            (":toc:", 1),
            (".About it", 80),
            ("[source,rust]", 0),
            ("----", 0),
            ("[#id]", 90),
            ("== Section", 0),
            ("* item", 5),
            ("** sub", 5),
            ("|===", 20),
            ("'''", 60),
            ("never closed", 1),
        ] {
            assert!(cuts.contains(&(line, worth)), "{line} in {cuts:?}");
        }
        let wholes = wholes(text, super::layout(text));
        assert_eq!(wholes.len(), 2);
        assert!(wholes[0].starts_with(".About it") && wholes[0].ends_with("heading\n----\n"));
        assert_eq!(wholes[1], "|===\n|a |b\n|===\n");
    }
}
