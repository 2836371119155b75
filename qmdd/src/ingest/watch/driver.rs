//! The watcher's loop: waits until something is due, and looks at it.

use std::{
    collections::BTreeSet,
    slice,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use tokio::{
    sync::{Notify, broadcast, watch},
    time::sleep_until,
};
use tokio_util::sync::CancellationToken;

use super::{
    Round, WatchReport, Watched,
    folders::Folders,
    inbox::{Due, Inbox},
    place::{Place, gone, watch_all},
    planner::WHOLE,
};
use crate::{
    config::{IndexConfig, WatchConfig},
    domain::{CollectionName, Reason, Trouble},
    ingest::{IngestError, UpdateOptions, UpdateSummary, blocking, update, update_part},
};

/// The loop, and what it speaks to.
pub(super) struct Driver {
    pub index: Arc<dyn Watched>,
    pub inbox: Arc<Inbox>,
    /// Told when documents wait for vectors.
    pub embed: Arc<Notify>,
    pub report: watch::Sender<WatchReport>,
    pub rounds: broadcast::Sender<Round>,
    pub stop: CancellationToken,
}

/// A stretch of following with the same folders and the same configuration.
struct Stretch<'a> {
    driver: &'a Driver,
    config: &'a IndexConfig,
    /// `None` when the system gives no watcher.
    folders: Arc<Mutex<Option<Folders>>>,
    places: Vec<Place>,
    reconcile: Option<Instant>,
    poll: Option<Instant>,
    /// A folder that was missing is there: it is to be watched.
    is_back: bool,
}

impl Driver {
    /// Follows the folders until it is stopped. Begins anew when the configuration, the rules of
    /// what is left out, or the clock want it.
    pub(super) async fn run(self) {
        let mut config = Arc::new(standing_by());
        let mut known = BTreeSet::new();
        while !self.stop.is_cancelled() {
            match self.index.config() {
                Ok(read) if read.watch.enabled => config = read,
                Ok(_) => config = Arc::new(standing_by()),
                Err(error) => tracing::warn!(%error, "folders are followed as they were"),
            }
            let mut stretch = Stretch::begin(&self, &config, &known).await;
            stretch.follow().await;
            known = stretch.known();
        }
    }
}

/// Nothing is followed but the configuration.
fn standing_by() -> IndexConfig {
    IndexConfig {
        watch: WatchConfig {
            enabled: false,
            reconcile: None,
            ..WatchConfig::default()
        },
        ..IndexConfig::default()
    }
}

impl<'a> Stretch<'a> {
    /// Watches the folders, and has every collection looked at. The `known` ones have been, once.
    async fn begin(
        driver: &'a Driver,
        config: &'a IndexConfig,
        known: &BTreeSet<CollectionName>,
    ) -> Self {
        let now = Instant::now();
        let collections = config.collections.clone();
        let config_file = driver.index.config_file();
        let inbox = Arc::clone(&driver.inbox);
        let (folders, mut places) =
            blocking(move || watch_all(&collections, &config_file, &inbox)).await;
        for place in &mut places {
            place.is_known = known.contains(&place.collection.name);
        }
        let mut stretch = Self {
            driver,
            config,
            folders: Arc::new(Mutex::new(folders)),
            places,
            reconcile: config.watch.reconcile.map(|interval| now + interval),
            poll: config.watch.poll.map(|interval| now + interval),
            is_back: false,
        };
        if let Err(error) = stretch.register().await {
            tracing::error!(%error, "collections cannot be stored");
            for place in &mut stretch.places {
                place.failure = Some(Trouble::of(&error));
            }
        }
        for at in 0..stretch.places.len() {
            if stretch.places[at].failure.is_none() {
                driver.inbox.demand(at);
            }
        }
        // It may have changed after it was read and before it was watched.
        driver.inbox.demand_config();
        stretch.report();
        stretch
    }

    /// Makes the collections known to the store. Those that are gone from the configuration stay
    /// there until somebody asks for an update: a file may be half written.
    async fn register(&self) -> Result<(), IngestError> {
        if self.places.is_empty() {
            return Ok(());
        }
        let collections = self.places.iter().map(|place| &place.collection);
        let collections = collections.map(|one| (one.name.clone(), one.path.clone()));
        let writing = self.driver.index.writing();
        let Some(_turn) = writing.background(&self.driver.stop).await else {
            return Ok(());
        };
        let store = self.driver.index.store();
        Ok(store.add_collections(collections.collect()).await?)
    }

    /// Looks at what is due until it is time to begin anew.
    async fn follow(&mut self) {
        loop {
            if !self.wait().await {
                return;
            }
            let now = Instant::now();
            if self.reconcile.is_some_and(|due| due <= now) {
                return;
            }
            self.poll(now).await;
            match self.driver.inbox.take() {
                Due::Rules => return,
                // Before any look: a folder of a project may have come to lead out of it.
                Due::Config | Due::Look(_) if self.is_reconfigured() => return,
                Due::Config => {}
                Due::Look(looks) => {
                    for (at, paths) in looks {
                        self.look(at, paths).await;
                    }
                    if self.is_back {
                        return;
                    }
                }
            }
        }
    }

    /// Waits until something may be due; false when it is over.
    async fn wait(&self) -> bool {
        let is_polled = self.places.iter().any(Place::is_polled);
        let poll = self.poll.filter(|_| is_polled);
        let due = self.driver.inbox.due();
        let due = due.into_iter().chain(self.reconcile).chain(poll).min();
        let clock = async {
            match due {
                Some(due) => sleep_until(due.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = self.driver.stop.cancelled() => false,
            () = clock => true,
            () = self.driver.inbox.filled() => true,
        }
    }

    /// Has what no event tells of looked at, when it is time to.
    async fn poll(&mut self, now: Instant) {
        if self.poll.is_none_or(|due| due > now) {
            return;
        }
        self.poll = self.config.watch.poll.map(|interval| now + interval);
        for at in 0..self.places.len() {
            let place = self.places[at].clone();
            if place.is_polled()
                && (!place.is_missing() || blocking(move || place.is_there()).await)
            {
                self.driver.inbox.demand(at);
            }
        }
    }

    fn is_reconfigured(&self) -> bool {
        match self.driver.index.config() {
            Ok(config) if config.watch.enabled => {
                config.watch != self.config.watch || config.collections != self.config.collections
            }
            Ok(_) => self.config.watch.enabled,
            Err(error) => {
                tracing::warn!(%error, "folders are followed as they were");
                false
            }
        }
    }

    /// Looks at paths of a collection: first watches what is new there, then takes in what changed.
    async fn look(&mut self, at: usize, paths: Vec<String>) {
        let driver = self.driver;
        let (mut place, folders) = (self.places[at].clone(), Arc::clone(&self.folders));
        let looked = paths.clone();
        self.places[at] = blocking(move || {
            let mut folders = folders.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(folders) = folders.as_mut() {
                place.cover_new(folders, &looked);
            }
            place
        })
        .await;
        let collection = &self.places[at].collection;
        let is_whole = paths.iter().any(|path| path == WHOLE);
        let Some(turn) = driver.index.writing().background(&driver.stop).await else {
            return;
        };
        let began = Instant::now();
        let store = driver.index.store();
        let options = UpdateOptions {
            program: driver.index.program().to_owned(),
            force: false,
        };
        let cancel = &turn.cancel;
        let result = if is_whole {
            let collection = slice::from_ref(collection);
            update(store, collection, &options, |_| (), cancel).await
        } else {
            update_part(store, collection, paths.clone(), &options, cancel).await
        };
        drop(turn);
        driver.inbox.looked(at, began);
        match result {
            Ok(summary) => self.looked(at, (!is_whole).then_some(paths.len()), began, summary),
            // Somebody updates by hand, which may leave some of it.
            Err(IngestError::Cancelled) => driver.inbox.put_back(at, &paths),
            Err(error) => {
                tracing::error!(%error, collection = %collection.name, "nothing is taken in");
                self.places[at].failure = Some(Trouble::of(&error));
                self.report();
            }
        }
    }

    /// Tells what a look came to.
    fn looked(&mut self, at: usize, paths: Option<usize>, began: Instant, summary: UpdateSummary) {
        let place = &mut self.places[at];
        let is_first = !place.is_known;
        let was_missing = place.is_missing();
        let root = place.collection.path.to_string_lossy();
        let missing = summary.skipped.into_iter().find(|(_, skipped)| {
            skipped.why.reason == Reason::FolderMissing && skipped.path == root
        });
        place.failure = missing.map(|(_, skipped)| gone(&place.collection, &skipped));
        self.is_back |= was_missing && place.failure.is_none();
        place.is_known |= paths.is_none() && place.failure.is_none();
        let round = Round {
            collection: place.collection.name.clone(),
            paths: paths.map(|count| count as u64),
            added: summary.added,
            changed: summary.changed,
            removed: summary.removed,
            took: began.elapsed(),
        };
        let Round {
            added,
            changed,
            removed,
            ..
        } = round;
        if paths.is_none() && added + changed + removed > 0 {
            tracing::info!(collection = %round.collection, added, changed, removed, "in step again");
        } else {
            tracing::debug!(?round, "looked");
        }
        if is_first || round.added + round.changed > 0 {
            self.driver.embed.notify_one();
        }
        // Who listened may have gone.
        let _ = self.driver.rounds.send(round);
        self.driver.report.send_modify(|report| {
            report.rounds += 1;
            report.whole += u64::from(paths.is_none());
        });
        self.report();
    }

    /// Shows how each collection is followed.
    fn report(&self) {
        let places = self.places.iter();
        let collections = places
            .map(|place| (place.collection.name.clone(), place.following()))
            .collect();
        self.driver.report.send_if_modified(|report| {
            let is_new = report.collections != collections;
            report.collections = collections;
            is_new
        });
    }

    fn known(&self) -> BTreeSet<CollectionName> {
        let known = self.places.iter().filter(|place| place.is_known);
        known.map(|place| place.collection.name.clone()).collect()
    }
}
