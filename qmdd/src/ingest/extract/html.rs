//! HTML as Markdown: headings stay headings, so that a hit can name the one above it.

use std::{
    rc::Rc,
    sync::{Arc, Mutex, PoisonError},
};

use encoding_rs::{Encoding, UTF_8};
use htmd::{Element, HtmlToMarkdown, Node, element_handler::Handlers};

use super::{Answer, Extracted, Property, Refusal};
use crate::ingest::decode::{decode, mark};

/// How far into a document its encoding is declared.
const DECLARED_WITHIN: usize = 1024;
/// Elements that hold no text of the document.
const SKIPPED: [&str; 10] = [
    "script", "style", "template", "noscript", "svg", "iframe", "object", "canvas", "nav", "select",
];
/// Properties that are lists by custom, their values separated by commas.
const LISTS: [&str; 2] = ["keywords", "news_keywords"];
/// Properties that are no words about the document.
const TECHNICAL: [&str; 6] = [
    "viewport",
    "charset",
    "theme-color",
    "robots",
    "referrer",
    "generator",
];

/// Deepest nesting of elements. Converting takes time by its square.
const MAX_DEPTH: usize = 1_000;

/// The text, the title and the `<meta>` of a document. Nothing is so broken that it has none.
pub(super) fn extract(document: &[u8]) -> Answer {
    let html = text_of(document);
    let head = Arc::new(Mutex::new(Extracted::default()));
    let (titled, described) = (Arc::clone(&head), Arc::clone(&head));
    let converter = HtmlToMarkdown::builder()
        .skip_tags(SKIPPED.to_vec())
        // Where a link leads says little of what the text is about.
        .add_handler(vec!["a"], |handlers: &dyn Handlers, element: Element<'_>| {
            Some(handlers.walk_children(element.node))
        })
        .add_handler(vec!["img"], |_: &dyn Handlers, element: Element<'_>| {
            attribute(&element, "alt").map(Into::into)
        })
        .add_handler(vec!["title"], move |handlers: &dyn Handlers, element: Element<'_>| {
            let title = handlers.walk_children(element.node).content;
            let mut head = titled.lock().unwrap_or_else(PoisonError::into_inner);
            head.title.get_or_insert(plain(title.trim()));
            None
        })
        .add_handler(vec!["meta"], move |_: &dyn Handlers, element: Element<'_>| {
            let property = property(&element)?;
            let mut head = described.lock().unwrap_or_else(PoisonError::into_inner);
            head.properties.push(property);
            None
        })
        .build();
    let tree = converter.html_to_tree(&html);
    let tree = tree.map_err(|error| Refusal::Damaged(format!("no good HTML: {error}")))?;
    if is_too_deep(&tree) {
        let message = format!("elements nested more than {MAX_DEPTH} deep");
        return Err(Refusal::TooCostly(message));
    }
    let markdown = converter.tree_to_markdown(&tree);
    let mut extracted = std::mem::take(&mut *head.lock().unwrap_or_else(PoisonError::into_inner));
    extracted.text = plain(&markdown);
    Ok(extracted)
}

fn is_too_deep(tree: &Rc<Node>) -> bool {
    let mut level = vec![Rc::clone(tree)];
    for _ in 0..MAX_DEPTH {
        level = level
            .iter()
            .flat_map(|node| node.children.borrow().clone())
            .collect();
        if level.is_empty() {
            return false;
        }
    }
    true
}

/// Decodes by the byte-order mark, by what the document declares, else like any text.
fn text_of(document: &[u8]) -> String {
    let declared = declared(&document[..document.len().min(DECLARED_WITHIN)]);
    match declared {
        Some(encoding) if encoding != UTF_8 && mark(document).is_none() => encoding
            .decode_without_bom_handling(document)
            .0
            .into_owned(),
        _ => decode(document.to_vec()).unwrap_or_default(),
    }
}

/// The encoding that `charset=` or `encoding=` names near the start.
fn declared(start: &[u8]) -> Option<&'static Encoding> {
    let start = String::from_utf8_lossy(start).to_ascii_lowercase();
    let after = ["charset=", "encoding="]
        .iter()
        .find_map(|name| start.split_once(name))?
        .1;
    let label = after.trim_start_matches(['"', '\'', ' ']);
    let end = label.find(|c: char| !(c.is_ascii_alphanumeric() || "-_:.".contains(c)));
    let encoding = Encoding::for_label(&label.as_bytes()[..end.unwrap_or(label.len())])?;
    // Who could read the declaration was not reading UTF-16.
    Some(encoding.output_encoding())
}

fn attribute(element: &Element<'_>, name: &str) -> Option<String> {
    let attribute = element
        .attrs
        .iter()
        .find(|attribute| &*attribute.name.local == name)?;
    let value = attribute.value.trim();
    (!value.is_empty()).then(|| value.to_owned())
}

fn property(element: &Element<'_>) -> Option<Property> {
    let key = attribute(element, "name")
        .or_else(|| attribute(element, "property"))?
        .to_lowercase();
    let content = attribute(element, "content")?;
    if TECHNICAL.contains(&key.as_str()) {
        return None;
    }
    let list = LISTS.contains(&key.as_str());
    let values = if list {
        content
            .split(',')
            .map(|word| word.trim().to_owned())
            .collect()
    } else {
        vec![content]
    };
    Some(Property { key, values, list })
}

/// Takes back what the converter put before signs so that a Markdown parser would not see them as
/// such: the text is searched, and words with an underscore are words. Code has none of that; and what
/// stands at the start of a line keeps it, or it would become a heading or a list.
fn plain(markdown: &str) -> String {
    let mut text = String::with_capacity(markdown.len());
    let mut fence: Option<&str> = None;
    for line in markdown.split_inclusive('\n') {
        let start = line.trim_start();
        let opens = ["```", "~~~"]
            .into_iter()
            .find(|marks| start.starts_with(marks));
        if fence.is_some() || opens.is_some() {
            fence = match (fence, opens) {
                (None, opens) => opens,
                (open, closes) if open == closes => None,
                (open, _) => open,
            };
            text.push_str(line);
            continue;
        }
        unescape(line, &mut text);
    }
    text
}

fn unescape(line: &str, text: &mut String) {
    let mut in_code = false;
    let indent = line.len() - line.trim_start().len();
    let mut chars = line.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        match c {
            '`' => {
                in_code = !in_code;
                text.push(c);
            }
            '\\' if !in_code && at > indent => {
                match chars.next_if(|(_, next)| next.is_ascii_punctuation()) {
                    Some((_, next)) => text.push(next),
                    None => text.push(c),
                }
            }
            '&' if !in_code => {
                let known = [("&lt;", '<'), ("&gt;", '>'), ("&amp;", '&')];
                let found = known
                    .into_iter()
                    .find(|(entity, _)| line[at..].starts_with(entity));
                match found {
                    Some((entity, sign)) => {
                        text.push(sign);
                        for _ in 1..entity.len() {
                            chars.next();
                        }
                    }
                    None => text.push(c),
                }
            }
            _ => text.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_page_becomes_markdown_with_its_head_apart() {
        let page = "<!doctype html><html><head><title>My &amp; page</title>\
            <meta name=Keywords content='a, b'><meta name=author content=Ann>\
            <meta name=viewport content=x><style>p{}</style></head>\
            <body><nav><a href=/>Home</a></nav><h1>Top <em>head</em></h1>\
            <p>One <a href='https://x.y'>link</a> and foo_bar, Vec&lt;T&gt; * # x.\
            <ul><li>one<li>two</ul><h2>Sub</h2><pre><code class=language-rs>a_b &amp; *c*\n</code></pre>\
            <img alt='a picture' src=p.png><script>bad()</script>";
        let Extracted {
            text,
            title,
            properties,
            ..
        } = extract(page.as_bytes()).unwrap();
        assert_eq!(title.as_deref(), Some("My & page"));
        assert_eq!(
            properties,
            [
                Property {
                    key: "keywords".into(),
                    values: vec!["a".into(), "b".into()],
                    list: true
                },
                Property {
                    key: "author".into(),
                    values: vec!["Ann".into()],
                    list: false
                },
            ]
        );
        for expected in [
            "# Top *head*\n",
            "One link and foo_bar, Vec<T> * # x.",
            "*   one\n*   two",
            "## Sub\n",
            "a_b & *c*",
            "a picture",
        ] {
            assert!(text.contains(expected), "{expected:?} in {text:?}");
        }
        for gone in ["Home", "https", "bad", "p{}", "My"] {
            assert!(!text.contains(gone), "{gone:?} in {text:?}");
        }
    }

    #[test]
    fn encodings_are_declared_or_guessed() {
        for (page, expected) in [
            (
                &b"<meta charset=windows-1251><p>\xcf\xf0\xe8\xe2\xe5\xf2"[..],
                "Привет",
            ),
            (
                b"<?xml version='1.0' encoding='Shift_JIS'?><p>\x93\x8c\x8b\x9e",
                "東京",
            ),
            (
                b"<meta http-equiv=x content='text/html; charset=\"UTF-8\"'><p>\xc3\xa9",
                "é",
            ),
            (b"<meta charset=utf-16><p>\xc3\xa9", "é"),
            (b"<p>caf\xe9", "café"),
            (b"\xff\xfe<\0p\0>\0\xe9\0", "é"),
        ] {
            assert_eq!(extract(page).unwrap().text, expected);
        }
    }

    #[test]
    fn nesting_has_an_end() {
        let deep = |levels: usize| extract(("<div>".repeat(levels) + "x").as_bytes());
        assert_eq!(deep(500).unwrap().text, "x");
        assert!(matches!(deep(5_000), Err(Refusal::TooCostly(_))));
    }

    #[test]
    fn signs_are_signs_again_but_where_a_line_begins() {
        assert_eq!(
            plain("a\\_b \\*c\\* \\[d\\] &lt;x&gt; &amp;lt; C:\\dir\n"),
            "a_b *c* [d] <x> &lt; C:\\dir\n"
        );
        assert_eq!(plain("\\# no heading\n"), "\\# no heading\n");
        assert_eq!(plain("`a\\_b` c\\_d\n"), "`a\\_b` c_d\n");
        assert_eq!(plain("```\na\\_b\n```\nc\\_d\n"), "```\na\\_b\n```\nc_d\n");
    }

    proptest! {
        #[test]
        fn nothing_breaks_it(page in "(<(p|h1|ul|li|table|tr|td|b|a|pre|code|meta|title|/p|/b)>|[a-c_*`&<\\\\é ]|\n|&lt;){0,60}") {
            prop_assert!(extract(page.as_bytes()).is_ok());
        }
    }
}
