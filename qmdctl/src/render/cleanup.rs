//! What a cleanup removed, or would.

use std::{fmt::Write as _, time::Duration};

use qmd_proto::v1::{CleanupItem, CleanupKind, CleanupReply};
use serde::Serialize;

use super::{
    json::{pretty, unless_empty},
    text::{HINT, clean_line, count, duration, size},
};
use crate::error::Result;

/// A line for each kind of which there is something, and the sum.
pub(crate) fn cleaned(reply: &CleanupReply, dry_run: bool) -> String {
    let mut text = String::new();
    for item in &reply.items {
        if item.count > 0 {
            // Nothing tells beforehand what merging saves.
            let bytes = match (item.kind(), dry_run) {
                (CleanupKind::FullText, true) => String::new(),
                _ => format!(", {}", size(item.bytes)),
            };
            let _ = writeln!(text, "  {:<16}{}{bytes}", name(item), things(item));
        }
        if item.staying > 0 {
            let _ = writeln!(
                text,
                "  {:<16}{HINT}{} stay: {}{HINT:#}",
                name(item),
                item.staying,
                clean_line(&item.why)
            );
        }
    }
    let database = size(reply.bytes_after);
    let _ = if dry_run {
        let bytes: u64 = reply.items.iter().map(|item| item.bytes).sum();
        write!(
            text,
            "{} could go; the database has {database}, nothing was changed",
            size(bytes)
        )
    } else {
        write!(
            text,
            "the database has {database}, {} less, after {}",
            size(reply.bytes_before.saturating_sub(reply.bytes_after)),
            duration(Duration::from_micros(reply.elapsed_us)),
        )
    };
    text
}

/// A kind's short name.
fn name(item: &CleanupItem) -> &'static str {
    match item.kind() {
        CleanupKind::Texts => "texts",
        CleanupKind::OtherModels => "other models",
        CleanupKind::KeptVectors => "kept vectors",
        CleanupKind::FullText => "full text",
        CleanupKind::CachedResults => "cached results",
        CleanupKind::FreePages => "free pages",
        CleanupKind::Log => "log",
        CleanupKind::Backups => "backups",
        CleanupKind::Broken => "broken",
        CleanupKind::Unfinished => "unfinished",
        CleanupKind::Unspecified => "other",
    }
}

fn things(item: &CleanupItem) -> String {
    let (thing, which) = match item.kind() {
        CleanupKind::Texts => ("text", " without a document"),
        CleanupKind::OtherModels => ("vector", " of models not in use"),
        CleanupKind::KeptVectors => ("vector", " of texts that are gone"),
        CleanupKind::FullText => ("part", " to merge"),
        CleanupKind::CachedResults => ("result", " of models not in use"),
        CleanupKind::FreePages => ("page", ""),
        CleanupKind::Log => ("file", " of recent writes"),
        CleanupKind::Backups => ("file", " from before a change of format"),
        CleanupKind::Broken => ("file", " of a damaged index that was replaced"),
        CleanupKind::Unfinished => ("file", " of an interrupted attempt"),
        CleanupKind::Unspecified => ("thing", ""),
    };
    count(item.count, thing) + which
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Json<'a> {
    dry_run: bool,
    items: Vec<ItemJson<'a>>,
    bytes_before: u64,
    bytes_after: u64,
    elapsed_us: u64,
}

#[derive(Debug, Serialize)]
struct ItemJson<'a> {
    kind: String,
    count: u64,
    bytes: u64,
    staying: u64,
    why: Option<&'a str>,
}

/// Everything as a JSON object.
pub(crate) fn cleaned_json(reply: &CleanupReply, dry_run: bool) -> Result<String> {
    pretty(&Json {
        dry_run,
        items: reply
            .items
            .iter()
            .map(|item| ItemJson {
                kind: name(item).replace(' ', "_"),
                count: item.count,
                bytes: item.bytes,
                staying: item.staying,
                why: unless_empty(&item.why),
            })
            .collect(),
        bytes_before: reply.bytes_before,
        bytes_after: reply.bytes_after,
        elapsed_us: reply.elapsed_us,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_both_formats() {
        let item = |kind: CleanupKind, count: u64, bytes: u64| CleanupItem {
            kind: kind.into(),
            count,
            bytes,
            ..CleanupItem::default()
        };
        let reply = CleanupReply {
            items: vec![
                item(CleanupKind::Texts, 0, 0),
                item(CleanupKind::OtherModels, 120, 200 << 10),
                item(CleanupKind::FullText, 3, 9 << 10),
                item(CleanupKind::Log, 1, 4 << 20),
                CleanupItem {
                    staying: 1,
                    why: "younger than 14 days".into(),
                    ..item(CleanupKind::Backups, 0, 0)
                },
            ],
            bytes_before: 9 << 20,
            bytes_after: 5 << 20,
            elapsed_us: 41_000,
        };
        let text = cleaned(&reply, false);
        insta::assert_snapshot!("cleaned", anstream::adapter::strip_str(&text));
        let text = cleaned(&reply, true);
        insta::assert_snapshot!("cleaned_dry_run", anstream::adapter::strip_str(&text));
        insta::assert_snapshot!("cleaned_json", cleaned_json(&reply, true).unwrap());
    }
}
