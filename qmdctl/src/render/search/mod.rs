//! The hits of a search, in every format.

mod json;
mod people;
#[cfg(test)]
mod samples;
mod stages;
mod tables;

use std::borrow::Cow;

use qmd_proto::v1::{Hit, SearchReply};

pub(crate) use self::stages::{status, timing};
use super::{passage::content, terminal::Terminal};
use crate::{cli::SearchFormat, error::Result};

/// Longest passage, in characters, its header not counted: as QMD has them.
const JSON_PASSAGE: usize = 300;
const PASSAGE: usize = 500;

/// How hits are to be shown.
#[derive(Debug, Clone)]
pub(crate) struct Look<'a> {
    /// The format.
    pub(crate) format: SearchFormat,
    /// The query, whose words are marked.
    pub(crate) query: &'a str,
    /// Begin each line of a passage with its number.
    pub(crate) line_numbers: bool,
    /// Id of the query in a run.
    pub(crate) trec_id: &'a str,
    /// Name of the run.
    pub(crate) trec_tag: &'a str,
    /// Where people see them; `None` for a file or a pipe.
    pub(crate) terminal: Option<Terminal>,
    /// What `QMD_EDITOR_URI` says.
    pub(crate) editor_uri: Option<std::ffi::OsString>,
}

/// What a search found, and how its documents are named.
#[derive(Debug)]
pub(crate) struct Answer<'a> {
    /// The daemon's reply.
    pub(crate) reply: &'a SearchReply,
    /// For each hit its file's path, where that is shown in place of its address.
    pub(crate) files: Vec<Option<String>>,
}

/// The hits in the format wanted. For people: nothing when there are none.
pub(crate) fn hits(answer: &Answer<'_>, look: &Look<'_>) -> Result<String> {
    let rows: Vec<Row<'_>> = answer.rows(look).collect();
    match look.format {
        SearchFormat::Cli => Ok(people::blocks(answer.reply, &rows, look)),
        SearchFormat::Json => json::array(answer.reply, &rows),
        SearchFormat::Jsonl => json::lines(answer.reply, &rows),
        SearchFormat::Csv => Ok(tables::csv(&rows)),
        SearchFormat::Md => Ok(tables::markdown(&rows)),
        SearchFormat::Xml => Ok(tables::xml(&rows)),
        SearchFormat::Files => Ok(tables::files(&rows)),
        SearchFormat::Trec => Ok(tables::trec(&rows, look)),
    }
}

impl Answer<'_> {
    fn rows(&self, look: &Look<'_>) -> impl Iterator<Item = Row<'_>> {
        let numbered = look.line_numbers;
        let files = self.files.iter().map(Option::as_deref);
        (self.reply.hits.iter())
            .zip(files.chain(std::iter::repeat(None)))
            .map(move |(hit, file)| Row {
                hit,
                file,
                numbered,
            })
    }
}

/// A hit as it is shown.
#[derive(Debug, Clone, Copy)]
struct Row<'a> {
    hit: &'a Hit,
    /// Its file's path, in place of its address.
    file: Option<&'a str>,
    numbered: bool,
}

impl<'a> Row<'a> {
    /// What leads to the document.
    fn address(&self) -> &'a str {
        self.file.unwrap_or(&self.hit.uri)
    }

    /// The docid; a path says enough by itself.
    fn docid(&self) -> Option<String> {
        (self.file.is_none()).then(|| format!("#{}", self.hit.docid))
    }

    /// The passage of at most `limit` characters, or the whole document.
    fn content(&self, limit: usize) -> Cow<'a, str> {
        content(self.hit, limit, self.numbered)
    }

    /// Where the document matched beside the passage: `40-44, 71`.
    fn places(&self) -> Option<String> {
        let places = &self.hit.places;
        let place = |place: &qmd_proto::v1::Place| match (place.line, place.end_line) {
            (first, last) if last > first => format!("{first}-{last}"),
            (first, _) => first.to_string(),
        };
        let listed: Vec<_> = places.iter().map(place).collect();
        (!listed.is_empty()).then(|| listed.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::{samples::*, *};

    fn shown(look: &Look<'_>, files: Vec<Option<String>>) -> String {
        let reply = reply();
        let answer = Answer {
            reply: &reply,
            files,
        };
        hits(&answer, look).unwrap()
    }

    /// Without styles, and with what documents have of control characters.
    fn visible(format: SearchFormat, text: &str) -> String {
        if format == SearchFormat::Cli {
            return anstream::adapter::strip_str(text).to_string();
        }
        text.replace('\x1b', "␛").replace('\x07', "␇")
    }

    #[test]
    fn every_format() {
        for format in SearchFormat::ALL {
            let name = format!("{format:?}").to_lowercase();
            let text = shown(&look(format), Vec::new());
            insta::assert_snapshot!(format!("hits_{name}"), visible(format, &text));
        }
    }

    #[test]
    fn every_format_with_paths_and_numbers() {
        for format in SearchFormat::ALL {
            let name = format!("{format:?}").to_lowercase();
            let look = Look {
                line_numbers: true,
                ..look(format)
            };
            // The file of the second is gone.
            let text = shown(&look, vec![Some("./wing/heat, thin.md".into()), None]);
            insta::assert_snapshot!(format!("hits_paths_{name}"), visible(format, &text));
        }
    }

    #[test]
    fn nothing_found() {
        let reply = SearchReply::default();
        let answer = Answer {
            reply: &reply,
            files: Vec::new(),
        };
        for (format, expected) in [
            (SearchFormat::Cli, ""),
            (SearchFormat::Json, "[]\n"),
            (SearchFormat::Jsonl, ""),
            (
                SearchFormat::Csv,
                "docid,score,file,title,context,line,snippet\n",
            ),
            (SearchFormat::Md, ""),
            (SearchFormat::Xml, "<results>\n</results>\n"),
            (SearchFormat::Files, ""),
            (SearchFormat::Trec, ""),
        ] {
            let text = hits(&answer, &look(format)).unwrap();
            assert_eq!(text, expected, "{format:?}");
        }
    }

    #[test]
    fn passages_are_as_long_as_those_of_qmd() {
        let mut reply = reply();
        reply.hits.truncate(1);
        reply.hits[0].snippet = "word ".repeat(200);
        let answer = Answer {
            reply: &reply,
            files: Vec::new(),
        };
        for (format, limit) in [
            (SearchFormat::Json, JSON_PASSAGE),
            (SearchFormat::Csv, PASSAGE),
            (SearchFormat::Md, PASSAGE),
            (SearchFormat::Xml, PASSAGE),
        ] {
            let text = hits(&answer, &look(format)).unwrap();
            let words = text.matches("word").count();
            assert!(
                words * 5 <= limit && words * 5 > limit - 10,
                "{format:?}: {words}"
            );
        }
    }
}
