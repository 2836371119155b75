//! Grammars asked in child processes. Some inputs of a few KiB take their parsers minutes and gigabytes.

use std::{io, path::PathBuf, time::Duration};

use super::child::{Children, Limits, Lost, serve};
use crate::text::{
    language::Language,
    syntax::{self, Syntax},
};

/// What tells the executable to be such a child.
const JOB: &str = "parse";
/// Real code of the longest size allowed takes less than a second.
const LIMITS: Limits = Limits {
    cpu_seconds: 3,
    address_space: 1 << 30,
    stack: 16 << 20,
};
const WALL: Duration = Duration::from_secs(30);

/// Children that parse code.
pub(super) struct Grammars(Children);

impl Grammars {
    /// None started yet.
    pub(super) fn new(program: PathBuf) -> Self {
        Self(Children::new(program, JOB, WALL))
    }

    /// What the grammar tells of a piece of code; `None` when its parser gave up. Blocks.
    ///
    /// # Errors
    /// When the parser used up its limits, or crashed.
    pub(super) fn parse(&self, code: &str, language: Language) -> Result<Option<Syntax>, Lost> {
        if code.len() > syntax::MAX_BYTES {
            return Ok(None);
        }
        let answer = self.0.ask(&[&[language as u8], code.as_bytes()])?;
        Ok(postcard::from_bytes(&answer).map_err(io::Error::other)?)
    }
}

/// The child: parses for the daemon until that closes the connection.
///
/// # Errors
/// When the limits cannot be set, or the connection breaks.
pub fn run() -> io::Result<()> {
    serve(LIMITS, |request| {
        let parsed = request.split_first().and_then(|(language, code)| {
            let language = *Language::ALL.get(usize::from(*language))?;
            syntax::parse(std::str::from_utf8(code).ok()?, language)
        });
        postcard::to_stdvec(&parsed).unwrap_or_default()
    })
}
