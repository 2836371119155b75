//! What the system tells of the file system, and what a collection makes of it. Pure.

use std::path::{Path, PathBuf};

use notify::{
    Event, EventKind,
    event::{AccessKind, AccessMode, CreateKind, ModifyKind, RemoveKind},
};

use super::planner::WHOLE;
use crate::{
    domain::Collection,
    ingest::{
        IngestError,
        globs::Rules,
        walk::{self, IGNORE_FILES},
    },
};

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Sight {
    /// At a path that is surely no folder.
    File(PathBuf),
    /// At a path that may be, or have been, a folder.
    Any(PathBuf),
    /// More than could be told.
    Everything,
}

/// What an event tells. Files that are only read, or still written, tell nothing.
pub(super) fn sights(event: Result<Event, notify::Error>) -> Vec<Sight> {
    let event = match event {
        Ok(event) if !event.need_rescan() => event,
        Ok(_) => return vec![Sight::Everything],
        Err(error) => {
            tracing::warn!(%error, "events of the file system may be lost");
            return vec![Sight::Everything];
        }
    };
    let sight = match event.kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write))
        | EventKind::Create(CreateKind::File)
        | EventKind::Modify(ModifyKind::Data(_) | ModifyKind::Metadata(_))
        | EventKind::Remove(RemoveKind::File) => Sight::File,
        EventKind::Access(_) => return Vec::new(),
        _ => Sight::Any,
    };
    event.paths.into_iter().map(sight).collect()
}

/// What matters to a collection.
#[derive(Debug)]
pub(super) struct Sieve {
    root: PathBuf,
    rules: Rules,
}

/// What a sight means to a collection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Matter {
    /// This path is to be looked at.
    Path(String),
    /// The rules of what is left out have changed.
    Rules,
}

impl Sieve {
    /// For a collection whose folder, without links, is `root`.
    ///
    /// # Errors
    /// On a bad glob.
    pub(super) fn new(collection: &Collection, root: PathBuf) -> Result<Self, IngestError> {
        Ok(Self {
            root,
            rules: Rules::new(collection)?,
        })
    }

    /// What a sight means; `None` for nothing.
    pub(super) fn matter(&self, sight: &Sight) -> Option<Matter> {
        let (path, may_be_folder) = match sight {
            Sight::File(path) => (path, false),
            Sight::Any(path) => (path, true),
            Sight::Everything => return Some(Matter::Path(WHOLE.to_owned())),
        };
        let path = walk::relative(&self.root, path)?;
        let name = Path::new(&path).file_name().and_then(|name| name.to_str());
        let folders = path.rsplit_once('/').map_or("", |(folders, _)| folders);
        let passes_over = |name: &str| self.rules.pass_over(name, true);
        if folders.split('/').any(passes_over) {
            return None;
        }
        if name.is_some_and(|name| IGNORE_FILES.contains(&name)) {
            return Some(Matter::Rules);
        }
        let is_wanted = self.rules.take(&path);
        let is_passed_over = name.is_some_and(passes_over);
        ((is_wanted || may_be_folder) && !is_passed_over).then_some(Matter::Path(path))
    }
}

#[cfg(test)]
mod tests {
    use notify::event::{DataChange, Flag, MetadataKind, RenameMode};

    use super::*;
    use crate::domain::CollectionName;

    fn seen(kind: EventKind) -> Vec<Sight> {
        sights(Ok(Event::new(kind).add_path("/c/a.md".into())))
    }

    #[test]
    fn reading_tells_nothing_and_lost_events_tell_of_everything() {
        let file = [Sight::File("/c/a.md".into())];
        let any = [Sight::Any("/c/a.md".into())];
        let access = EventKind::Access;
        for kind in [
            access(AccessKind::Open(AccessMode::Any)),
            access(AccessKind::Close(AccessMode::Read)),
            access(AccessKind::Read),
        ] {
            assert_eq!(seen(kind), []);
        }
        for kind in [
            access(AccessKind::Close(AccessMode::Write)),
            EventKind::Create(CreateKind::File),
            EventKind::Modify(ModifyKind::Data(DataChange::Any)),
            EventKind::Modify(ModifyKind::Metadata(MetadataKind::Any)),
            EventKind::Remove(RemoveKind::File),
        ] {
            assert_eq!(seen(kind), file, "{kind:?}");
        }
        for kind in [
            EventKind::Create(CreateKind::Folder),
            EventKind::Modify(ModifyKind::Name(RenameMode::To)),
            EventKind::Remove(RemoveKind::Folder),
            EventKind::Any,
        ] {
            assert_eq!(seen(kind), any, "{kind:?}");
        }
        let lost = Event::new(EventKind::Other).set_flag(Flag::Rescan);
        assert_eq!(sights(Ok(lost)), [Sight::Everything]);
        let failed = notify::Error::generic("gone");
        assert_eq!(sights(Err(failed)), [Sight::Everything]);
    }

    #[test]
    fn a_collection_hears_of_what_it_may_take() {
        let name = CollectionName::new("c").unwrap();
        let collection = Collection {
            ignore: vec!["drafts".into()],
            ..Collection::new(name, "/c".into(), "**/*.md")
        };
        let sieve = Sieve::new(&collection, "/c".into()).unwrap();
        let file = |path: &str| sieve.matter(&Sight::File(path.into()));
        let any = |path: &str| sieve.matter(&Sight::Any(path.into()));
        let path = |path: &str| Some(Matter::Path(path.to_owned()));
        assert_eq!(file("/c/sub/a.md"), path("sub/a.md"));
        assert_eq!(any("/c/sub"), path("sub"));
        assert_eq!(any("/c"), path(WHOLE));
        assert_eq!(sieve.matter(&Sight::Everything), path(WHOLE));
        assert_eq!(file("/c/sub/.gitignore"), Some(Matter::Rules));
        assert_eq!(any("/c/.qmdignore"), Some(Matter::Rules));
        // What editors leave lying about.
        for noise in [
            "/c/a.md~",
            "/c/4913",
            "/c/.a.md.swp",
            "/c/.#a.md",
            "/c/#a.md#",
        ] {
            assert_eq!(file(noise), None, "{noise}");
        }
        for elsewhere in ["/d/a.md", "/cc/a.md", "/c/.git/x.md", "/c/drafts/a.md"] {
            assert_eq!(file(elsewhere), None, "{elsewhere}");
        }
        let hidden = Collection {
            pattern: "**/*.md, .kept/*.md".into(),
            ..collection
        };
        let sieve = Sieve::new(&hidden, "/c".into()).unwrap();
        let file = |path: &str| sieve.matter(&Sight::File(path.into()));
        assert_eq!(file("/c/.kept/a.md"), path(".kept/a.md"));
        assert_eq!(file("/c/.other/a.md"), None);
        for passed_over in ["/c/.hidden", "/c/node_modules", "/c/a/build/x"] {
            assert_eq!(any(passed_over), None, "{passed_over}");
        }
    }
}
