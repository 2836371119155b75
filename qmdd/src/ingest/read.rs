//! Reads a file as a document: its text, its title, what it says of itself.

use std::{
    fs::{File, Metadata},
    io::{self, Read},
    time::{SystemTime, UNIX_EPOCH},
};

use super::{
    decode::decode,
    extract::{Extracted, Extractors},
    inside::Inside,
    walk::Found,
};
use crate::{
    domain::{ContentHash, Metadata as Properties, Reason, Scalar},
    store::{FileRecord, FileStamp, Why},
    text::{format::Format, metadata::metadata, title},
};

/// The version of the rules by which files become documents. Raise it with every change to them: files
/// are read again then, and those whose text stays the same keep their vectors.
pub(super) const VERSION: u32 = 1;

/// Largest file that is indexed, in bytes.
const MAX_FILE: u64 = 16 << 20;
/// The same for PDF: most of one is pictures and fonts.
const MAX_PDF: u64 = 64 << 20;

/// A file as a document.
pub(super) struct ReadFile {
    pub record: FileRecord,
    pub text: String,
    pub hash: ContentHash,
}

/// Why a file is no document.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unfit {
    pub why: Why,
    /// Its state when it was read; `None` when that may change without a trace, as permissions do.
    pub stamp: Option<FileStamp>,
    /// As in [`crate::store::KnownFile`].
    pub reader: u32,
    /// Whether the file went away since the walk.
    pub gone: bool,
}

impl Unfit {
    fn unreadable(error: &io::Error) -> Self {
        let link = error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error());
        Self {
            why: Why {
                reason: if link {
                    Reason::FileLink
                } else {
                    Reason::FileUnreadable
                },
                message: if link {
                    "a link has come in its way".into()
                } else {
                    error.to_string()
                },
            },
            stamp: None,
            reader: 0,
            gone: error.kind() == io::ErrorKind::NotFound,
        }
    }

    /// Whether a document that is there already stays: its file cannot be had just now.
    pub(super) fn keeps_document(&self) -> bool {
        self.why.reason == Reason::FileUnreadable
    }
}

/// Reads a file. Blocks.
pub(super) fn read(
    root: &Inside,
    extractors: &Extractors,
    found: &Found,
) -> Result<ReadFile, Unfit> {
    let unreadable = |error: io::Error| Unfit::unreadable(&error);
    let now = now_ns();
    let mut file = root.file(&found.path).map_err(unreadable)?;
    let state = file.metadata().map_err(unreadable)?;
    let stamp = FileStamp::of(&state);
    let reader = if is_settled(&stamp, now) { VERSION } else { 0 };
    let unfit = |why| Unfit {
        why,
        stamp: Some(stamp),
        reader,
        gone: false,
    };
    let format = Format::of(&found.path);
    let bytes = match contents(&mut file, &state, limit(format)) {
        Ok(bytes) => bytes.map_err(unfit)?,
        Err(error) => return Err(Unfit::unreadable(&error)),
    };
    let document = match format {
        Format::Html | Format::Pdf => extracted(extractors, format, &bytes, &found.path),
        _ => decode(bytes).map(|text| Document {
            title: title::title(&text, &found.path),
            properties: metadata(&text, &found.path),
            text,
        }),
    };
    let Document {
        text,
        title,
        properties,
    } = document.map_err(unfit)?;
    Ok(ReadFile {
        hash: ContentHash::of(&text),
        text,
        record: FileRecord {
            path: found.path.clone(),
            title,
            metadata: properties,
            stamp,
            reader,
        },
    })
}

struct Document {
    text: String,
    title: String,
    properties: Properties,
}

fn limit(format: Format) -> u64 {
    match format {
        Format::Pdf => MAX_PDF,
        _ => MAX_FILE,
    }
}

/// A regular file's bytes, or why they are not wanted.
fn contents(file: &mut File, metadata: &Metadata, limit: u64) -> io::Result<Result<Vec<u8>, Why>> {
    if !metadata.is_file() {
        let error = io::Error::new(io::ErrorKind::InvalidInput, "not a regular file");
        return Err(error);
    }
    let mut bytes = Vec::new();
    let mut length = metadata.len();
    if length <= limit {
        bytes.reserve_exact(length as usize + 1);
        // It may have grown since.
        file.take(limit + 1).read_to_end(&mut bytes)?;
        length = bytes.len() as u64;
    }
    Ok(if length > limit {
        Err(Why {
            reason: Reason::FileTooLarge,
            message: format!("{length} bytes, the limit is {limit}"),
        })
    } else {
        Ok(bytes)
    })
}

/// The document in a file that is not plain text.
fn extracted(
    extractors: &Extractors,
    format: Format,
    bytes: &[u8],
    path: &str,
) -> Result<Document, Why> {
    let empty = |message: &str| Why {
        reason: Reason::FileEmpty,
        message: message.to_owned(),
    };
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(empty("no text in it"));
    }
    let Extracted {
        text,
        title,
        properties,
        lost_pages,
    } = extractors.extract(format, bytes)?;
    if lost_pages > 0 {
        tracing::warn!(path, lost_pages, "some pages of a PDF could not be read");
    }
    if text.trim().is_empty() {
        return Err(empty(match format {
            Format::Pdf => "no text in it, perhaps pictures of pages",
            _ => "no text in it",
        }));
    }
    let mut all = Properties::default();
    for property in properties {
        let mut values = property
            .values
            .iter()
            .map(|value| Scalar::of_word(value.trim()));
        match values.next() {
            Some(value) if !property.list => all.set(&property.key, value),
            Some(value) => {
                all.set_list(
                    &property.key,
                    std::iter::once(value).chain(values).collect(),
                );
            }
            None => {}
        }
    }
    Ok(Document {
        title: title
            .and_then(|title| title::given(&title))
            .unwrap_or_else(|| title::title(&text, path)),
        properties: all,
        text,
    })
}

/// Whether a change after this moment would show in the stamp. The clock of a file system goes in
/// steps: of milliseconds as a rule, of two seconds where times are whole seconds.
fn is_settled(stamp: &FileStamp, now: i64) -> bool {
    let step: i64 = if stamp.mtime_ns % 1_000_000_000 == 0 {
        2_500_000_000
    } else {
        50_000_000
    };
    stamp.mtime_ns < now.saturating_sub(step)
}

fn now_ns() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |time| i64::try_from(time.as_nanos()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::*;

    fn read_in(folder: &std::path::Path, path: &str) -> Result<ReadFile, Unfit> {
        let root = Inside::open(folder).unwrap();
        let found = Found {
            path: path.to_owned(),
            stamp: FileStamp {
                size: 0,
                mtime_ns: 0,
                inode: 0,
            },
        };
        read(&root, &Extractors::new("/nonexistent".into()), &found)
    }

    #[test]
    fn a_document_is_text_title_and_metadata() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a.md"), "---\nstatus: draft\n---\n# Head\n").unwrap();
        let read = read_in(dir.path(), "a.md").unwrap();
        assert_eq!(read.record.title, "Head");
        assert_eq!(read.record.metadata.properties()[0].key, "status");
        assert_eq!(read.hash, ContentHash::of(&read.text));
    }

    #[test]
    fn what_is_no_document_says_why() {
        let dir = tempfile::tempdir().unwrap();
        let write = |path: &str, bytes: &[u8]| fs::write(dir.path().join(path), bytes).unwrap();
        write("empty.md", b"");
        write("empty.pdf", b"");
        write("binary.md", b"\0\x01");
        write("page.html", b"<p>x");
        fs::File::create(dir.path().join("large.md"))
            .unwrap()
            .set_len(MAX_FILE + 1)
            .unwrap();
        fs::create_dir(dir.path().join("folder.md")).unwrap();
        symlink("empty.md", dir.path().join("link.md")).unwrap();
        for (path, reason, stamped) in [
            ("empty.md", Reason::FileEmpty, true),
            ("empty.pdf", Reason::FileEmpty, true),
            ("binary.md", Reason::FileBinary, true),
            ("large.md", Reason::FileTooLarge, true),
            ("page.html", Reason::FileDamaged, true),
            ("folder.md", Reason::FileUnreadable, false),
            ("link.md", Reason::FileLink, false),
            ("none.md", Reason::FileUnreadable, false),
        ] {
            let unfit = read_in(dir.path(), path).err().unwrap();
            assert_eq!(unfit.why.reason, reason, "{path}: {}", unfit.why.message);
            assert_eq!(unfit.stamp.is_some(), stamped, "{path}");
        }
    }

    const SECOND: i64 = 1_000_000_000;

    #[test]
    fn a_stamp_counts_once_the_clock_has_gone_on() {
        let stamp = |mtime_ns| FileStamp {
            size: 1,
            mtime_ns,
            inode: 1,
        };
        assert!(is_settled(&stamp(5 * SECOND + 1), 6 * SECOND));
        assert!(!is_settled(&stamp(5 * SECOND + 1), 5 * SECOND + 1_000_000));
        assert!(
            !is_settled(&stamp(5 * SECOND), 6 * SECOND),
            "whole seconds go in steps of two"
        );
        assert!(is_settled(&stamp(5 * SECOND), 8 * SECOND));
        assert!(
            !is_settled(&stamp(9 * SECOND + 1), 6 * SECOND),
            "of the future"
        );
    }
}
