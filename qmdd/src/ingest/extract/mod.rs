//! Text out of HTML and PDF, by parsers in child processes.

mod html;
mod pdf;

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    time::Duration,
};

use serde::{Deserialize, Serialize};

use super::child::{Children, Limits, Lost, serve};
use crate::{domain::Reason, store::Why, text::format::Format};

/// What tells the executable to be such a child.
const JOB: &str = "extract";
/// The address space holds the document, its tree and its text.
const LIMITS: Limits = Limits {
    cpu_seconds: 30,
    address_space: 3 << 29,
    stack: 256 << 20,
};
const WALL: Duration = Duration::from_secs(120);

/// Longest text of a document, in bytes.
const MAX_TEXT: usize = 16 << 20;
/// Longest sum of its properties, in bytes.
const MAX_PROPERTIES: usize = 4 << 20;

/// Marks a document as PDF, in what is sent to a child; another one is HTML.
const PDF: u8 = 1;

/// What a document holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Extracted {
    /// Its text: Markdown, or pages.
    pub text: String,
    /// The title it names.
    pub title: Option<String>,
    /// What it says of itself.
    pub properties: Vec<Property>,
    /// Pages that could not be read.
    pub lost_pages: u32,
}

/// A key with one value, or with a list of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Property {
    pub key: String,
    pub values: Vec<String>,
    pub list: bool,
}

/// Why there is no text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Refusal {
    /// The document is broken or locked.
    Damaged(String),
    /// It is over a limit.
    TooCostly(String),
}

type Answer = Result<Extracted, Refusal>;

/// Children that extract text.
pub(super) struct Extractors(Children);

impl Extractors {
    /// None started yet. `program` is the daemon's executable.
    pub(super) fn new(program: PathBuf) -> Self {
        Self(Children::new(program, JOB, WALL))
    }

    /// The text of an HTML or PDF document. Blocks.
    pub(super) fn extract(&self, format: Format, document: &[u8]) -> Result<Extracted, Why> {
        let kind = u8::from(format == Format::Pdf) * PDF;
        let (reason, message) = match self.ask(kind, document) {
            Ok(Ok(extracted)) => return Ok(extracted),
            Ok(Err(Refusal::Damaged(message))) => (Reason::FileDamaged, message),
            Ok(Err(Refusal::TooCostly(message))) => (Reason::FileTooCostly, message),
            // An allocation that fails, and a stack that overflows, end a process by a signal.
            Err(lost @ (Lost::TooLong | Lost::Signal(_))) => {
                (Reason::FileTooCostly, lost.to_string())
            }
            Err(lost) => (Reason::FileDamaged, lost.to_string()),
        };
        Err(Why { reason, message })
    }

    fn ask(&self, kind: u8, document: &[u8]) -> Result<Answer, Lost> {
        let answer = self.0.ask(&[&[kind], document])?;
        Ok(postcard::from_bytes(&answer).map_err(io::Error::other)?)
    }
}

/// The child: extracts for the daemon until that closes the connection.
///
/// # Errors
/// When the limits cannot be set, or the connection breaks.
pub fn run() -> io::Result<()> {
    // The message of a panic is in the answer.
    std::panic::set_hook(Box::new(|_| {}));
    serve(LIMITS, |request| {
        let answer = match request.split_first() {
            Some((kind, document)) => extracted(*kind, document),
            None => Err(Refusal::Damaged("nothing was sent".into())),
        };
        postcard::to_stdvec(&answer).unwrap_or_default()
    })
}

fn extracted(kind: u8, document: &[u8]) -> Answer {
    let parse = || match kind {
        PDF => pdf::extract(document),
        _ => html::extract(document),
    };
    // Some parsers panic on what they do not expect.
    let extracted = catch_unwind(AssertUnwindSafe(parse))
        .unwrap_or_else(|_| Err(Refusal::Damaged("its parser failed".into())))?;
    let values = extracted
        .properties
        .iter()
        .flat_map(|property| &property.values);
    let properties: usize = values.map(String::len).sum();
    if extracted.text.len() > MAX_TEXT || properties > MAX_PROPERTIES {
        let message = format!("more than {} MiB of text", MAX_TEXT >> 20);
        return Err(Refusal::TooCostly(message));
    }
    Ok(extracted)
}
