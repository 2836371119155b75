//! The descriptions that apply to a path, and places on disk.

use crate::{config::IndexConfig, domain::CollectionName};

/// Global context, then every matching prefix from general to specific, joined by blank lines.
pub(super) fn context(config: &IndexConfig, collection: &str, path: &str) -> String {
    let mut prefixes: Vec<(usize, &str)> = config
        .collections
        .iter()
        .filter(|known| known.name.as_str() == collection)
        .flat_map(|known| &known.context)
        .filter_map(|(prefix, text)| {
            let prefix = prefix.trim_matches('/');
            is_below(path, prefix).then_some((prefix.len(), text.as_str()))
        })
        .collect();
    prefixes.sort_by_key(|(length, _)| *length);
    let parts = config.global_context.as_deref().into_iter();
    let parts: Vec<&str> = parts
        .chain(prefixes.into_iter().map(|(_, text)| text))
        .map(str::trim)
        .collect();
    parts.join("\n\n")
}

/// Whether a path is the prefix, or lies below it.
fn is_below(path: &str, prefix: &str) -> bool {
    prefix.is_empty()
        || path
            .strip_prefix(prefix)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Where a document's file lies; empty when its collection is not known, as one that has just left the
/// configuration.
pub(super) fn file_path(config: &IndexConfig, collection: &CollectionName, path: &str) -> String {
    let mut known = config.collections.iter();
    known
        .find(|known| known.name == *collection)
        .map(|known| known.path.join(path).to_string_lossy().into_owned())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_end_at_slashes() {
        assert!(is_below("a/b.md", ""));
        assert!(is_below("a/b.md", "a"));
        assert!(is_below("a/b.md", "a/b.md"));
        assert!(!is_below("ab/c.md", "a"));
    }
}
