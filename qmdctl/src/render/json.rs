//! JSON as QMD prints it: indented by two spaces, a line feed at the end; or a line of it.

use serde::Serialize;

use crate::error::{Failure, Result};

/// The JSON text of a value.
pub(super) fn pretty(value: &impl Serialize) -> Result<String> {
    let mut text = serde_json::to_string_pretty(value)
        .map_err(|error| Failure::internal(format!("no JSON: {error}")))?;
    text.push('\n');
    Ok(text)
}

/// The JSON text of a value on one line.
pub(super) fn compact(value: &impl Serialize) -> Result<String> {
    let mut text = serde_json::to_string(value)
        .map_err(|error| Failure::internal(format!("no JSON: {error}")))?;
    text.push('\n');
    Ok(text)
}

/// `None` for an empty text, to leave a key out.
pub(super) fn unless_empty(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}
