//! The collections that are followed, each with how that goes. Everything here blocks.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    Following,
    folders::{Folders, Uncovered},
    inbox::Inbox,
    planner::WHOLE,
    sight::Sieve,
};
use crate::{
    domain::{Collection, Reason, Trouble},
    ingest::root,
    store::Skipped,
};

/// A collection that is followed.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub collection: Collection,
    /// Its folder without links, as events name it; `None` when it is not there.
    root: Option<PathBuf>,
    cover: Cover,
    /// Why the last look failed.
    pub failure: Option<Trouble>,
    /// It was looked at as a whole.
    pub is_known: bool,
}

#[derive(Debug, Clone)]
enum Cover {
    /// So many folders are watched, all of them just now.
    New(u64),
    /// So many folders are watched.
    Live(u64),
    /// It is looked at now and then.
    Polled(Trouble),
}

impl Place {
    /// How it is followed.
    pub(super) fn following(&self) -> Following {
        match (&self.failure, &self.cover) {
            (Some(trouble), _) => Following::Failed(trouble.clone()),
            (None, _) if !self.is_known => Following::Starting,
            (None, Cover::New(folders) | Cover::Live(folders)) => {
                Following::Live { folders: *folders }
            }
            (None, Cover::Polled(trouble)) => Following::Polled(trouble.clone()),
        }
    }

    /// Whether only the clock leads to it.
    pub(super) fn is_polled(&self) -> bool {
        self.failure.is_some() || matches!(self.cover, Cover::Polled(_))
    }

    /// Whether its folder was not there.
    pub(super) fn is_missing(&self) -> bool {
        let failure = self.failure.as_ref();
        failure.is_some_and(|trouble| trouble.reason == Reason::FolderMissing)
    }

    /// Whether its folder can be listed.
    pub(super) fn is_there(&self) -> bool {
        root::check(&self.collection.path, None).is_ok()
    }

    /// Watches what became folders at these paths.
    pub(super) fn cover_new(&mut self, folders: &mut Folders, paths: &[String]) {
        let (Cover::New(known) | Cover::Live(known), Some(root)) = (&self.cover, &self.root) else {
            return;
        };
        let (known, root) = (*known, root.clone());
        let is_whole = paths.iter().any(|path| path == WHOLE);
        if is_whole && matches!(self.cover, Cover::New(_)) {
            self.cover = Cover::Live(known);
            return;
        }
        let is_folder = |path: &&String| {
            let metadata = fs::symlink_metadata(root.join(path));
            metadata.is_ok_and(|metadata| metadata.is_dir())
        };
        let parts: BTreeSet<String> = if is_whole {
            BTreeSet::new()
        } else {
            paths.iter().filter(is_folder).cloned().collect()
        };
        if is_whole || !parts.is_empty() {
            self.cover(folders, &root, parts);
            if let (Cover::New(watched), false) = (&self.cover, is_whole) {
                // Some of them may be known; the next whole look counts anew.
                self.cover = Cover::Live(known.max(*watched));
            }
        }
    }

    fn cover(&mut self, folders: &mut Folders, root: &Path, parts: BTreeSet<String>) {
        match folders.cover(&self.collection, root, parts) {
            Ok(watched) => self.cover = Cover::New(watched),
            Err(Uncovered::Rules(error)) => self.failure = Some(Trouble::of(&error)),
            Err(Uncovered::Trouble(trouble)) => {
                tracing::warn!(
                    collection = %self.collection.name,
                    message = trouble.message,
                    "looked at now and then instead of watched"
                );
                // What it leaves is for others.
                folders.uncover(root);
                self.cover = Cover::Polled(trouble);
            }
        }
    }
}

/// Watches the folders of collections, and of the configuration file. Events go to the inbox, which
/// is emptied before. Without a watcher every collection is polled.
pub(super) fn watch_all(
    collections: &[Collection],
    config_file: &Path,
    inbox: &Arc<Inbox>,
) -> (Option<Folders>, Vec<Place>) {
    let mut places = Vec::new();
    let mut sieves = Vec::new();
    for collection in collections {
        let mut place = Place {
            collection: collection.clone(),
            root: None,
            cover: Cover::New(0),
            failure: None,
            is_known: false,
        };
        let mut sieve = None;
        if let Err(missing) = root::check(&collection.path, None) {
            place.failure = Some(gone(collection, &missing));
        } else {
            let root = fs::canonicalize(&collection.path);
            let root = root.unwrap_or_else(|_| collection.path.clone());
            match Sieve::new(collection, root.clone()) {
                Ok(made) => sieve = Some(made),
                Err(error) => place.failure = Some(Trouble::of(&error)),
            }
            place.root = Some(root);
        }
        sieves.push((collection.name.clone(), sieve));
        places.push(place);
    }
    let config_file = match (config_file.parent(), config_file.file_name()) {
        (Some(folder), Some(name)) => fs::canonicalize(folder).map(|folder| folder.join(name)),
        _ => Ok(config_file.to_owned()),
    };
    let config_file = config_file.unwrap_or_default();
    inbox.restart(config_file.clone(), sieves);
    let seen = Arc::clone(inbox);
    let mut folders = match Folders::new(move |sight| seen.see(&sight)) {
        Ok(folders) => folders,
        Err(trouble) => {
            for place in &mut places {
                place.cover = Cover::Polled(trouble.clone());
            }
            return (None, places);
        }
    };
    if let Some(folder) = config_file.parent()
        && let Err(trouble) = folders.watch(folder)
    {
        tracing::warn!(
            message = trouble.message,
            "the configuration is not watched"
        );
    }
    for place in &mut places {
        if let (Some(root), None) = (place.root.clone(), &place.failure) {
            place.cover(&mut folders, &root, BTreeSet::new());
        }
    }
    (Some(folders), places)
}

/// The trouble with a folder that is not there.
pub(super) fn gone(collection: &Collection, missing: &Skipped) -> Trouble {
    Trouble {
        reason: missing.why.reason,
        message: format!("{}: {}", missing.path, missing.why.message),
        hint: Some(format!(
            "bring the folder back, or `qmdctl collection remove {}`",
            collection.name
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::CollectionName;

    fn collection(name: &str, path: &Path) -> Collection {
        Collection::new(
            CollectionName::new(name).unwrap(),
            path.to_owned(),
            "**/*.md",
        )
    }

    #[test]
    fn what_can_be_watched_is_and_the_rest_says_why_not() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("sub/deep")).unwrap();
        fs::create_dir_all(dir.path().join("node_modules/x")).unwrap();
        fs::create_dir_all(dir.path().join(".git/x")).unwrap();
        let missing = dir.path().join("none");
        let inbox = Arc::new(Inbox::default());
        let collections = [collection("here", dir.path()), collection("none", &missing)];
        let config = dir.path().join("index.yml");
        let (folders, mut places) = watch_all(&collections, &config, &inbox);
        let mut folders = folders.unwrap();
        places[0].is_known = true;
        assert_eq!(places[0].following(), Following::Live { folders: 3 });
        let Following::Failed(trouble) = places[1].following() else {
            panic!("{:?}", places[1])
        };
        assert_eq!(trouble.reason, Reason::FolderMissing);
        assert!(places[1].is_polled() && !places[1].is_there());

        fs::create_dir_all(dir.path().join("new/deep/er")).unwrap();
        places[0].cover_new(&mut folders, &["new".to_owned(), "gone".to_owned()]);
        places[0].cover_new(&mut folders, &[WHOLE.to_owned()]);
        assert_eq!(places[0].following(), Following::Live { folders: 6 });
    }
}
