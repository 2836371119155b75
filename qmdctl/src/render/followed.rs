//! How folders are followed, and what happens to an index.

use std::fmt::Write as _;

use qmd_proto::v1::{CollectionStatus, FollowState, Following, WatchEvent, watch_event::Event};
use serde_json::{Value, json};

use super::{
    collections::updated,
    text::{BOLD, ERROR, GOOD, HINT, WARNING, clean_line, count, duration},
};
use crate::error::{Failure, Result};

/// The collections of an index, each with its state. `now` is in seconds since the Unix epoch.
pub(super) fn collection_states(collections: &[CollectionStatus], now: i64) -> String {
    let mut text = format!("{BOLD}Collections{BOLD:#}\n");
    for collection in collections {
        let unknown = FollowState::default();
        let follow = collection.follow.as_ref().unwrap_or(&unknown);
        let mut parts = vec![count(collection.documents, "document")];
        if collection.pending_embedding > 0 {
            parts.push(format!("{} without vectors", collection.pending_embedding));
        }
        parts.push(state(follow));
        parts.push(match collection.updated_at {
            0 => "never looked through".to_owned(),
            at => format!("looked through {}", updated(at, now)),
        });
        let name = clean_line(&follow.collection);
        let _ = writeln!(text, "  {name:<14}{}", parts.join(", "));
        text += &trouble(follow, 16);
    }
    text
}

/// A collection's state in a few words.
fn state(follow: &FollowState) -> String {
    match follow.following() {
        Following::Live => {
            let folders = count(follow.folders, "folder");
            format!("{GOOD}followed{GOOD:#} ({folders})")
        }
        Following::Starting => format!("{WARNING}being read{WARNING:#}"),
        Following::Polled => format!("{WARNING}looked at now and then{WARNING:#}"),
        Following::Failed => format!("{ERROR}not followed{ERROR:#}"),
        Following::Off | Following::Unspecified => {
            format!("{HINT}not followed, that is turned off{HINT:#}")
        }
    }
}

fn trouble(follow: &FollowState, indent: usize) -> String {
    let mut text = String::new();
    if !follow.message.is_empty() {
        let message = clean_line(&follow.message);
        let _ = writeln!(
            text,
            "{:indent$}{message} ({})",
            "",
            clean_line(&follow.reason)
        );
    }
    if !follow.hint.is_empty() {
        let hint = clean_line(&follow.hint);
        let _ = writeln!(text, "{:indent$}{HINT}hint{HINT:#}: {hint}", "");
    }
    text
}

/// An event for people, with a line feed.
pub(crate) fn watch_event(event: &WatchEvent) -> String {
    let line = |style: anstyle::Style, what: &str, collection: &str, path: &str, more: &str| {
        let (collection, path) = (clean_line(collection), clean_line(path));
        format!("{style}{what:<9}{style:#} {collection}/{path}{more}\n")
    };
    match &event.event {
        None => String::new(),
        Some(Event::State(state)) if state.collections.is_empty() => {
            "no folder is followed\n".to_owned()
        }
        Some(Event::State(all)) => {
            let one = |follow: &FollowState| {
                let name = clean_line(&follow.collection);
                format!("{name}: {}\n{}", state(follow), trouble(follow, 2))
            };
            all.collections.iter().map(one).collect()
        }
        Some(Event::Stored(it)) => {
            let what = if it.is_new { "added" } else { "changed" };
            let title = format!("  {HINT}{}{HINT:#}", clean_line(&it.title));
            line(GOOD, what, &it.collection, &it.path, &title)
        }
        Some(Event::Removed(it)) => line(WARNING, "removed", &it.collection, &it.path, ""),
        Some(Event::CollectionGone(it)) => {
            let documents = format!("  {}", count(it.documents, "document"));
            line(WARNING, "removed", &it.collection, "", &documents)
        }
        Some(Event::CollectionRenamed(it)) => {
            let new_name = format!("  now {}", clean_line(&it.new_name));
            line(WARNING, "renamed", &it.collection, "", &new_name)
        }
        Some(Event::Embedded(it)) => {
            let chunks = format!("  {}", count(it.chunks, "chunk"));
            line(HINT, "embedded", &it.collection, &it.path, &chunks)
        }
        Some(Event::Round(it)) => {
            let what = if it.whole {
                "the whole".to_owned()
            } else {
                count(it.paths, "path")
            };
            let took = duration(std::time::Duration::from_micros(it.elapsed_us));
            let more = format!(
                "{what} in {took}: {} added, {} changed, {} removed",
                it.added, it.changed, it.removed
            );
            format!(
                "{HINT}{:<9}{HINT:#} {}: {more}\n",
                "looked",
                clean_line(&it.collection)
            )
        }
        Some(Event::Missed(number)) => {
            format!(
                "{WARNING}{:<9}{WARNING:#} {}\n",
                "missed",
                count(*number, "event")
            )
        }
    }
}

/// An event as one line of JSON, with a line feed.
pub(crate) fn watch_event_json(event: &WatchEvent) -> Result<String> {
    let (kind, mut fields) = match &event.event {
        None => ("unknown", json!({})),
        Some(Event::State(state)) => (
            "state",
            json!({"collections": state.collections.iter().map(follow_json).collect::<Vec<_>>()}),
        ),
        Some(Event::Stored(it)) => (
            if it.is_new { "added" } else { "changed" },
            json!({"collection": it.collection, "path": it.path, "title": it.title,
                   "docid": format!("#{}", it.docid)}),
        ),
        Some(Event::Removed(it)) => (
            "removed",
            json!({"collection": it.collection, "path": it.path}),
        ),
        Some(Event::CollectionGone(it)) => (
            "collectionRemoved",
            json!({"collection": it.collection, "documents": it.documents}),
        ),
        Some(Event::CollectionRenamed(it)) => (
            "collectionRenamed",
            json!({"collection": it.collection, "newName": it.new_name}),
        ),
        Some(Event::Embedded(it)) => (
            "embedded",
            json!({"collection": it.collection, "path": it.path, "chunks": it.chunks}),
        ),
        Some(Event::Round(it)) => (
            "round",
            json!({"collection": it.collection, "whole": it.whole, "paths": it.paths,
                   "added": it.added, "changed": it.changed, "removed": it.removed,
                   "elapsedUs": it.elapsed_us}),
        ),
        Some(Event::Missed(number)) => ("missed", json!({"events": number})),
    };
    fields["event"] = kind.into();
    fields["atMs"] = event.at_ms.into();
    let text = serde_json::to_string(&fields)
        .map_err(|error| Failure::internal(format!("no JSON: {error}")))?;
    Ok(text + "\n")
}

/// How a collection is followed, in JSON.
pub(super) fn follow_json(follow: &FollowState) -> Value {
    let kind = match follow.following() {
        Following::Unspecified => "unknown",
        Following::Off => "off",
        Following::Starting => "starting",
        Following::Live => "live",
        Following::Polled => "polled",
        Following::Failed => "failed",
    };
    let mut fields = json!({
        "collection": follow.collection,
        "following": kind,
        "folders": follow.folders,
    });
    for (key, text) in [
        ("reason", &follow.reason),
        ("message", &follow.message),
        ("hint", &follow.hint),
    ] {
        if !text.is_empty() {
            fields[key] = text.as_str().into();
        }
    }
    fields
}

/// A collection's state in JSON.
pub(super) fn collection_state_json(collection: &CollectionStatus) -> Value {
    let follow = collection.follow.as_ref().map(follow_json);
    let mut fields = follow.unwrap_or_else(|| json!({}));
    fields["path"] = collection.path.as_str().into();
    fields["documents"] = collection.documents.into();
    fields["pendingEmbedding"] = collection.pending_embedding.into();
    fields["updatedAt"] = Some(collection.updated_at).filter(|at| *at != 0).into();
    fields
}

#[cfg(test)]
mod tests {
    use qmd_proto::v1::{
        CollectionGone, CollectionRenamed, DocumentEmbedded, DocumentRemoved, DocumentStored,
        WatchRound, WatchState,
    };

    use super::*;

    /// A collection in each state.
    fn states() -> Vec<FollowState> {
        let state = |name: &str, following: Following, folders| FollowState {
            collection: name.into(),
            following: following.into(),
            folders,
            ..FollowState::default()
        };
        let polled = FollowState {
            reason: "WATCH_LIMIT".into(),
            message: "the system watches no more for you".into(),
            hint: "`sudo sysctl fs.inotify.max_user_watches=524288`".into(),
            ..state("archive", Following::Polled, 0)
        };
        let failed = FollowState {
            reason: "FOLDER_MISSING".into(),
            message: "/mnt/disk: No such file or directory".into(),
            ..state("disk", Following::Failed, 0)
        };
        vec![
            state("notes", Following::Live, 12),
            state("new", Following::Starting, 0),
            polled,
            failed,
            state("still", Following::Off, 0),
        ]
    }

    #[test]
    fn every_state_of_a_collection() {
        let status = |(number, follow): (usize, FollowState)| CollectionStatus {
            path: format!("/files/{}", follow.collection),
            documents: number as u64 * 700,
            pending_embedding: number as u64 % 2,
            updated_at: if number == 1 { 0 } else { 1_000 },
            follow: Some(follow),
        };
        let all: Vec<_> = states().into_iter().enumerate().map(status).collect();
        let text = collection_states(&all, 1_180);
        insta::assert_snapshot!("collection_states", anstream::adapter::strip_str(&text));
        let json: Vec<Value> = all.iter().map(collection_state_json).collect();
        insta::assert_json_snapshot!("collection_states_json", json);
    }

    #[test]
    fn every_event() {
        let place = || ("notes".to_owned(), "a b.md".to_owned());
        let stored = |is_new| {
            let (collection, path) = place();
            Event::Stored(DocumentStored {
                collection,
                path,
                title: "A\x1b[2J".into(),
                docid: "ab12cd".into(),
                is_new,
            })
        };
        let (collection, path) = place();
        let events = [
            Event::State(WatchState {
                collections: states(),
            }),
            Event::State(WatchState::default()),
            stored(true),
            stored(false),
            Event::Removed(DocumentRemoved {
                collection: collection.clone(),
                path: path.clone(),
            }),
            Event::CollectionGone(CollectionGone {
                collection: collection.clone(),
                documents: 3,
            }),
            Event::CollectionRenamed(CollectionRenamed {
                collection: collection.clone(),
                new_name: "journal".into(),
            }),
            Event::Embedded(DocumentEmbedded {
                collection: collection.clone(),
                path,
                chunks: 1,
            }),
            Event::Round(WatchRound {
                collection,
                paths: 2,
                added: 1,
                changed: 1,
                elapsed_us: 4_200,
                ..WatchRound::default()
            }),
            Event::Missed(17),
        ];
        let mut text = String::new();
        for event in events {
            let event = WatchEvent {
                at_ms: 1_000,
                event: Some(event),
            };
            let shown = watch_event(&event);
            let _ = write!(text, "{}", anstream::adapter::strip_str(&shown));
            text += &watch_event_json(&event).unwrap();
        }
        insta::assert_snapshot!("events", text);
    }
}
