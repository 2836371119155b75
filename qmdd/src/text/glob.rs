//! Globs over paths, as QMD understands them.

use globset::{Glob, GlobBuilder};

/// Reads a glob in which `*` and `?` stop at slashes.
///
/// # Errors
/// What is wrong with it, in words.
pub fn parse(pattern: &str) -> Result<Glob, String> {
    if has_extended_glob(pattern) {
        return Err("groups such as @(a|b) are not understood, write {a,b}".to_owned());
    }
    GlobBuilder::new(pattern)
        .literal_separator(true)
        .build()
        .map_err(|error| error.kind().to_string())
}

/// Whether a pattern holds what other programs take for a group: `@(`, `?(`, `*(`, `+(` or `!(`.
fn has_extended_glob(pattern: &str) -> bool {
    let bytes = pattern.as_bytes();
    bytes.windows(2).enumerate().any(|(at, pair)| {
        pair[1] == b'(' && b"@?*+!".contains(&pair[0]) && (at == 0 || bytes[at - 1] != b'\\')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stop_at_slashes_and_groups_are_refused() {
        let fits = |glob: &str, path: &str| parse(glob).unwrap().compile_matcher().is_match(path);
        assert!(fits("*.md", "a.md") && !fits("*.md", "x/a.md"));
        assert!(fits("**/*.md", "a.md") && fits("**/*.md", "x/y/a.md"));
        assert!(fits("{a,b/{c,d}}.md", "b/d.md"));
        assert!(fits(r"\*.md", "*.md") && !fits(r"\*.md", "a.md"));
        for bad in ["@(a|b).md", "a{", "[z-a]"] {
            assert!(!parse(bad).err().unwrap().is_empty(), "{bad}");
        }
        assert!(parse(r"a\@(b)").is_ok());
    }
}
