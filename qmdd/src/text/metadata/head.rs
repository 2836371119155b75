//! The heads of Org, reStructuredText and AsciiDoc documents: lines of keys and values before the text.

use crate::domain::{Metadata, Scalar, date};

/// Lines of a document that its head may take.
const HEAD_LINES: usize = 200;
/// Lines of reStructuredText that may stand before its fields: titles with their lines.
const TITLE_LINES: usize = 6;

/// `#+KEY: value` and the property drawer, before the first line of text.
pub(super) fn org(text: &str) -> Metadata {
    let mut metadata = Metadata::default();
    for line in text.lines().take(HEAD_LINES).map(str::trim) {
        let (key, value) = if let Some(keyword) = line.strip_prefix("#+") {
            let Some(pair) = keyword.split_once(':') else {
                break;
            };
            pair
        } else if let Some(pair) = field(line) {
            pair
        } else if line.is_empty() || line.starts_with("# ") || line == "#" {
            continue;
        } else {
            break;
        };
        match key.to_lowercase().as_str() {
            "properties" | "end" | "title" => {}
            "filetags" => {
                let tags = words(value, ':');
                metadata.extend_list("tags", tags.clone());
                metadata.extend_list("filetags", tags);
            }
            _ => metadata.set(key, Scalar::of_word(timestamp(value.trim()))),
        }
    }
    metadata
}

/// The day or the time inside `<2024-05-01 Wed 10:00>` or `[…]`; another value as it is.
fn timestamp(value: &str) -> &str {
    let inner = value
        .strip_prefix('<')
        .and_then(|rest| rest.strip_suffix('>'))
        .or_else(|| {
            value
                .strip_prefix('[')
                .and_then(|rest| rest.strip_suffix(']'))
        });
    inner
        .and_then(|inner| inner.split(' ').next())
        .filter(|day| date::seconds(day).is_some())
        .unwrap_or(value)
}

/// Fields (`:Key: value`) after the titles.
pub(super) fn restructured(text: &str) -> Metadata {
    let mut metadata = Metadata::default();
    let mut before = 0;
    let mut begun = false;
    for line in text.lines().take(HEAD_LINES) {
        if let Some((key, value)) = field(line) {
            begun = true;
            add(&mut metadata, key, value);
        } else if line.trim().is_empty() {
            if begun {
                break;
            }
        } else if !line.starts_with([' ', '\t']) {
            before += 1;
            if begun || before > TITLE_LINES {
                break;
            }
        }
    }
    metadata
}

/// Attributes (`:key: value`) up to the first blank line after the title.
pub(super) fn asciidoc(text: &str) -> Metadata {
    let mut metadata = Metadata::default();
    let mut titled = false;
    for line in text.lines().take(HEAD_LINES) {
        if let Some((key, value)) = field(line) {
            if !key.starts_with('!') && !key.ends_with('!') {
                add(&mut metadata, key, value);
            }
        } else if line.starts_with("= ") {
            titled = true;
        } else if line.trim().is_empty() {
            if titled {
                break;
            }
        } else if !titled && !line.starts_with("//") {
            break;
        }
    }
    metadata
}

/// `:key: value`.
fn field(line: &str) -> Option<(&str, &str)> {
    let (key, value) = line.strip_prefix(':')?.split_once(':')?;
    let plain = !key.is_empty() && key.trim() == key;
    (plain && (value.is_empty() || value.starts_with(' '))).then(|| (key, value.trim()))
}

/// Adds a field. Those that hold lists by custom are split at commas.
fn add(metadata: &mut Metadata, key: &str, value: &str) {
    if matches!(key.to_lowercase().as_str(), "keywords" | "tags" | "authors") {
        metadata.set_list(key, words(value, ','));
    } else {
        metadata.set(key, Scalar::of_word(value));
    }
}

/// The parts between separators.
pub(super) fn words(text: &str, separator: char) -> Vec<Scalar> {
    text.split(separator)
        .map(str::trim)
        .filter(|word| !word.is_empty())
        .map(|word| Scalar::Text(word.to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{super::tests::shown, *};

    #[test]
    fn org_has_keywords_and_drawers() {
        let text = ":PROPERTIES:\n:ID: 7\n:END:\n#+title: T\n#+FILETAGS: :a:b:\n# note\n\n\
                    #+date: <2024-05-01 Wed>\n#+status: draft\nText\n#+late: no\n";
        assert_eq!(
            shown(&org(text)),
            [
                "id=7",
                "tags=[\"a\",\"b\"]",
                "filetags=[\"a\",\"b\"]",
                "date=\"2024-05-01\"",
                "status=\"draft\""
            ]
        );
        assert_eq!(shown(&org("* Head\n#+status: no\n")), [] as [&str; 0]);
    }

    #[test]
    fn restructured_text_has_fields_below_its_titles() {
        let text = "=====\nTitle\n=====\n\n:Author: Ann B.\n:Version: 2\n:Tags: a, b\n  more\n\nText\n\n:no: 1\n";
        assert_eq!(
            shown(&restructured(text)),
            ["author=\"Ann B.\"", "version=2", "tags=[\"a\",\"b\"]"]
        );
        let late = "one\ntwo\nthree\nfour\nfive\nsix\nseven\n:no: 1\n";
        assert_eq!(shown(&restructured(late)), [] as [&str; 0]);
        assert_eq!(
            shown(&restructured(":ref:`x` is no field\n")),
            [] as [&str; 0]
        );
    }

    #[test]
    fn asciidoc_has_attributes_in_its_header() {
        let text =
            "// c\n:lang: en\n= Title\nAnn B.\n:status: draft\n:!toc:\n:keywords: a, b\n\n:no: 1\n";
        assert_eq!(
            shown(&asciidoc(text)),
            ["lang=\"en\"", "status=\"draft\"", "keywords=[\"a\",\"b\"]"]
        );
        assert_eq!(shown(&asciidoc("Text\n:no: 1\n")), [] as [&str; 0]);
    }
}
