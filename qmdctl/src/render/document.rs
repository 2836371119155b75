//! A document.

use std::fmt::Write as _;

use qmd_proto::v1::GetReply;
use serde::Serialize;
use serde_json::{Map, Value};

use super::{
    json::{pretty, unless_empty},
    metadata::metadata_json,
    text::{DIM, clean},
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

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    docid: String,
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

/// A document as a JSON object.
pub(crate) fn document_json(reply: &GetReply) -> Result<String> {
    pretty(&Document {
        docid: format!("#{}", reply.docid),
        file: &reply.uri,
        title: &reply.title,
        context: unless_empty(&reply.context),
        path: &reply.file_path,
        page: reply.page,
        metadata: metadata_json(&reply.metadata),
        line: reply.from_line,
        lines: reply.line_count,
        total_lines: reply.total_lines,
        body: &reply.body,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> GetReply {
        GetReply {
            docid: "a1b2c3".into(),
            uri: "qmd://notes/a.md".into(),
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
        insta::assert_snapshot!(document_json(&sample()).unwrap());
    }
}
