//! The indexes that requests name: opened when first asked for, their configuration re-read when
//! its file changes.

use std::{
    collections::{HashMap, HashSet},
    io,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use qmd_proto::{
    paths::{Dirs, project_config},
    v1::{IndexRef, index_ref::Target},
};
use sha2::{Digest, Sha256};
use tokio::sync::OnceCell;
use tonic::Status;

use super::{
    Backends,
    status::{self, status},
};
use crate::{
    config::{
        ConfigError, IndexConfig, TrustFile,
        project::{self, Gated},
    },
    domain::{CollectionName, Reason},
    ingest::{
        Turn,
        watch::{Lent, Watch, Watched},
    },
    store::{FileStamp, Store, StoreError},
    text::near,
};

/// How many collections an unknown name suggests.
const NEAR_COLLECTIONS: usize = 3;

/// The index a request means when it names none.
pub const DEFAULT_INDEX: &str = "index";

/// An open index.
pub struct Index {
    /// Its name; a project's is its folder.
    pub name: String,
    /// The folder, without links, when it is a project's.
    pub project: Option<PathBuf>,
    /// Its configuration file, when it is a named one's.
    file: PathBuf,
    /// Its database file.
    pub database: PathBuf,
    /// Its database.
    pub store: Store,
    /// Held while the configuration is edited or an update runs: one at a time.
    pub writing: Turn,
    /// Held while documents are embedded.
    pub embedding: Turn,
    /// The daemon's executable, which parses in processes of its own.
    pub program: PathBuf,
    backends: Arc<Backends>,
    watch: OnceLock<Watch>,
    config: Written,
    trust: Arc<TrustFile>,
}

/// A configuration file as it was when it was last read.
#[derive(Default)]
struct Written(Mutex<Option<(FileStamp, Arc<IndexConfig>)>>);

impl Written {
    /// The file, read anew if it is another one, or not as it was. `state` is what it is now; `None` where
    /// that cannot be told.
    fn read(&self, file: &Path, state: Option<FileStamp>) -> Result<Arc<IndexConfig>, ConfigError> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let (Some(state), Some((then, config))) = (state, known.as_ref())
            && *then == state
            && config.file == file
        {
            return Ok(Arc::clone(config));
        }
        let config = Arc::new(IndexConfig::load(file)?);
        *known = state.map(|state| (state, Arc::clone(&config)));
        Ok(config)
    }
}

impl Watched for Index {
    fn config(&self) -> Result<Arc<IndexConfig>, ConfigError> {
        Self::config(self)
    }

    fn config_file(&self) -> PathBuf {
        Self::config_file(self)
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

    fn program(&self) -> &Path {
        &self.program
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

    /// The configuration file. A project may come to have another.
    pub fn config_file(&self) -> PathBuf {
        let of_project = self.project.as_deref().and_then(project_config);
        of_project.unwrap_or_else(|| self.file.clone())
    }

    /// The configuration as its file has it now; a project's as far as it is in force.
    pub fn config(&self) -> Result<Arc<IndexConfig>, ConfigError> {
        let written = self.written()?;
        Ok(match &self.project {
            None => written,
            // Anew each time: the links in it may lead elsewhere by now.
            Some(root) => Arc::new(project::admit(&written, root, |digest| {
                self.trust.holds(&written.file, digest)
            })),
        })
    }

    /// What of the configuration reaches beyond the project, trusted or not.
    pub fn gated(&self) -> Result<Vec<Gated>, ConfigError> {
        let written = self.written()?;
        Ok((self.project.as_deref())
            .map(|root| project::gated(&written, root))
            .unwrap_or_default())
    }

    /// Whether parts of the configuration are trusted.
    pub fn trusts(&self, parts: &[Gated]) -> bool {
        parts.is_empty() || (self.trust).holds(&self.config_file(), &project::digest(parts))
    }

    /// Trusts these parts of the configuration, and no others.
    pub fn trust(&self, parts: &[Gated]) -> Result<(), ConfigError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.map_or(0, |time| time.as_secs() as i64);
        let digest = project::digest(parts);
        self.trust.trust(&self.config_file(), &digest, now)
    }

    /// Edits the configuration. What the user writes needs no further word of trust, unless what was
    /// there before still waits for it.
    pub fn edit(
        &self,
        edit: impl FnOnce(&Path) -> Result<(), ConfigError>,
    ) -> Result<(), ConfigError> {
        let trusted = self.trusts(&self.gated()?);
        edit(&self.config_file())?;
        let parts = self.gated()?;
        if trusted && !self.trusts(&parts) {
            self.trust(&parts)?;
        }
        self.config_changed();
        Ok(())
    }

    /// Where its files are.
    pub(super) fn place(&self) -> Place {
        Place {
            name: self.name.clone(),
            project: self.project.clone(),
            config_file: self.config_file(),
            database: self.database.clone(),
        }
    }

    /// The configuration as its file has it now.
    fn written(&self) -> Result<Arc<IndexConfig>, ConfigError> {
        let file = self.config_file();
        let state = FileStamp::at(&file).ok().flatten();
        if state.is_none() && self.project.is_some() {
            // Empty, it would say that all collections are gone.
            let source = io::ErrorKind::NotFound.into();
            return Err(ConfigError::Unavailable { file, source });
        }
        self.config.read(&file, state)
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

/// A collection that must be configured, and in force.
pub(super) fn named(config: &IndexConfig, name: &str) -> Result<CollectionName, Status> {
    if let Some((message, hint)) = withheld(config, name) {
        return Err(status::of(Reason::ConfigUntrusted, message, Some(hint)));
    }
    let known = config.collections.iter().map(|known| &known.name);
    if let Some(found) = known.clone().find(|known| known.as_str() == name) {
        return Ok(found.clone());
    }
    let known: Vec<&str> = known.map(CollectionName::as_str).collect();
    let near = near::names(name, known.iter().copied(), NEAR_COLLECTIONS);
    let hint = match (near.as_slice(), known.as_slice()) {
        (_, []) => "add one with `qmdctl collection add DIR --name NAME`".to_owned(),
        ([], known) => format!("configured are: {}", known.join(", ")),
        (near, known) => format!(
            "did you mean {}? configured are: {}",
            near.join(" or "),
            known.join(", ")
        ),
    };
    let message = format!("no collection {name:?}");
    Err(status::suggesting(
        Reason::CollectionUnknown,
        message,
        hint,
        &near,
    ))
}

/// What is to be said of a collection whose folder waits for trust, and what to do; `None` when it does
/// not.
pub(super) fn withheld(config: &IndexConfig, name: &str) -> Option<(String, String)> {
    let mut withheld = config.withheld.iter().filter_map(Gated::folder);
    let folder = withheld.find(|folder| folder.name.as_str() == name)?;
    let place = folder.path.display();
    Some((
        format!("collection {name:?} lies outside of the project, in {place}"),
        "run `qmdctl trust show`, then `qmdctl trust` if you want that".to_owned(),
    ))
}

/// Where an index has its files.
pub(super) struct Place {
    pub name: String,
    /// The project's folder, where it is one's.
    pub project: Option<PathBuf>,
    pub config_file: PathBuf,
    pub database: PathBuf,
}

/// All indexes of this daemon.
pub struct Indexes {
    dirs: Dirs,
    backends: Arc<Backends>,
    program: PathBuf,
    /// Whether folders are followed.
    watch: bool,
    /// Which configurations of projects are trusted.
    pub trust: Arc<TrustFile>,
    /// The user's own configuration, be its index open or not.
    own: Written,
    open: Mutex<Open>,
}

/// What is open, by the databases.
#[derive(Default)]
struct Open {
    cells: HashMap<PathBuf, Arc<OnceCell<Arc<Index>>>>,
    /// Those that may not be opened for now.
    taken_out: HashSet<PathBuf>,
}

/// A database that nobody has open, and nobody opens before this is dropped.
pub(super) struct TakenOut<'a> {
    indexes: &'a Indexes,
    database: PathBuf,
}

impl Drop for TakenOut<'_> {
    fn drop(&mut self) {
        self.indexes.open().taken_out.remove(&self.database);
    }
}

impl Indexes {
    /// None of them open yet. `program` is the daemon's executable.
    pub fn new(dirs: Dirs, backends: Arc<Backends>, program: PathBuf, watch: bool) -> Self {
        Self {
            trust: Arc::new(TrustFile::new(dirs.trust_file())),
            dirs,
            backends,
            program,
            watch,
            own: Written::default(),
            open: Mutex::default(),
        }
    }

    /// The index a request names. Opening is shared by all who ask at the same time.
    pub async fn get(&self, index: Option<&IndexRef>) -> Result<Arc<Index>, Status> {
        self.try_get(index).await?.map_err(|error| status(&error))
    }

    /// As [`Self::get`], for a request that writes the configuration: a named index that has none comes
    /// to be by it.
    pub async fn get_or_create(&self, index: Option<&IndexRef>) -> Result<Arc<Index>, Status> {
        let opened = self.open_at(self.find(index, true)?).await;
        opened.map_err(|error| status(&error))
    }

    /// As [`Self::get`], with the reason apart for which the database cannot be opened.
    pub async fn try_get(
        &self,
        index: Option<&IndexRef>,
    ) -> Result<Result<Arc<Index>, StoreError>, Status> {
        Ok(self.open_at(self.place(index)?).await)
    }

    /// Where the files are of an index that a request names.
    pub(super) fn place(&self, index: Option<&IndexRef>) -> Result<Place, Status> {
        self.find(index, false)
    }

    fn find(&self, index: Option<&IndexRef>, create: bool) -> Result<Place, Status> {
        match index.and_then(|index| index.target.as_ref()) {
            Some(Target::ProjectRoot(root)) => self.project(root),
            Some(Target::Name(name)) => self.named(name, create),
            None => self.named(DEFAULT_INDEX, create),
        }
    }

    /// The index of that name.
    fn named(&self, name: &str, create: bool) -> Result<Place, Status> {
        let usable = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
        if name.is_empty()
            || name.chars().count() > 64
            || name.starts_with('.')
            || !name.chars().all(usable)
        {
            return Err(status::of(
                Reason::IndexUnknown,
                format!("{name:?} cannot name an index"),
                Some("use letters, digits, `-`, `_` and `.`".into()),
            ));
        }
        let config_file = self.dirs.index_config(name);
        if name != DEFAULT_INDEX && !create && !config_file.exists() {
            return Err(status::of(
                Reason::IndexUnknown,
                format!(
                    "index {name:?} has no configuration at {}",
                    config_file.display()
                ),
                Some(format!(
                    "`qmdctl --index {name} collection add DIR` makes it"
                )),
            ));
        }
        Ok(Place {
            name: name.to_owned(),
            project: None,
            config_file,
            database: self.dirs.data.join(format!("{name}.sqlite")),
        })
    }

    /// The index of the project in a folder.
    fn project(&self, root: &str) -> Result<Place, Status> {
        let root = project_root(root)?;
        let Some(config_file) = project_config(&root) else {
            return Err(status::of(
                Reason::IndexUnknown,
                format!("{} has no .qmd/index.yml", root.display()),
                Some(format!("run `qmdctl init {}`", root.display())),
            ));
        };
        Ok(Place {
            name: root.to_string_lossy().into_owned(),
            database: self.dirs.projects().join(database_name(&root)),
            project: Some(root),
            config_file,
        })
    }

    async fn open_at(&self, place: Place) -> Result<Arc<Index>, StoreError> {
        let cell = {
            let mut open = self.open();
            if open.taken_out.contains(&place.database) {
                return Err(StoreError::UnderRepair);
            }
            Arc::clone(open.cells.entry(place.database.clone()).or_default())
        };
        let opened = cell.get_or_try_init(|| async {
            let store = Store::open(&place.database).await?;
            let index = Arc::new(Index {
                name: place.name,
                project: place.project,
                file: place.config_file,
                database: place.database,
                store,
                writing: Turn::default(),
                embedding: Turn::default(),
                program: self.program.clone(),
                backends: Arc::clone(&self.backends),
                watch: OnceLock::new(),
                config: Written::default(),
                trust: Arc::clone(&self.trust),
            });
            let watched: Arc<dyn Watched> = Arc::clone(&index) as _;
            let watch = Watch::start(watched, self.watch);
            index.watch.get_or_init(|| watch);
            Ok::<_, StoreError>(index)
        });
        opened.await.map(Arc::clone)
    }

    /// Closes every open index in good order.
    pub async fn close(&self) {
        let open: Vec<_> = self.open().cells.drain().map(|(_, cell)| cell).collect();
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
        let cells = &self.open().cells;
        cells
            .values()
            .filter_map(|cell| cell.get().cloned())
            .collect()
    }

    /// The template of links: that of an index's configuration, else that of the user's own index.
    pub(super) fn editor_uri(&self, config: &IndexConfig) -> Option<String> {
        let file = self.dirs.index_config(DEFAULT_INDEX);
        if config.editor_uri.is_some() || config.file == file {
            return config.editor_uri.clone();
        }
        let state = FileStamp::at(&file).ok().flatten();
        // Links are no reason to fail: those to the files are as good.
        self.own.read(&file, state).ok()?.editor_uri.clone()
    }

    /// Closes an index, once what was begun by hand is done, so that its database can be replaced.
    /// Until the result is dropped, whoever asks for it is told that it is being repaired.
    pub(super) async fn take_out(&self, database: &Path) -> Result<TakenOut<'_>, Status> {
        let cell = {
            let mut open = self.open();
            if !open.taken_out.insert(database.to_owned()) {
                return Err(status(&StoreError::UnderRepair));
            }
            open.cells.remove(database)
        };
        let taken_out = TakenOut {
            indexes: self,
            database: database.to_owned(),
        };
        let Some(cell) = cell else {
            return Ok(taken_out);
        };
        // Waits for who is opening it at this moment.
        let opened = cell
            .get_or_try_init(|| async { Err(StoreError::UnderRepair) })
            .await;
        if let Ok(index) = opened {
            if let Some(watch) = index.watch() {
                watch.stop().await;
            }
            let _writing = index.writing.lock().await;
            let _embedding = index.embedding.lock().await;
            index.store.close_for_repair().await;
        }
        Ok(taken_out)
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A project's folder, without links.
pub(super) fn project_root(root: &str) -> Result<PathBuf, Status> {
    let path = Path::new(root);
    if !path.is_absolute() {
        return Err(status::invalid(
            "the project's folder must be an absolute path",
        ));
    }
    let missing = |what: &dyn std::fmt::Display| {
        status::of(
            Reason::FolderMissing,
            format!("{}: {what}", path.display()),
            Some("give an existing folder".into()),
        )
    };
    let root = path.canonicalize().map_err(|error| missing(&error))?;
    if root.is_dir() {
        Ok(root)
    } else {
        Err(missing(&"not a folder"))
    }
}

/// The name of a project's database: the folder's, for people, and what tells it from others of that
/// name.
fn database_name(root: &Path) -> String {
    let folder = root.file_name().unwrap_or_default().to_string_lossy();
    let readable: String = folder
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, '-' | '_'))
        .take(32)
        .collect();
    let digest = Sha256::digest(root.as_os_str().as_bytes());
    format!("{readable}-{}.sqlite", hex::encode(&digest[..8]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_projects_database_is_told_by_the_whole_path() {
        let name = |root: &str| database_name(Path::new(root));
        assert!(name("/home/me/my notes").starts_with("mynotes-"));
        assert_ne!(name("/a/notes"), name("/b/notes"));
        assert_eq!(name("/a/notes"), name("/a/notes"));
        assert!(name("/").starts_with('-') && name("/").ends_with(".sqlite"));
    }
}
