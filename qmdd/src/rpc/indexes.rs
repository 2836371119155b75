//! The indexes that requests name: opened when first asked for, their configuration re-read when
//! its file changes.

use std::{
    collections::HashMap,
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use qmd_proto::{
    paths::Dirs,
    v1::{IndexRef, index_ref},
};
use tokio::sync::OnceCell;
use tonic::Status;

use super::{
    Backends,
    status::{self, status},
};
use crate::{
    config::{ConfigError, IndexConfig},
    domain::{CollectionName, Reason},
    ingest::{
        Turn,
        watch::{Lent, Watch, Watched},
    },
    store::Store,
};

/// The index a request means when it names none.
pub const DEFAULT_INDEX: &str = "index";

/// An open index.
pub struct Index {
    /// Its name.
    pub name: String,
    /// Its configuration file.
    pub config_file: PathBuf,
    /// Its database file.
    pub database: PathBuf,
    /// Its database.
    pub store: Store,
    /// Held while the configuration is edited or an update runs: one at a time.
    pub writing: Turn,
    /// Held while documents are embedded.
    pub embedding: Turn,
    backends: Arc<Backends>,
    watch: OnceLock<Watch>,
    config: Mutex<Option<(FileState, Arc<IndexConfig>)>>,
}

/// What tells one state of a file from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct FileState {
    size: u64,
    mtime_ns: i64,
    inode: u64,
}

impl FileState {
    /// `None` when there is no file.
    fn of(path: &Path) -> io::Result<Option<Self>> {
        match fs::metadata(path) {
            Ok(found) => Ok(Some(Self {
                size: found.size(),
                mtime_ns: found.mtime() * 1_000_000_000 + found.mtime_nsec(),
                inode: found.ino(),
            })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl Watched for Index {
    fn config(&self) -> Result<Arc<IndexConfig>, ConfigError> {
        Self::config(self)
    }

    fn config_file(&self) -> PathBuf {
        self.config_file.clone()
    }

    fn store(&self) -> &Store {
        &self.store
    }

    fn writing(&self) -> &Turn {
        &self.writing
    }

    fn embedding(&self) -> &Turn {
        &self.embedding
    }

    fn backend(&self) -> Lent {
        self.backends.current()
    }
}

impl Index {
    /// The watching of its folders; `None` for an instant, while it is being opened.
    pub fn watch(&self) -> Option<&Watch> {
        self.watch.get()
    }

    /// Tells who follows the folders that the configuration was changed.
    pub fn config_changed(&self) {
        if let Some(watch) = self.watch() {
            watch.config_changed();
        }
    }

    /// The configuration as its file has it now.
    pub fn config(&self) -> Result<Arc<IndexConfig>, ConfigError> {
        let state = FileState::of(&self.config_file).ok().flatten();
        let mut cached = self.config.lock().unwrap_or_else(PoisonError::into_inner);
        if let (Some(state), Some((known, config))) = (state, cached.as_ref())
            && *known == state
        {
            return Ok(Arc::clone(config));
        }
        let config = Arc::new(IndexConfig::load(&self.config_file)?);
        *cached = state.map(|state| (state, Arc::clone(&config)));
        Ok(config)
    }

    /// The collections a request means: those it names, else those searched by default.
    pub fn scope(
        &self,
        config: &IndexConfig,
        names: &[String],
    ) -> Result<Vec<CollectionName>, Status> {
        if names.is_empty() {
            return Ok(config
                .collections
                .iter()
                .filter(|collection| collection.include_by_default)
                .map(|collection| collection.name.clone())
                .collect());
        }
        names.iter().map(|name| named(config, name)).collect()
    }
}

/// A collection that must be configured.
pub(super) fn named(config: &IndexConfig, name: &str) -> Result<CollectionName, Status> {
    let found = config
        .collections
        .iter()
        .find(|collection| collection.name.as_str() == name);
    found
        .map(|collection| collection.name.clone())
        .ok_or_else(|| {
            let hint = match config.collections.as_slice() {
                [] => "add one with `qmdctl collection add DIR --name NAME`".to_owned(),
                known => {
                    let names: Vec<_> = known.iter().map(|known| known.name.as_str()).collect();
                    format!("configured are: {}", names.join(", "))
                }
            };
            status::of(
                Reason::CollectionUnknown,
                format!("no collection {name:?}"),
                Some(hint),
            )
        })
}

/// All indexes of this daemon.
pub struct Indexes {
    dirs: Dirs,
    backends: Arc<Backends>,
    /// Whether folders are followed.
    watch: bool,
    open: Mutex<HashMap<String, Arc<OnceCell<Arc<Index>>>>>,
}

impl Indexes {
    /// None of them open yet.
    pub fn new(dirs: Dirs, backends: Arc<Backends>, watch: bool) -> Self {
        Self {
            dirs,
            backends,
            watch,
            open: Mutex::default(),
        }
    }

    /// The index a request names. Opening is shared by all who ask at the same time.
    pub async fn get(&self, index: Option<&IndexRef>) -> Result<Arc<Index>, Status> {
        let name = match index.and_then(|index| index.target.as_ref()) {
            Some(index_ref::Target::Name(name)) => name.as_str(),
            None => DEFAULT_INDEX,
        };
        self.named(name).await
    }

    /// The index of that name.
    pub async fn named(&self, name: &str) -> Result<Arc<Index>, Status> {
        if CollectionName::new(name).is_err() {
            return Err(status::of(
                Reason::IndexUnknown,
                format!("{name:?} cannot name an index"),
                Some("use letters, digits, `-`, `_` and `.`".into()),
            ));
        }
        let config_file = self.dirs.index_config(name);
        if name != DEFAULT_INDEX && !config_file.exists() {
            return Err(status::of(
                Reason::IndexUnknown,
                format!(
                    "index {name:?} has no configuration at {}",
                    config_file.display()
                ),
                Some(format!("create it: `touch {}`", config_file.display())),
            ));
        }
        let cell = {
            let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(open.entry(name.to_owned()).or_default())
        };
        let opened = cell.get_or_try_init(|| async {
            let database = self.dirs.data.join(format!("{name}.sqlite"));
            let store = Store::open(&database)
                .await
                .map_err(|error| status(&error))?;
            let index = Arc::new(Index {
                name: name.to_owned(),
                config_file,
                database,
                store,
                writing: Turn::default(),
                embedding: Turn::default(),
                backends: Arc::clone(&self.backends),
                watch: OnceLock::new(),
                config: Mutex::new(None),
            });
            let watched: Arc<dyn Watched> = Arc::clone(&index) as _;
            let watch = Watch::start(watched, self.watch);
            index.watch.get_or_init(|| watch);
            Ok::<_, Status>(index)
        });
        opened.await.map(Arc::clone)
    }

    /// Closes every open index in good order.
    pub async fn close(&self) {
        let open: Vec<_> = {
            let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            open.drain().map(|(_, cell)| cell).collect()
        };
        for index in open.iter().filter_map(|cell| cell.get()) {
            if let Some(watch) = index.watch() {
                watch.stop().await;
            }
            index.store.close().await;
        }
    }

    /// Tells who embeds in the background that there may be another model.
    pub(super) fn models_changed(&self) {
        for index in self.opened() {
            index.embedding.interrupt();
            if let Some(watch) = index.watch() {
                watch.models_changed();
            }
        }
    }

    /// Every index that is open.
    pub fn opened(&self) -> Vec<Arc<Index>> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.values()
            .filter_map(|cell| cell.get().cloned())
            .collect()
    }
}
