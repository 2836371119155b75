//! Texts as the formats for programs have to write them.

use std::{borrow::Cow, fmt::Write as _};

/// A field of a CSV row (RFC 4180): in quotes where it would end early without.
pub(super) fn csv(field: &str) -> Cow<'_, str> {
    // Readers differ in whether they keep blanks at the ends of a bare field.
    let bare = !field.contains([',', '"', '\n', '\r']) && field.trim() == field;
    if bare {
        field.into()
    } else {
        quoted(field).into()
    }
}

/// A field of a CSV row, in quotes.
pub(super) fn quoted(field: &str) -> String {
    format!("\"{}\"", field.replace('"', "\"\""))
}

/// Text of an XML element. What XML 1.0 has no way to write is replaced.
pub(super) fn xml(text: &str) -> String {
    escape_xml(text, false)
}

/// The value of an XML attribute, to stand in double quotes. Line ends and tabs come back as they are.
pub(super) fn xml_attribute(text: &str) -> String {
    escape_xml(text, true)
}

fn escape_xml(text: &str, attribute: bool) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 16);
    for c in text.chars() {
        match c {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' if attribute => out += "&quot;",
            // Readers make one line feed of each line end, and a space of one in an attribute.
            '\r' => out += "&#13;",
            '\n' if attribute => out += "&#10;",
            '\t' if attribute => out += "&#9;",
            '\n' | '\t' => out.push(c),
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// A name as one word of a line that spaces part: spaces, control characters and `%` as `%XX`.
pub(super) fn word(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut buffer = [0; 4];
    for c in name.chars() {
        if c.is_whitespace() || c.is_control() || c == '%' {
            for byte in c.encode_utf8(&mut buffer).bytes() {
                let _ = write!(out, "%{byte:02X}");
            }
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn csv_fields_are_quoted_where_they_must() {
        for (field, expected) in [
            ("plain é 東", "plain é 東"),
            ("", ""),
            ("a,b", "\"a,b\""),
            ("say \"x\"", "\"say \"\"x\"\"\""),
            ("two\nlines", "\"two\nlines\""),
            (" a", "\" a\""),
        ] {
            assert_eq!(csv(field), expected);
        }
    }

    #[test]
    fn xml_has_no_markup_and_no_control_characters_left() {
        let odd = "a<b> & \"c\"\r\n\t\u{1b}[2J\u{0}]]>";
        assert_eq!(
            xml(odd),
            "a&lt;b&gt; &amp; \"c\"&#13;\n\t\u{fffd}[2J\u{fffd}]]&gt;"
        );
        assert_eq!(xml_attribute("\"a\"\nb\tc"), "&quot;a&quot;&#10;b&#9;c");
    }

    #[test]
    fn names_become_words() {
        assert_eq!(word("notes/a b%.md"), "notes/a%20b%25.md");
        assert_eq!(word("a\u{a0}\n東"), "a%C2%A0%0A東");
    }

    /// Reads one row of CSV.
    fn read(row: &str) -> Vec<String> {
        let mut fields = vec![String::new()];
        let mut inside = false;
        let mut chars = row.chars().peekable();
        while let Some(c) = chars.next() {
            let last = fields.last_mut().unwrap();
            match c {
                '"' if inside && chars.peek() == Some(&'"') => {
                    chars.next();
                    last.push('"');
                }
                '"' => inside = !inside,
                ',' if !inside => fields.push(String::new()),
                c => last.push(c),
            }
        }
        fields
    }

    proptest! {
        #[test]
        fn csv_reads_back(fields in prop::collection::vec("[ab,\"\n\r é]{0,8}", 1..5)) {
            let row: Vec<_> = fields.iter().map(|field| csv(field)).collect();
            prop_assert_eq!(read(&row.join(",")), fields);
        }

        #[test]
        fn xml_holds_only_what_xml_can(text in any::<String>()) {
            for escaped in [xml(&text), xml_attribute(&text)] {
                prop_assert!(!escaped.contains(['<', '>']));
                let legal = |c: char| matches!(c, '\t' | '\n' | ' '..='\u{fffd}' | '\u{10000}'..);
                prop_assert!(escaped.chars().all(legal));
            }
            prop_assert!(!xml_attribute(&text).contains(['"', '\n']));
        }

        #[test]
        fn a_word_has_no_spaces(name in any::<String>()) {
            prop_assert!(!word(&name).contains(char::is_whitespace));
        }
    }
}
