//! Follows an index's folders: a change is taken in when it has settled, and gets its vectors. A
//! full look at the start and now and then finds what no event told.

mod driver;
mod embedding;
mod folders;
mod inbox;
mod place;
mod planner;
mod reach;
mod report;
mod sight;

use std::{
    ops::Deref,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use tokio::{
    sync::{Notify, broadcast, watch},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

use self::{driver::Driver, embedding::Embedding, inbox::Inbox};
use super::Turn;
use crate::{
    config::{ConfigError, IndexConfig},
    domain::CollectionName,
    infer::backend::Backend,
    store::Store,
};

pub use report::{Following, Round, WatchReport};

/// Rounds kept for a listener that is slow.
const BACKLOG: usize = 256;

/// A backend that ends, when another has taken its place, with its last user.
pub type Lent = Arc<dyn Deref<Target = dyn Backend> + Send + Sync>;

/// An index, as far as watching it needs.
pub trait Watched: Send + Sync + 'static {
    /// Its configuration as it is now.
    ///
    /// # Errors
    /// When the file cannot be read.
    fn config(&self) -> Result<Arc<IndexConfig>, ConfigError>;
    /// The file that tells of a change of the configuration.
    fn config_file(&self) -> PathBuf;
    /// Its database.
    fn store(&self) -> &Store;
    /// Who may change its documents.
    fn writing(&self) -> &Turn;
    /// Who may embed its documents.
    fn embedding(&self) -> &Turn;
    /// The backend, for one run of embedding.
    fn backend(&self) -> Lent;
    /// The daemon's executable, which parses in processes of its own.
    fn program(&self) -> &Path;
}

/// The watching of an index. It goes on until it is stopped, or dropped.
#[derive(Debug)]
pub struct Watch {
    inbox: Arc<Inbox>,
    embed: Arc<Notify>,
    reporter: watch::Sender<WatchReport>,
    rounds: broadcast::Sender<Round>,
    stop: CancellationToken,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

impl Watch {
    /// Begins to follow the folders; with `enabled` false, never mind what the configuration says,
    /// it only stands by.
    pub fn start(index: Arc<dyn Watched>, enabled: bool) -> Self {
        let inbox = Arc::new(Inbox::default());
        let embed = Arc::new(Notify::new());
        let stop = CancellationToken::new();
        let rounds = broadcast::Sender::new(BACKLOG);
        let reporter = watch::Sender::new(WatchReport::default());
        let driver = Driver {
            index: Arc::clone(&index),
            inbox: Arc::clone(&inbox),
            embed: Arc::clone(&embed),
            report: reporter.clone(),
            rounds: rounds.clone(),
            stop: stop.clone(),
        };
        let embedding = Embedding {
            index,
            wake: Arc::clone(&embed),
            stop: stop.clone(),
        };
        let tasks = if enabled {
            vec![tokio::spawn(driver.run()), tokio::spawn(embedding.run())]
        } else {
            Vec::new()
        };
        Self {
            inbox,
            embed,
            reporter,
            rounds,
            stop,
            tasks: Mutex::new(tasks),
        }
    }

    /// How things are, now and from now on.
    pub fn report(&self) -> watch::Receiver<WatchReport> {
        self.reporter.subscribe()
    }

    /// Waits until each of these collections, which are to be followed, was looked at once, or cannot
    /// be.
    pub async fn until_known(&self, collections: &[CollectionName]) {
        let is_known = |report: &WatchReport, name| {
            let following = report.following(name);
            !matches!(following, Following::Off | Following::Starting)
        };
        let known = |report: &WatchReport| collections.iter().all(|name| is_known(report, name));
        // It fails when nobody reports any more, which is to be waited for no longer.
        let _ = self.reporter.subscribe().wait_for(known).await;
    }

    /// What is done from now on.
    pub fn rounds(&self) -> broadcast::Receiver<Round> {
        self.rounds.subscribe()
    }

    /// The configuration may have changed.
    pub fn config_changed(&self) {
        self.inbox.demand_config();
    }

    /// Another embedding model may be there.
    pub fn models_changed(&self) {
        self.embed.notify_one();
    }

    /// Ends it, after the step that it is in.
    pub async fn stop(&self) {
        self.stop.cancel();
        let tasks = std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        for task in tasks {
            if let Err(error) = task.await {
                tracing::error!(%error, "the watcher did not end in good order");
            }
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
