//! A document.

use std::fmt::Write as _;

use qmd_proto::v1::GetReply;
use serde::Serialize;
use serde_json::{Map, Value};

use super::{
    escape::{xml, xml_attribute},
    json::{pretty, unless_empty},
    metadata::metadata_json,
    text::{DIM, PATH, clean, clean_line},
};
use crate::error::Result;

/// The lines of a document, each with its number before it when `numbered`. For a terminal, what it
/// would obey is replaced, the last line is ended, and a page begins with a line that says so.
pub(crate) fn document(reply: &GetReply, numbered: bool, terminal: bool) -> String {
    let mut text = String::with_capacity(reply.body.len() + reply.body.len() / 8);
    // The page of the line before.
    let feeds = |line: &str| line.matches(FEED).count() as u32;
    let first = reply.body.split('\n').next().unwrap_or_default();
    let mut page = reply.page.unwrap_or(0).saturating_sub(feeds(first));
    for (number, line) in (reply.from_line..).zip(reply.body.split_inclusive('\n')) {
        let feeds = feeds(line);
        if terminal && feeds > 0 {
            page += feeds;
            let _ = writeln!(text, "{DIM}--- page {page} ---{DIM:#}");
        }
        if numbered {
            let _ = write!(text, "{DIM}{number}:{DIM:#} ");
        }
        text += &if terminal { clean(line) } else { line.into() };
    }
    if (numbered || terminal) && !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

/// Begins a page.
const FEED: char = '\u{c}';

/// A line that names a document's file.
pub(crate) fn file_heading(file: &str) -> String {
    format!("{PATH}{}{PATH:#}\n", clean_line(file))
}

/// A document in JSON.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Document<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    docid: Option<String>,
    file: &'a str,
    title: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    context: Option<&'a str>,
    path: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    page: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<Map<String, Value>>,
    line: u32,
    lines: u32,
    total_lines: u32,
    body: &'a str,
}

impl<'a> Document<'a> {
    /// With its `file` on disk in place of address and docid, when that is to be named.
    pub(super) fn new(reply: &'a GetReply, file: Option<&'a str>) -> Self {
        let (docid, file) = called(reply, file);
        Self {
            docid,
            file,
            title: &reply.title,
            context: unless_empty(&reply.context),
            path: &reply.file_path,
            page: reply.page,
            metadata: metadata_json(&reply.metadata),
            line: reply.from_line,
            lines: reply.line_count,
            total_lines: reply.total_lines,
            body: &reply.body,
        }
    }
}

/// A document's docid, and its address; the `file` alone when that is to be named.
pub(super) fn called<'a>(reply: &'a GetReply, file: Option<&'a str>) -> (Option<String>, &'a str) {
    match file {
        Some(file) => (None, file),
        None => (Some(format!("#{}", reply.docid)), &reply.uri),
    }
}

/// A document as a JSON object.
pub(crate) fn document_json(reply: &GetReply, file: Option<&str>) -> Result<String> {
    pretty(&Document::new(reply, file))
}

/// A document as Markdown: a heading, what is known of it, and its text in a fence.
pub(crate) fn document_md(reply: &GetReply, file: Option<&str>) -> String {
    let (docid, file) = called(reply, file);
    let mut text = format!(
        "# {}\n\n**file:** {}\n",
        clean_line(&reply.title),
        clean_line(file)
    );
    if let Some(docid) = docid {
        let _ = writeln!(text, "**docid:** {}", clean_line(&docid));
    }
    if !reply.context.is_empty() {
        let _ = writeln!(text, "**context:** {}", clean_line(&reply.context));
    }
    if let Some(lines) = lines_shown(reply) {
        let _ = writeln!(text, "**lines:** {lines}");
    }
    let body = &reply.body;
    let fence = fence(body);
    let end = if body.is_empty() || body.ends_with('\n') {
        ""
    } else {
        "\n"
    };
    let language = language(&reply.path);
    let _ = writeln!(text, "\n{fence}{language}\n{body}{end}{fence}");
    text
}

/// Which lines are shown, when they are not all.
pub(super) fn lines_shown(reply: &GetReply) -> Option<String> {
    let last = (reply.from_line + reply.line_count).saturating_sub(1);
    match reply.line_count {
        count if count == reply.total_lines => None,
        0 => Some(format!("none of {}", reply.total_lines)),
        1 => Some(format!("{last} of {}", reply.total_lines)),
        _ => Some(format!(
            "{}-{last} of {}",
            reply.from_line, reply.total_lines
        )),
    }
}

/// A fence that no line of the text can end.
fn fence(text: &str) -> String {
    let longest = text.lines().map(|line| {
        let line = line.trim_start();
        line.len() - line.trim_start_matches('`').len()
    });
    "`".repeat(longest.max().unwrap_or(0).max(2) + 1)
}

/// The ending of a file's name, as far as it can name a language.
fn language(path: &str) -> &str {
    let name = path.rsplit_once('/').map_or(path, |(_, name)| name);
    let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
    let plain = ending.chars().all(|c| c.is_ascii_alphanumeric());
    if plain { ending } else { "" }
}

/// A document as an XML element.
pub(crate) fn document_xml(reply: &GetReply, file: Option<&str>) -> String {
    let (docid, file) = called(reply, file);
    let mut text = "<file".to_owned();
    let mut attribute = |name: &str, value: &str| {
        if !value.is_empty() {
            let _ = write!(text, " {name}=\"{}\"", xml_attribute(value));
        }
    };
    attribute("docid", &docid.unwrap_or_default());
    attribute("name", file);
    attribute("title", &reply.title);
    attribute("context", &reply.context);
    attribute("line", &reply.from_line.to_string());
    attribute("lines", &reply.line_count.to_string());
    attribute("total-lines", &reply.total_lines.to_string());
    let _ = writeln!(text, ">{}</file>", xml(&reply.body));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> GetReply {
        GetReply {
            docid: "a1b2c3".into(),
            uri: "qmd://notes/a.md".into(),
            path: "a.md".into(),
            title: "A".into(),
            body: "nine\r\n\nte\x07n".into(),
            from_line: 9,
            line_count: 3,
            total_lines: 11,
            file_path: "/home/me/notes/a.md".into(),
            ..GetReply::default()
        }
    }

    fn plain(numbered: bool, terminal: bool) -> String {
        anstream::adapter::strip_str(&document(&sample(), numbered, terminal)).to_string()
    }

    #[test]
    fn numbers_count_from_the_first_line_shown() {
        assert_eq!(plain(true, true), "9: nine\n10: \n11: te\u{fffd}n\n");
    }

    #[test]
    fn pages_are_told_on_a_terminal() {
        let reply = |body: &str, page| GetReply {
            body: body.into(),
            page: Some(page),
            from_line: 5,
            ..GetReply::default()
        };
        let shown = |reply| anstream::adapter::strip_str(&document(&reply, true, true)).to_string();
        assert_eq!(
            shown(reply("a\n\u{c}b\n\u{c}\u{c}c\n", 2)),
            "5: a\n--- page 3 ---\n6: b\n--- page 5 ---\n7: c\n"
        );
        assert_eq!(shown(reply("\u{c}b\n", 3)), "--- page 3 ---\n5: b\n");
        assert_eq!(document(&reply("\u{c}b\n", 3), false, false), "\u{c}b\n");
    }

    #[test]
    fn off_a_terminal_the_text_is_untouched() {
        assert_eq!(document(&sample(), false, false), sample().body);
        assert_eq!(document(&GetReply::default(), true, true), "");
    }

    #[test]
    fn as_json() {
        insta::assert_snapshot!(document_json(&sample(), None).unwrap());
    }

    #[test]
    fn as_markdown_and_xml() {
        let code = GetReply {
            title: "A <title>".into(),
            context: "Two\nlines & more".into(),
            body: "````rust\nlet a = b < c;\n````\n".into(),
            path: "x/a.md".into(),
            ..sample()
        };
        insta::assert_snapshot!("as_md", clean(&document_md(&sample(), None)));
        insta::assert_snapshot!("as_md_fenced", document_md(&code, Some("./x/a.md")));
        insta::assert_snapshot!("as_xml", document_xml(&sample(), None));
        insta::assert_snapshot!("as_xml_escaped", document_xml(&code, Some("./x/a.md")));
    }

    #[test]
    fn a_file_on_disk_takes_the_place_of_address_and_docid() {
        let json = document_json(&sample(), Some("./notes/a.md")).unwrap();
        assert!(
            json.contains("\"file\": \"./notes/a.md\"") && !json.contains("docid"),
            "{json}"
        );
        let heading = file_heading("./a\x1b.md");
        assert_eq!(
            anstream::adapter::strip_str(&heading).to_string(),
            "./a\u{fffd}.md\n"
        );
    }

    #[test]
    fn the_lines_shown_are_told_when_they_are_not_all() {
        let lines = |from_line, line_count, total_lines| {
            lines_shown(&GetReply {
                from_line,
                line_count,
                total_lines,
                ..GetReply::default()
            })
        };
        assert_eq!(lines(1, 4, 4), None);
        assert_eq!(lines(2, 3, 9).as_deref(), Some("2-4 of 9"));
        assert_eq!(lines(9, 1, 9).as_deref(), Some("9 of 9"));
        assert_eq!(lines(10, 0, 9).as_deref(), Some("none of 9"));
        assert_eq!(language("x.y/Makefile"), "");
        assert_eq!(language("x/a.tar.gz"), "gz");
    }
}
