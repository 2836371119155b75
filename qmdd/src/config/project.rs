//! Projects: folders with a configuration of their own, which came with their files from whoever made
//! them. What of it reaches beyond the folder is withheld until the user trusts it.

use std::{
    fs,
    io::{self, Write},
    path::{Component, Path, PathBuf},
};

use qmd_proto::paths::{PROJECT_CONFIGS, PROJECT_FOLDER, project_config};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::{ConfigError, IndexConfig, ModalConfig};
use crate::domain::{Collection, CollectionName};

/// What a new project's configuration says.
const NEW: &str = "# What is searched of this folder, for qmdctl and QMD. Paths start here.
collections:
";

/// A part of a project's configuration that reaches beyond the project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Gated {
    /// A shell command to run before a scan.
    Command {
        /// The collection it belongs to.
        collection: CollectionName,
        /// The command.
        command: String,
    },
    /// A collection whose folder lies outside of the project.
    Folder(Collection),
}

impl Gated {
    /// The collection it is about.
    pub fn collection(&self) -> &CollectionName {
        match self {
            Self::Command { collection, .. } => collection,
            Self::Folder(collection) => &collection.name,
        }
    }

    /// The collection, when the whole of it is gated.
    pub fn folder(&self) -> Option<&Collection> {
        match self {
            Self::Folder(collection) => Some(collection),
            Self::Command { .. } => None,
        }
    }
}

/// Makes a folder a project, unless it is one. Returns its configuration, and whether that is new.
///
/// # Errors
/// When the file cannot be written.
pub fn init(root: &Path) -> Result<(PathBuf, bool), ConfigError> {
    if let Some(file) = project_config(root) {
        return Ok((file, false));
    }
    let folder = root.join(PROJECT_FOLDER);
    // The name that QMD gives it.
    let file = folder.join(PROJECT_CONFIGS[1]);
    let written = fs::create_dir(&folder)
        .or_else(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => Ok(()),
            _ => Err(error),
        })
        .and_then(|()| fs::File::create_new(&file)?.write_all(NEW.as_bytes()));
    match written {
        Ok(()) => Ok((file, true)),
        Err(source) => Err(ConfigError::Unavailable { file, source }),
    }
}

/// What of a project's configuration reaches beyond the project, as the folders are linked now.
/// `root` has no links in it.
pub fn gated(config: &IndexConfig, root: &Path) -> Vec<Gated> {
    let mut parts = Vec::new();
    for collection in &config.collections {
        if let Some(command) = &collection.update {
            parts.push(Gated::Command {
                collection: collection.name.clone(),
                command: command.clone(),
            });
        }
        let real = real(&collection.path);
        if !real.as_ref().is_some_and(|path| path.starts_with(root)) {
            parts.push(Gated::Folder(Collection {
                path: real.unwrap_or_else(|| collection.path.clone()),
                ..collection.clone()
            }));
        }
    }
    parts
}

/// Stands for exactly these parts, in whatever order.
pub fn digest(parts: &[Gated]) -> String {
    let mut lines: Vec<String> = parts
        .iter()
        .map(|part| {
            let (kind, value) = match part {
                Gated::Command { command, .. } => ("command", json!(command)),
                Gated::Folder(collection) => ("folder", json!(collection.path)),
            };
            json!([kind, part.collection().as_str(), value]).to_string()
        })
        .collect();
    lines.sort_unstable();
    hex::encode(Sha256::digest(lines.join("\n")))
}

/// A project's configuration as far as it is in force. Inference is the user's own affair, and so is
/// what a click on a link starts: what it says of Modal and of links never counts.
#[must_use]
pub fn admit(config: &IndexConfig, root: &Path, trusted: impl Fn(&str) -> bool) -> IndexConfig {
    let mut admitted = IndexConfig {
        modal: ModalConfig::default(),
        editor_uri: None,
        ..config.clone()
    };
    let parts = gated(config, root);
    if parts.is_empty() || trusted(&digest(&parts)) {
        return admitted;
    }
    let outside = |name: &CollectionName| {
        let mut folders = parts.iter().filter_map(Gated::folder);
        folders.any(|folder| folder.name == *name)
    };
    admitted.collections.retain(|known| !outside(&known.name));
    for collection in &mut admitted.collections {
        collection.update = None;
    }
    admitted.withheld = parts;
    admitted
}

/// Where a path really leads: links resolved as far as it exists. `None` when that cannot be told.
fn real(path: &Path) -> Option<PathBuf> {
    path.ancestors()
        .find_map(|existing| {
            let rest = path.strip_prefix(existing).ok()?;
            let known = fs::canonicalize(existing).ok()?;
            Some((known, rest))
        })
        .filter(|(_, rest)| !rest.components().any(|part| part == Component::ParentDir))
        // Without a slash at the end.
        .map(|(known, rest)| known.join(rest).components().collect())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// A project's root, without links, with a configuration.
    fn project(text: &str) -> (tempfile::TempDir, PathBuf, IndexConfig) {
        let home = tempfile::tempdir().unwrap();
        let root = home.path().canonicalize().unwrap().join("project");
        fs::create_dir_all(root.join("docs")).unwrap();
        fs::create_dir(home.path().join("outside")).unwrap();
        let (file, new) = init(&root).unwrap();
        assert!(new);
        fs::write(&file, text).unwrap();
        let config = IndexConfig::load(&file).unwrap();
        (home, root, config)
    }

    fn names(config: &IndexConfig) -> Vec<&str> {
        let collections = config.collections.iter();
        collections.map(|known| known.name.as_str()).collect()
    }

    #[test]
    fn a_new_project_has_an_empty_configuration_once() {
        let home = tempfile::tempdir().unwrap();
        let (file, new) = init(home.path()).unwrap();
        assert!(new && file.ends_with(".qmd/index.yml"));
        assert_eq!(names(&IndexConfig::load(&file).unwrap()), [] as [&str; 0]);
        let other = file.with_extension("yaml");
        fs::rename(&file, &other).unwrap();
        assert_eq!(init(home.path()).unwrap(), (other, false));
    }

    #[test]
    fn what_stays_inside_needs_no_trust() {
        let text = "global_context: x\nmodels: {embed: hf:a/b/c.gguf}\nmodal: {inference: true}\n\
                    editor_uri: 'x:{path}'\ncollections:\n  a: {path: docs}\n  b: {path: .}\n  c: {path: later/new}\n  \
                    d: {path: docs/../docs}\n";
        let (_home, root, config) = project(text);
        assert_eq!(gated(&config, &root), []);
        let admitted = admit(&config, &root, |_| false);
        assert_eq!(admitted.collections, config.collections);
        assert!(config.modal.inference && !admitted.modal.inference);
        assert!(config.editor_uri.is_some() && admitted.editor_uri.is_none());
    }

    #[test]
    fn commands_and_folders_outside_wait_for_trust() {
        let text = "collections:\n  in: {path: docs, update: make docs}\n  up: {path: ../outside}\n  \
                    abs: {path: /etc}\n  link: {path: docs/link}\n  new: {path: docs/link/new}\n  \
                    lost: {path: docs/no/../../../outside}\n";
        let (_home, root, config) = project(text);
        symlink("../../outside", root.join("docs/link")).unwrap();
        let parts = gated(&config, &root);
        let about: Vec<&str> = parts.iter().map(|it| it.collection().as_str()).collect();
        assert_eq!(about, ["in", "up", "abs", "link", "new", "lost"]);
        let folders: Vec<&Path> = (parts.iter().filter_map(Gated::folder))
            .map(|folder| folder.path.as_path())
            .collect();
        let outside = root.with_file_name("outside");
        let new = outside.join("new");
        let lost = root.join("docs/no/../../../outside");
        let expected: [&Path; 5] = [&outside, Path::new("/etc"), &outside, &new, &lost];
        assert_eq!(folders, expected);
        let admitted = admit(&config, &root, |_| false);
        assert_eq!(names(&admitted), ["in"]);
        assert_eq!(admitted.collections[0].update, None);
        assert_eq!(admitted.withheld, parts);
        assert_eq!(admitted.known().count(), 6);

        let digest = digest(&parts);
        let trusted = admit(&config, &root, |known| known == digest);
        assert_eq!(trusted.collections, config.collections);
        assert_eq!(trusted.withheld, []);
    }

    #[test]
    fn a_change_of_what_is_gated_changes_the_digest_and_nothing_else_does() {
        let of = |text: &str| {
            let (_home, root, config) = project(text);
            digest(&gated(&config, &root))
        };
        let one = of("collections:\n  a: {path: docs, update: make}\n  b: {path: /etc}\n");
        for same in [
            "# more\ncollections:\n  b: {path: /etc, pattern: '*'}\n  a: {path: ., update: make}\n",
            "collections:\n  a: {update: make}\n  b: {path: /etc/.}\n  c: {path: docs}\n",
        ] {
            assert_eq!(of(same), one, "{same}");
        }
        for other in [
            "collections:\n  a: {path: docs, update: make it}\n  b: {path: /etc}\n",
            "collections:\n  a: {path: docs, update: make}\n  b: {path: /usr}\n",
            "collections:\n  b: {path: docs, update: make}\n  a: {path: /etc}\n",
            "collections:\n  a: {path: docs, update: make}\n",
            "collections:\n  a: {path: docs}\n",
        ] {
            assert_ne!(of(other), one, "{other}");
        }
    }
}
