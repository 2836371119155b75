//! Descriptions of places in an index.

use qmd_proto::v1::Context;
use serde::Serialize;

use super::{json::pretty, table::table, text::clean_line};
use crate::error::Result;

/// The place that a description is of.
pub(crate) fn place(context: &Context) -> String {
    if context.collection.is_empty() {
        "the whole index".to_owned()
    } else {
        clean_line(&uri(context))
    }
}

fn uri(context: &Context) -> String {
    format!("qmd://{}{}", context.collection, context.path)
}

/// The descriptions as a table.
pub(crate) fn contexts(contexts: &[Context]) -> String {
    let rows: Vec<_> = contexts
        .iter()
        .map(|context| [place(context), clean_line(&context.text)])
        .collect();
    table(["PLACE", "DESCRIPTION"], &rows)
}

#[derive(Debug, Serialize)]
struct Row<'a> {
    /// `/` for the whole index.
    place: String,
    context: &'a str,
}

/// The descriptions as a JSON array.
pub(crate) fn contexts_json(contexts: &[Context]) -> Result<String> {
    let rows = contexts.iter().map(|context| Row {
        place: if context.collection.is_empty() {
            "/".to_owned()
        } else {
            uri(context)
        },
        context: &context.text,
    });
    pretty(&rows.collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_both_formats() {
        let context = |collection: &str, path: &str, text: &str| Context {
            collection: collection.into(),
            path: path.into(),
            text: text.into(),
        };
        let list = [
            context("", "/", "Notes of a team"),
            context("notes", "/work", "Meetings,\ndecisions"),
        ];
        let table = contexts(&list);
        insta::assert_snapshot!("contexts", anstream::adapter::strip_str(&table));
        insta::assert_snapshot!("contexts_json", contexts_json(&list).unwrap());
    }
}
