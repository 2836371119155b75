//! `index.yml`, in QMD's format. Keys that QMD or a later version knows are accepted unread.

use std::{
    borrow::Cow,
    fmt, fs, io,
    marker::PhantomData,
    path::{Path, PathBuf},
};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_saphyr::{Localizer, Location, Spanned, UserMessageFormatter};

use qmd_proto::paths::PROJECT_FOLDER;

use super::{
    ConfigError, ModalConfig, WatchConfig,
    modal::RawModal,
    project::Gated,
    watch::{self, RawWatch},
};
use crate::domain::{Collection, CollectionName, Role};

/// Glob of a collection that names none.
pub const DEFAULT_PATTERN: &str = "**/*.md";

/// A configuration file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IndexConfig {
    /// The file.
    pub file: PathBuf,
    /// Its collections, in the file's order.
    pub collections: Vec<Collection>,
    /// What of a project's file is not in force until it is trusted.
    pub withheld: Vec<Gated>,
    /// A description that goes with every result.
    pub global_context: Option<String>,
    /// Template of links to documents, with `{path}`, `{line}` and `{col}`.
    pub editor_uri: Option<String>,
    /// The models it names.
    pub models: ModelChoices,
    /// Inference at Modal.
    pub modal: ModalConfig,
    /// How its folders are followed.
    pub watch: WatchConfig,
}

/// Which models to use, as configured: a profile, and models by role that go before it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct ModelChoices {
    /// A set of models from the catalogue.
    pub profile: Option<String>,
    /// Texts to vectors.
    pub embed: Option<String>,
    /// Query and text to relevance.
    pub rerank: Option<String>,
    /// Prompt to text.
    pub generate: Option<String>,
}

impl ModelChoices {
    /// These, with another's where there is none.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            profile: self.profile.or(other.profile),
            embed: self.embed.or(other.embed),
            rerank: self.rerank.or(other.rerank),
            generate: self.generate.or(other.generate),
        }
    }

    /// The model of a role.
    pub fn role(&self, role: Role) -> Option<&str> {
        match role {
            Role::Embed => self.embed.as_deref(),
            Role::Rerank => self.rerank.as_deref(),
            Role::Generate => self.generate.as_deref(),
        }
    }
}

impl IndexConfig {
    /// Reads a file. One that does not exist says nothing, which is a configuration too.
    ///
    /// # Errors
    /// When the file cannot be read, does not parse, or names what cannot be.
    pub fn load(file: &Path) -> Result<Self, ConfigError> {
        Self::parse(&read(file)?.unwrap_or_default(), file, home().as_deref())
    }

    /// Every collection that the file names, in force or not, with its folder.
    pub fn known(&self) -> impl Iterator<Item = &Collection> {
        let withheld = self.withheld.iter().filter_map(Gated::folder);
        self.collections.iter().chain(withheld)
    }

    /// Parses a file's text. `~` stands for `home`; relative folders are relative to [`base`].
    pub(super) fn parse(text: &str, file: &Path, home: Option<&Path>) -> Result<Self, ConfigError> {
        let raw: Option<Raw> =
            serde_saphyr::from_str(text).map_err(|error| invalid(file, &error))?;
        let raw = raw.unwrap_or_default();
        let collections = raw.collections.unwrap_or_default().0.into_iter();
        Ok(Self {
            file: file.to_owned(),
            collections: collections
                .map(|(name, collection)| collection.resolve(&name, file, home))
                .collect::<Result<_, _>>()?,
            withheld: Vec::new(),
            global_context: raw.global_context,
            editor_uri: raw.editor_uri,
            models: raw.models.unwrap_or_default(),
            modal: raw.modal.unwrap_or_default().resolve(file, home)?,
            watch: (raw.watch)
                .map(|raw| watch::resolve(raw, file))
                .transpose()?
                .unwrap_or_default(),
        })
    }
}

/// The folder of the project whose configuration a file is, told by its place: `.qmd/index.yml`.
pub fn project_of(file: &Path) -> Option<&Path> {
    let folder = file.parent()?;
    (folder.file_name()? == PROJECT_FOLDER).then(|| folder.parent())?
}

/// What relative folders in a file are relative to: the project, else the file's own folder.
fn base(file: &Path) -> &Path {
    project_of(file)
        .or_else(|| file.parent())
        .unwrap_or(Path::new("/"))
}

/// The folder that `~` stands for.
pub(super) fn home() -> Option<PathBuf> {
    std::env::home_dir().filter(|home| home.is_absolute())
}

/// The file's text; `None` when there is no file.
pub(super) fn read(file: &Path) -> Result<Option<String>, ConfigError> {
    match fs::read(file) {
        Ok(bytes) => String::from_utf8(bytes).map(Some).map_err(|error| {
            let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
            let good = String::from_utf8_lossy(good);
            let line = good.rsplit('\n').next().unwrap_or_default();
            ConfigError::Invalid {
                file: file.to_owned(),
                line: good.matches('\n').count() as u64 + 1,
                column: line.chars().count() as u64 + 1,
                message: "not UTF-8 text".into(),
            }
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(ConfigError::Unavailable {
            file: file.to_owned(),
            source,
        }),
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Raw {
    global_context: Option<String>,
    #[serde(
        alias = "editor_uri_template",
        alias = "editorUri",
        alias = "editor-uri"
    )]
    editor_uri: Option<String>,
    models: Option<ModelChoices>,
    modal: Option<RawModal>,
    watch: Option<Spanned<RawWatch>>,
    collections: Option<Entries<RawCollection>>,
}

#[derive(Deserialize)]
struct RawCollection {
    /// Only a project's may be left out: it is the project's folder then.
    #[serde(default)]
    path: Option<Spanned<String>>,
    #[serde(default)]
    pattern: Option<String>,
    #[serde(default)]
    ignore: Option<OneOrMore>,
    #[serde(default)]
    context: Option<Entries<String>>,
    #[serde(default, rename = "includeByDefault")]
    include_by_default: Option<bool>,
    #[serde(default)]
    update: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a glob or a list of globs")]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

impl RawCollection {
    fn resolve(
        self,
        name: &Spanned<String>,
        file: &Path,
        home: Option<&Path>,
    ) -> Result<Collection, ConfigError> {
        let invalid_at = |place: Location, message| ConfigError::Invalid {
            file: file.to_owned(),
            line: place.line(),
            column: place.column(),
            message,
        };
        let (path, place) = match (self.path, project_of(file)) {
            (Some(path), project) => {
                let value = match path.value.trim() {
                    "" if project.is_some() => ".".to_owned(),
                    _ => path.value,
                };
                (value, path.referenced)
            }
            (None, Some(_)) => (".".to_owned(), name.referenced),
            (None, None) => {
                let message = "missing field `path`".to_owned();
                return Err(invalid_at(name.referenced, message));
            }
        };
        Ok(Collection {
            name: CollectionName::new(&name.value)
                .map_err(|error| invalid_at(name.referenced, error.to_string()))?,
            path: absolute(&path, file, home)
                .map_err(|message| invalid_at(place, message.to_owned()))?,
            pattern: self.pattern.unwrap_or_else(|| DEFAULT_PATTERN.to_owned()),
            ignore: match self.ignore {
                None => Vec::new(),
                Some(OneOrMore::One(glob)) => vec![glob],
                Some(OneOrMore::More(globs)) => globs,
            },
            context: self
                .context
                .map(|entries| {
                    entries
                        .0
                        .into_iter()
                        .map(|(key, text)| (key.value, text))
                        .collect()
                })
                .unwrap_or_default(),
            include_by_default: self.include_by_default.unwrap_or(true),
            update: self.update.filter(|command| !command.trim().is_empty()),
        })
    }
}

/// A folder as the daemon uses it, whose own working folder means nothing.
pub(super) fn absolute(
    path: &str,
    file: &Path,
    home: Option<&Path>,
) -> Result<PathBuf, &'static str> {
    if path.is_empty() {
        return Err("the path is empty");
    }
    let path = Path::new(path);
    let whole = match path.strip_prefix("~") {
        Ok(inside) => home
            .ok_or("the path starts with ~, and there is no home folder")?
            .join(inside),
        Err(_) => base(file).join(path),
    };
    // Without `.` and slashes at the end.
    Ok(whole.components().collect())
}

/// A mapping in the file's order, its keys with their places.
struct Entries<V>(Vec<(Spanned<String>, V)>);

impl<V> Default for Entries<V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, V: Deserialize<'de>> Deserialize<'de> for Entries<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder<V>(PhantomData<V>);

        impl<'de, V: Deserialize<'de>> Visitor<'de> for InOrder<V> {
            type Value = Entries<V>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a mapping")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }

        deserializer.deserialize_map(InOrder(PhantomData))
    }
}

fn invalid(file: &Path, error: &serde_saphyr::Error) -> ConfigError {
    let place = error.location().unwrap_or(Location::UNKNOWN);
    let formatter = UserMessageFormatter.with_localizer(&WithoutPlaces);
    let message = error.without_snippet().render_with_formatter(&formatter);
    ConfigError::Invalid {
        file: file.to_owned(),
        line: place.line().max(1),
        column: place.column().max(1),
        message: message.split_whitespace().collect::<Vec<_>>().join(" "),
    }
}

/// Leaves line and column out of messages: they stand before them.
struct WithoutPlaces;

impl Localizer for WithoutPlaces {
    fn attach_location<'a>(&self, base: Cow<'a, str>, _: Location) -> Cow<'a, str> {
        base
    }

    fn alias_used_at(&self, _: Location) -> String {
        String::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Failure, Reason};

    fn parse(text: &str) -> Result<IndexConfig, ConfigError> {
        IndexConfig::parse(text, Path::new("/c/index.yml"), Some(Path::new("/home/u")))
    }

    #[test]
    fn a_file_of_qmd_is_read_as_it_is() {
        let config = parse(
            r#"
global_context: "My notes"
editor_uri: "vscode://file/{path}:{line}:{col}"
models:
  profile: standard
  rerank: hf:a/b/c.gguf
modal: { region: eu, max_containers: 4 }
collections:
  notes:
    path: ~/notes
    pattern: "**/*.{md,org}"
    ignore: ["private/**", "*.tmp"]
    context:
      "/": All notes
      /jobs/z: Work
      /jobs: Earlier
    update: git pull
    includeByDefault: false
  docs:
    path: ../docs
    ignore: "drafts/**"
    includeByDefault: true
  a:
    path: /a
"#,
        )
        .unwrap();
        assert_eq!(config.global_context.as_deref(), Some("My notes"));
        assert_eq!(
            config.editor_uri.as_deref(),
            Some("vscode://file/{path}:{line}:{col}")
        );
        assert_eq!(config.models.profile.as_deref(), Some("standard"));
        assert_eq!(config.models.role(Role::Rerank), Some("hf:a/b/c.gguf"));
        assert_eq!(config.models.role(Role::Embed), None);
        assert_eq!(config.modal.region.as_deref(), Some("eu-west"));
        assert_eq!(config.modal.max_containers, 4);
        let [notes, docs, a] = config.collections.as_slice() else {
            panic!("three collections")
        };
        assert_eq!(notes.name.as_str(), "notes");
        assert_eq!(notes.path, Path::new("/home/u/notes"));
        assert_eq!(notes.pattern, "**/*.{md,org}");
        assert_eq!(notes.ignore, ["private/**", "*.tmp"]);
        let prefixes: Vec<&str> = notes.context.iter().map(|(key, _)| key.as_str()).collect();
        assert_eq!(prefixes, ["/", "/jobs/z", "/jobs"]);
        assert!(!notes.include_by_default);
        assert_eq!(notes.update.as_deref(), Some("git pull"));
        assert_eq!(docs.update, None);
        assert_eq!(docs.path, Path::new("/c/../docs"));
        assert_eq!(docs.ignore, ["drafts/**"]);
        assert!(docs.include_by_default && a.include_by_default);
        assert_eq!(
            (a.name.as_str(), a.pattern.as_str()),
            ("a", DEFAULT_PATTERN)
        );
    }

    #[test]
    fn what_qmd_takes_for_nothing_is_nothing() {
        let text = "\u{feff}# marked\nglobal_context: ~\neditor_uri:\nmodels: {embed: ~, rerank:}\nmodal: ~\n\
                    collections:\n  a:\n    path: /a\n    pattern: ~\n    ignore:\n    context:\n    \
                    update: ''\n    includeByDefault: null\n    unknown: [x, {y: ~}]\n  \
                    b: {path: /b, ignore: [], context: {}}\nfuture: {a: [b]}\n";
        let config = parse(text).unwrap();
        let [a, b] = config.collections.as_slice() else {
            panic!("two collections: {config:?}")
        };
        assert_eq!(
            (a.pattern.as_str(), a.update.as_ref()),
            (DEFAULT_PATTERN, None)
        );
        assert!(a.include_by_default && a.ignore.is_empty() && a.context.is_empty());
        assert!(b.ignore.is_empty() && b.context.is_empty());
        assert_eq!(config.models, ModelChoices::default());
        assert_eq!((config.global_context, config.editor_uri), (None, None));
    }

    #[test]
    fn numbers_and_switches_are_texts_where_texts_are_due() {
        let text = "global_context: 2024\ncollections:\n  a: {path: 12, pattern: 1.5, context: {/2: true, 3: no}}\n";
        let config = parse(text).unwrap();
        assert_eq!(config.global_context.as_deref(), Some("2024"));
        let a = &config.collections[0];
        assert_eq!(
            (a.path.to_str(), a.pattern.as_str()),
            (Some("/c/12"), "1.5")
        );
        let context: Vec<_> = a
            .context
            .iter()
            .map(|(k, v)| (k.as_str(), v.as_str()))
            .collect();
        assert_eq!(context, [("/2", "true"), ("3", "no")]);
    }

    #[test]
    fn a_projects_folders_are_relative_to_the_project() {
        let text = "collections:\n  a: {path: docs}\n  b: {pattern: '*.md'}\n  c: {path: ''}\n  \
                    d: {path: ../x}\n  e: {path: /abs}\n";
        let file = Path::new("/p/.qmd/index.yml");
        let config = IndexConfig::parse(text, file, None).unwrap();
        let paths = config.collections.iter().map(|known| known.path.to_str());
        let expected = ["/p/docs", "/p", "/p", "/p/../x", "/abs"];
        assert!(paths.eq(expected.map(Some)), "{config:?}");
        assert_eq!(project_of(file), Some(Path::new("/p")));
        assert_eq!(project_of(Path::new("/p/qmd/index.yml")), None);
    }

    #[test]
    fn files_that_say_nothing_are_empty_configurations() {
        for text in [
            "",
            "\n",
            "# only this\n",
            "---\n",
            "collections:\n",
            "collections: {}\n",
        ] {
            let config = parse(text).unwrap();
            assert_eq!(config.collections, [], "{text:?}");
        }
        let missing = IndexConfig::load(Path::new("/nonexistent/index.yml")).unwrap();
        assert_eq!(missing.collections, []);
    }

    #[test]
    fn names_that_look_like_numbers_are_names() {
        let config = parse("collections:\n  2024: {path: /a}\n  true: {path: /b}\n").unwrap();
        let names: Vec<&str> = config.collections.iter().map(|c| c.name.as_str()).collect();
        assert_eq!(names, ["2024", "true"]);
    }

    #[test]
    fn errors_name_the_place() {
        for (text, said) in [
            ("collections:\n  a: {path: [1]}\n", "2:13: "),
            (
                "collections:\n  notes: {path: /n}\n  a/b: {path: x}\n",
                "3:3: \"a/b\" cannot name",
            ),
            ("collections:\n  a: {path: ~, pattern: x}\n", "2:3: missing"),
            (
                "collections:\n  a:\n    path: \"\"\n",
                "3:11: the path is empty",
            ),
            (
                "collections:\n  a:\n    pattern: x\n",
                "missing field `path`",
            ),
            ("collections:\n  a:\n", "2:"),
            ("collections:\n  \"a\n", "2:3: unclosed quote"),
            ("collections: 5\n", "1:14: "),
            (
                "collections:\n  a: {path: x}\n  a: {path: y}\n",
                "3:3: duplicate mapping key `a`",
            ),
            (
                "collections:\n  a: {path: x, ignore: {a: 1}}\n",
                "2:24: expected a glob or a list",
            ),
            (
                "collections:\n  a: {path: x, includeByDefault: maybe}\n",
                "2:34: ",
            ),
            ("models: [x]\n", "1:9: "),
            ("- a\n", "1:1: "),
            ("a: b: c\n", "1:5: "),
            ("a:\n\tb: 1\n", "2:2: "),
            ("x: [1, 2\n", "1:4: unclosed bracket"),
            ("global_context: [1]\n", "1:17: "),
        ] {
            let error = parse(text).unwrap_err();
            let message = error.to_string();
            assert_eq!(error.reason(), Reason::ConfigInvalid, "{text:?}");
            assert!(message.starts_with("/c/index.yml:"), "{message}");
            assert!(message.contains(said), "{text:?} gives {message}");
            assert!(
                !message.contains("at line") && !message.contains('\n'),
                "{message}"
            );
        }
    }

    #[test]
    fn a_tilde_needs_a_home() {
        let text = "collections: {a: {path: ~/n}, b: {path: ~b/n}}";
        let error = IndexConfig::parse(text, Path::new("/c/i.yml"), None).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("/c/i.yml:1:25: the path starts with ~"),
            "{error}"
        );
        assert_eq!(
            parse(text).unwrap().collections[1].path,
            Path::new("/c/~b/n")
        );
    }

    #[test]
    fn folders_are_spelt_plainly() {
        let text =
            "collections: {a: {path: '~'}, b: {path: ~/n/}, c: {path: .}, d: {path: /x/./y//}}";
        let config = parse(text).unwrap();
        let paths: Vec<_> = config
            .collections
            .iter()
            .map(|c| c.path.as_os_str())
            .collect();
        assert_eq!(paths, ["/home/u", "/home/u/n", "/c", "/x/y"]);
    }

    #[test]
    fn bytes_that_are_no_text_have_a_place() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("index.yml");
        fs::write(&file, b"# caf\xc3\xa9\nx: \xff\n").unwrap();
        let error = IndexConfig::load(&file).unwrap_err();
        assert_eq!(error.reason(), Reason::ConfigInvalid);
        assert!(
            error.to_string().ends_with("index.yml:2:4: not UTF-8 text"),
            "{error}"
        );
        let error = IndexConfig::load(home.path()).unwrap_err();
        assert_eq!(error.reason(), Reason::ConfigUnavailable);
    }

    #[test]
    fn choices_fill_each_other() {
        let choices = |embed: Option<&str>, rerank: Option<&str>| ModelChoices {
            embed: embed.map(str::to_owned),
            rerank: rerank.map(str::to_owned),
            ..ModelChoices::default()
        };
        let joined = choices(Some("file"), None).or(choices(Some("env"), Some("env")));
        assert_eq!(joined, choices(Some("file"), Some("env")));
    }
}
