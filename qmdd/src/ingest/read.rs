//! Reads a file as text.

use std::{
    fs::OpenOptions,
    io::{self, Read},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use rustix::fs::OFlags;

use crate::{domain::Reason, store::FileStamp};

/// Largest file that is indexed, in bytes.
const MAX_FILE: u64 = 16 << 20;

/// How much of a file is looked at to tell text from binary data.
const PROBE: usize = 8 << 10;

/// A file's text with the stamp it had when it was opened.
pub(super) struct ReadFile {
    pub text: String,
    pub stamp: FileStamp,
}

/// Why a file is not indexed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unfit {
    pub reason: Reason,
    pub message: String,
}

/// Reads a regular file as UTF-8, without a byte-order mark. A link in its place is refused: it
/// may lead out of the collection. Blocks.
pub(super) fn read(path: &Path) -> Result<ReadFile, Unfit> {
    let unreadable = |error: io::Error| Unfit {
        reason: Reason::FileUnreadable,
        message: error.to_string(),
    };
    let mut file = OpenOptions::new()
        .read(true)
        .custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits() as i32)
        .open(path)
        .map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(Unfit {
            reason: Reason::FileUnreadable,
            message: "not a regular file".into(),
        });
    }
    let too_large = |bytes: u64| Unfit {
        reason: Reason::FileTooLarge,
        message: format!("{bytes} bytes, the limit is {MAX_FILE}"),
    };
    if metadata.len() > MAX_FILE {
        return Err(too_large(metadata.len()));
    }
    let mut bytes = Vec::with_capacity(metadata.len() as usize + 1);
    // It may have grown since.
    (&mut file)
        .take(MAX_FILE + 1)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(too_large(bytes.len() as u64));
    }
    let text = decode(bytes)?;
    Ok(ReadFile {
        text,
        stamp: FileStamp::of(&metadata),
    })
}

fn decode(mut bytes: Vec<u8>) -> Result<String, Unfit> {
    if bytes.starts_with(b"\xEF\xBB\xBF") {
        bytes.drain(..3);
    }
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(Unfit {
            reason: Reason::FileEmpty,
            message: "no text in it".into(),
        });
    }
    if bytes[..bytes.len().min(PROBE)].contains(&0) {
        return Err(Unfit {
            reason: Reason::FileBinary,
            message: "binary data".into(),
        });
    }
    String::from_utf8(bytes).map_err(|error| Unfit {
        reason: Reason::FileBinary,
        message: format!("not UTF-8 text: {}", error.utf8_error()),
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn text_is_text_and_the_rest_says_why_not() {
        let reason = |bytes: &[u8]| decode(bytes.to_vec()).map_err(|unfit| unfit.reason);
        assert_eq!(
            reason("\u{feff}héllo\n".as_bytes()),
            Ok("héllo\n".to_owned())
        );
        assert_eq!(reason(b""), Err(Reason::FileEmpty));
        assert_eq!(reason(b" \n\t"), Err(Reason::FileEmpty));
        assert_eq!(reason(b"PNG\0\x01"), Err(Reason::FileBinary));
        assert_eq!(reason(b"caf\xe9"), Err(Reason::FileBinary));
    }

    #[test]
    fn links_folders_and_pipes_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file.md");
        fs::write(&file, "text").unwrap();
        let link = dir.path().join("link.md");
        std::os::unix::fs::symlink(&file, &link).unwrap();
        assert!(read(&file).is_ok());
        for refused in [&link, &dir.path().to_owned(), &dir.path().join("none.md")] {
            assert_eq!(
                read(refused).err().map(|unfit| unfit.reason),
                Some(Reason::FileUnreadable)
            );
        }
    }
}
