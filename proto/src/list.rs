//! Lists of globs and addresses in one text, as people type them: parted by commas.

/// The parts of a list, without blanks at their ends; empty ones are left out. Commas inside of braces
/// and brackets, and after a backslash, part nothing.
pub fn parts(list: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut braces, mut brackets) = (0_u32, 0_u32);
    let mut escaped = false;
    let mut start = 0;
    for (at, c) in list.char_indices() {
        match c {
            _ if escaped => {}
            '{' => braces += 1,
            '}' => braces = braces.saturating_sub(1),
            '[' => brackets += 1,
            ']' => brackets = brackets.saturating_sub(1),
            ',' if braces == 0 && brackets == 0 => {
                parts.push(&list[start..at]);
                start = at + 1;
            }
            _ => {}
        }
        escaped = c == '\\' && !escaped;
    }
    parts.push(&list[start..]);
    let trimmed = parts.into_iter().map(str::trim);
    trimmed.filter(|part| !part.is_empty()).collect()
}

/// Whether a text may stand for several names: it has a `*`, `?`, `[` or `{` that no backslash makes an
/// ordinary character.
pub fn is_glob(text: &str) -> bool {
    let mut escaped = false;
    text.chars().any(|c| {
        let special = !escaped && matches!(c, '*' | '?' | '[' | '{');
        escaped = c == '\\' && !escaped;
        special
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_part_where_nothing_holds_them_together() {
        for (list, expected) in [
            ("a.md", &["a.md"][..]),
            ("a.md, b.md,", &["a.md", "b.md"]),
            ("**/*.{md,org}, #abc123", &["**/*.{md,org}", "#abc123"]),
            ("[a,b].md,{c,{d,e}}", &["[a,b].md", "{c,{d,e}}"]),
            (r"a\,b.md,c", &[r"a\,b.md", "c"]),
            (r"a\\,b", &[r"a\\", "b"]),
            (" , ", &[]),
            ("東京.md,é", &["東京.md", "é"]),
            ("a},b]", &["a}", "b]"]),
        ] {
            assert_eq!(parts(list), expected, "{list}");
        }
    }

    #[test]
    fn globs_are_told_from_names() {
        for glob in ["*.md", "a?.md", "[ab].md", "{a,b}", r"\\*"] {
            assert!(is_glob(glob), "{glob}");
        }
        for name in ["a.md", r"a\*.md", "#abc123", "qmd://a/b.md:3:4", ""] {
            assert!(!is_glob(name), "{name}");
        }
    }
}
