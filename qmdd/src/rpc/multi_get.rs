//! `DocumentService.MultiGet`: documents by globs and addresses.

use std::{collections::HashSet, sync::Arc};

use qmd_proto::{
    list::is_glob,
    v1::{MultiGetReply, MultiGetRequest, SkippedDocument, multi_get_reply::Item},
};
use tonic::{Response, Status};

use super::{
    App, Index,
    address::{Finder, Lost, Named, uri_of},
    command::{qmdctl, quoted},
    context::file_path,
    document::{Lines, gone, read},
    miss::{Miss, SUGGESTIONS},
    places::{self, PlaceGlob},
    status::{self, status},
    stream::{Events, events_ahead},
};
use crate::{
    config::IndexConfig,
    domain::{Failure, LineRange, Reason, Target},
    store::{DocumentRef, StoreError},
    text::near,
};

/// Bytes that a document's text may have, unless a request says otherwise. QMD's.
const MAX_BYTES: u64 = 64 << 10;

/// Replies that wait for a slow reader.
const AHEAD: usize = 4;

/// Names that fit nothing for which names that are alike are looked for. A shell may give hundreds.
const EXPLAINED: usize = 16;

/// Something to deliver.
enum Wanted {
    Document(DocumentRef, Option<LineRange>),
    Missing(Miss),
}

/// Something to deliver, with what asked for it.
struct Asked {
    pattern: String,
    wanted: Wanted,
}

/// Streams what is asked for, in its order.
pub(super) async fn documents(
    app: &App,
    request: MultiGetRequest,
) -> Result<Response<Events<MultiGetReply>>, Status> {
    let index = app.indexes.get(request.index.as_ref()).await?;
    let config = index.config().map_err(|error| status(&error))?;
    let finder = Finder {
        index: &index,
        config: &config,
    };
    let asked = resolve(&finder, &request.patterns).await?;
    let delivery = Delivery {
        most: match request.max_bytes {
            None => MAX_BYTES,
            Some(0) => u64::MAX,
            Some(bytes) => bytes,
        },
        lines: request.max_lines,
        index,
        config,
    };
    Ok(events_ahead(AHEAD, move |progress, cancel| async move {
        for Asked { pattern, wanted } in asked {
            if cancel.is_cancelled() {
                break;
            }
            let item = match wanted {
                Wanted::Document(document, range) => {
                    delivery.item(pattern, &document, range).await?
                }
                Wanted::Missing(miss) => skipped(pattern, miss),
            };
            progress.deliver(MultiGetReply { item: Some(item) }).await;
        }
        Ok(())
    }))
}

/// What the patterns name, each document once. Fails when that is nothing.
async fn resolve(finder: &Finder<'_>, patterns: &[String]) -> Result<Vec<Asked>, Status> {
    let patterns = patterns.iter().map(|pattern| pattern.trim());
    let patterns: Vec<&str> = patterns.filter(|pattern| !pattern.is_empty()).collect();
    let mut kinds = Vec::with_capacity(patterns.len());
    for pattern in &patterns {
        kinds.push(Kind::of(finder, pattern).await?);
    }
    let unwanted: Vec<PlaceGlob> = kinds.iter().filter_map(Kind::unwanted).cloned().collect();
    if unwanted.len() == kinds.len() {
        let hint = "give an address, or a glob such as 'notes/**/*.md'".to_owned();
        let message = "no document is asked for";
        return Err(status::of(Reason::InvalidArgument, message, Some(hint)));
    }
    let mut asked = Vec::new();
    let mut seen = HashSet::new();
    let mut misses = 0;
    for (pattern, kind) in patterns.into_iter().zip(kinds) {
        let mut add = |wanted: Wanted| {
            if let Wanted::Document(document, range) = &wanted
                && !seen.insert((document.id, range.map(|range| (range.from, range.count))))
            {
                return;
            }
            let pattern = pattern.to_owned();
            asked.push(Asked { pattern, wanted });
        };
        let miss = match kind {
            Kind::Unwanted(_) => continue,
            Kind::Document(document) => {
                add(Wanted::Document(document, None));
                continue;
            }
            Kind::Glob(glob) => {
                let found = matching(finder, glob, unwanted.clone()).await?;
                if !found.is_empty() {
                    for document in found {
                        add(Wanted::Document(document, None));
                    }
                    continue;
                }
                no_match(finder, pattern, misses < EXPLAINED).await?
            }
            Kind::Address => match finder.find(pattern, misses < EXPLAINED).await {
                Ok(Named { document, range }) => {
                    add(Wanted::Document(document, range));
                    continue;
                }
                Err(Lost::Miss(miss)) => *miss,
                Err(Lost::Failed(error)) => return Err(*error),
            },
        };
        misses += 1;
        add(Wanted::Missing(miss));
    }
    let missing = |asked: &Asked| matches!(asked.wanted, Wanted::Missing(_));
    if asked.iter().all(missing) {
        return Err(nothing(asked));
    }
    Ok(asked)
}

/// What a pattern is.
enum Kind {
    /// It names a document to the letter.
    Document(DocumentRef),
    Address,
    Glob(PlaceGlob),
    /// What it fits is not wanted.
    Unwanted(PlaceGlob),
}

impl Kind {
    async fn of(finder: &Finder<'_>, pattern: &str) -> Result<Self, Status> {
        let unwanted = pattern.strip_prefix('!');
        if unwanted.is_none() && !is_glob(pattern) {
            return Ok(Self::Address);
        }
        // A name may have in it what makes others globs.
        if let Ok(target) = Target::parse(pattern)
            && let Some(document) = finder.only(&target).await?
        {
            return Ok(Self::Document(document));
        }
        Ok(match unwanted {
            Some(glob) => Self::Unwanted(PlaceGlob::parse(glob, &finder.config.collections)?),
            None => Self::Glob(PlaceGlob::parse(pattern, &finder.config.collections)?),
        })
    }

    fn unwanted(&self) -> Option<&PlaceGlob> {
        match self {
            Self::Unwanted(glob) => Some(glob),
            _ => None,
        }
    }
}

async fn matching(
    finder: &Finder<'_>,
    glob: PlaceGlob,
    unwanted: Vec<PlaceGlob>,
) -> Result<Vec<DocumentRef>, Status> {
    let test = move |collection: &str, path: &str| {
        glob.fits(collection, path)
            && !unwanted
                .iter()
                .any(|unwanted| unwanted.covers(collection, path))
    };
    let found = finder.index.store.matching(finder.within(), test).await;
    found.map_err(|error| status(&error))
}

/// What is said of a glob that no document fits: which folder may have been meant.
pub(super) async fn no_match(
    finder: &Finder<'_>,
    glob: &str,
    suggest: bool,
) -> Result<Miss, Status> {
    let (head, rest) = places::head(glob);
    let mut near = Vec::new();
    if suggest && !head.is_empty() && !finder.knows(head) {
        let known = finder.config.collections.iter();
        let known = known.map(|known| known.name.as_str());
        near = near::names(head, known, SUGGESTIONS);
        let store = &finder.index.store;
        let folders = store.similar_folders(head, finder.within(), SUGGESTIONS);
        near.extend(folders.await.map_err(|error| status(&error))?);
        near.retain(|folder| folder != head);
        near.truncate(SUGGESTIONS);
    }
    let near = near.into_iter().map(|folder| format!("{folder}/{rest}"));
    let list = qmdctl(finder.index, "ls");
    Ok(Miss::near(
        format!("no document fits {glob:?}"),
        near.collect(),
        format!("`{list} COLLECTION` lists what there is; a glob is over COLLECTION/PATH, or PATH"),
    ))
}

/// The error of a call that asks for nothing that is there.
fn nothing(asked: Vec<Asked>) -> Status {
    let count = asked.len();
    let misses = asked.into_iter().filter_map(|asked| match asked.wanted {
        Wanted::Missing(miss) => Some(miss),
        Wanted::Document(..) => None,
    });
    let all = misses.reduce(|mut first, other| {
        first.suggestions.extend(other.suggestions);
        first
    });
    let Some(mut miss) = all else {
        return status::invalid("no document is asked for");
    };
    if count > 1 {
        miss.message = format!("none of {count} names fits a document: {}", miss.message);
    }
    miss.into_status()
}

/// How documents are delivered.
struct Delivery {
    index: Arc<Index>,
    config: Arc<IndexConfig>,
    /// Bytes of the largest.
    most: u64,
    lines: Option<u32>,
}

impl Delivery {
    async fn item(
        &self,
        pattern: String,
        document: &DocumentRef,
        range: Option<LineRange>,
    ) -> Result<Item, Status> {
        if document.bytes > self.most {
            let miss = self.too_large(document);
            return Ok(self.about(document, skipped(pattern, miss)));
        }
        let lines = Lines::of(range, None, self.lines);
        match read(&self.index, &self.config, document.id, lines).await {
            Ok(Some(reply)) => Ok(Item::Document(reply)),
            Ok(None) => Ok(skipped(pattern, gone(&uri_of(document)))),
            // The others may be whole.
            Err(error @ StoreError::ContentCorrupt { .. }) => {
                let hint = error.hint().unwrap_or_default();
                let miss = Miss::new(error.reason(), error.to_string(), hint);
                Ok(self.about(document, skipped(pattern, miss)))
            }
            Err(error) => Err(status(&error)),
        }
    }

    fn too_large(&self, document: &DocumentRef) -> Miss {
        let uri = uri_of(document);
        let message = format!(
            "{uri} has {} bytes, over the limit of {}",
            document.bytes, self.most
        );
        let get = qmdctl(&self.index, &format!("get {}", quoted(&uri)));
        Miss::new(Reason::FileTooLarge, message, format!("`{get}` gets it"))
    }

    /// Says of which document an item speaks.
    fn about(&self, document: &DocumentRef, item: Item) -> Item {
        let Item::Skipped(skipped) = item else {
            return item;
        };
        Item::Skipped(SkippedDocument {
            uri: uri_of(document),
            bytes: document.bytes,
            docid: document.hash.docid().as_str().to_owned(),
            title: document.title.clone(),
            file_path: file_path(&self.config, &document.collection, &document.path),
            ..skipped
        })
    }
}

fn skipped(pattern: String, miss: Miss) -> Item {
    Item::Skipped(SkippedDocument {
        reason: miss.reason.to_string(),
        message: miss.message,
        hint: miss.hint,
        pattern,
        suggestions: miss.suggestions,
        ..SkippedDocument::default()
    })
}
