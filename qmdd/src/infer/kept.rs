//! Files that a backend keeps from one start to the next. What they hold can be had again, so that one
//! may get lost; none may be half written.

use std::{
    fs::DirBuilder,
    io::{self, Write},
    os::unix::fs::DirBuilderExt,
    path::Path,
};

use tempfile::NamedTempFile;

/// Replaces a file whole. Its folder is made for this user alone, if need be.
///
/// # Errors
/// When it cannot be written; what was there stays.
pub(super) fn replace(file: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = file.parent().unwrap_or(Path::new("."));
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)?;
    // Readable by this user alone, as all temporary files are.
    let mut draft = NamedTempFile::new_in(folder)?;
    draft.write_all(bytes)?;
    draft.persist(file)?;
    Ok(())
}
