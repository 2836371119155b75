//! The model files on this machine: where each lies or belongs, and how it gets there.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tokio::{task, time};

use super::{
    Entry, HubFile, ModelError, ModelSpec, OnProgress, Profile, Progress, Source, Step,
    catalogue::CATALOGUE,
    fingerprint::Fingerprints,
    gguf::{self, GgufInfo},
    hub::Hub,
    import,
    install::{self, FileLock, beside},
    origin::Origin,
};

/// How often a pull looks whether another one of the same file has ended.
const LOCK_POLL: Duration = Duration::from_millis(100);

/// A model of the catalogue, and its file if it is here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// The model.
    pub entry: &'static Entry,
    /// Its file.
    pub path: Option<PathBuf>,
    /// The file's size; 0 without one.
    pub bytes: u64,
}

/// A model that is in place, verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// The GGUF file.
    pub path: PathBuf,
    /// Its SHA-256, hex.
    pub sha256: String,
    /// Its size.
    pub bytes: u64,
    /// Whether it was there before.
    pub already_present: bool,
}

/// A model that was deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removed {
    /// Where its file was.
    pub path: PathBuf,
    /// What it took on the disk.
    pub bytes: u64,
}

/// The folder of models, and QMD's own, which is only read. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ModelStore {
    folder: PathBuf,
    qmd_folder: PathBuf,
    fingerprints: Arc<Fingerprints>,
}

impl ModelStore {
    /// A store in `folder`; `qmd_cache` is QMD's cache folder. Neither need exist.
    pub fn new(folder: impl Into<PathBuf>, qmd_cache: impl AsRef<Path>) -> Self {
        let folder = folder.into();
        let fingerprints = Arc::new(Fingerprints::open(folder.join("fingerprints.json")));
        Self {
            folder,
            qmd_folder: qmd_cache.as_ref().join("models"),
            fingerprints,
        }
    }

    /// Where a model's file belongs, whether it is there or not.
    pub fn place(&self, spec: &ModelSpec) -> PathBuf {
        match spec {
            ModelSpec::Catalogue(entry) => match &entry.source {
                Source::Pypi(_) => self.folder.join(format!("{}.gguf", entry.name)),
                Source::Hub(file) => self.hub_place(file),
            },
            ModelSpec::Hub(file) => self.hub_place(file),
            ModelSpec::Path(path) => path.clone(),
        }
    }

    /// The model's file on this machine: in the store, else in QMD's cache. At once; the file's
    /// content is not looked at ([`gguf::inspect`] does that).
    ///
    /// # Errors
    /// [`ModelError::Missing`] with the command that brings it.
    pub fn resolve(&self, spec: &ModelSpec) -> Result<PathBuf, ModelError> {
        let shared = hub_file(spec).map(qmd_names).unwrap_or_default();
        let places = [self.place(spec)]
            .into_iter()
            .chain(shared.into_iter().map(|name| self.qmd_folder.join(name)));
        for place in places {
            match fs::metadata(&place) {
                Ok(_) => return Ok(place),
                Err(error) => match error.kind() {
                    io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {}
                    _ => return Err(ModelError::reading(&place)(error)),
                },
            }
        }
        Err(ModelError::Missing {
            name: spec.to_string(),
            hint: self.remedy(spec),
        })
    }

    /// The file's SHA-256, hex: the model's identity. Reads the whole file the first time, so not
    /// for an async task.
    pub fn sha256(&self, path: &Path) -> Result<String, ModelError> {
        self.fingerprints
            .sha256(path, &(Arc::new(|_| ()) as OnProgress))
    }

    /// The file's SHA-256 if it is known without reading the file.
    pub fn known_sha256(&self, path: &Path) -> Option<String> {
        self.fingerprints.get(path)
    }

    /// The catalogue, with what is here of it.
    pub fn list(&self) -> Vec<Listing> {
        CATALOGUE
            .iter()
            .map(|entry| {
                let path = self.resolve(&ModelSpec::Catalogue(entry)).ok();
                let size = path.as_ref().and_then(|path| fs::metadata(path).ok());
                Listing {
                    entry,
                    path,
                    bytes: size.map_or(0, |metadata| metadata.len()),
                }
            })
            .collect()
    }

    /// Checks a model that is here: complete, and with the hash that is pinned for it or that it
    /// came with. The first time it reads the whole file, so not for an async task.
    pub fn check(
        &self,
        spec: &ModelSpec,
        on_progress: &OnProgress,
    ) -> Result<Installed, ModelError> {
        let (installed, _) = self.describe(spec, on_progress)?;
        Ok(installed)
    }

    /// As [`Self::check`], with what the file says of itself.
    pub fn describe(
        &self,
        spec: &ModelSpec,
        on_progress: &OnProgress,
    ) -> Result<(Installed, GgufInfo), ModelError> {
        self.sound_by(spec, |path| self.fingerprints.sha256(path, on_progress))
    }

    /// As [`Self::check`], but the file is always read, whatever is remembered of it.
    pub fn verify(
        &self,
        spec: &ModelSpec,
        on_progress: &OnProgress,
    ) -> Result<Installed, ModelError> {
        let computed = |path: &Path| self.fingerprints.computed(path, on_progress);
        let (installed, _) = self.sound_by(spec, computed)?;
        Ok(installed)
    }

    /// Deletes a model's file from the store, and what else was kept of it there: its origin and the
    /// rest of a download. Files elsewhere are never touched.
    ///
    /// # Errors
    /// [`ModelError::Foreign`] for a path and for a file of QMD's, [`ModelError::Missing`] when
    /// there is none, [`ModelError::Busy`] while it is being written.
    pub fn remove(&self, spec: &ModelSpec) -> Result<Removed, ModelError> {
        if let ModelSpec::Path(path) = spec {
            return Err(ModelError::Foreign(path.clone()));
        }
        let path = self.place(spec);
        let files = install::all_of(&path);
        if !files.iter().any(|file| file.symlink_metadata().is_ok()) {
            return Err(match self.resolve(spec) {
                Ok(elsewhere) => ModelError::Foreign(elsewhere),
                Err(error) => error,
            });
        }
        let Some(_lock) = FileLock::try_take(&path)? else {
            return Err(ModelError::Busy(spec.to_string()));
        };
        let bytes: Result<u64, _> = files.iter().map(|file| install::delete(file)).sum();
        self.fingerprints.forget(&path);
        Ok(Removed {
            path,
            bytes: bytes?,
        })
    }

    fn sound_by(
        &self,
        spec: &ModelSpec,
        sha256: impl FnOnce(&Path) -> Result<String, ModelError>,
    ) -> Result<(Installed, GgufInfo), ModelError> {
        let path = self.resolve(spec)?;
        let info = gguf::inspect(&path)?;
        let sha256 = sha256(&path)?;
        let pinned = match spec {
            ModelSpec::Catalogue(entry) => entry.sha256.map(str::to_owned),
            ModelSpec::Hub(_) | ModelSpec::Path(_) => None,
        };
        match pinned.or_else(|| Some(Origin::of(&path)?.sha256)) {
            Some(expected) if expected != sha256 => Err(ModelError::HashMismatch {
                what: path.display().to_string(),
                expected,
                actual: sha256,
            }),
            _ => {
                let installed = Installed {
                    path,
                    sha256,
                    bytes: info.file_bytes,
                    already_present: true,
                };
                Ok((installed, info))
            }
        }
    }

    /// Takes a file into the store as a model of the catalogue: its wheel, or a finished GGUF file.
    /// Blocks for seconds, so not for an async task.
    ///
    /// # Errors
    /// [`ModelError::HashMismatch`] when it is not the pinned file, [`ModelError::Unusable`] when
    /// it is no model. The store is then as it was.
    pub fn import(
        &self,
        entry: &'static Entry,
        from: &Path,
        on_progress: &OnProgress,
    ) -> Result<Installed, ModelError> {
        let spec = ModelSpec::Catalogue(entry);
        let place = self.place(&spec);
        let _lock = FileLock::take(&place)?;
        if let Some(installed) = self.sound(&spec, on_progress) {
            return Ok(installed);
        }
        let (draft, origin) = import::draft(entry, from, &place, on_progress)?;
        origin.write(&place)?;
        draft.commit()?;
        self.installed(place, origin.sha256)
    }

    /// Brings a model from its hub, unless it is here already. Two pulls of one file share one
    /// download, also across processes; a pull that was cut off resumes.
    ///
    /// # Errors
    /// What [`Self::check`] says of a model that no hub has.
    pub async fn pull(
        &self,
        spec: &ModelSpec,
        hub: &Hub,
        on_progress: OnProgress,
    ) -> Result<Installed, ModelError> {
        let (store, own) = (self.clone(), spec.clone());
        let heard = Arc::clone(&on_progress);
        let Some(file) = hub_file(spec) else {
            return blocking(move || store.check(&own, &heard)).await;
        };
        let place = self.place(spec);
        let _lock = lock_politely(&place, &on_progress).await?;
        if let Some(installed) = blocking(move || Ok(store.sound(&own, &heard))).await? {
            return Ok(installed);
        }
        let origin = hub.download(file, &place, &on_progress).await?;
        self.installed(place, origin.sha256)
    }

    /// The model, if it is here and passes [`Self::check`]; one that does not is to be replaced.
    fn sound(&self, spec: &ModelSpec, on_progress: &OnProgress) -> Option<Installed> {
        match self.check(spec, on_progress) {
            Ok(installed) => Some(installed),
            Err(ModelError::Missing { .. }) => None,
            Err(error) => {
                tracing::warn!(%error, "replacing a model");
                None
            }
        }
    }

    fn installed(&self, path: PathBuf, sha256: String) -> Result<Installed, ModelError> {
        self.fingerprints.remember(&path, &sha256)?;
        let bytes = fs::metadata(&path)
            .map_err(ModelError::reading(&path))?
            .len();
        Ok(Installed {
            path,
            sha256,
            bytes,
            already_present: false,
        })
    }

    fn hub_place(&self, file: &HubFile) -> PathBuf {
        let mut repo = file.repo.to_string();
        if file.revision != HubFile::MAIN {
            repo = format!("{repo}@{}", file.revision.replace('/', "-"));
        }
        self.folder
            .join("hf")
            .join(&*file.owner)
            .join(repo)
            .join(&*file.file)
    }

    /// The command that brings a model, also in the place of a damaged one.
    pub fn remedy(&self, spec: &ModelSpec) -> String {
        let of_profile = |profile: Profile| format!("run `qmdctl models pull {profile}`");
        match spec {
            ModelSpec::Catalogue(entry) => of_profile(entry.profile),
            ModelSpec::Hub(file) => CATALOGUE
                .iter()
                .find(|entry| matches!(&entry.source, Source::Hub(known) if known == file))
                .map_or_else(
                    || format!("run `qmdctl models pull {file}`"),
                    |entry| of_profile(entry.profile),
                ),
            ModelSpec::Path(_) => {
                "put the file there, or name another under `models:` in index.yml".to_owned()
            }
        }
    }
}

/// The file's place on the hub, for models that come from one.
fn hub_file(spec: &ModelSpec) -> Option<&HubFile> {
    match spec {
        ModelSpec::Catalogue(Entry {
            source: Source::Hub(file),
            ..
        })
        | ModelSpec::Hub(file) => Some(file),
        ModelSpec::Catalogue(_) | ModelSpec::Path(_) => None,
    }
}

/// What QMD, through node-llama-cpp, calls a file in its cache: owner and file name, with the
/// repository between them unless the file's name begins with it.
fn qmd_names(file: &HubFile) -> Vec<String> {
    if file.revision != HubFile::MAIN || file.file.contains('/') {
        return Vec::new();
    }
    let repo = file.repo.to_lowercase();
    let names_repo = repo
        .strip_suffix("-gguf")
        .is_some_and(|repo| file.file.to_lowercase().starts_with(repo));
    let mut names = vec![format!("hf_{}_{}_{}", file.owner, file.repo, file.file)];
    if names_repo {
        names.insert(0, format!("hf_{}_{}", file.owner, file.file));
    }
    names
}

/// Takes a file's lock without blocking the thread. While another pull has it, its progress is told.
async fn lock_politely(place: &Path, on_progress: &OnProgress) -> Result<FileLock, ModelError> {
    let part = beside(place, ".part");
    loop {
        if let Some(lock) = FileLock::try_take(place)? {
            return Ok(lock);
        }
        let bytes_done = fs::metadata(&part).map_or(0, |metadata| metadata.len());
        on_progress(Progress {
            step: Step::Download,
            bytes_done,
            bytes_total: 0,
        });
        time::sleep(LOCK_POLL).await;
    }
}

/// Runs file work on a thread that may block.
///
/// # Errors
/// The work's own, and [`ModelError::Internal`] when it panics.
pub async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ModelError> + Send + 'static,
) -> Result<T, ModelError> {
    task::spawn_blocking(work)
        .await
        .map_err(|error| ModelError::Internal(error.to_string()))?
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::{Failure, Reason},
        models::gguf::fixture,
    };

    fn silent() -> OnProgress {
        Arc::new(|_| ())
    }

    fn bench() -> (tempfile::TempDir, ModelStore) {
        let folder = tempfile::tempdir().expect("temporary folder");
        let store = ModelStore::new(folder.path().join("models"), folder.path().join("qmd"));
        (folder, store)
    }

    fn spec(text: &str) -> ModelSpec {
        ModelSpec::parse(text, None).expect("spec")
    }

    fn put(path: &Path, bytes: &[u8]) {
        fs::create_dir_all(path.parent().expect("folder")).expect("made");
        fs::write(path, bytes).expect("written");
    }

    #[test]
    fn a_missing_model_names_the_command_that_brings_it() {
        let (_folder, store) = bench();
        for (text, hint) in [
            ("all-minilm-l6-v2-q8_0", "qmdctl models pull starter"),
            ("qwen3-reranker-0.6b-q8_0", "qmdctl models pull standard"),
            (
                "hf:ggml-org/embeddinggemma-300M-GGUF/embeddinggemma-300M-Q8_0.gguf",
                "qmdctl models pull standard",
            ),
            ("hf:o/r/a.gguf#v1", "qmdctl models pull hf:o/r/a.gguf#v1"),
            ("/nowhere/a.gguf", "index.yml"),
        ] {
            let error = store.resolve(&spec(text)).expect_err("missing");
            assert_eq!(error.reason(), Reason::ModelMissing);
            assert!(
                error.hint().expect("hint").contains(hint),
                "{text}: {:?}",
                error.hint()
            );
        }
        assert!(store.list().iter().all(|listing| listing.path.is_none()));
    }

    #[test]
    fn files_of_qmd_are_used_where_the_store_has_none() {
        let (folder, store) = bench();
        let qmd = folder.path().join("qmd/models");
        for (name, text) in [
            (
                "hf_ggml-org_embeddinggemma-300M-Q8_0.gguf",
                "embeddinggemma-300m-q8_0",
            ),
            (
                "hf_ggml-org_qwen3-reranker-0.6b-q8_0.gguf",
                "qwen3-reranker-0.6b-q8_0",
            ),
            (
                "hf_tobil_qmd-query-expansion-1.7B-q4_k_m.gguf",
                "qmd-query-expansion-1.7b-q4_k_m",
            ),
            ("hf_o_r_a.gguf", "hf:o/r/a.gguf"),
        ] {
            put(&qmd.join(name), b"");
            assert_eq!(store.resolve(&spec(text)).expect("found"), qmd.join(name));
        }
        assert!(
            store.resolve(&spec("hf:o/other/a.gguf")).is_err(),
            "another repository's file"
        );
        assert!(
            store.resolve(&spec("hf:o/r/a.gguf#dev")).is_err(),
            "another revision's file"
        );

        let own = store.place(&spec("hf:o/r/a.gguf"));
        put(&own, b"");
        assert_eq!(store.resolve(&spec("hf:o/r/a.gguf")).expect("found"), own);
    }

    #[test]
    fn a_check_finds_damage_and_a_hash_other_than_at_its_origin() {
        let (folder, store) = bench();
        let path = folder.path().join("a.gguf");
        let spec = ModelSpec::Path(path.clone());
        put(&path, &fixture::model(3));
        let sound = store.check(&spec, &silent()).expect("sound");
        assert!(sound.already_present);
        assert_eq!(store.known_sha256(&path), Some(sound.sha256.clone()));

        let origin = Origin {
            source: String::new(),
            revision: None,
            sha256: "0".repeat(64),
            verified: true,
        };
        origin.write(&path).expect("written");
        let error = store.check(&spec, &silent()).expect_err("another hash");
        assert_eq!(error.reason(), Reason::HashMismatch);

        put(&path, b"<html>");
        let error = store.check(&spec, &silent()).expect_err("damaged");
        assert_eq!(error.reason(), Reason::ModelCorrupt);
    }

    #[test]
    fn verifying_reads_a_file_whose_hash_is_known() {
        let (_folder, store) = bench();
        let spec = spec("hf:o/r/a.gguf");
        let path = store.place(&spec);
        put(&path, &fixture::model(3));
        let good = store.check(&spec, &silent()).expect("sound");
        assert_eq!(store.verify(&spec, &silent()).expect("sound"), good);

        let origin = Origin {
            source: spec.to_string(),
            revision: None,
            sha256: good.sha256,
            verified: true,
        };
        origin.write(&path).expect("written");
        // A flipped bit, and a remembered hash that hides it.
        let mut bytes = fixture::model(3);
        *bytes.last_mut().expect("bytes") ^= 1;
        put(&path, &bytes);
        store
            .fingerprints
            .remember(&path, &origin.sha256)
            .expect("remembered");
        store.check(&spec, &silent()).expect("looks sound");
        let error = store.verify(&spec, &silent()).expect_err("altered");
        assert_eq!(error.reason(), Reason::HashMismatch);
        let error = store.check(&spec, &silent()).expect_err("known now");
        assert_eq!(error.reason(), Reason::HashMismatch);
    }

    #[test]
    fn removing_takes_a_model_and_what_belongs_to_it() {
        let (_folder, store) = bench();
        let entry = ModelSpec::Catalogue(Entry::named("qwen3-reranker-0.6b-q8_0").expect("entry"));
        let path = store.place(&entry);
        let neighbour = store.place(&spec("hf:ggml-org/Qwen3-Reranker-0.6B-Q8_0-GGUF/b.gguf"));
        put(&neighbour, b"stays");
        put(&path, &fixture::model(3));
        for suffix in [".json", ".part", ".part.json"] {
            put(&beside(&path, suffix), b"{}");
        }
        store.check(&entry, &silent()).expect("sound");

        let lock = FileLock::take(&path).expect("lock");
        let error = store.remove(&entry).expect_err("being written");
        assert_eq!(error.reason(), Reason::Busy);
        assert!(path.exists());
        drop(lock);

        let removed = store.remove(&entry).expect("removed");
        assert_eq!(removed.path, path);
        assert_eq!(removed.bytes, fixture::model(3).len() as u64 + 6);
        let folder = path.parent().expect("folder");
        let mut left: Vec<_> = fs::read_dir(folder)
            .expect("listed")
            .map(|file| file.expect("file").file_name())
            .collect();
        left.sort();
        assert_eq!(left, ["b.gguf", "qwen3-reranker-0.6b-q8_0.gguf.lock"]);
        assert_eq!(store.known_sha256(&path), None);
        let error = store.remove(&entry).expect_err("gone");
        assert_eq!(error.reason(), Reason::ModelMissing);
    }

    #[test]
    fn nothing_outside_the_store_is_removed() {
        let (folder, store) = bench();
        let own = folder.path().join("mine.gguf");
        put(&own, b"mine");
        let qmd = folder.path().join("qmd/models/hf_o_r_a.gguf");
        put(&qmd, b"qmd's");
        for (spec, file) in [
            (ModelSpec::Path(own.clone()), &own),
            (spec("hf:o/r/a.gguf"), &qmd),
        ] {
            let error = store.remove(&spec).expect_err("refused");
            assert_eq!(error.reason(), Reason::InvalidArgument, "{error}");
            assert!(file.exists());
        }

        // Of a link in the store, only the link goes.
        let link = store.place(&spec("hf:o/r/linked.gguf"));
        fs::create_dir_all(link.parent().expect("folder")).expect("made");
        std::os::unix::fs::symlink(&own, &link).expect("linked");
        store.remove(&spec("hf:o/r/linked.gguf")).expect("removed");
        assert!(!link.is_symlink());
        assert_eq!(fs::read(&own).expect("there"), b"mine");
    }

    #[test]
    fn a_gguf_file_is_imported_as_a_hub_model() {
        let (folder, store) = bench();
        let entry = Entry::named("embeddinggemma-300m-q8_0").expect("entry");
        let from = folder.path().join("download.gguf");
        put(&from, &fixture::model(3));
        let installed = store.import(entry, &from, &silent()).expect("imported");
        assert!(!installed.already_present);
        assert_eq!(
            store.resolve(&ModelSpec::Catalogue(entry)).expect("found"),
            installed.path
        );
        assert!(!Origin::of(&installed.path).expect("origin").verified);
        let listed = store
            .list()
            .into_iter()
            .find(|listing| listing.entry == entry);
        assert_eq!(listed.map(|listing| listing.bytes), Some(installed.bytes));

        let again = store.import(entry, &from, &silent()).expect("there");
        assert!(again.already_present);
    }

    #[test]
    fn what_is_not_the_pinned_file_is_not_imported() {
        let (folder, store) = bench();
        let entry = Entry::named("smollm2-135m-instruct-q4_1").expect("entry");
        let from = folder.path().join("file");
        for (bytes, reason) in [
            (fixture::model(3), Reason::HashMismatch),
            (b"PK\x03\x04 a foreign wheel".to_vec(), Reason::HashMismatch),
        ] {
            put(&from, &bytes);
            let error = store.import(entry, &from, &silent()).expect_err("refused");
            assert_eq!(error.reason(), reason, "{error}");
        }
        let free = Entry::named("embeddinggemma-300m-q8_0").expect("entry");
        put(&from, b"<html>");
        let error = store.import(free, &from, &silent()).expect_err("refused");
        assert_eq!(error.reason(), Reason::ModelCorrupt);
        let error = store
            .import(free, &folder.path().join("none"), &silent())
            .expect_err("none");
        assert_eq!(error.reason(), Reason::FileUnreadable);
        assert!(
            store.list().iter().all(|listing| listing.path.is_none()),
            "nothing was installed"
        );
    }
}
