//! What the watching of an index tells: how each collection is followed, and what was done.

use std::time::Duration;

use crate::domain::{CollectionName, Trouble};

/// How a collection's folder is followed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Following {
    /// It is not: that is turned off.
    #[default]
    Off,
    /// It is being looked at for the first time.
    Starting,
    /// The system tells of changes.
    Live {
        /// Folders watched.
        folders: u64,
    },
    /// It is looked at now and then, since the system does not tell of changes.
    Polled(Trouble),
    /// It cannot be followed: it is not there, or what changed could not be stored. It is looked
    /// for now and then.
    Failed(Trouble),
}

/// The state of watching.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WatchReport {
    /// Each collection of the configuration, in its order; empty when watching is turned off.
    pub collections: Vec<(CollectionName, Following)>,
    /// How often something was looked at.
    pub rounds: u64,
    /// How often that was a whole collection.
    pub whole: u64,
}

impl WatchReport {
    /// How a collection is followed.
    pub fn following(&self, collection: &CollectionName) -> Following {
        let mut known = self.collections.iter();
        known
            .find(|(name, _)| name == collection)
            .map(|(_, following)| following.clone())
            .unwrap_or_default()
    }
}

/// A look at a collection, or at some of its paths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Round {
    /// The collection.
    pub collection: CollectionName,
    /// Paths looked at; `None` for the whole collection.
    pub paths: Option<u64>,
    /// New documents.
    pub added: u64,
    /// Documents with new content.
    pub changed: u64,
    /// Documents whose file is gone.
    pub removed: u64,
    /// How long it took.
    pub took: Duration,
}
