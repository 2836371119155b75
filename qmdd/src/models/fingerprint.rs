//! A model file's identity: its SHA-256, computed once and remembered by path, size, modification
//! time and inode.

use std::{
    collections::BTreeMap,
    fs::{self, File, Metadata},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use serde::{Deserialize, Serialize};

use super::{
    ModelError, install,
    progress::{Meter, OnProgress, Step},
    stream,
};

/// What tells one state of a file from another without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Stamp {
    bytes: u64,
    modified_s: i64,
    modified_ns: i64,
    device: u64,
    inode: u64,
}

impl From<&Metadata> for Stamp {
    fn from(metadata: &Metadata) -> Self {
        Self {
            bytes: metadata.len(),
            modified_s: metadata.mtime(),
            modified_ns: metadata.mtime_nsec(),
            device: metadata.dev(),
            inode: metadata.ino(),
        }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Known {
    #[serde(flatten)]
    stamp: Stamp,
    sha256: String,
}

/// The remembered hashes, kept in a small file beside the models. Losing it costs only time.
#[derive(Debug)]
pub(super) struct Fingerprints {
    file: PathBuf,
    known: Mutex<BTreeMap<PathBuf, Known>>,
}

impl Fingerprints {
    pub(super) fn open(file: PathBuf) -> Self {
        let known = match fs::read(&file) {
            Ok(bytes) => serde_json::from_slice(&bytes).unwrap_or_else(|error| {
                tracing::warn!(file = %file.display(), %error, "remembered hashes are unreadable");
                BTreeMap::new()
            }),
            Err(_) => BTreeMap::new(),
        };
        Self {
            file,
            known: Mutex::new(known),
        }
    }

    /// The file's hash, if it is known without reading the file.
    pub(super) fn get(&self, path: &Path) -> Option<String> {
        let stamp = Stamp::from(&fs::metadata(path).ok()?);
        self.lock()
            .get(path)
            .filter(|known| known.stamp == stamp)
            .map(|known| known.sha256.clone())
    }

    /// The file's hash; reads the whole file unless it is known.
    pub(super) fn sha256(
        &self,
        path: &Path,
        on_progress: &OnProgress,
    ) -> Result<String, ModelError> {
        match self.get(path) {
            Some(sha256) => Ok(sha256),
            None => self.computed(path, on_progress),
        }
    }

    /// The file's hash, by reading the whole file, whatever is known.
    pub(super) fn computed(
        &self,
        path: &Path,
        on_progress: &OnProgress,
    ) -> Result<String, ModelError> {
        let file = File::open(path).map_err(ModelError::reading(path))?;
        let metadata = file.metadata().map_err(ModelError::reading(path))?;
        let mut meter = Meter::new(Step::Verify, metadata.len(), on_progress);
        let sha256 =
            stream::sha256(file, |done| meter.at(done)).map_err(ModelError::reading(path))?;
        self.insert(path, &metadata, sha256.clone());
        Ok(sha256)
    }

    /// Remembers the hash of a file just written.
    pub(super) fn remember(&self, path: &Path, sha256: &str) -> Result<(), ModelError> {
        let metadata = fs::metadata(path).map_err(ModelError::reading(path))?;
        self.insert(path, &metadata, sha256.to_owned());
        Ok(())
    }

    /// Drops the hash of a file that is gone.
    pub(super) fn forget(&self, path: &Path) {
        let mut known = self.lock();
        if known.remove(path).is_some() {
            self.save(&known);
        }
    }

    /// `metadata` is from before the file was read: had the file changed since, the stamp no longer
    /// fits and the hash is not used.
    fn insert(&self, path: &Path, metadata: &Metadata, sha256: String) {
        let mut known = self.lock();
        known.retain(|path, _| path.exists());
        known.insert(
            path.to_owned(),
            Known {
                stamp: metadata.into(),
                sha256,
            },
        );
        self.save(&known);
    }

    fn save(&self, known: &BTreeMap<PathBuf, Known>) {
        let saved = serde_json::to_vec_pretty(known)
            .map_err(|error| ModelError::Internal(error.to_string()))
            .and_then(|bytes| install::write_atomically(&self.file, &bytes));
        if let Err(error) = saved {
            tracing::warn!(%error, "the hash will be computed again after the next start");
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<PathBuf, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    // `printf abc | sha256sum`
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    fn silent() -> OnProgress {
        Arc::new(|_| ())
    }

    #[test]
    fn a_hash_is_remembered_until_the_file_changes() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let (model, cache) = (
            folder.path().join("m.gguf"),
            folder.path().join("hashes.json"),
        );
        fs::write(&model, "abc").expect("written");

        let prints = Fingerprints::open(cache.clone());
        assert_eq!(prints.get(&model), None);
        assert_eq!(prints.sha256(&model, &silent()).expect("hashed"), ABC);
        assert_eq!(prints.get(&model).as_deref(), Some(ABC));
        assert_eq!(
            Fingerprints::open(cache.clone()).get(&model).as_deref(),
            Some(ABC)
        );

        fs::write(&model, "abcd").expect("changed");
        assert_eq!(prints.get(&model), None);
        assert_ne!(prints.sha256(&model, &silent()).expect("hashed anew"), ABC);
    }

    #[test]
    fn what_is_known_can_be_computed_anew_and_forgotten() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let (model, cache) = (
            folder.path().join("m.gguf"),
            folder.path().join("hashes.json"),
        );
        fs::write(&model, "abc").expect("written");
        let prints = Fingerprints::open(cache.clone());
        prints.remember(&model, "not its hash").expect("remembered");
        assert_eq!(
            prints.sha256(&model, &silent()).expect("known"),
            "not its hash"
        );
        assert_eq!(prints.computed(&model, &silent()).expect("hashed"), ABC);
        assert_eq!(prints.get(&model).as_deref(), Some(ABC));

        prints.forget(&model);
        assert_eq!(prints.get(&model), None);
        assert_eq!(Fingerprints::open(cache).get(&model), None);
    }

    #[test]
    fn a_broken_cache_is_only_forgotten() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let (model, cache) = (
            folder.path().join("m.gguf"),
            folder.path().join("hashes.json"),
        );
        fs::write(&model, "abc").expect("written");
        fs::write(&cache, "{").expect("broken");
        let prints = Fingerprints::open(cache);
        assert_eq!(prints.sha256(&model, &silent()).expect("hashed"), ABC);
    }
}
