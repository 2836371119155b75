//! Single keys of a top-level mapping: given a value, or taken out.

use std::path::Path;

use super::{Edit, splice};
use crate::config::ConfigError;

/// A key's value.
#[derive(Debug, Clone, Copy)]
pub(super) enum Setting<'a> {
    Text(&'a str),
    Switch(bool),
}

/// Gives keys their values, or takes them out, all at once. What the file says already is not
/// written again.
pub(super) fn apply<'a>(
    file: &Path,
    section: &str,
    changes: impl IntoIterator<Item = (&'a str, Option<Setting<'a>>)>,
) -> Result<(), ConfigError> {
    let edit = Edit::start(file)?;
    let mut text = edit.text().to_owned();
    for (key, setting) in changes {
        let changed = match setting {
            Some(Setting::Text(value)) => splice::set(&text, &[section, key], value),
            Some(Setting::Switch(value)) => splice::set(&text, &[section, key], value),
            None => splice::unset(&text, &[section, key]),
        };
        text = changed.ok_or_else(|| ConfigError::NotEditable {
            file: file.to_owned(),
            remedy: by_hand(section, key, setting),
        })?;
    }
    if text == edit.text() {
        return Ok(());
    }
    edit.finish(&text)
}

fn by_hand(section: &str, key: &str, setting: Option<Setting<'_>>) -> String {
    let write =
        |value: String| format!("write it in by hand, under `{section}:`: `{key}: {value}`");
    match setting {
        Some(Setting::Text(value)) => write(format!("{value:?}")),
        Some(Setting::Switch(value)) => write(value.to_string()),
        None => format!("delete `{key}` under `{section}:` by hand"),
    }
}
