//! A download under way: `FILE.part` and, beside it, what is known of the whole.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use tokio::{
    fs::File,
    io::{AsyncSeekExt, AsyncWriteExt},
};

use super::{
    super::{ModelError, install, origin::Origin},
    request::{Announced, Resume},
};

/// What the hub said of the file whose bytes are in the part.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct State {
    /// The model's address.
    pub(super) source: String,
    /// Size of the whole.
    pub(super) bytes: Option<u64>,
    /// SHA-256 of the whole, hex.
    pub(super) sha256: Option<String>,
    /// The `ETag` of the answer the bytes came with.
    pub(super) etag: Option<String>,
    /// The commit.
    pub(super) revision: Option<String>,
}

impl State {
    /// Whether an answer is of the same file.
    pub(super) fn agrees(&self, announced: &Announced, total: u64) -> bool {
        self.sha256 == announced.sha256
            && [self.bytes, announced.bytes]
                .into_iter()
                .flatten()
                .all(|bytes| bytes == total)
    }
}

/// The part.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) target: PathBuf,
    pub(super) path: PathBuf,
    pub(super) state: State,
    /// Bytes in it.
    pub(super) length: u64,
}

impl Part {
    /// Finds what an earlier download of `source` to `target` left.
    pub(super) fn open(target: &Path, source: &str) -> Result<Self, ModelError> {
        install::make_folder_of(target)?;
        let mut part = Self {
            target: target.to_owned(),
            path: install::beside(target, ".part"),
            state: State::default(),
            length: 0,
        };
        let state = fs::read(part.state_path())
            .ok()
            .and_then(|bytes| serde_json::from_slice::<State>(&bytes).ok())
            .filter(|state| state.source == source);
        if let Some(state) = state
            && let Ok(metadata) = fs::metadata(&part.path)
        {
            (part.state, part.length) = (state, metadata.len());
        }
        if part.state.bytes.is_some_and(|bytes| part.length > bytes) {
            part.reset()?;
        }
        Ok(part)
    }

    /// Whether all bytes are there.
    pub(super) fn is_complete(&self) -> bool {
        self.length > 0 && self.state.bytes == Some(self.length)
    }

    /// What to ask for, when there is something to build on.
    pub(super) fn resume(&self) -> Option<Resume<'_>> {
        (self.length > 0).then_some(Resume {
            offset: self.length,
            etag: self.state.etag.as_deref(),
        })
    }

    /// Opens it for appending at `offset`, and writes down what the bytes to come are of.
    pub(super) async fn start(&mut self, offset: u64, state: State) -> Result<File, ModelError> {
        let file = install::open_private(&self.path)?;
        file.set_len(offset)
            .map_err(ModelError::writing(&self.path))?;
        let text = serde_json::to_vec_pretty(&state)
            .map_err(|error| ModelError::Internal(error.to_string()))?;
        install::write_atomically(&self.state_path(), &text)?;
        (self.state, self.length) = (state, offset);
        let mut file = File::from_std(file);
        file.seek(io::SeekFrom::Start(offset))
            .await
            .map_err(ModelError::writing(&self.path))?;
        Ok(file)
    }

    /// Appends what has come.
    pub(super) async fn append(&mut self, file: &mut File, bytes: &[u8]) -> Result<(), ModelError> {
        let written = async {
            file.write_all(bytes).await?;
            // Only then is an error of this write known, and the length true.
            file.flush().await
        };
        written.await.map_err(ModelError::writing(&self.path))?;
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Starts over.
    pub(super) fn reset(&mut self) -> Result<(), ModelError> {
        remove(&self.path)?;
        (self.state, self.length) = (State::default(), 0);
        Ok(())
    }

    /// Leaves nothing behind.
    pub(super) fn discard(&mut self) -> Result<(), ModelError> {
        self.reset()?;
        remove(&self.state_path())
    }

    /// Gives the complete and verified part the target's name.
    pub(super) fn install(self, origin: &Origin) -> Result<(), ModelError> {
        origin.write(&self.target)?;
        let file = fs::File::open(&self.path).map_err(ModelError::reading(&self.path))?;
        install::put_in_place(&file, &self.path, &self.target)?;
        remove(&self.state_path())
    }

    fn state_path(&self) -> PathBuf {
        install::beside(&self.path, ".json")
    }
}

fn remove(path: &Path) -> Result<(), ModelError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(ModelError::writing(path)(error))
        }
        _ => Ok(()),
    }
}
