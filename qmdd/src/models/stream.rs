//! Copies and hashes files of any size with a small buffer.

use std::io::{self, ErrorKind, Read, Write};

use sha2::{Digest, Sha256};

const BUFFER: usize = 256 * 1024;

/// Which end of a copy failed.
#[derive(Debug)]
pub(super) enum CopyError {
    /// The source.
    Read(io::Error),
    /// The output.
    Write(io::Error),
}

/// Copies all there is. `progress` hears how many bytes are done.
pub(super) fn copy(
    mut from: impl Read,
    mut to: impl Write,
    mut progress: impl FnMut(u64),
) -> Result<(), CopyError> {
    let mut buffer = vec![0; BUFFER];
    let mut done = 0;
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return to.flush().map_err(CopyError::Write),
            Ok(length) => {
                to.write_all(&buffer[..length]).map_err(CopyError::Write)?;
                done += length as u64;
                progress(done);
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(CopyError::Read(error)),
        }
    }
}

/// The SHA-256 of all that a reader yields, hex. `progress` hears how many bytes are done.
pub(super) fn sha256(from: impl Read, progress: impl FnMut(u64)) -> io::Result<String> {
    let mut sink = Hashing::new(io::sink());
    match copy(from, &mut sink, progress) {
        Ok(()) => sink.finish(),
        Err(CopyError::Read(error) | CopyError::Write(error)) => Err(error),
    }
}

/// Passes bytes on to a writer and hashes them.
pub(super) struct Hashing<W> {
    out: W,
    hasher: Sha256,
}

impl<W: Write> Hashing<W> {
    pub(super) fn new(out: W) -> Self {
        Self {
            out,
            hasher: Sha256::new(),
        }
    }

    /// Flushes, and gives the SHA-256 of all that was written, hex.
    pub(super) fn finish(mut self) -> io::Result<String> {
        self.out.flush()?;
        Ok(hex::encode(self.hasher.finalize()))
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
