//! `doctor --repair`: a damaged index is built anew.

use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use qmd_proto::v1::{Check, IndexRef};
use tokio_util::sync::CancellationToken;
use tonic::Status;

use super::{failed, fine};
use crate::{
    ingest::{self, UpdateOptions},
    rpc::{App, collections::sync, report, status::status},
    store::{Rebuilt, Store},
};

const NAME: &str = "repair";

/// Builds an index anew from what can be trusted of its database, and from its files.
///
/// # Errors
/// When the index is unknown, its configuration cannot be read, or it is being repaired already.
pub(super) async fn repair(app: &Arc<App>, index: Option<&IndexRef>) -> Result<Check, Status> {
    let place = app.indexes.place(index)?;
    let taken_out = app.indexes.take_out(&place.database).await?;
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |time| time.as_secs() as i64);
    let rebuilt = Store::rebuild(&place.database, now).await;
    drop(taken_out);
    let rebuilt = match rebuilt {
        Ok(rebuilt) => rebuilt,
        Err(error) => return Ok(failed(NAME, &error)),
    };
    tracing::info!(?rebuilt, "an index was built anew");
    let index = app.indexes.get(index).await?;
    let config = index.config().map_err(|error| status(&error))?;
    let _writing = index.writing.lock().await;
    sync(&index).await?;
    let cancel = CancellationToken::new();
    // Ends with the call, as every update by hand.
    let _guard = cancel.clone().drop_guard();
    let options = UpdateOptions {
        program: index.program.clone(),
        force: false,
    };
    let updated = ingest::update(&index.store, &config.collections, &options, |_| {}, &cancel);
    if let Err(error) = updated.await {
        return Ok(failed(NAME, &error));
    }
    let counts = match report::counts(app, &index).await {
        Ok(counts) => counts,
        Err(error) => return Ok(failed(NAME, &error)),
    };
    let check = fine(NAME, told(&rebuilt, counts.documents));
    Ok(if counts.pending == 0 {
        check
    } else {
        Check {
            hint: "run `qmdctl embed` for the vectors that are missing".into(),
            ..check
        }
    })
}

/// What became of the index, in words.
fn told(rebuilt: &Rebuilt, documents: u64) -> String {
    let Rebuilt {
        readable,
        vectors,
        lost,
        broken,
    } = rebuilt;
    let vectors = match (readable, lost) {
        (false, _) => "nothing of the damaged one could be read, so all vectors are lost".into(),
        (true, 0) => format!("all {vectors} vectors kept"),
        (true, lost) => format!("{vectors} vectors kept, {lost} lost"),
    };
    format!(
        "the index was built anew: {documents} documents, {vectors}; the damaged one lies at {}",
        broken.display()
    )
}
