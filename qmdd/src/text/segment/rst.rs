//! The layout of reStructuredText.

use super::{
    Heading, Layout,
    lines::{Ends, Line, is_item, lines},
    score,
};
use crate::text::{language::Language, outline::one_line};

/// Shortest line that frames a title, and that is a rule.
const MIN_FRAME: usize = 2;
const MIN_RULE: usize = 4;
/// Directives whose text is no prose.
const VERBATIM: [&str; 5] = ["code", "code-block", "sourcecode", "parsed-literal", "math"];

pub(super) fn layout(text: &str) -> Layout {
    let mut layout = Layout::default();
    let lines = lines(text);
    // A simple table ends with a border before a blank line; the one below its heading has rows after it.
    let ends = Ends::of(&lines, |at, line| {
        let is_last = is_border(line) && lines.get(at + 1).is_none_or(Line::is_blank);
        is_last.then_some(())
    });
    let mut styles = Vec::new();
    let mut at = 0;
    while at < lines.len() {
        let last = title(&mut layout, &lines, at, &mut styles)
            .or_else(|| table(&mut layout, &lines, at, &ends))
            .or_else(|| verbatim(&mut layout, &lines, at));
        if last.is_none() {
            simple(&mut layout, &lines, at);
        }
        at = last.unwrap_or(at) + 1;
    }
    layout
}

/// How a title is framed. The order in which a document first uses its styles makes their levels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Style {
    sign: char,
    over: bool,
}

/// The last line of a title over a line of one sign, or between two.
fn title(
    layout: &mut Layout,
    lines: &[Line<'_>],
    at: usize,
    styles: &mut Vec<Style>,
) -> Option<usize> {
    let width = |line: &Line<'_>| line.text.chars().count();
    let over = lines[at].repeats(MIN_FRAME);
    let text = at + usize::from(over.is_some());
    let (title, under) = (lines.get(text)?, lines.get(text + 1)?);
    let sign = under.repeats(MIN_FRAME)?;
    let framed = match over {
        Some(_) => lines[at].text == under.text,
        None => title.indent() == 0,
    };
    let titled = !title.is_blank() && title.repeats(MIN_FRAME).is_none();
    // An underline may be short by a little: docutils warns, and takes it.
    if !framed || !titled || width(under) < width(title).min(MIN_RULE) {
        return None;
    }
    let style = Style {
        sign,
        over: over.is_some(),
    };
    let known = styles.iter().position(|known| *known == style);
    let level = known.unwrap_or_else(|| {
        styles.push(style);
        styles.len() - 1
    });
    let heading = Heading {
        level: level.min(5) as u8 + 1,
        text: one_line(title.text),
    };
    layout.heading(lines[at].start..under.end, heading);
    Some(text + 1)
}

/// The last line of a table drawn with `+---+` or `===  ===`.
fn table(layout: &mut Layout, lines: &[Line<'_>], at: usize, ends: &Ends<()>) -> Option<usize> {
    let first = lines[at].trimmed();
    let last = if first.starts_with("+-") && first.chars().all(|c| "+-".contains(c)) {
        let rows = lines[at..]
            .iter()
            .take_while(|line| line.trimmed().starts_with(['+', '|']));
        at + rows.count() - 1
    } else if is_border(&lines[at]) {
        ends.after(at, &())?
    } else {
        return None;
    };
    layout.whole(lines[at].start..lines[last].end, score::PARAGRAPH);
    Some(last)
}

/// Whether a line is a border of a simple table.
fn is_border(line: &Line<'_>) -> bool {
    let line = line.trimmed();
    line.starts_with("==") && line.contains("= ") && line.chars().all(|c| "= ".contains(c))
}

/// The last line of the indented block after a line that makes it verbatim or a table.
fn verbatim(layout: &mut Layout, lines: &[Line<'_>], at: usize) -> Option<usize> {
    let opening = &lines[at];
    let directive = opening.trimmed().strip_prefix(".. ");
    let language = match directive.and_then(|rest| rest.split_once("::")) {
        Some((name, argument)) if VERBATIM.contains(&name) => Language::of_name(argument.trim()),
        Some((name, _)) if name.ends_with("table") => None,
        None if opening.text.ends_with("::") => None,
        _ => return None,
    };
    let rest = &lines[at + 1..];
    let is_inside = |line: &&Line<'_>| line.is_blank() || line.indent() > opening.indent();
    let inside = &rest[..rest.iter().take_while(is_inside).count()];
    let first = inside.iter().position(|line| !line.is_blank())?;
    let last = inside.iter().rposition(|line| !line.is_blank())?;
    layout.whole(opening.start..inside[last].end, score::PARAGRAPH);
    layout.code_block(inside[first].start..inside[last].end, language);
    Some(at + 1 + last)
}

fn simple(layout: &mut Layout, lines: &[Line<'_>], at: usize) {
    let line = &lines[at];
    let before = at.checked_sub(1).and_then(|at| lines.get(at));
    let is_alone =
        before.is_none_or(Line::is_blank) && lines.get(at + 1).is_none_or(Line::is_blank);
    if is_alone && line.repeats(MIN_RULE).is_some() {
        layout.pause(line.start, score::RULE);
    } else if is_item(line.text, &['-', '*', '+', '\u{2022}']) {
        layout.pause(line.start, score::ITEM);
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{cuts, wholes};

    #[test]
    fn titles_blocks_and_lists_are_found() {
        let text = "\
=====
Title
=====

Section
-------

para

Words before::

    code here

      more

- item
- item

+---+---+
| a | b |
+---+---+

===  ===
a    b
===  ===
1    2

3    4
===  ===

-----

Other
~~~~~
para

.. code-block:: python

   def f():
       pass
.. note:: Prose
   goes on
Section two
-----------
";
        let cuts = cuts(text, super::layout(text));
        for (line, worth) in [
            ("=====", 100),
            ("Title", 0),
            ("Section", 90),
            ("-------", 0),
            ("Words before::", 20),
            ("- item", 20),
            ("- item", 5),
            ("+---+---+", 20),
            ("===  ===", 20),
            ("-----", 60),
            ("Other", 80),
            (".. code-block:: python", 20),
            (".. note:: Prose", 20),
            ("Section two", 90),
        ] {
            assert!(cuts.contains(&(line, worth)), "{line} in {cuts:?}");
        }
        let wholes = wholes(text, super::layout(text));
        let starts: Vec<_> = wholes
            .iter()
            .filter_map(|whole| whole.lines().next())
            .collect();
        assert_eq!(
            starts,
            [
                "Words before::",
                "+---+---+",
                "===  ===",
                ".. code-block:: python"
            ]
        );
        assert!(wholes[0].ends_with("      more\n") && wholes[2].ends_with("3    4\n===  ===\n"));
        assert!(wholes[3].ends_with("       pass\n"));
    }
}
