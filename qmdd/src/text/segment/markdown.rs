//! The layout of Markdown.

use super::{Layout, score};
use crate::text::{
    front_matter::body_start,
    language::Language,
    outline::{Block, blocks},
};

pub(super) fn layout(text: &str) -> Layout {
    let mut layout = Layout::default();
    let body = body_start(text);
    if body > 0 {
        layout.whole(0..body, score::PARAGRAPH);
    }
    for (bytes, block) in blocks(text) {
        let line = text[..bytes.start].rfind('\n').map_or(0, |feed| feed + 1);
        let is_indented = !text[line..bytes.start].trim().is_empty();
        match block {
            // One inside a quotation or a list opens no section of the document.
            Block::Heading(_) if is_indented => {}
            Block::Heading(heading) => layout.heading(line..bytes.end, heading),
            Block::Fence { info } => {
                let block = &text[bytes.clone()];
                let open = block.find('\n').map_or(block.len(), |feed| feed + 1);
                let close = block.trim_end().rfind('\n').map_or(0, |feed| feed + 1);
                if close > open {
                    let (open, close) = (bytes.start + open, bytes.start + close);
                    layout.fixed.push((close, score::NONE));
                    if line == bytes.start {
                        layout.code_block(open..close, language(&info));
                    }
                }
                layout.whole(line..bytes.end, score::FENCE);
            }
            Block::Code | Block::Table => layout.whole(line..bytes.end, score::PARAGRAPH),
            Block::Rule => layout.pause(line, score::RULE),
            Block::Item => layout.pause(line, score::ITEM),
        }
    }
    layout
}

/// The language that the line which opens a fenced block names: `rust,ignore`, `{.python}` and such.
fn language(info: &str) -> Option<Language> {
    let word = info
        .split(|c: char| c.is_whitespace() || ",{}:".contains(c))
        .find(|word| !word.is_empty())?;
    Language::of_name(word.trim_start_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{cuts, wholes};

    #[test]
    fn breaks_are_worth_what_stands_there() {
        let text =
            "intro\n# one\nline\n\npara\n- item\n2. item\n\n***\nSub\n---\n### three\n> # no\n";
        assert_eq!(
            cuts(text, super::layout(text)),
            [
                ("intro", 1),
                ("# one", 100),
                ("line", 1),
                ("", 1),
                ("para", 20),
                ("- item", 5),
                ("2. item", 5),
                ("", 1),
                ("***", 60),
                ("Sub", 90),
                ("---", 0),
                ("### three", 80),
                ("> # no", 1),
            ]
        );
    }

    #[test]
    fn blocks_stay_whole() {
        let text = "\
---
title: x
---
a
```rust
# b

- c
```
d

    indented

    code

|a|b|
|-|-|
|c|d|

- item
  ~~~
  inner
  ~~~
~~~
open
";
        assert_eq!(
            wholes(text, super::layout(text)),
            [
                "---\ntitle: x\n---\n",
                "```rust\n# b\n\n- c\n```\n",
                "    indented\n\n    code\n",
                "|a|b|\n|-|-|\n|c|d|\n",
                "  ~~~\n  inner\n  ~~~\n",
                "~~~\nopen\n",
            ]
        );
        let cuts = cuts(text, super::layout(text));
        for (line, worth) in [
            ("a", 20),
            ("```rust", 80),
            ("- c", 20),
            ("```", 0),
            ("d", 80),
            ("    indented", 20),
            ("|a|b|", 20),
            ("~~~", 80),
        ] {
            assert!(cuts.contains(&(line, worth)), "{line} in {cuts:?}");
        }
    }

    #[test]
    fn long_fences_in_a_known_language_are_for_its_grammar() {
        let code = "fn main() {}\n".repeat(60);
        for (info, known) in [
            ("rust", true),
            ("rust,ignore", true),
            ("{.rust .numbered}", true),
            ("text", false),
            ("", false),
        ] {
            let text = format!("# A\n\n```{info}\n{code}```\n\n```rust\nshort\n```\n");
            let layout = super::layout(&text);
            assert_eq!(layout.code().len(), usize::from(known), "{info}");
            let blocks = layout.code().iter().map(|it| &text[it.bytes.clone()]);
            assert!(blocks.into_iter().all(|block| block == code));
        }
    }
}
