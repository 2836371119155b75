//! Where a document pauses, what belongs together in it, and where its sections are.

use std::ops::Range;

use super::{Heading, score};
use crate::text::{
    language::Language,
    syntax::{Item, Syntax},
};

/// Shortest block of code within a document that is worth parsing, in bytes: a shorter one is seldom
/// cut.
const MIN_CODE: usize = 600;

/// A part of the document that has a name, with all that is under it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// Byte offsets into the document.
    pub bytes: Range<usize>,
    /// A heading's text, or what an item of code is called.
    pub name: String,
}

/// Code in a language whose grammar is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Code {
    /// Byte offsets into the document, of whole lines.
    pub bytes: Range<usize>,
    /// The language.
    pub language: Language,
}

/// A document's layout, as one of the formats finds it.
#[derive(Debug, Default)]
pub struct Layout {
    /// What a cut before the first line from a place on is worth, at least.
    pub(super) breaks: Vec<(usize, u32)>,
    /// What a cut before the line at a place is worth, whatever else speaks for it.
    pub(super) fixed: Vec<(usize, u32)>,
    /// Blocks that should stay in one piece.
    pub(super) wholes: Vec<Range<usize>>,
    /// Where headings end, which stay with what is below them.
    pub(super) leads: Vec<usize>,
    /// Lines that must stay together, such as a heading and its underline.
    pub(super) glued: Vec<Range<usize>>,
    /// Where a section of the given level begins, and its name.
    headings: Vec<(usize, Heading)>,
    /// Items of code.
    items: Vec<Section>,
    pub(super) code: Vec<Code>,
}

impl Layout {
    /// The code whose grammar can tell more, by [`Self::refine`].
    pub fn code(&self) -> &[Code] {
        &self.code
    }

    /// A heading; its lines stay together.
    pub(super) fn heading(&mut self, bytes: Range<usize>, heading: Heading) {
        let level = usize::from(heading.level.clamp(1, 6));
        self.breaks.push((bytes.start, score::HEADING[level - 1]));
        self.headings.push((bytes.start, heading));
        self.leads.push(bytes.end);
        self.glued.push(bytes);
    }

    /// A block that should stay in one piece, with what a cut before and after it is worth.
    pub(super) fn whole(&mut self, bytes: Range<usize>, worth: u32) {
        self.breaks.push((bytes.start, worth));
        self.breaks.push((bytes.end, worth));
        self.wholes.push(bytes);
    }

    /// A cut that is worth this much at least.
    pub(super) fn pause(&mut self, at: usize, worth: u32) {
        self.breaks.push((at, worth));
    }

    /// Code of whole lines within a document.
    pub(super) fn code_block(&mut self, bytes: Range<usize>, language: Option<Language>) {
        if let Some(language) = language
            && bytes.len() >= MIN_CODE
        {
            self.code.push(Code { bytes, language });
        }
    }

    /// Takes over what a grammar tells of `code`, one of [`Self::code`]. Its items become sections when
    /// it is all there is.
    pub fn refine(&mut self, text: &str, code: &Code, syntax: Syntax) {
        let Some(lines) = text.get(code.bytes.clone()) else {
            return;
        };
        let is_document = code.bytes == (0..text.len());
        let mut start = code.bytes.start;
        for (line, worth) in lines.split_inclusive('\n').zip(syntax.lines) {
            // A block's first line stays with what opens the block.
            if let Some(worth) = worth
                && (is_document || start > code.bytes.start)
            {
                self.fixed.push((start, u32::from(worth)));
            }
            start += line.len();
        }
        if is_document {
            let section = |Item { bytes, name }| Section { bytes, name };
            self.items = syntax.items.into_iter().map(section).collect();
        }
    }

    /// The sections, by start, an outer one before those in it.
    pub(super) fn sections(&mut self, end: usize) -> Vec<Section> {
        if self.headings.is_empty() {
            return std::mem::take(&mut self.items);
        }
        let mut sections: Vec<Section> = Vec::with_capacity(self.headings.len());
        // Indices of those that go on, with their levels.
        let mut open: Vec<(u8, usize)> = Vec::new();
        for (start, heading) in self.headings.drain(..) {
            while let Some(&(level, section)) = open.last()
                && level >= heading.level
            {
                sections[section].bytes.end = start;
                open.pop();
            }
            open.push((heading.level, sections.len()));
            sections.push(Section {
                bytes: start..end,
                name: heading.text,
            });
        }
        sections
    }
}
