//! The folders that the system is asked to tell of. The only place, with `sight`, that knows `notify`.

use std::{collections::BTreeSet, fs, path::Path, sync::Arc};

use ignore::WalkBuilder;
use notify::{ErrorKind, RecommendedWatcher, RecursiveMode, Watcher};

use super::{
    reach::Reach,
    sight::{Sight, sights},
};
use crate::{
    domain::{Collection, Reason, Trouble},
    ingest::{IngestError, part::leads_to, walk},
};

/// FSEvents watches a whole tree by its root; inotify folder by folder.
const WATCHES_TREES: bool = cfg!(target_os = "macos");

/// What a limit is to be raised to, at least.
const ENOUGH_WATCHES: u64 = 524_288;
const ENOUGH_INSTANCES: u64 = 1_024;

/// The system's errors for too many inotify instances, of the user and of all.
const TOO_MANY_FILES: [i32; 2] = [24, 23];

/// Watched folders. Dropping it ends the watching.
#[derive(Debug)]
pub(super) struct Folders {
    watcher: RecommendedWatcher,
}

/// Why folders are not watched.
#[derive(Debug)]
pub(super) enum Uncovered {
    /// The system's limits, or another trouble of its own.
    Trouble(Trouble),
    /// A bad glob.
    Rules(IngestError),
}

impl Folders {
    /// Watches nothing yet. What happens goes to `see`, on a thread of its own.
    ///
    /// # Errors
    /// When the system gives no more watchers.
    pub(super) fn new(see: impl Fn(Sight) + Send + 'static) -> Result<Self, Trouble> {
        let handler = move |event| sights(event).into_iter().for_each(&see);
        let watcher = notify::recommended_watcher(handler).map_err(|error| trouble(&error))?;
        Ok(Self { watcher })
    }

    /// Watches one folder, without what is below it.
    pub(super) fn watch(&mut self, folder: &Path) -> Result<(), Trouble> {
        match self.watcher.watch(folder, RecursiveMode::NonRecursive) {
            Ok(()) => Ok(()),
            Err(error) if is_exhaustion(&error) => Err(trouble(&error)),
            Err(error) => {
                // Gone again, or closed to us: then there is nothing to take.
                tracing::debug!(%error, folder = %folder.display(), "not watched");
                Ok(())
            }
        }
    }

    /// Watches every folder of a collection that can hold files it takes, below `parts` alone unless
    /// there are none. Each is watched before it is listed, so that no folder made meanwhile is
    /// missed. Returns how many folders that are. Blocks.
    ///
    /// # Errors
    /// At the system's limit: then nothing more is watched.
    pub(super) fn cover(
        &mut self,
        collection: &Collection,
        root: &Path,
        parts: BTreeSet<String>,
    ) -> Result<u64, Uncovered> {
        if WATCHES_TREES {
            let watched = self.watcher.watch(root, RecursiveMode::Recursive);
            watched.map_err(|error| Uncovered::Trouble(trouble(&error)))?;
            return Ok(1);
        }
        let reach = Arc::new(Reach::new(collection).map_err(Uncovered::Rules)?);
        let mut walker = walk::walker(root, reach.rules());
        let (from, reached) = (root.to_owned(), Arc::clone(&reach));
        walker.filter_entry(move |entry| {
            let path = walk::relative(&from, entry.path()).unwrap_or_default();
            entry.file_type().is_some_and(|kind| kind.is_dir())
                && reached.covers(&path)
                && (parts.is_empty() || leads_to(&path, &parts))
        });
        let mut count = 0;
        for entry in walker.build().flatten() {
            self.watch(entry.path()).map_err(Uncovered::Trouble)?;
            count += 1;
        }
        Ok(count)
    }

    /// Stops watching a folder and all below it. Blocks.
    pub(super) fn uncover(&mut self, root: &Path) {
        let mut walker = WalkBuilder::new(root);
        walker.hidden(false).follow_links(false);
        for entry in walker.build().flatten() {
            let is_folder = entry.file_type().is_some_and(|kind| kind.is_dir());
            if is_folder {
                // Most were never watched.
                let _ = self.watcher.unwatch(entry.path());
            }
        }
    }
}

fn is_exhaustion(error: &notify::Error) -> bool {
    match &error.kind {
        ErrorKind::MaxFilesWatch => true,
        ErrorKind::Io(error) => error
            .raw_os_error()
            .is_some_and(|code| TOO_MANY_FILES.contains(&code)),
        _ => false,
    }
}

/// What is wrong, and the setting that mends it.
fn trouble(error: &notify::Error) -> Trouble {
    let limit = |name: &str, enough: u64| {
        let file = format!("/proc/sys/fs/inotify/{name}");
        let now = fs::read_to_string(file).ok();
        let now = now.and_then(|text| text.trim().parse::<u64>().ok());
        let said = now
            .map(|now| format!(", which is {now}"))
            .unwrap_or_default();
        let wanted = now.map_or(enough, |now| enough.max(now.saturating_mul(2)));
        Trouble {
            reason: Reason::WatchLimit,
            message: format!(
                "the system watches no more for you: fs.inotify.{name}{said}, is used up"
            ),
            hint: Some(format!(
                "`sudo sysctl fs.inotify.{name}={wanted}` (for good: in /etc/sysctl.d), then \
                 `qmdctl daemon restart`"
            )),
        }
    };
    match &error.kind {
        ErrorKind::MaxFilesWatch => limit("max_user_watches", ENOUGH_WATCHES),
        _ if is_exhaustion(error) => limit("max_user_instances", ENOUGH_INSTANCES),
        _ => Trouble {
            reason: Reason::WatchLimit,
            message: format!("the system watches no folders: {error}"),
            hint: Some("see `qmdctl daemon logs`".into()),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn exhausted_limits_are_named_with_what_mends_them() {
        let watches = trouble(&notify::Error::new(ErrorKind::MaxFilesWatch));
        assert_eq!(watches.reason, Reason::WatchLimit);
        assert!(watches.message.contains("fs.inotify.max_user_watches"));
        let hint = watches.hint.unwrap_or_default();
        assert!(
            hint.starts_with("`sudo sysctl fs.inotify.max_user_watches="),
            "{hint}"
        );
        for code in TOO_MANY_FILES {
            let error = notify::Error::io(io::Error::from_raw_os_error(code));
            assert!(is_exhaustion(&error));
            assert!(
                trouble(&error)
                    .message
                    .contains("fs.inotify.max_user_instances")
            );
        }
        let denied = notify::Error::io(io::ErrorKind::PermissionDenied.into());
        assert!(!is_exhaustion(&denied));
    }
}
