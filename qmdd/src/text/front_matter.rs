//! The YAML block that may open a document, read by line: a title in it must not be lost because
//! another line is no valid YAML, or because a hand-written title holds a colon.

/// A leading block between two `---` lines.
pub(super) struct FrontMatter<'a> {
    /// What stands between them.
    pub(super) yaml: &'a str,
    /// Byte offset in the document of the line after the block.
    pub(super) end: usize,
}

impl<'a> FrontMatter<'a> {
    /// Finds the block. It opens on the first line, ends with `---` or `...`, and its first line of
    /// text is a key or a comment; other text between two rules is text.
    pub(super) fn of(text: &'a str) -> Option<Self> {
        let start = bom(text);
        let mut lines = text[start..].split_inclusive('\n');
        let first = lines.next().filter(|line| line.trim_end() == "---")?;
        let yaml_start = start + first.len();
        let mut end = yaml_start;
        for line in lines {
            let yaml = &text[yaml_start..end];
            end += line.len();
            if matches!(line.trim_end(), "---" | "...") {
                return opens_as_yaml(yaml).then_some(Self { yaml, end });
            }
        }
        None
    }

    /// The value of `title:`: plain, quoted, or a block scalar whose lines are joined.
    pub(super) fn title(&self) -> Option<String> {
        let mut lines = self.yaml.lines();
        let value = lines.find_map(|line| line.strip_prefix("title:"))?.trim();
        if value.starts_with(['|', '>']) {
            let indented = |line: &&str| line.is_empty() || line.starts_with([' ', '\t']);
            return Some(lines.take_while(indented).collect::<Vec<_>>().join(" "));
        }
        Some(scalar(value))
    }
}

/// Where the body starts: after a byte-order mark and the front matter.
pub(super) fn body_start(text: &str) -> usize {
    FrontMatter::of(text).map_or_else(|| bom(text), |front| front.end)
}

/// Length of a leading byte-order mark.
fn bom(text: &str) -> usize {
    if text.starts_with('\u{feff}') {
        '\u{feff}'.len_utf8()
    } else {
        0
    }
}

/// Whether the first line of text is a comment or `key:`. An empty block counts.
fn opens_as_yaml(yaml: &str) -> bool {
    let Some(line) = yaml.lines().map(str::trim).find(|line| !line.is_empty()) else {
        return true;
    };
    let key = |key: &str| !key.is_empty() && !key.contains(char::is_whitespace);
    line.starts_with('#')
        || line.split_once(':').is_some_and(|(head, rest)| {
            (rest.is_empty() || rest.starts_with([' ', '\t']))
                && (key(head) || head.starts_with(['"', '\'']))
        })
}

/// A scalar on one line, without its quotes or its comment.
pub(super) fn scalar(value: &str) -> String {
    let quoted = |quote: char| {
        value
            .strip_prefix(quote)?
            .rsplit_once(quote)
            .map(|(text, _)| text)
    };
    if let Some(text) = quoted('"') {
        return text.replace("\\\"", "\"").replace("\\\\", "\\");
    }
    if let Some(text) = quoted('\'') {
        return text.replace("''", "'");
    }
    let comment = if value.starts_with('#') {
        Some(0)
    } else {
        value.find(" #")
    };
    value[..comment.unwrap_or(value.len())].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn title(line: &str) -> Option<String> {
        FrontMatter::of(&format!("---\ntags: [a]\n{line}\n---\nbody\n"))?.title()
    }

    #[test]
    fn titles_in_every_spelling() {
        for (line, expected) in [
            ("title: Plain words", "Plain words"),
            ("title: Part 2: the colon", "Part 2: the colon"),
            ("title: C# in depth # a comment", "C# in depth"),
            ("title: \"Say \\\"hi\\\"\" # note", "Say \"hi\""),
            ("title: 'It''s'", "It's"),
            ("title: # nothing", ""),
        ] {
            assert_eq!(title(line).as_deref(), Some(expected), "{line}");
        }
        assert_eq!(
            title("title: >-\n  Two\n  lines\nx: 1").as_deref(),
            Some("  Two   lines")
        );
        assert_eq!(title("subtitle: no"), None);
        assert_eq!(title("  title: nested"), None);
    }

    #[test]
    fn only_a_leading_yaml_block_counts() {
        let end = |text: &str| FrontMatter::of(text).map(|front| front.end);
        assert_eq!(end("---\na: 1\n---\nx"), Some(13));
        assert_eq!(end("---\r\na: 1\r\n...\r\nx"), Some(16));
        assert_eq!(end("\u{feff}---\n# c\n---\n"), Some(15));
        assert_eq!(end("---\n---\n"), Some(8));
        assert_eq!(end("---\na: 1\n"), None);
        assert_eq!(end("---\n\nOnce upon a time: a tale.\n\n---\n"), None);
        assert_eq!(end("x\n---\na: 1\n---\n"), None);
        assert_eq!(body_start("\u{feff}text"), 3);
    }
}
