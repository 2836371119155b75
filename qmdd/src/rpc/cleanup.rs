//! `Cleanup`: what nobody needs any more goes, or is told.

use std::{fs, path::Path, sync::Arc, time::Instant};

use qmd_proto::v1::{CleanupItem, CleanupKind, CleanupReply, CleanupRequest};
use tonic::Status;

use super::{App, status::status};
use crate::{
    domain::Role,
    infer::prompts,
    store::{Waste, Wasted},
    text::chunk,
};

/// Cleans an index up.
///
/// # Errors
/// When the index is unknown or cannot be written.
pub(super) async fn clean_up(
    app: &Arc<App>,
    request: CleanupRequest,
) -> Result<CleanupReply, Status> {
    let index = app.indexes.get(request.index.as_ref()).await?;
    let started = Instant::now();
    let model = app.backend().info(Role::Embed).ok();
    let in_use = model.map(|model| prompts::fingerprints(&model, chunk::VERSION));
    let bytes_before = size(&index.database);
    let wasted = if request.dry_run {
        index.store.waste(in_use).await
    } else {
        index.store.clean_up(in_use).await
    };
    let wasted = wasted.map_err(|error| status(&error))?;
    let mut items: Vec<CleanupItem> = wasted.into_iter().map(item).collect();
    items.push(cached_results(app, request.dry_run));
    Ok(CleanupReply {
        items,
        bytes_before,
        bytes_after: size(&index.database),
        elapsed_us: started.elapsed().as_micros() as u64,
    })
}

fn cached_results(app: &App, dry_run: bool) -> CleanupItem {
    let forgotten = app.backend().forget_unused(dry_run);
    let known = forgotten.is_some();
    let forgotten = forgotten.unwrap_or_default();
    CleanupItem {
        kind: CleanupKind::CachedResults.into(),
        count: forgotten.entries,
        bytes: forgotten.bytes,
        staying: if known {
            0
        } else {
            app.backend().cache().entries
        },
        why: if known { "" } else { UNKNOWN_MODEL }.into(),
    }
}

/// Why what may belong to another model stays.
const UNKNOWN_MODEL: &str = "the model in use is not known before it is loaded";

fn item(wasted: Wasted) -> CleanupItem {
    let (kind, why) = match wasted.kind {
        Waste::Texts => (CleanupKind::Texts, ""),
        Waste::OtherModels => (CleanupKind::OtherModels, UNKNOWN_MODEL),
        Waste::Kept => (CleanupKind::KeptVectors, ""),
        Waste::Words => (CleanupKind::FullText, ""),
        Waste::Pages => (CleanupKind::FreePages, ""),
        Waste::Log => (CleanupKind::Log, ""),
        Waste::Backups => (CleanupKind::Backups, "younger than 14 days"),
        Waste::Broken => (CleanupKind::Broken, "younger than 14 days"),
        Waste::Unfinished => (CleanupKind::Unfinished, ""),
    };
    CleanupItem {
        kind: kind.into(),
        count: wasted.count,
        bytes: wasted.bytes,
        staying: wasted.staying,
        why: if wasted.staying > 0 { why } else { "" }.into(),
    }
}

/// Size of a database with its log.
fn size(database: &Path) -> u64 {
    let mut log = database.as_os_str().to_owned();
    log.push("-wal");
    [database, Path::new(&log)]
        .into_iter()
        .map(|file| fs::metadata(file).map_or(0, |file| file.len()))
        .sum()
}
