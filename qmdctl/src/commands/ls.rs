//! `ls`.

use std::path::Path;

use qmd_proto::{
    Reason,
    list::is_glob,
    v1::{DocumentEntry, IndexRef, ListRequest, ListSkippedRequest, SkippedFile},
};

use super::{address, collection, now, on_disk::OnDisk};
use crate::{
    cli::{Format, LsArgs},
    client::Home,
    error::{Failure, Result},
    render::{self, Screen},
};

pub(super) async fn run(home: &Home, screen: Screen, args: &LsArgs) -> Result<()> {
    if args.place.is_none() && args.filters.is_empty() && !args.skipped {
        return collection::list::run(home, screen).await;
    }
    let place = args.place.as_deref();
    let (index, place) = match place.map(|place| address::index_of(home, place)) {
        Some((index, place)) => (index, Some(Place::parse(&place)?)),
        None => (home.index(), None),
    };
    if args.skipped {
        return skipped(home, screen, index, place).await;
    }
    let request = ListRequest {
        index,
        filters: args.filters.clone(),
        ..match place {
            None => ListRequest::default(),
            Some(Place::Folder { collection, path }) => ListRequest {
                collection,
                path,
                ..ListRequest::default()
            },
            Some(Place::Glob(glob)) => ListRequest {
                patterns: vec![glob],
                ..ListRequest::default()
            },
        }
    };
    let client = home.connect().await?;
    let mut pages = client.documents().list(request).await?.into_inner();
    let mut documents: Vec<DocumentEntry> = Vec::new();
    while let Some(page) = pages.message().await? {
        documents.extend(page.documents);
    }
    let files = args.full_path.then(|| files(&documents));
    match screen.format() {
        Format::Json => Screen::print(&render::documents_json(&documents, files.as_deref())?),
        Format::Cli if documents.is_empty() => {
            screen.note("no documents");
            Ok(())
        }
        Format::Cli => Screen::print(&render::documents(&documents, files.as_deref(), now())),
    }
}

/// The path of each document's file; `None` for one that is gone.
fn files(documents: &[DocumentEntry]) -> Vec<Option<String>> {
    let on_disk = OnDisk::new();
    let file = |one: &DocumentEntry| {
        let uri = format!("qmd://{}/{}", one.collection, one.path);
        on_disk.name(&uri, &one.file_path)
    };
    documents.iter().map(file).collect()
}

async fn skipped(
    home: &Home,
    screen: Screen,
    index: Option<IndexRef>,
    place: Option<Place>,
) -> Result<()> {
    let (collection, path) = match place {
        None => (String::new(), String::new()),
        Some(Place::Folder { collection, path }) => (collection, path),
        Some(Place::Glob(_)) => {
            return Err(Failure::new(
                Reason::InvalidArgument,
                "--skipped takes no glob and no file",
            )
            .hint("give COLLECTION or COLLECTION/FOLDER")
            .into());
        }
    };
    let request = ListSkippedRequest { index, collection };
    let client = home.connect().await?;
    let mut pages = client.index().list_skipped(request).await?.into_inner();
    let mut files: Vec<SkippedFile> = Vec::new();
    while let Some(page) = pages.message().await? {
        files.extend(page.files);
    }
    files.retain(|file| is_below(&file.path, &path));
    match screen.format() {
        Format::Json => Screen::print(&render::skipped_files_json(&files)?),
        Format::Cli if files.is_empty() => {
            screen.note("no file was left out");
            Ok(())
        }
        Format::Cli => Screen::print(&render::skipped_files(&files)),
    }
}

/// What is to be listed.
#[derive(Debug, PartialEq, Eq)]
enum Place {
    /// `notes/work`, `qmd://notes/work` or `//notes/work`.
    Folder { collection: String, path: String },
    /// A glob, or a folder or a file on disk.
    Glob(String),
}

impl Place {
    fn parse(text: &str) -> Result<Self> {
        let whole = address::absolute(text)?;
        // A path from here or from home, or one that is there: `/notes` is a collection where it is not.
        let is_file = whole != text || (is_absolute(text) && Path::new(text).exists());
        if is_file && !is_glob(text) {
            return Ok(Self::Glob(escaped(&whole)));
        }
        if is_glob(text) {
            return Ok(Self::Glob(whole));
        }
        let place = text.strip_prefix("qmd:").unwrap_or(text).trim_matches('/');
        let (collection, path) = place.split_once('/').unwrap_or((place, ""));
        Ok(Self::Folder {
            collection: collection.to_owned(),
            path: path.to_owned(),
        })
    }
}

fn is_absolute(text: &str) -> bool {
    text.starts_with('/') && !text.starts_with("//")
}

/// A path as a glob that fits nothing else.
fn escaped(path: &str) -> String {
    let mut glob = String::with_capacity(path.len());
    for c in path.chars() {
        if matches!(c, '*' | '?' | '[' | ']' | '{' | '}' | '\\' | '!' | ',') {
            glob.push('\\');
        }
        glob.push(c);
    }
    glob
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
        let folder = |collection: &str, path: &str| Place::Folder {
            collection: collection.into(),
            path: path.into(),
        };
        for text in ["notes/a/b", "qmd://notes/a/b", "//notes/a/b/"] {
            assert_eq!(
                Place::parse(text).unwrap(),
                folder("notes", "a/b"),
                "{text}"
            );
        }
        assert_eq!(Place::parse("notes").unwrap(), folder("notes", ""));
        assert_eq!(Place::parse("/no-such").unwrap(), folder("no-such", ""));
        assert!(is_below("a/b", "a") && is_below("a", "a") && !is_below("ab", "a"));
    }

    #[test]
    fn globs_and_files_are_told_from_places() {
        let glob = |text: &str| Place::Glob(text.into());
        assert_eq!(Place::parse("notes/*.md").unwrap(), glob("notes/*.md"));
        assert_eq!(Place::parse("/").unwrap(), glob("/"));
        let dir = tempfile::tempdir().unwrap();
        let odd = dir.path().join("a[b]");
        std::fs::create_dir(&odd).unwrap();
        let here = std::env::current_dir().unwrap();
        let here = here.to_str().unwrap();
        assert_eq!(Place::parse(".").unwrap(), glob(&escaped(here)));
        assert_eq!(escaped("/n/a[b],c"), r"/n/a\[b\]\,c");
    }
}
