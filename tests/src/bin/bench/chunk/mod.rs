//! `bench chunk`: how fast documents are cut, whether chunks hold what they promise on real files, and
//! what knowing the grammar of code does for search.

mod corpus;
mod files;
mod search;
mod speed;

use std::io::{self, Write};

use anyhow::Result;
use qmdd::{
    domain::ChunkSpan,
    text::{
        chunk::{self, Limits},
        segment::{Kind, Segments, layout, segment},
        syntax::{self, Syntax},
    },
};

use self::files::File;
use crate::sections;

/// Folders of code and documents, separated as those of `PATH` are.
const CODE: &str = "QMD_BENCH_CODE";
const SECTIONS: [&str; 3] = ["speed", "corpus", "search"];

/// Measures the named sections, or all of them.
pub(crate) fn measure(sections: &[String]) -> Result<()> {
    let sections = sections::chosen(SECTIONS, sections)?;
    let mut out = io::stdout();
    let files = files::all(&mut out)?;
    for section in sections {
        writeln!(out, "\n## {section}\n")?;
        match section {
            "speed" => speed::measure(&mut out, &files)?,
            "corpus" => corpus::check(&mut out, &files)?,
            _ => search::measure(&mut out, &files)?,
        }
    }
    Ok(())
}

/// Cuts a file into pieces, along its grammar or not.
fn pieces(file: &File, grammars: bool) -> Segments {
    let mut layout = layout(&file.text, file.kind);
    if grammars {
        for code in layout.code().to_vec() {
            if let Some(syntax) = syntax::parse(&file.text[code.bytes.clone()], code.language) {
                layout.refine(&file.text, &code, syntax);
            }
        }
    }
    segment(&file.text, layout)
}

/// What the grammar tells of a file of code.
fn syntax_of(file: &File) -> Option<Syntax> {
    match file.kind {
        Kind::Code(language) => syntax::parse(&file.text, language),
        _ => None,
    }
}

/// The tokens of pieces, about: four bytes each, as many as code and English have.
fn about(segments: &Segments) -> Vec<u32> {
    let tokens = segments
        .pieces
        .iter()
        .map(|it| it.bytes.len().div_ceil(4) as u32);
    tokens.collect()
}

/// Chunks of at most so many tokens, with the daemon's shares of overlap and window.
fn packed(text: &str, segments: &Segments, tokens: &[u32], max_tokens: u32) -> Vec<ChunkSpan> {
    chunk::pack(text, segments, tokens, Limits::of(max_tokens))
}
