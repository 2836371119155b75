//! Where events wait for their time: written by the system's thread, read by the watcher.

use std::{
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use tokio::sync::Notify;

use super::{
    planner::{Planner, QUIET, WHOLE},
    sight::{Matter, Sieve, Sight},
};
use crate::domain::CollectionName;

/// What waits, and who waits for it.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    contents: Mutex<Contents>,
    filled: Notify,
}

#[derive(Debug, Default)]
struct Contents {
    collections: Vec<Entry>,
    /// The configuration file.
    config_file: PathBuf,
    /// When it is to be read again.
    config_due: Option<Instant>,
}

#[derive(Debug)]
struct Entry {
    name: CollectionName,
    /// `None` while its folder is not there.
    sieve: Option<Sieve>,
    planner: Planner,
    /// What is left out has changed, and with it what is to be watched.
    rules_changed: bool,
}

/// What is due.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// The configuration is to be read.
    Config,
    /// Folders are to be watched anew.
    Rules,
    /// Paths to look at, by the collection's place.
    Look(Vec<(usize, Vec<String>)>),
}

impl Inbox {
    /// Empties it, for these collections. What is known of how restless their paths are is kept.
    pub(super) fn restart(
        &self,
        config_file: PathBuf,
        collections: Vec<(CollectionName, Option<Sieve>)>,
    ) {
        let mut contents = self.contents();
        let mut known = std::mem::take(&mut contents.collections);
        let entry = |(name, sieve): (CollectionName, Option<Sieve>)| {
            let known = known.iter_mut().find(|entry| entry.name == name);
            let planner = known.map(|entry| std::mem::take(&mut entry.planner));
            Entry {
                name,
                sieve,
                planner: planner.unwrap_or_default(),
                rules_changed: false,
            }
        };
        contents.collections = collections.into_iter().map(entry).collect();
        contents.config_file = config_file;
        contents.config_due = None;
    }

    /// Takes note of what was seen.
    pub(super) fn see(&self, sight: &Sight) {
        let now = Instant::now();
        let mut contents = self.contents();
        let mut woken = false;
        for entry in &mut contents.collections {
            let path = match entry.sieve.as_ref().and_then(|sieve| sieve.matter(sight)) {
                None => continue,
                Some(Matter::Path(path)) => path,
                Some(Matter::Rules) => {
                    entry.rules_changed = true;
                    WHOLE.to_owned()
                }
            };
            woken |= entry.planner.note(&path, now);
        }
        let is_config = match sight {
            Sight::File(path) | Sight::Any(path) => *path == contents.config_file,
            Sight::Everything => true,
        };
        if is_config {
            // Editors write it in several steps.
            contents.config_due = Some(now + 2 * QUIET);
            woken = true;
        }
        drop(contents);
        if woken {
            self.filled.notify_one();
        }
    }

    /// Has the configuration read again now.
    pub(super) fn demand_config(&self) {
        self.contents().config_due = Some(Instant::now());
        self.filled.notify_one();
    }

    /// Has a whole collection looked at now.
    pub(super) fn demand(&self, place: usize) {
        if let Some(entry) = self.contents().collections.get_mut(place) {
            entry.planner.demand(Instant::now());
        }
    }

    /// Puts paths back that could not be looked at.
    pub(super) fn put_back(&self, place: usize, paths: &[String]) {
        if let Some(entry) = self.contents().collections.get_mut(place) {
            for path in paths {
                entry.planner.note(path, Instant::now());
            }
        }
    }

    /// Takes note of how long a look took.
    pub(super) fn looked(&self, place: usize, began: Instant) {
        if let Some(entry) = self.contents().collections.get_mut(place) {
            entry.planner.looked(began.elapsed(), Instant::now());
        }
    }

    /// When the next thing is due.
    pub(super) fn due(&self) -> Option<Instant> {
        let contents = self.contents();
        let looks = contents.collections.iter();
        let looks = looks.filter_map(|entry| entry.planner.due());
        looks.chain(contents.config_due).min()
    }

    /// Waits until something comes in where nothing was.
    pub(super) async fn filled(&self) {
        self.filled.notified().await;
    }

    /// Takes out what is due.
    pub(super) fn take(&self) -> Due {
        let now = Instant::now();
        let mut contents = self.contents();
        if contents.config_due.is_some_and(|due| due <= now) {
            contents.config_due = None;
            return Due::Config;
        }
        let mut looks = Vec::new();
        let mut rules_changed = false;
        for (place, entry) in contents.collections.iter_mut().enumerate() {
            let paths = entry.planner.take(now);
            if !paths.is_empty() {
                rules_changed |= std::mem::take(&mut entry.rules_changed);
                looks.push((place, paths));
            }
        }
        if rules_changed {
            return Due::Rules;
        }
        Due::Look(looks)
    }

    fn contents(&self) -> MutexGuard<'_, Contents> {
        self.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Collection;

    fn inbox(names: &[&str]) -> Inbox {
        let inbox = Inbox::default();
        let sieve = |name: &&str| {
            let path = format!("/{name}").into();
            let name = CollectionName::new(name).unwrap();
            let collection = Collection::new(name, path, "**/*.md");
            let sieve = Sieve::new(&collection, collection.path.clone()).unwrap();
            (collection.name, Some(sieve))
        };
        inbox.restart(
            "/config/index.yml".into(),
            names.iter().map(sieve).collect(),
        );
        inbox
    }

    /// What is due once everything has settled.
    fn settled(inbox: &Inbox) -> Due {
        while inbox.due().is_some_and(|due| due > Instant::now()) {
            std::thread::yield_now();
        }
        inbox.take()
    }

    #[test]
    fn each_collection_gets_what_lies_in_it() {
        let inbox = inbox(&["a", "b", "c"]);
        inbox.see(&Sight::File("/a/sub/x.md".into()));
        inbox.see(&Sight::File("/elsewhere/x.md".into()));
        let expected = vec![(0, vec!["sub/x.md".to_owned()])];
        assert_eq!(settled(&inbox), Due::Look(expected));
        assert_eq!(inbox.due(), None);
        inbox.see(&Sight::Everything);
        let whole = |place| (place, vec![WHOLE.to_owned()]);
        let expected = Due::Look(vec![whole(0), whole(1), whole(2)]);
        assert_eq!(settled(&inbox), expected);
        assert_eq!(settled(&inbox), Due::Config);
    }

    #[test]
    fn rules_and_configuration_are_told_apart() {
        let inbox = inbox(&["a"]);
        inbox.see(&Sight::File("/a/x.md".into()));
        inbox.see(&Sight::File("/a/.gitignore".into()));
        assert_eq!(settled(&inbox), Due::Rules);
        inbox.see(&Sight::Any("/config/index.yml".into()));
        inbox.see(&Sight::File("/config/other.yml".into()));
        assert_eq!(settled(&inbox), Due::Config);
        inbox.demand_config();
        assert_eq!(inbox.take(), Due::Config);
        assert_eq!(inbox.due(), None);
    }

    #[tokio::test]
    async fn the_first_event_wakes_whoever_waits() {
        let inbox = inbox(&["a"]);
        inbox.see(&Sight::File("/a/x.md".into()));
        inbox.filled().await;
        inbox.put_back(0, &["y.md".to_owned()]);
        inbox.demand(0);
        assert_eq!(inbox.take(), Due::Look(vec![(0, vec![WHOLE.to_owned()])]));
    }
}
