//! A document.

use std::fmt::Write as _;

use qmd_proto::v1::GetReply;
use serde::Serialize;

use super::{
    json::{pretty, unless_empty},
    text::{DIM, clean},
};
use crate::error::Result;

/// The lines of a document, each with its number before it when `numbered`. For a terminal, what it
/// would obey is replaced and the last line is ended.
pub(crate) fn document(reply: &GetReply, numbered: bool, terminal: bool) -> String {
    let body = if terminal {
        clean(&reply.body)
    } else {
        reply.body.as_str().into()
    };
    let mut text = String::with_capacity(body.len() + body.len() / 8);
    if numbered {
        for (number, line) in (reply.from_line..).zip(body.split_inclusive('\n')) {
            let _ = write!(text, "{DIM}{number}:{DIM:#} {line}");
        }
    } else {
        text += &body;
    }
    if (numbered || terminal) && !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    docid: String,
    file: &'a str,
    title: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    context: Option<&'a str>,
    path: &'a str,
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
    fn off_a_terminal_the_text_is_untouched() {
        assert_eq!(document(&sample(), false, false), sample().body);
        assert_eq!(document(&GetReply::default(), true, true), "");
    }

    #[test]
    fn as_json() {
        insta::assert_snapshot!(document_json(&sample()).unwrap());
    }
}
