//! What a document is called.

use std::path::Path;

use super::{
    front_matter::FrontMatter,
    outline::{Block, blocks, one_line},
};

/// Extensions whose text is read as Markdown. In others (`.py`, `.yaml`) a `#` opens a comment.
const MARKDOWN: &[&str] = &[
    "", "markdown", "md", "mdown", "mdx", "mkd", "qmd", "rmd", "rst", "text", "txt",
];

/// The title of the document at `path`: one line without markup, at most 200 characters.
///
/// The first of these that yields a text:
/// - Markdown and plain text: `title:` in the front matter, the first heading of level 1 or 2 that
///   is not "Notes", `#+TITLE:`;
/// - Org: `#+TITLE:`, the first headline;
/// - any document: the file name without its extension.
pub fn title(text: &str, path: &str) -> String {
    let path = Path::new(path);
    let extension = path
        .extension()
        .unwrap_or_default()
        .to_string_lossy()
        .to_lowercase();
    let found = match extension.as_str() {
        "org" => org_keyword(text).or_else(|| org_headline(text)),
        other if MARKDOWN.contains(&other) => front_matter(text)
            .or_else(|| heading(text))
            .or_else(|| org_keyword(text)),
        _ => None,
    };
    found.unwrap_or_else(|| one_line(&path.file_stem().unwrap_or_default().to_string_lossy()))
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
