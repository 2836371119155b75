//! Collections as BEIR publishes them: a JSON object a line.

use std::{
    borrow::Cow,
    collections::{BTreeSet, HashSet},
    fmt::Write as _,
};

use serde::Deserialize;

use super::{
    Malformed,
    judged::{self, Query},
    lines, shown,
};

#[derive(Debug, Deserialize)]
struct RawQuery<'a> {
    #[serde(rename = "_id", borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    text: Cow<'a, str>,
}

#[derive(Debug, Deserialize)]
struct RawDocument<'a> {
    #[serde(rename = "_id", borrow)]
    id: Cow<'a, str>,
    #[serde(default, borrow)]
    title: Option<Cow<'a, str>>,
    #[serde(borrow)]
    text: Cow<'a, str>,
}

/// A document of `corpus.jsonl`, as a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// Its name in the judgements.
    pub id: String,
    /// The name of its file, made of the id.
    pub file: String,
    /// Its text as Markdown, under its title.
    pub markdown: String,
}

/// Reads `queries.jsonl`.
///
/// # Errors
/// When a line is no query, or an id is there twice.
pub fn queries(text: &str) -> Result<Vec<Query>, Malformed> {
    let mut queries = Vec::new();
    let mut known = BTreeSet::new();
    for (at, line) in lines(text) {
        let raw: RawQuery<'_> = parse(at, line)?;
        judged::add(&mut queries, &mut known, at, &raw.id, &raw.text)?;
    }
    Ok(queries)
}

/// Reads a corpus line by line: it may be larger than the memory.
#[derive(Debug, Default)]
pub struct Corpus {
    known: HashSet<String>,
}

impl Corpus {
    /// Reads a line, counted from 1; `None` for an empty one.
    ///
    /// # Errors
    /// When it is no document, or its id was there before.
    pub fn document(&mut self, at: usize, line: &str) -> Result<Option<Document>, Malformed> {
        if line.trim().is_empty() {
            return Ok(None);
        }
        let raw: RawDocument<'_> = parse(at, line)?;
        let id = raw.id.trim();
        if id.is_empty() {
            return Err(Malformed::at(at, "a document without an id"));
        }
        if !self.known.insert(id.to_owned()) {
            let message = format!("the document {} is there twice", shown(id));
            return Err(Malformed::at(at, message));
        }
        let title = raw.title.unwrap_or_default();
        let title: Vec<&str> = title.split_whitespace().collect();
        let markdown = if title.is_empty() {
            format!("{}\n", raw.text)
        } else {
            format!("# {}\n\n{}\n", title.join(" "), raw.text)
        };
        Ok(Some(Document {
            id: id.to_owned(),
            file: format!("{}.md", file_stem(id)),
            markdown,
        }))
    }
}

fn parse<'a, T: Deserialize<'a>>(at: usize, line: &'a str) -> Result<T, Malformed> {
    serde_json::from_str(line).map_err(|error| {
        // The line that serde counts is one of this line.
        let message = error.to_string();
        let message = message.split(" at line ").next().unwrap_or_default();
        Malformed::at(at, format!("{message}: {}", shown(line)))
    })
}

/// An id as the stem of a file's name: what could mean something to a file system is escaped, so that two
/// ids never share a name.
fn file_stem(id: &str) -> String {
    let mut stem = String::with_capacity(id.len());
    for (at, c) in id.char_indices() {
        if c.is_ascii_alphanumeric() || matches!(c, '-' | '_') || (c == '.' && at > 0) {
            stem.push(c);
        } else {
            let mut bytes = [0; 4];
            for byte in c.encode_utf8(&mut bytes).bytes() {
                let _ = write!(stem, "%{byte:02X}");
            }
        }
    }
    stem
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn documents_and_queries_are_read() {
        let mut corpus = Corpus::default();
        let line = r#"{"_id": "MED-10", "title": "Heat\non wings", "text": "A \"thin\" wing.", "metadata": {}}"#;
        let document = corpus.document(1, line).unwrap().unwrap();
        assert_eq!((&*document.id, &*document.file), ("MED-10", "MED-10.md"));
        assert_eq!(document.markdown, "# Heat on wings\n\nA \"thin\" wing.\n");
        let bare = corpus.document(2, r#"{"_id": "a/b", "text": "x"}"#);
        let bare = bare.unwrap().unwrap();
        assert_eq!((&*bare.file, &*bare.markdown), ("a%2Fb.md", "x\n"));
        assert_eq!(corpus.document(3, " ").unwrap(), None);
        let found = queries("{\"_id\": \"q1\", \"text\": \"wing?\"}\n").unwrap();
        assert_eq!((&*found[0].id, &*found[0].text), ("q1", "wing?"));
    }

    #[test]
    fn what_is_none_is_named_by_its_line() {
        let mut corpus = Corpus::default();
        corpus.document(1, r#"{"_id": "a", "text": "x"}"#).unwrap();
        let mut complaint = |at, line| {
            let complaint = corpus.document(at, line).unwrap_err();
            complaint.in_file("corpus.jsonl")
        };
        let all = [
            complaint(2, r#"{"_id": "a", "text": "y"}"#),
            complaint(3, r#"{"_id": "b"}"#),
            complaint(4, r#"{"_id": " ", "text": "y"}"#),
            complaint(5, "heat"),
            queries("{\"_id\": 1}")
                .unwrap_err()
                .in_file("queries.jsonl"),
        ];
        insta::assert_snapshot!(all.join("\n"));
    }

    proptest! {
        #[test]
        fn no_two_ids_share_a_file(a in ".{1,8}", b in ".{1,8}") {
            prop_assert_eq!(file_stem(&a) == file_stem(&b), a == b);
            prop_assert!(!file_stem(&a).contains('/') && !file_stem(&a).starts_with('.'));
        }
    }
}
