//! Collections: added, removed, renamed, and told of.

use std::path::Path;

use qmd_proto::v1::{self, AddCollectionRequest};
use tonic::Status;

use super::{
    Index,
    indexes::named,
    status::{self, status},
};
use crate::{
    config::{DEFAULT_PATTERN, IndexConfig, edit},
    domain::{Collection, CollectionName, Reason},
    store::CollectionInfo,
};

/// Adds a collection to the configuration and to the store.
pub(super) async fn add(index: &Index, collection: &Collection) -> Result<v1::Collection, Status> {
    let _writing = index.writing.lock().await;
    let config = index.config().map_err(|error| status(&error))?;
    if let Some(same) = config
        .collections
        .iter()
        .find(|known| known.path == collection.path)
    {
        return Err(status::of(
            Reason::CollectionExists,
            format!(
                "collection {:?} has this folder already",
                same.name.as_str()
            ),
            Some(format!(
                "`qmdctl collection rename {} {}` gives it another name",
                same.name, collection.name
            )),
        ));
    }
    index
        .edit(|file| edit::add_collection(file, collection))
        .map_err(|error| status(&error))?;
    sync(index).await?;
    Ok(to_proto(collection, None))
}

/// Removes a collection. Returns documents removed.
pub(super) async fn remove(index: &Index, name: &str) -> Result<u64, Status> {
    let _writing = index.writing.lock().await;
    let config = index.config().map_err(|error| status(&error))?;
    // One that waits for trust needs none to go.
    let name = match config.known().find(|known| known.name.as_str() == name) {
        Some(known) => known.name.clone(),
        None => named(&config, name)?,
    };
    index
        .edit(|file| edit::remove_collection(file, &name))
        .map_err(|error| status(&error))?;
    sync(index).await
}

/// Gives a collection another name, with all that it has.
pub(super) async fn rename(index: &Index, name: &str, new_name: &str) -> Result<(), Status> {
    let _writing = index.writing.lock().await;
    let config = index.config().map_err(|error| status(&error))?;
    let name = named(&config, name)?;
    let new_name =
        CollectionName::new(new_name).map_err(|error| status::collection_name(&error))?;
    // What the store has of it must be of its folder, by which it is known again.
    sync(index).await?;
    index
        .edit(|file| edit::rename_collection(file, &name, &new_name))
        .map_err(|error| status(&error))?;
    sync(index).await?;
    Ok(())
}

/// Says whether a collection is searched by default.
pub(super) async fn include(index: &Index, name: &str, included: bool) -> Result<(), Status> {
    let _writing = index.writing.lock().await;
    let config = index.config().map_err(|error| status(&error))?;
    let name = named(&config, name)?;
    index
        .edit(|file| edit::include_collection(file, &name, included))
        .map_err(|error| status(&error))
}

/// Every configured collection with what the store has of it.
pub(super) async fn list(
    index: &Index,
    config: &IndexConfig,
) -> Result<Vec<v1::Collection>, Status> {
    let stored = index
        .store
        .collections_info()
        .await
        .map_err(|error| status(&error))?;
    let collections = config.collections.iter().map(|collection| {
        let info = stored.iter().find(|info| info.name == collection.name);
        to_proto(collection, info)
    });
    Ok(collections.collect())
}

/// Brings the store's collections in step with the configuration. Returns documents removed.
pub(super) async fn sync(index: &Index) -> Result<u64, Status> {
    let config = index.config().map_err(|error| status(&error))?;
    // One that waits for trust keeps what is indexed of it.
    let collections = config
        .known()
        .map(|collection| (collection.name.clone(), collection.path.clone()))
        .collect();
    index
        .store
        .sync_collections(collections)
        .await
        .map_err(|error| status(&error))
}

/// The collection that a request wants, checked.
pub(super) fn new_collection(request: &AddCollectionRequest) -> Result<Collection, Status> {
    let name =
        CollectionName::new(&request.name).map_err(|error| status::collection_name(&error))?;
    let path = Path::new(&request.path);
    if !path.is_absolute() {
        return Err(status::invalid("the folder must be an absolute path"));
    }
    let missing = |message: String| {
        let hint = "give an existing folder".to_owned();
        status::of(Reason::FolderMissing, message, Some(hint))
    };
    let resolved = path.canonicalize().map_err(|error| match error.kind() {
        std::io::ErrorKind::PermissionDenied => status::of(
            Reason::FileUnreadable,
            format!("{}: {error}", path.display()),
            Some("the daemon runs as you; give yourself access to the folder".into()),
        ),
        _ => missing(format!("{}: {error}", path.display())),
    })?;
    if !resolved.is_dir() {
        return Err(missing(format!("{} is not a folder", path.display())));
    }
    std::fs::read_dir(&resolved).map_err(|error| {
        status::of(
            Reason::FileUnreadable,
            format!("{}: {error}", path.display()),
            Some("the daemon runs as you; give yourself access to the folder".into()),
        )
    })?;
    let pattern = match request.pattern.trim() {
        "" => DEFAULT_PATTERN,
        pattern => pattern,
    };
    Ok(Collection::new(name, resolved, pattern))
}

fn to_proto(collection: &Collection, info: Option<&CollectionInfo>) -> v1::Collection {
    v1::Collection {
        name: collection.name.to_string(),
        path: collection.path.to_string_lossy().into_owned(),
        pattern: collection.pattern.clone(),
        ignore: collection.ignore.clone(),
        include_by_default: collection.include_by_default,
        documents: info.map_or(0, |info| info.documents),
        updated_at: info.and_then(|info| info.updated_at).unwrap_or(0),
        skipped_files: info.map_or(0, |info| info.skipped),
        update_command: collection.update.clone().unwrap_or_default(),
    }
}
