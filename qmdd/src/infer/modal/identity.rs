//! What is known of the remote end: its models by their hashes, remembered across restarts, so that
//! nobody has to wake it to know what it is.

use std::{
    fs,
    path::PathBuf,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
};

use serde::{Deserialize, Serialize};

use super::contract::Info;
use crate::{
    domain::Role,
    infer::{backend::InferError, kept},
};

/// The last that the remote end said of itself.
pub(super) struct Identity {
    /// The deployment's address: what is known of another one is of no use.
    url: String,
    file: PathBuf,
    info: RwLock<Option<Arc<Info>>>,
    /// Whether it was said to this daemon, and not to an earlier one.
    heard: AtomicBool,
}

#[derive(Serialize, Deserialize)]
struct Remembered {
    url: String,
    info: Info,
}

impl Identity {
    /// Reads what an earlier daemon learnt, if it did.
    pub(super) fn read(url: String, file: PathBuf) -> Self {
        let bytes = fs::read(&file).ok();
        let known = bytes.and_then(|bytes| serde_json::from_slice::<Remembered>(&bytes).ok());
        let info = known
            .filter(|known| known.url == url)
            .map(|known| Arc::new(known.info));
        Self {
            url,
            file,
            info: RwLock::new(info),
            heard: AtomicBool::new(false),
        }
    }

    /// What is known, for a call to a role's model. A model that was absent once may have come with
    /// a later deployment.
    pub(super) fn for_call(&self, role: Role) -> Option<Arc<Info>> {
        self.get()
            .filter(|info| info.models.of(role).is_some() || self.heard.load(Ordering::Relaxed))
    }

    /// What is known.
    pub(super) fn get(&self) -> Option<Arc<Info>> {
        self.info
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Takes in what the remote end says now.
    pub(super) fn learn(&self, info: Info) {
        self.heard.store(true, Ordering::Relaxed);
        let mut known = self.info.write().unwrap_or_else(PoisonError::into_inner);
        if known.as_deref() == Some(&info) {
            return;
        }
        for role in Role::ALL {
            if let Some(model) = info.models.of(role) {
                let (name, sha256) = (&model.name, &model.sha256);
                tracing::info!(%role, name, sha256, "the remote end's model");
            }
        }
        if let Err(error) = self.write(&info) {
            let file = self.file.display();
            tracing::warn!(%file, %error, "what the remote end is will have to be asked again");
        }
        *known = Some(Arc::new(info));
    }

    fn write(&self, info: &Info) -> std::io::Result<()> {
        let remembered = Remembered {
            url: self.url.clone(),
            info: info.clone(),
        };
        kept::replace(&self.file, &serde_json::to_vec(&remembered)?)
    }
}

/// Refuses the answer of another model than the one the caller reckons with.
pub(super) fn same(role: Role, expected: &str, found: &str) -> Result<(), InferError> {
    if found == expected {
        return Ok(());
    }
    Err(InferError::ModelsDiffer {
        detail: format!(
            "the {role} model at the remote end is another one now: {} instead of {}",
            short(found),
            short(expected)
        ),
        hint: "run the command again, which sees the new one".into(),
    })
}

/// The beginning of a hash.
fn short(hash: &str) -> &str {
    hash.get(..12).unwrap_or(hash)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::infer::modal::tests::info;

    #[test]
    fn what_was_learnt_is_remembered_for_the_same_address() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("cache/modal.json");
        let read = |url: &str| Identity::read(url.into(), file.clone());
        assert!(read("http://a").get().is_none());
        read("http://a").learn(info());
        assert_eq!(read("http://a").get().as_deref(), Some(&info()));
        assert!(read("http://b").get().is_none());
        fs::write(&file, "{").unwrap();
        assert!(read("http://a").get().is_none());
    }

    #[test]
    fn another_model_is_refused() {
        assert!(same(Role::Embed, "ab", "ab").is_ok());
        let error = same(Role::Embed, &"a".repeat(64), &"b".repeat(64)).unwrap_err();
        assert!(error.to_string().contains("bbbbbbbbbbbb instead of aaaa"));
    }
}
