//! Which configurations of projects the user trusts, kept in a file of the user's own.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use serde::{Deserialize, Serialize};

use super::{ConfigError, edit::replace};

/// The file that says it. Only this process writes it.
#[derive(Debug)]
pub struct TrustFile {
    file: PathBuf,
    /// Held from read to write.
    writing: Mutex<()>,
}

/// A configuration that is trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trusted {
    /// Its file.
    pub config: PathBuf,
    /// When the user said so, Unix seconds.
    pub since: i64,
}

/// By configuration file.
type Records = BTreeMap<PathBuf, Record>;

#[derive(Debug, Serialize, Deserialize)]
struct Record {
    /// Of the parts that are trusted.
    digest: String,
    since: i64,
}

impl TrustFile {
    /// The file need not exist.
    pub fn new(file: PathBuf) -> Self {
        Self {
            file,
            writing: Mutex::default(),
        }
    }

    /// Whether the parts of a digest are trusted in a configuration. What cannot be read trusts nothing.
    pub fn holds(&self, config: &Path, digest: &str) -> bool {
        match self.read() {
            Ok(records) => (records.get(config)).is_some_and(|record| record.digest == digest),
            Err(error) => {
                tracing::warn!(%error, "no project is trusted");
                false
            }
        }
    }

    /// Trusts the parts of a digest in a configuration, and no others, from a time in Unix seconds on.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub fn trust(&self, config: &Path, digest: &str, since: i64) -> Result<(), ConfigError> {
        if config.to_str().is_none() {
            return Err(ConfigError::PathNotText(config.to_owned()));
        }
        self.change(|records| {
            let digest = digest.to_owned();
            records.insert(config.to_owned(), Record { digest, since });
        })
    }

    /// Trusts nothing in a configuration any more. False when nothing was.
    ///
    /// # Errors
    /// As [`Self::trust`].
    pub fn revoke(&self, config: &Path) -> Result<bool, ConfigError> {
        let mut had = false;
        self.change(|records| had = records.remove(config).is_some())?;
        Ok(had)
    }

    /// All that are trusted, by their paths.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn list(&self) -> Result<Vec<Trusted>, ConfigError> {
        let records = self.read()?.into_iter();
        Ok(records
            .map(|(config, Record { since, .. })| Trusted { config, since })
            .collect())
    }

    fn change(&self, change: impl FnOnce(&mut Records)) -> Result<(), ConfigError> {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut records = self.read()?;
        change(&mut records);
        let text = serde_json::to_string_pretty(&records).map_err(io::Error::other);
        text.and_then(|text| replace(&self.file, &(text + "\n")))
            .map_err(|source| self.unavailable(source))
    }

    fn read(&self) -> Result<Records, ConfigError> {
        let Some(text) = super::index::read(&self.file)? else {
            return Ok(Records::new());
        };
        serde_json::from_str(&text).map_err(|error| self.unavailable(io::Error::other(error)))
    }

    fn unavailable(&self, source: io::Error) -> ConfigError {
        ConfigError::Unavailable {
            file: self.file.clone(),
            source,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::MetadataExt};

    use super::*;

    #[test]
    fn trust_is_of_one_digest_in_one_configuration() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("data/trusted.json");
        let (a, b) = (
            Path::new("/a/.qmd/index.yml"),
            Path::new("/b/.qmd/index.yml"),
        );
        let trust = TrustFile::new(file.clone());
        assert!(!trust.holds(a, "1") && !trust.revoke(a).unwrap());
        trust.trust(b, "2", 20).unwrap();
        trust.trust(a, "1", 10).unwrap();
        assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o600);
        assert!(trust.holds(a, "1") && trust.holds(b, "2"));
        assert!(!trust.holds(a, "2") && !trust.holds(b, "1"));
        // A later process reads the same.
        let trust = TrustFile::new(file.clone());
        let listed = trust.list().unwrap();
        let listed: Vec<_> = listed
            .iter()
            .map(|it| (it.config.as_path(), it.since))
            .collect();
        assert_eq!(listed, [(a, 10), (b, 20)]);
        trust.trust(a, "3", 30).unwrap();
        assert!(trust.holds(a, "3") && !trust.holds(a, "1"));
        assert!(trust.revoke(a).unwrap());
        assert!(!trust.holds(a, "3") && trust.holds(b, "2"));
    }

    #[test]
    fn a_broken_file_trusts_nothing_and_is_left_alone() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("trusted.json");
        fs::write(&file, "{").unwrap();
        let trust = TrustFile::new(file.clone());
        let config = Path::new("/a/.qmd/index.yml");
        assert!(!trust.holds(config, "1"));
        assert!(trust.trust(config, "1", 1).is_err() && trust.list().is_err());
        assert_eq!(fs::read_to_string(&file).unwrap(), "{");
    }
}
