//! `IndexService.Watch`: what happens to an index, as it happens.

use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use qmd_proto::v1::{
    self, CollectionGone, CollectionRenamed, DocumentEmbedded, DocumentRemoved, DocumentStored,
    FollowState, WatchEvent, WatchRequest, WatchRound, WatchState, watch_event::Event,
};
use tokio::sync::{
    broadcast::{
        Receiver,
        error::{RecvError, TryRecvError},
    },
    watch,
};
use tonic::{Response, Status};

use super::{
    App,
    indexes::named,
    status::{self, status},
    stream::{Events, Progress, events},
};
use crate::{
    domain::{CollectionName, Reason},
    ingest::watch::{Following, Round, WatchReport},
    store::StoreEvent,
};

/// Streams events until the client goes, or the daemon ends.
pub(super) async fn watch(
    app: &App,
    request: WatchRequest,
) -> Result<Response<Events<WatchEvent>>, Status> {
    let index = app.indexes.get(request.index.as_ref()).await?;
    let config = index.config().map_err(|error| status(&error))?;
    let wanted: Vec<CollectionName> = (request.collections.iter())
        .map(|name| named(&config, name))
        .collect::<Result<_, _>>()?;
    let Some(watch) = index.watch() else {
        return Err(status::of(Reason::Busy, "the index is being opened", None));
    };
    let feed = Feed {
        stored: index.store.events(),
        rounds: watch.rounds(),
        report: watch.report(),
        wanted,
    };
    let shutdown = app.shutdown.clone();
    Ok(events(move |progress, cancel| async move {
        // The index stays open while it is watched.
        let _index = Arc::clone(&index);
        tokio::select! {
            () = feed.pass_on(&progress) => Ok(()),
            () = cancel.cancelled() => Ok(()),
            () = shutdown.cancelled() => Err(status::of(
                Reason::ShuttingDown,
                "the daemon is ending",
                Some("start it again with `qmdctl daemon start`".into()),
            )),
        }
    }))
}

/// Where the events come from.
struct Feed {
    stored: Receiver<StoreEvent>,
    rounds: Receiver<Round>,
    report: watch::Receiver<WatchReport>,
    /// Empty: all of them.
    wanted: Vec<CollectionName>,
}

impl Feed {
    async fn pass_on(mut self, progress: &Progress<WatchEvent>) {
        let mut shown = self.state();
        progress.deliver(event(Event::State(shown.clone()))).await;
        loop {
            // What a round has stored is told before the round.
            tokio::select! {
                biased;
                stored = self.stored.recv() => match stored {
                    Ok(stored) => self.document(stored, progress).await,
                    Err(RecvError::Lagged(count)) => {
                        progress.deliver(event(Event::Missed(count))).await;
                    }
                    Err(RecvError::Closed) => return,
                },
                round = self.rounds.recv() => match round {
                    Ok(round) => {
                        self.drain(progress).await;
                        if self.is_wanted(&round.collection) {
                            progress.deliver(event(Event::Round(round_to_proto(&round)))).await;
                        }
                    }
                    Err(RecvError::Lagged(count)) => {
                        progress.deliver(event(Event::Missed(count))).await;
                    }
                    Err(RecvError::Closed) => return,
                },
                changed = self.report.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    let state = self.state();
                    if state != shown {
                        shown = state;
                        progress.deliver(event(Event::State(shown.clone()))).await;
                    }
                }
            }
        }
    }

    /// Passes on what waits already.
    async fn drain(&mut self, progress: &Progress<WatchEvent>) {
        loop {
            match self.stored.try_recv() {
                Ok(stored) => self.document(stored, progress).await,
                Err(TryRecvError::Lagged(count)) => {
                    progress.deliver(event(Event::Missed(count))).await;
                }
                Err(TryRecvError::Empty | TryRecvError::Closed) => return,
            }
        }
    }

    async fn document(&self, stored: StoreEvent, progress: &Progress<WatchEvent>) {
        let (StoreEvent::Stored { collection, .. }
        | StoreEvent::Removed { collection, .. }
        | StoreEvent::CollectionRemoved { collection, .. }
        | StoreEvent::CollectionRenamed { collection, .. }
        | StoreEvent::Embedded { collection, .. }) = &stored;
        if self.is_wanted(collection) {
            progress.deliver(event(document_to_proto(stored))).await;
        }
    }

    fn is_wanted(&self, collection: &CollectionName) -> bool {
        self.wanted.is_empty() || self.wanted.contains(collection)
    }

    fn state(&mut self) -> WatchState {
        let report = self.report.borrow_and_update().clone();
        let collections = report.collections.into_iter();
        WatchState {
            collections: collections
                .filter(|(name, _)| self.is_wanted(name))
                .map(|(name, following)| follow_state(&name, following))
                .collect(),
        }
    }
}

/// How a collection is followed.
pub(super) fn follow_state(collection: &CollectionName, following: Following) -> FollowState {
    let (kind, folders, trouble) = match following {
        Following::Off => (v1::Following::Off, 0, None),
        Following::Starting => (v1::Following::Starting, 0, None),
        Following::Live { folders } => (v1::Following::Live, folders, None),
        Following::Polled(trouble) => (v1::Following::Polled, 0, Some(trouble)),
        Following::Failed(trouble) => (v1::Following::Failed, 0, Some(trouble)),
    };
    let mut state = FollowState {
        collection: collection.to_string(),
        following: kind.into(),
        folders,
        ..FollowState::default()
    };
    if let Some(trouble) = trouble {
        state.reason = trouble.reason.to_string();
        state.message = trouble.message;
        state.hint = trouble.hint.unwrap_or_default();
    }
    state
}

fn event(event: Event) -> WatchEvent {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    WatchEvent {
        at_ms: now.map_or(0, |time| time.as_millis() as i64),
        event: Some(event),
    }
}

fn document_to_proto(event: StoreEvent) -> Event {
    match event {
        StoreEvent::Stored {
            collection,
            path,
            title,
            docid,
            is_new,
        } => Event::Stored(DocumentStored {
            collection: collection.to_string(),
            path,
            title,
            docid: docid.as_str().to_owned(),
            is_new,
        }),
        StoreEvent::Removed { collection, path } => Event::Removed(DocumentRemoved {
            collection: collection.to_string(),
            path,
        }),
        StoreEvent::CollectionRemoved {
            collection,
            documents,
        } => Event::CollectionGone(CollectionGone {
            collection: collection.to_string(),
            documents,
        }),
        StoreEvent::CollectionRenamed {
            collection,
            new_name,
        } => Event::CollectionRenamed(CollectionRenamed {
            collection: collection.to_string(),
            new_name: new_name.to_string(),
        }),
        StoreEvent::Embedded {
            collection,
            path,
            chunks,
        } => Event::Embedded(DocumentEmbedded {
            collection: collection.to_string(),
            path,
            chunks,
        }),
    }
}

fn round_to_proto(round: &Round) -> WatchRound {
    WatchRound {
        collection: round.collection.to_string(),
        whole: round.paths.is_none(),
        paths: round.paths.unwrap_or(0),
        added: round.added,
        changed: round.changed,
        removed: round.removed,
        elapsed_us: round.took.as_micros() as u64,
    }
}
