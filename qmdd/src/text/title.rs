//! What a document is called.

use std::path::Path;

use super::{
    format::Format,
    front_matter::FrontMatter,
    outline::{Block, blocks, one_line},
};

/// The title of the document at `path`: one line without markup, at most 200 characters.
///
/// The first of these that yields a text:
/// - Markdown and plain text: `title:` in the front matter, the first heading of level 1 or 2 that
///   is not "Notes", `#+TITLE:`;
/// - HTML: the first such heading;
/// - Org: `#+TITLE:`, the first headline;
/// - reStructuredText and AsciiDoc: the first title;
/// - PDF: the first line;
/// - any document: the file name without its extension.
pub fn title(text: &str, path: &str) -> String {
    let found = match Format::of(path) {
        Format::Markdown => front_matter(text)
            .or_else(|| heading(text))
            .or_else(|| org_keyword(text)),
        Format::Html => heading(text),
        Format::Org => org_keyword(text).or_else(|| org_headline(text)),
        Format::ReStructured => underlined(text),
        Format::AsciiDoc => front_matter(text).or_else(|| asciidoc_title(text)),
        Format::Pdf => text.lines().find_map(some_line),
        Format::Other => None,
    };
    let stem = || {
        Path::new(path)
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
    };
    found.unwrap_or_else(|| one_line(&stem()))
}

/// A title that a document names by itself, as it is shown; `None` of an empty one.
pub fn given(title: &str) -> Option<String> {
    some_line(title)
}

fn front_matter(text: &str) -> Option<String> {
    some_line(&FrontMatter::of(text)?.title()?)
}

fn heading(text: &str) -> Option<String> {
    blocks(text).into_iter().find_map(|(_, block)| match block {
        Block::Heading(heading)
            if heading.level <= 2 && !heading.text.is_empty() && !is_notes(&heading.text) =>
        {
            Some(heading.text)
        }
        _ => None,
    })
}

/// Whether a heading says no more than "Notes", as templates of note-taking programs do.
fn is_notes(heading: &str) -> bool {
    let letters = heading.trim_matches(|c: char| !c.is_alphanumeric());
    letters.eq_ignore_ascii_case("notes")
}

fn org_keyword(text: &str) -> Option<String> {
    text.lines().find_map(|line| {
        let (keyword, value) = line.trim_start().split_once(':')?;
        keyword
            .eq_ignore_ascii_case("#+title")
            .then(|| some_line(value))?
    })
}

fn org_headline(text: &str) -> Option<String> {
    text.lines().find_map(|line| {
        let rest = line.trim_start_matches('*');
        (rest.len() < line.len() && rest.starts_with(' ')).then(|| some_line(rest))?
    })
}

/// The first line that stands above a line of one sign, as long as itself or longer.
fn underlined(text: &str) -> Option<String> {
    let length = |line: &str| line.trim_end().chars().count();
    let is_rule = |line: &str| {
        let mut signs = line.trim_end().chars();
        let first = signs.next().filter(char::is_ascii_punctuation);
        first.is_some() && signs.all(|sign| Some(sign) == first)
    };
    text.lines()
        .zip(text.lines().skip(1))
        .find_map(|(line, rule)| {
            let titled = is_rule(rule) && !is_rule(line) && length(rule) >= length(line).max(2);
            titled.then(|| some_line(line))?
        })
}

fn asciidoc_title(text: &str) -> Option<String> {
    text.lines().find_map(|line| {
        let rest = line.trim_start_matches('=');
        (rest.len() < line.len() && rest.starts_with(' ')).then(|| some_line(rest))?
    })
}

fn some_line(text: &str) -> Option<String> {
    Some(one_line(text)).filter(|line| !line.is_empty())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_first_source_wins() {
        for (text, path, expected) in [
            ("---\ntitle: Front\n---\n# Head\n", "a.md", "Front"),
            ("---\ntitle:\n---\n# Head\n", "a.md", "Head"),
            (
                "intro\n\n## Second *level*\n# First\n",
                "a.md",
                "Second level",
            ),
            ("Setext\n======\n", "a.md", "Setext"),
            ("# Notes\n\n## Real\n", "a.md", "Real"),
            ("# \u{1f4dd} Notes\n", "d/day one.md", "day one"),
            ("```\n# code\n```\n", "d/name.tar.md", "name.tar"),
            ("### too deep\n", "a.md", "a"),
            ("# \n# Next\n", "a.md", "Next"),
            ("\u{feff}# Marked\n", "a.md", "Marked"),
            ("#+title: Org in text\n", "README", "Org in text"),
            ("* Headline\n#+TITLE:  Org \n", "a.org", "Org"),
            ("text\n** Headline\n", "a.org", "Headline"),
            ("# no heading here\n", "a.org", "a"),
            ("# Copyright\n", "src/main.py", "main"),
            ("====\nOver\n====\n\nSub\n---\n", "a.rst", "Over"),
            (
                "text\nmore\n\nTitle here\n~~~~~~~~~~\n",
                "a.rst",
                "Title here",
            ),
            (".. note\n\nplain\n--\n", "a.rst", "a"),
            ("// c\n= Doc\n== Section\n", "a.adoc", "Doc"),
            ("text\n\n== Section\n", "a.adoc", "Section"),
            ("---\ntitle: no\n---\n\n# Page\n", "a.html", "Page"),
            ("\n  First line \nsecond\n", "a.pdf", "First line"),
            ("", ".hidden", ".hidden"),
        ] {
            assert_eq!(title(text, path), expected, "{text:?} at {path}");
        }
    }

    proptest! {
        #[test]
        fn titles_are_short_single_lines(text in any::<String>(), md in "(#|-|=|[a-z]|\n| |`|\\*){0,60}") {
            for text in [text, md] {
                let title = title(&text, "dir/file.md");
                prop_assert!(!title.is_empty() && title.chars().count() <= 200);
                prop_assert!(!title.contains(char::is_control) && title == title.trim());
            }
        }
    }
}
