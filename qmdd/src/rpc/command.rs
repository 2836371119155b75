//! Commands that hints name.

use super::{DEFAULT_INDEX, Index};

/// A command of qmdctl about this index. A project's is asked for from inside the project.
pub(super) fn qmdctl(index: &Index, arguments: &str) -> String {
    let is_named = index.project.is_none() && index.name != DEFAULT_INDEX;
    with_index(is_named.then_some(index.name.as_str()), arguments)
}

fn with_index(index: Option<&str>, arguments: &str) -> String {
    match index {
        Some(name) => format!("qmdctl --index {} {arguments}", quoted(name)),
        None => format!("qmdctl {arguments}"),
    }
}

/// A word as a shell takes it.
pub(super) fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '/' | '-' | '_' | '.' | ':');
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_reach_the_shell_whole() {
        for (word, shown) in [
            ("qmd://notes/a.md", "qmd://notes/a.md"),
            ("東京/é.md", "東京/é.md"),
            ("My Notes", "'My Notes'"),
            ("it's", r"'it'\''s'"),
            ("a$b", "'a$b'"),
            ("", "''"),
        ] {
            assert_eq!(quoted(word), shown);
        }
        assert_eq!(with_index(None, "update"), "qmdctl update");
        assert_eq!(with_index(Some("work"), "ls a"), "qmdctl --index work ls a");
    }
}
