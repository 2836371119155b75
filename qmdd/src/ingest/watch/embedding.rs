//! Gives vectors to what was taken in, behind everything that somebody waits for.

use std::{sync::Arc, time::Duration};

use tokio::{sync::Notify, time::sleep};
use tokio_util::sync::CancellationToken;

use super::Watched;
use crate::{
    domain::{CollectionName, Failure, Reason, Role},
    infer::{
        backend::{Backend, InferError},
        prompts,
    },
    ingest::{EmbedOptions, IngestError, embed},
    store::Scope,
    text::chunk,
};

/// How long to wait before each further attempt after a failure that may pass. After the last, the
/// next change is the next attempt.
const PAUSES: [Duration; 3] = [
    Duration::from_secs(1),
    Duration::from_secs(5),
    Duration::from_secs(30),
];

/// The embedding of an index in the background.
pub(super) struct Embedding {
    pub index: Arc<dyn Watched>,
    /// Something may wait for vectors.
    pub wake: Arc<Notify>,
    pub stop: CancellationToken,
}

impl Embedding {
    /// Embeds whenever it is woken, until it is stopped.
    pub(super) async fn run(self) {
        loop {
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = self.wake.notified() => self.until_done().await,
            }
        }
    }

    async fn until_done(&self) {
        let mut pauses = PAUSES.iter();
        loop {
            match self.once().await {
                // Somebody embeds by hand, or there is another model. What is left is looked for then.
                Err(IngestError::Cancelled) if !self.stop.is_cancelled() => {}
                Err(error) if may_pass(&error) => {
                    let Some(pause) = pauses.next() else { return };
                    tracing::warn!(%error, "embedding goes on in {pause:?}");
                    tokio::select! {
                        () = self.stop.cancelled() => return,
                        () = sleep(*pause) => {}
                    }
                }
                Err(error) => {
                    return tracing::warn!(%error, "documents wait for their vectors");
                }
                Ok(()) => return,
            }
        }
    }

    async fn once(&self) -> Result<(), IngestError> {
        let Ok(config) = self.index.config() else {
            // The driver has said it.
            return Ok(());
        };
        let watch = &config.watch;
        let lent = self.index.backend();
        let backend: &dyn Backend = &**lent;
        // A remote end is paid for while it is awake: only on request.
        if !watch.enabled || !watch.embed.unwrap_or(!backend.is_remote()) {
            return Ok(());
        }
        let collections = config.collections.iter();
        let scope: Vec<CollectionName> = collections.map(|one| one.name.clone()).collect();
        if !self.is_wanted(backend, &scope).await? {
            return Ok(());
        }
        let Some(turn) = self.index.embedding().background(&self.stop).await else {
            return Ok(());
        };
        let store = self.index.store();
        let options = EmbedOptions {
            force: false,
            grammars: true,
            program: self.index.program().to_owned(),
        };
        let done = embed(store, backend, &scope, &options, |_| (), &turn.cancel).await?;
        tracing::debug!(documents = done.documents, chunks = done.chunks, "embedded");
        Ok(())
    }

    /// Whether there is a model, and work for it.
    async fn is_wanted(
        &self,
        backend: &dyn Backend,
        scope: &[CollectionName],
    ) -> Result<bool, IngestError> {
        match backend.info(Role::Embed) {
            Ok(model) => {
                let fingerprint = prompts::fingerprint(&model, chunk::VERSION);
                let pending = self
                    .index
                    .store()
                    .pending_count(&fingerprint, Scope::of(scope.to_vec()));
                Ok(pending.await? > 0)
            }
            // It is waited for.
            Err(InferError::Loading { .. }) => Ok(true),
            Err(error) => {
                tracing::debug!(%error, "nothing to embed with");
                Ok(false)
            }
        }
    }
}

fn may_pass(error: &IngestError) -> bool {
    matches!(
        error.reason(),
        Reason::WorkerCrashed
            | Reason::QueueFull
            | Reason::RemoteUnreachable
            | Reason::RemoteFailed
    )
}
