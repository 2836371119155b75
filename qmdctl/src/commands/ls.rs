//! `ls`.

use std::time::{SystemTime, UNIX_EPOCH};

use qmd_proto::v1::{DocumentEntry, ListRequest, ListSkippedRequest, SkippedFile};

use super::collection;
use crate::{
    cli::{Format, LsArgs},
    client::Home,
    error::Result,
    render::{self, Screen},
};

pub(super) async fn run(home: &Home, screen: Screen, args: &LsArgs) -> Result<()> {
    let place = args.place.as_deref().map(place).unwrap_or_default();
    if args.skipped {
        return skipped(home, screen, place).await;
    }
    if args.place.is_none() && args.filters.is_empty() {
        return collection::list::run(home, screen).await;
    }
    let request = ListRequest {
        index: home.index(),
        collection: place.0.to_owned(),
        path: place.1.to_owned(),
        filters: args.filters.clone(),
    };
    let client = home.connect().await?;
    let mut pages = client.documents().list(request).await?.into_inner();
    let mut documents: Vec<DocumentEntry> = Vec::new();
    while let Some(page) = pages.message().await? {
        documents.extend(page.documents);
    }
    match screen.format() {
        Format::Json => Screen::print(&render::documents_json(&documents)?),
        Format::Cli if documents.is_empty() => {
            screen.note("no documents");
            Ok(())
        }
        Format::Cli => {
            let now = SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default();
            Screen::print(&render::documents(&documents, now.as_secs() as i64))
        }
    }
}

async fn skipped(home: &Home, screen: Screen, (collection, path): (&str, &str)) -> Result<()> {
    let request = ListSkippedRequest {
        index: home.index(),
        collection: collection.to_owned(),
    };
    let client = home.connect().await?;
    let mut pages = client.index().list_skipped(request).await?.into_inner();
    let mut files: Vec<SkippedFile> = Vec::new();
    while let Some(page) = pages.message().await? {
        files.extend(page.files);
    }
    files.retain(|file| is_below(&file.path, path));
    match screen.format() {
        Format::Json => Screen::print(&render::skipped_files_json(&files)?),
        Format::Cli if files.is_empty() => {
            screen.note("no file was left out");
            Ok(())
        }
        Format::Cli => Screen::print(&render::skipped_files(&files)),
    }
}

/// Collection and path of `notes/work`, `qmd://notes/work` or `//notes/work`.
fn place(text: &str) -> (&str, &str) {
    let text = text.strip_prefix("qmd:").unwrap_or(text).trim_matches('/');
    text.split_once('/').unwrap_or((text, ""))
}

fn is_below(path: &str, folder: &str) -> bool {
    folder.is_empty()
        || path
            .strip_prefix(folder)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_have_a_collection_and_a_path() {
        for text in ["notes/a/b", "qmd://notes/a/b", "//notes/a/b/"] {
            assert_eq!(place(text), ("notes", "a/b"), "{text}");
        }
        assert_eq!(place("notes"), ("notes", ""));
        assert!(is_below("a/b", "a") && is_below("a", "a") && !is_below("ab", "a"));
    }
}
