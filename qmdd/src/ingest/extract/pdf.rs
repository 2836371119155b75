//! PDF as the text of its pages, each but the first opened by a form feed.

use std::panic::{AssertUnwindSafe, catch_unwind};

use pdf_extract::{
    Dictionary, Document, Object, PlainTextOutput, decode_text_string, output_doc_page,
};

use super::{Extracted, Property, Refusal};
use crate::text::page;

/// Most pages of a document.
const MAX_PAGES: usize = 20_000;

/// The text, the title and what the document says of itself.
pub(super) fn extract(document: &[u8]) -> Result<Extracted, Refusal> {
    let damaged = |error: &dyn std::fmt::Display| Refusal::Damaged(format!("no good PDF: {error}"));
    let mut document = Document::load_mem(document).map_err(|error| damaged(&error))?;
    // Many are locked against printing alone, with an empty password.
    if document.is_encrypted() && document.decrypt("").is_err() {
        return Err(Refusal::Damaged("it is locked by a password".into()));
    }
    let pages = document.get_pages();
    if pages.is_empty() {
        return Err(Refusal::Damaged("no good PDF: it has no pages".into()));
    }
    if pages.len() > MAX_PAGES {
        return Err(Refusal::TooCostly(format!(
            "{} pages, the limit is {MAX_PAGES}",
            pages.len()
        )));
    }
    let mut extracted = Extracted::default();
    for (place, number) in pages.keys().enumerate() {
        if place > 0 {
            extracted.text.push(page::FEED);
        }
        match text_of(&document, *number) {
            Some(text) => tidy(&text, &mut extracted.text),
            None => extracted.lost_pages += 1,
        }
    }
    if extracted.lost_pages as usize == pages.len() {
        return Err(Refusal::Damaged("none of its pages can be read".into()));
    }
    describe(&document, &mut extracted);
    let count = vec![pages.len().to_string()];
    extracted.properties.push(Property {
        key: "pages".into(),
        values: count,
        list: false,
    });
    Ok(extracted)
}

/// A page's text; `None` when it cannot be read. Others may be good all the same.
fn text_of(document: &Document, number: u32) -> Option<String> {
    let read = || {
        let mut text = String::new();
        let mut output = PlainTextOutput::new(&mut text);
        output_doc_page(document, &mut output, number).ok()?;
        Some(text)
    };
    catch_unwind(AssertUnwindSafe(read)).ok()?
}

/// Adds a page's lines: ligatures taken apart, words joined again that were cut at the end of a line, no
/// two blank lines in a row.
fn tidy(page: &str, text: &mut String) {
    let mut blank = 0;
    let mut begun = false;
    for line in page.lines().map(str::trim_end) {
        if line.trim().is_empty() {
            blank += 1;
            continue;
        }
        let joined = begun && blank == 0 && joins(text, line);
        if joined {
            // The hyphen and the line feed after it.
            text.truncate(text.trim_end().len() - 1);
        } else if begun && blank > 0 {
            text.push('\n');
        }
        for c in line.chars() {
            match ligature(c) {
                Some(letters) => text.push_str(letters),
                // Soft hyphens, and what a terminal would obey.
                None if c == '\u{ad}' || (c.is_control() && c != '\t') => {}
                None => text.push(c),
            }
        }
        text.push('\n');
        (blank, begun) = (0, true);
    }
}

/// Whether the last line ends in the middle of a word that this line goes on with.
fn joins(text: &str, line: &str) -> bool {
    let mut end = text.trim_end().chars().rev();
    end.next() == Some('-')
        && end.next().is_some_and(char::is_lowercase)
        && line.starts_with(char::is_lowercase)
}

fn ligature(c: char) -> Option<&'static str> {
    Some(match c {
        '\u{fb00}' => "ff",
        '\u{fb01}' => "fi",
        '\u{fb02}' => "fl",
        '\u{fb03}' => "ffi",
        '\u{fb04}' => "ffl",
        '\u{fb05}' | '\u{fb06}' => "st",
        _ => return None,
    })
}

/// Takes what the document's information dictionary says.
fn describe(document: &Document, extracted: &mut Extracted) {
    let info = document.trailer.get(b"Info").ok();
    let Some(info) = info.and_then(|info| dictionary(document, info)) else {
        return;
    };
    let entry = |key: &[u8]| {
        let value = info.get(key).ok()?;
        let value = match value {
            Object::Reference(id) => document.get_object(*id).ok()?,
            value => value,
        };
        let text = decode_text_string(value).ok()?;
        let text = text.trim().trim_matches('\0').to_owned();
        (!text.is_empty()).then_some(text)
    };
    extracted.title = entry(b"Title");
    for (key, name) in [("author", b"Author".as_slice()), ("subject", b"Subject")] {
        if let Some(text) = entry(name) {
            extracted.properties.push(Property {
                key: key.into(),
                values: vec![text],
                list: false,
            });
        }
    }
    if let Some(words) = entry(b"Keywords") {
        let words = words.split([',', ';']).map(|word| word.trim().to_owned());
        let values = words.filter(|word| !word.is_empty()).collect();
        extracted.properties.push(Property {
            key: "keywords".into(),
            values,
            list: true,
        });
    }
    for (key, name) in [
        ("created", b"CreationDate".as_slice()),
        ("modified", b"ModDate"),
    ] {
        if let Some(date) = entry(name).and_then(|text| date(&text)) {
            extracted.properties.push(Property {
                key: key.into(),
                values: vec![date],
                list: false,
            });
        }
    }
}

fn dictionary<'a>(document: &'a Document, object: &'a Object) -> Option<&'a Dictionary> {
    match object {
        Object::Reference(id) => document.get_dictionary(*id).ok(),
        object => object.as_dict().ok(),
    }
}

/// `D:20240501…` as `2024-05-01`.
fn date(text: &str) -> Option<String> {
    let digits = text.trim_start_matches("D:");
    let digits = digits
        .get(..8)
        .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
    Some(format!(
        "{}-{}-{}",
        &digits[..4],
        &digits[4..6],
        &digits[6..8]
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tidied(page: &str) -> String {
        let mut text = String::new();
        tidy(page, &mut text);
        text
    }

    #[test]
    fn lines_read_as_they_were_meant() {
        assert_eq!(tidied("\n\n One  \n\n\n\ntwo\n\n"), " One\n\ntwo\n");
        assert_eq!(
            tidied("\u{fb01}le and o\u{fb03}ce\u{ad}\u{7}\n"),
            "file and office\n"
        );
        assert_eq!(
            tidied("a com-\nmand line\nnon-\nLatin A-\nb\n"),
            "a command line\nnon-\nLatin A-\nb\n"
        );
        assert_eq!(tidied("end-\n\nnext\n"), "end-\n\nnext\n");
        assert_eq!(tidied(""), "");
    }

    #[test]
    fn dates_are_days() {
        assert_eq!(
            date("D:20240501120000+02'00'").as_deref(),
            Some("2024-05-01")
        );
        assert_eq!(date("20240501").as_deref(), Some("2024-05-01"));
        assert_eq!(date("May 2024"), None);
        assert_eq!(date("D:éééé"), None);
    }

    #[test]
    fn what_is_no_pdf_is_damaged() {
        for bytes in [
            &b""[..],
            b"%PDF-1.7\n",
            b"hello",
            b"%PDF-1.4\ntrailer<</Root 1 0 R>>\n%%EOF",
        ] {
            assert!(matches!(extract(bytes), Err(Refusal::Damaged(_))));
        }
    }
}
