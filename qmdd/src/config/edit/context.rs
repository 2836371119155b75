//! Edits of the descriptions: `global_context`, and `context` of a collection.

use std::path::Path;

use super::{COLLECTIONS, Edit, splice};
use crate::{config::ConfigError, domain::CollectionName};

/// Describes the whole index, or takes its description away.
///
/// # Errors
/// When the file is broken or cannot be written, or it changed meanwhile.
pub fn describe_index(file: &Path, text: Option<&str>) -> Result<(), ConfigError> {
    write(Edit::start(file)?, &["global_context"], text)
}

/// Describes a folder or document of a collection, under the key it has in the file or is to have, or
/// takes its description away.
///
/// # Errors
/// As [`describe_index`], or when no collection has the name.
pub fn describe_place(
    file: &Path,
    name: &CollectionName,
    key: &str,
    text: Option<&str>,
) -> Result<(), ConfigError> {
    let edit = Edit::start(file)?;
    let last = edit.known(name)?.context.len() == 1;
    let path = [COLLECTIONS, name.as_str(), "context", key];
    // An empty `context:` says nothing.
    let path = if text.is_none() && last {
        &path[..3]
    } else {
        &path[..]
    };
    write(edit, path, text)
}

fn write(edit: Edit, path: &[&str], text: Option<&str>) -> Result<(), ConfigError> {
    let new = match text {
        Some(text) => splice::set(edit.text(), path, text),
        None => splice::unset(edit.text(), path),
    };
    let new = new.ok_or_else(|| {
        let place = path.join(" > ");
        ConfigError::NotEditable {
            file: edit.file.clone(),
            remedy: match text {
                Some(text) => format!("write it in by hand, at {place}: {text:?}"),
                None => format!("delete {place} by hand"),
            },
        }
    })?;
    if new == edit.text() {
        return Ok(());
    }
    edit.finish(&new)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::config::IndexConfig;

    fn edited(before: &str, edit: impl FnOnce(&Path) -> Result<(), ConfigError>) -> String {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("index.yml");
        fs::write(&file, before).unwrap();
        edit(&file).unwrap();
        fs::read_to_string(&file).unwrap()
    }

    fn place<'a>(
        name: &'a str,
        key: &'a str,
        text: Option<&'a str>,
    ) -> impl FnOnce(&Path) -> Result<(), ConfigError> + 'a {
        move |file| describe_place(file, &CollectionName::new(name).unwrap(), key, text)
    }

    #[test]
    fn descriptions_come_and_go_and_the_rest_stays() {
        let before = "# mine\ncollections:\n  a:\n    path: /a # here\n    context:\n      /: All # why\n  b: {path: /b}\n";
        let after = edited(before, place("a", "/work", Some("Meetings: all of them")));
        assert_eq!(
            after,
            before.replace("# why\n", "# why\n      /work: 'Meetings: all of them'\n")
        );
        assert_eq!(edited(&after, place("a", "/work", None)), before);
        assert_eq!(
            edited(before, place("a", "/", Some("Everything"))),
            before.replace("All", "Everything")
        );
        let alone = "collections:\n  a:\n    path: /a\n";
        let first = edited(alone, place("a", "/", Some("All")));
        assert_eq!(first, format!("{alone}    context:\n      /: All\n"));
        assert_eq!(edited(&first, place("a", "/", None)), alone);
    }

    #[test]
    fn the_index_has_a_description_too() {
        let before = "# mine\ncollections: {}\n";
        let after = edited(before, |file| describe_index(file, Some("Notes")));
        assert!(after.starts_with(before), "{after}");
        assert_eq!(edited(&after, |file| describe_index(file, None)), before);
        let long = "global_context: |\n  one\n  two\ncollections: {}\n";
        let after = edited(long, |file| describe_index(file, Some("three")));
        let config = IndexConfig::load(Path::new("/nonexistent")).unwrap();
        assert_eq!(config.global_context, None);
        assert!(after.contains("three") && !after.contains("two"), "{after}");
    }

    #[test]
    fn files_of_every_shape_take_a_description() {
        for before in [
            "collections:\n  2024:\n    path: /a\n",
            "collections: {2024: {path: /a}}\n",
            "collections:\n  \"2024\": {path: /a, context: {}}\n",
            "collections:\r\n  2024:\r\n    path: /a\r\n",
            "collections:\n  2024:\n    path: /a\n    context:\n",
            "collections:\n  2024:\n    path: /a\n    context: {'/x': old}\n",
        ] {
            let name = CollectionName::new("2024").unwrap();
            for text in [
                "plain",
                "with: colon # and 'quotes' \"too\"",
                "two\nlines",
                "東京",
            ] {
                let home = tempfile::tempdir().unwrap();
                let file = home.path().join("index.yml");
                fs::write(&file, before).unwrap();
                describe_place(&file, &name, "/x/y z", Some(text))
                    .unwrap_or_else(|error| panic!("{before:?}, {text:?}: {error}"));
                let context = IndexConfig::load(&file).unwrap().collections[0]
                    .context
                    .clone();
                let found = context.iter().find(|(key, _)| key == "/x/y z");
                assert_eq!(
                    found.map(|(_, text)| text.as_str()),
                    Some(text),
                    "{before:?}"
                );
            }
        }
    }
}
