//! Several documents, one after the other as they come.

use std::fmt::Write as _;

use qmd_proto::v1::{GetReply, SkippedDocument};
use serde::Serialize;

use super::{
    Screen,
    document::{Document, called, document, document_md, document_xml, lines_shown},
    escape::{csv, quoted, xml, xml_attribute},
    text::{BOLD, DIM, HINT, PATH, WARNING, clean_line},
};
use crate::{
    cli::DocumentsFormat as Format,
    error::{Failure, Result},
};

/// The columns of CSV.
const COLUMNS: [&str; 8] = [
    "docid", "file", "title", "context", "line", "skipped", "message", "body",
];

/// Writes documents in a format.
#[derive(Debug)]
pub(crate) struct Documents {
    format: Format,
    numbered: bool,
    terminal: bool,
    /// Whether something was written already.
    begun: bool,
}

impl Documents {
    /// Nothing written yet. Lines are `numbered` in what is for people; for a `terminal`, what it would
    /// obey is replaced.
    pub(crate) fn new(format: Format, numbered: bool, terminal: bool) -> Self {
        Self {
            format,
            numbered,
            terminal,
            begun: false,
        }
    }

    /// Prints what stands before all documents.
    pub(crate) fn print_head(&self) -> Result<()> {
        self.print(&self.head())
    }

    /// Prints a document, with its `file` on disk in place of its address when that is to be named.
    pub(crate) fn print_document(&mut self, reply: &GetReply, file: Option<&str>) -> Result<()> {
        let text = self.document(reply, file)?;
        self.print(&text)
    }

    /// Prints what is said of one that is left out.
    pub(crate) fn print_skipped(
        &mut self,
        skipped: &SkippedDocument,
        file: Option<&str>,
    ) -> Result<()> {
        let text = self.skipped(skipped, file)?;
        self.print(&text)
    }

    /// Prints what stands after all documents.
    pub(crate) fn print_tail(&self) -> Result<()> {
        self.print(&self.tail())
    }

    fn print(&self, text: &str) -> Result<()> {
        match self.format {
            Format::Cli => Screen::print(text),
            // A document's own colour codes are a part of it.
            _ => Screen::print_data(text),
        }
    }

    fn head(&self) -> String {
        match self.format {
            Format::Json => "[".to_owned(),
            Format::Csv => csv_row(COLUMNS),
            Format::Xml => "<documents>\n".to_owned(),
            Format::Cli | Format::Jsonl | Format::Md | Format::Files => String::new(),
        }
    }

    fn tail(&self) -> String {
        match self.format {
            Format::Json if self.begun => "\n]\n".to_owned(),
            Format::Json => "]\n".to_owned(),
            Format::Xml => "</documents>\n".to_owned(),
            Format::Cli | Format::Jsonl | Format::Csv | Format::Md | Format::Files => String::new(),
        }
    }

    /// What stands between two documents.
    fn gap(&mut self) -> &'static str {
        match (self.format, std::mem::replace(&mut self.begun, true)) {
            (Format::Json, true) => ",\n",
            (Format::Json, false) | (Format::Cli, true) => "\n",
            (Format::Md, true) => "\n---\n\n",
            _ => "",
        }
    }

    fn document(&mut self, reply: &GetReply, file: Option<&str>) -> Result<String> {
        let text = match self.format {
            Format::Cli => self.block(reply, file),
            Format::Json => item(&Document::new(reply, file))?,
            Format::Jsonl => line(&Document::new(reply, file))?,
            Format::Csv => {
                let (docid, file) = called(reply, file);
                let docid = docid.unwrap_or_default();
                let (title, context) = (&*reply.title, &*reply.context);
                let from = reply.from_line.to_string();
                csv_row([&*docid, file, title, context, &from, "", "", &reply.body])
            }
            Format::Md => document_md(reply, file),
            Format::Xml => document_xml(reply, file),
            Format::Files => {
                let (docid, file) = called(reply, file);
                file_line(docid.as_deref(), file, &reply.context, None)
            }
        };
        Ok(format!("{}{text}", self.gap()))
    }

    fn block(&self, reply: &GetReply, file: Option<&str>) -> String {
        let (docid, file) = called(reply, file);
        let mut text = heading(file, docid.as_deref(), &reply.title);
        if !reply.context.is_empty() {
            let _ = writeln!(text, "Context: {}", clean_line(&reply.context));
        }
        if let Some(lines) = lines_shown(reply) {
            let _ = writeln!(text, "{DIM}lines {lines}{DIM:#}");
        }
        text.push('\n');
        text += &document(reply, self.numbered, self.terminal);
        if !text.ends_with('\n') {
            text.push('\n');
        }
        text
    }

    fn skipped(&mut self, skipped: &SkippedDocument, file: Option<&str>) -> Result<String> {
        let is_missing = skipped.uri.is_empty();
        if is_missing && matches!(self.format, Format::Cli | Format::Files) {
            // There is no document, and the warning says it all.
            return Ok(String::new());
        }
        let row = LeftOut::new(skipped, file);
        let text = match self.format {
            Format::Cli => format!(
                "{}{WARNING}skipped{WARNING:#}: {} ({})\n{HINT}hint{HINT:#}: {}\n",
                heading(row.file, row.docid.as_deref(), &skipped.title),
                clean_line(&skipped.message),
                clean_line(&skipped.reason),
                clean_line(&skipped.hint),
            ),
            Format::Json => item(&row)?,
            Format::Jsonl => line(&row)?,
            Format::Csv => {
                let docid = row.docid.as_deref().unwrap_or_default();
                let (title, reason, message) = (&*skipped.title, row.reason, row.message);
                csv_row([docid, row.file, title, "", "", reason, message, ""])
            }
            Format::Md => format!(
                "**file:** {}\n\n> skipped: {} ({})\n>\n> {}\n",
                clean_line(row.file),
                clean_line(row.message),
                clean_line(row.reason),
                clean_line(&skipped.hint),
            ),
            Format::Xml => row.xml(),
            Format::Files => file_line(row.docid.as_deref(), row.file, "", Some(row.reason)),
        };
        Ok(format!("{}{text}", self.gap()))
    }
}

/// The lines above a document.
fn heading(file: &str, docid: Option<&str>, title: &str) -> String {
    let docid = docid.map(|docid| format!(" {DIM}{}{DIM:#}", clean_line(docid)));
    format!(
        "{PATH}{}{PATH:#}{}\n{BOLD}{}{BOLD:#}\n",
        clean_line(file),
        docid.unwrap_or_default(),
        clean_line(title),
    )
}

/// `#docid,file,"context"`, as in QMD, and why it is left out.
fn file_line(docid: Option<&str>, file: &str, context: &str, reason: Option<&str>) -> String {
    let first = csv_row(docid.into_iter().chain([file]));
    let mut text = format!("{},{}", first.trim_end(), quoted(&clean_line(context)));
    if let Some(reason) = reason {
        let _ = write!(text, ",{reason}");
    }
    text + "\n"
}

/// A row of CSV with the line feed at its end.
fn csv_row<'a>(fields: impl IntoIterator<Item = &'a str>) -> String {
    let fields: Vec<_> = fields.into_iter().map(csv).collect();
    fields.join(",") + "\n"
}

/// What is left out, in JSON.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct LeftOut<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    docid: Option<String>,
    /// The document; what was asked for when there is none.
    file: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    skipped: bool,
    reason: &'a str,
    message: &'a str,
    hint: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    suggestions: &'a [String],
}

impl<'a> LeftOut<'a> {
    fn new(skipped: &'a SkippedDocument, file: Option<&'a str>) -> Self {
        let is_document = !skipped.uri.is_empty();
        let uri = if is_document {
            &skipped.uri
        } else {
            &skipped.pattern
        };
        let is_named = is_document && file.is_none();
        Self {
            docid: is_named.then(|| format!("#{}", skipped.docid)),
            file: file.unwrap_or(uri),
            title: is_document.then_some(&skipped.title),
            bytes: is_document.then_some(skipped.bytes),
            skipped: true,
            reason: &skipped.reason,
            message: &skipped.message,
            hint: &skipped.hint,
            suggestions: &skipped.suggestions,
        }
    }

    fn xml(&self) -> String {
        let mut text = "<skipped".to_owned();
        let bytes = self.bytes.map(|bytes| bytes.to_string());
        for (name, value) in [
            ("docid", self.docid.as_deref()),
            ("name", Some(self.file)),
            ("title", self.title),
            ("bytes", bytes.as_deref()),
            ("reason", Some(self.reason)),
            ("hint", Some(self.hint)),
        ] {
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                let _ = write!(text, " {name}=\"{}\"", xml_attribute(value));
            }
        }
        let _ = writeln!(text, ">{}</skipped>", xml(self.message));
        text
    }
}

/// A value as an item of an indented JSON array.
fn item(value: &impl Serialize) -> Result<String> {
    let text = serde_json::to_string_pretty(value).map_err(|error| no_json(&error))?;
    // A line feed inside of a text is written as an escape.
    Ok(format!("  {}", text.replace('\n', "\n  ")))
}

/// A value as a line of JSON.
fn line(value: &impl Serialize) -> Result<String> {
    let text = serde_json::to_string(value).map_err(|error| no_json(&error))?;
    Ok(text + "\n")
}

fn no_json(error: &serde_json::Error) -> Failure {
    Failure::internal(format!("no JSON: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found() -> GetReply {
        GetReply {
            docid: "a1b2c3".into(),
            uri: "qmd://notes/a.md".into(),
            path: "a.md".into(),
            title: "A, \"B\"".into(),
            context: "Notes & more".into(),
            body: "# A <1>\n\n`code`\n".into(),
            from_line: 1,
            line_count: 3,
            total_lines: 9,
            file_path: "/home/me/notes/a.md".into(),
            ..GetReply::default()
        }
    }

    fn large() -> SkippedDocument {
        SkippedDocument {
            uri: "qmd://notes/big.md".into(),
            docid: "0f0f0f".into(),
            title: "Big".into(),
            bytes: 80_000,
            reason: "FILE_TOO_LARGE".into(),
            message: "qmd://notes/big.md has 80000 bytes, over the limit of 65536".into(),
            hint: "`qmdctl get qmd://notes/big.md` gets it".into(),
            pattern: "notes/*.md".into(),
            file_path: "/home/me/notes/big.md".into(),
            ..SkippedDocument::default()
        }
    }

    fn missing() -> SkippedDocument {
        SkippedDocument {
            reason: "DOCUMENT_NOT_FOUND".into(),
            message: "no document \"c.md\"".into(),
            hint: "did you mean qmd://notes/a.md?".into(),
            pattern: "c.md".into(),
            suggestions: vec!["qmd://notes/a.md".into()],
            ..SkippedDocument::default()
        }
    }

    fn written(format: Format, on_disk: bool) -> String {
        let mut shown = Documents::new(format, true, false);
        let file = on_disk.then_some("./notes/a.md");
        let mut text = shown.head();
        text += &shown.document(&found(), file).unwrap();
        text += &shown.skipped(&large(), None).unwrap();
        text += &shown.skipped(&missing(), None).unwrap();
        text += &shown.document(&found(), None).unwrap();
        text += &shown.tail();
        anstream::adapter::strip_str(&text).to_string()
    }

    #[test]
    fn in_every_format() {
        insta::assert_snapshot!("cli", written(Format::Cli, true));
        insta::assert_snapshot!("json", written(Format::Json, true));
        insta::assert_snapshot!("jsonl", written(Format::Jsonl, false));
        insta::assert_snapshot!("csv", written(Format::Csv, false));
        insta::assert_snapshot!("md", written(Format::Md, false));
        insta::assert_snapshot!("xml", written(Format::Xml, false));
        insta::assert_snapshot!("files", written(Format::Files, true));
    }

    #[test]
    fn machine_formats_parse_back() {
        let json: serde_json::Value = serde_json::from_str(&written(Format::Json, false)).unwrap();
        let rows = json.as_array().unwrap();
        assert_eq!(rows.len(), 4);
        assert_eq!(rows[0]["body"], found().body.as_str());
        assert_eq!(rows[2]["suggestions"][0], "qmd://notes/a.md");
        for (line, row) in written(Format::Jsonl, false).lines().zip(rows) {
            assert_eq!(
                &serde_json::from_str::<serde_json::Value>(line).unwrap(),
                row
            );
        }
        let nothing = Documents::new(Format::Json, true, false);
        assert_eq!(nothing.head() + &nothing.tail(), "[]\n");
    }
}
