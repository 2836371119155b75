//! The messages between the daemon and a model worker, and their framing: a little-endian `u32`
//! length, then the message in postcard.

use std::{
    error::Error,
    io::{self, Read, Write},
    path::PathBuf,
    time::Duration,
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::{
    domain::Role,
    infer::backend::{
        Embedding, Generation, InferError, Lane, ModelInfo, ModelShape, Sampling, Scored,
    },
};

/// Longest frame either side accepts, in bytes. A batch of long texts stays far below.
pub(super) const MAX_FRAME: usize = 64 << 20;

/// Daemon to worker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) enum ToWorker {
    /// The first message: which model to hold.
    Load(LoadSpec),
    /// A call.
    Submit(Submission),
    /// The caller of this call has gone.
    Cancel(u64),
}

/// What a worker is to hold, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LoadSpec {
    pub role: Role,
    /// As configured, for messages.
    pub name: String,
    pub path: PathBuf,
    /// SHA-256 of the file, hex.
    pub sha256: String,
    pub shape: ModelShape,
    pub threads: u32,
    /// Pin the weights in memory.
    pub lock_memory: bool,
    /// Refuse a reranker that puts a plainly irrelevant text before a relevant one.
    pub probe: bool,
}

/// One call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Submission {
    pub id: u64,
    pub lane: Lane,
    /// Time left when it was sent: the two processes need not share a clock.
    pub deadline_in: Option<Duration>,
    pub work: Work,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) enum Work {
    Embed {
        texts: Vec<String>,
    },
    Rerank {
        query: String,
        documents: Vec<String>,
    },
    Generate {
        prompt: String,
        sampling: Sampling,
        /// Whether somebody hears the text while it comes.
        stream: bool,
    },
    Tokenize {
        texts: Vec<String>,
        add_special: bool,
    },
    Detokenize {
        items: Vec<Vec<i32>>,
    },
}

/// Worker to daemon.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) enum FromWorker {
    /// The model answers from now on.
    Ready {
        info: ModelInfo,
        /// What it runs on.
        device: String,
    },
    /// The model cannot be used; the worker ends.
    LoadFailed(InferError),
    /// More of a call's text.
    Piece { id: u64, text: String },
    /// A call's end.
    Reply {
        id: u64,
        /// Time between arrival and the start of the first decode.
        waited: Duration,
        result: Result<Output, InferError>,
    },
}

/// What came out of a call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) enum Output {
    Embeddings(Vec<Embedding>),
    Scores(Vec<Scored>),
    Generated(Generation),
    Tokens(Vec<Vec<i32>>),
    Texts(Vec<String>),
}

/// A message as a frame.
pub(super) fn encode<T: Serialize>(message: &T) -> io::Result<Vec<u8>> {
    let mut frame = postcard::to_extend(message, vec![0; 4]).map_err(invalid)?;
    let length = frame.len() - 4;
    if length > MAX_FRAME {
        return Err(invalid("frame over the limit"));
    }
    frame[..4].copy_from_slice(&(length as u32).to_le_bytes());
    Ok(frame)
}

/// Reads one message; `None` when the other side has closed between messages.
pub(super) fn read<T: DeserializeOwned>(from: &mut impl Read) -> io::Result<Option<T>> {
    let mut length = [0; 4];
    match from.read_exact(&mut length) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        other => other?,
    }
    let mut body = vec![0; checked(length)?];
    from.read_exact(&mut body)?;
    postcard::from_bytes(&body).map(Some).map_err(invalid)
}

/// [`read`] for the daemon's side.
pub(super) async fn read_async<T: DeserializeOwned>(
    from: &mut (impl AsyncRead + Unpin),
) -> io::Result<Option<T>> {
    let mut length = [0; 4];
    match from.read_exact(&mut length).await {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        other => other?,
    };
    let mut body = vec![0; checked(length)?];
    from.read_exact(&mut body).await?;
    postcard::from_bytes(&body).map(Some).map_err(invalid)
}

/// Writes one message.
pub(super) fn write<T: Serialize>(to: &mut impl Write, message: &T) -> io::Result<()> {
    to.write_all(&encode(message)?)
}

fn checked(length: [u8; 4]) -> io::Result<usize> {
    let length = u32::from_le_bytes(length) as usize;
    if length > MAX_FRAME {
        Err(invalid("frame over the limit"))
    } else {
        Ok(length)
    }
}

fn invalid(error: impl Into<Box<dyn Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn messages_survive_the_wire() {
        let sent = ToWorker::Submit(Submission {
            id: 9,
            lane: Lane::Bulk,
            deadline_in: Some(Duration::from_millis(5)),
            work: Work::Embed {
                texts: vec!["a".into(), String::new()],
            },
        });
        let mut bytes = Vec::new();
        write(&mut bytes, &sent).unwrap();
        write(&mut bytes, &ToWorker::Cancel(9)).unwrap();
        let mut from = bytes.as_slice();
        assert_eq!(read(&mut from).unwrap(), Some(sent));
        assert_eq!(read(&mut from).unwrap(), Some(ToWorker::Cancel(9)));
        assert_eq!(read::<ToWorker>(&mut from).unwrap(), None);
    }

    proptest! {
        #[test]
        fn garbage_is_an_error_and_never_a_panic(bytes: Vec<u8>) {
            let _ = read::<ToWorker>(&mut bytes.as_slice());
        }
    }
}
