//! How a user names a model: a catalogue name, an address on the hub, or a path.

use std::{
    borrow::Cow,
    fmt,
    path::{Path, PathBuf},
};

use super::{Entry, HubFile, ModelError};

/// A model as named in `index.yml`, in the environment or on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelSpec {
    /// A name of the catalogue.
    Catalogue(&'static Entry),
    /// `hf:OWNER/REPO/FILE.gguf`, with `#REVISION` where it is not the main branch.
    Hub(HubFile),
    /// An absolute path, or one that starts with `~/`.
    Path(PathBuf),
}

impl ModelSpec {
    /// Parses a name. `home` is what `~` stands for.
    ///
    /// # Errors
    /// [`ModelError::Unknown`] for a plain name that the catalogue lacks, [`ModelError::Spec`] for
    /// anything malformed.
    pub fn parse(text: &str, home: Option<&Path>) -> Result<Self, ModelError> {
        let text = text.trim();
        let malformed = |detail| ModelError::Spec {
            text: text.to_owned(),
            detail,
        };
        if let Some(address) = text.strip_prefix("hf:") {
            return parse_hub(address).map(Self::Hub).map_err(malformed);
        }
        if let Some(rest) = text.strip_prefix("~/") {
            let home = home.ok_or_else(|| malformed("there is no home folder"))?;
            return Ok(Self::Path(home.join(rest)));
        }
        if text.starts_with('/') {
            return Ok(Self::Path(text.into()));
        }
        if let Some(entry) = Entry::named(text) {
            return Ok(Self::Catalogue(entry));
        }
        match text {
            "" => Err(malformed("it is empty")),
            _ if text.contains('/') || is_gguf(text) => {
                Err(malformed("a path must be absolute or start with ~/"))
            }
            _ => Err(ModelError::Unknown(text.to_owned())),
        }
    }
}

impl fmt::Display for ModelSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Catalogue(entry) => f.write_str(entry.name),
            Self::Hub(file) => file.fmt(f),
            Self::Path(path) => path.display().fmt(f),
        }
    }
}

fn parse_hub(address: &str) -> Result<HubFile, &'static str> {
    let (path, revision) = address.split_once('#').unwrap_or((address, HubFile::MAIN));
    let mut parts = path.splitn(3, '/');
    let (Some(owner), Some(repo), Some(file)) = (parts.next(), parts.next(), parts.next()) else {
        return Err("it lacks an owner, a repository or a file");
    };
    // Each part becomes a folder's name here and a segment of a URL there.
    let plain = |segment: &str| {
        !segment.is_empty()
            && !segment.starts_with('.')
            && !segment.contains(|c: char| c.is_control() || c.is_whitespace() || c == '\\')
    };
    let segments = [owner, repo]
        .into_iter()
        .chain(file.split('/'))
        .chain(revision.split('/'));
    if !segments.into_iter().all(plain) {
        return Err("a part of it is empty, starts with a dot, or has a blank in it");
    }
    if !is_gguf(file) {
        return Err("the file is no .gguf file");
    }
    let owned = |part: &str| Cow::Owned(part.to_owned());
    Ok(HubFile {
        owner: owned(owner),
        repo: owned(repo),
        file: owned(file),
        revision: owned(revision),
    })
}

fn is_gguf(name: &str) -> bool {
    Path::new(name)
        .extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case("gguf"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Result<ModelSpec, ModelError> {
        ModelSpec::parse(text, Some(Path::new("/home/u")))
    }

    #[test]
    fn the_three_forms_parse_and_print() {
        for text in [
            "all-minilm-l6-v2-q8_0",
            "hf:ggml-org/embeddinggemma-300M-GGUF/embeddinggemma-300M-Q8_0.gguf",
            "hf:o/r/sub/model.GGUF#refs/pr/1",
            "/models/a model.gguf",
        ] {
            assert_eq!(parse(text).expect("parses").to_string(), text);
        }
        assert_eq!(
            parse(" ~/m/a.gguf ").expect("parses"),
            ModelSpec::Path("/home/u/m/a.gguf".into())
        );
    }

    #[test]
    fn what_names_no_model_is_told_why() {
        assert!(matches!(parse("gpt-99"), Err(ModelError::Unknown(name)) if name == "gpt-99"));
        for (text, why) in [
            ("", "empty"),
            ("models/a.gguf", "absolute"),
            ("a.gguf", "absolute"),
            ("hf:owner/repo", "lacks"),
            ("hf:owner/repo/model.bin", ".gguf"),
            ("hf:../repo/a.gguf", "dot"),
            ("hf:o/r/../../a.gguf", "dot"),
            ("hf:o//a.gguf", "empty"),
            ("hf:o/r/a.gguf#", "empty"),
        ] {
            let error = parse(text).expect_err(text).to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
        assert!(ModelSpec::parse("~/a.gguf", None).is_err());
    }

    proptest! {
        #[test]
        fn no_hub_address_leaves_its_folder(text in "hf:[./#a-c~-]{0,20}gguf") {
            if let Ok(ModelSpec::Hub(file)) = parse(&text) {
                let path = format!("{}/{}/{}", file.owner, file.repo, file.file);
                prop_assert!(path.split('/').all(|part| !part.is_empty() && !part.starts_with('.')));
            }
        }
    }
}
