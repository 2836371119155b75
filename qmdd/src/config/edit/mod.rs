//! Edits of `index.yml` that leave everything else as the user wrote it.

mod context;
mod keys;
mod modal;
mod models;
#[cfg(test)]
mod odd;
mod splice;

use std::{
    fs::{self, DirBuilder, File},
    io::{self, Write},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use tempfile::NamedTempFile;

pub use self::{
    context::{describe_index, describe_place},
    modal::{Deployment, choose_region, remove_deployment, save_deployment},
    models::{choose_model, choose_profile},
};
use super::{ConfigError, IndexConfig, index, project_of};
use crate::domain::{Collection, CollectionName};

/// The key that holds the collections.
const COLLECTIONS: &str = "collections";

/// Adds a collection after the others. The file and its folder are created when there are none.
///
/// # Errors
/// When the name is taken, the file is broken or cannot be written, or it changed meanwhile.
pub fn add_collection(file: &Path, collection: &Collection) -> Result<(), ConfigError> {
    let path = written(file, &collection.path);
    let path = path
        .to_str()
        .ok_or_else(|| ConfigError::PathNotText(collection.path.clone()))?;
    let edit = Edit::start(file)?;
    if edit.known(&collection.name).is_ok() {
        return Err(ConfigError::CollectionExists(collection.name.clone()));
    }
    let text =
        splice::add(edit.text(), collection, path).ok_or_else(|| ConfigError::NotEditable {
            file: file.to_owned(),
            remedy: format!(
                "write it in by hand, under `collections:`: `{}: {{ path: {path:?} }}`",
                collection.name
            ),
        })?;
    edit.finish(&text)
}

/// A folder as the file should have it: inside a project relative to that, so that it holds for every
/// copy of the project.
fn written<'a>(file: &Path, folder: &'a Path) -> &'a Path {
    let inside = project_of(file).and_then(|root| folder.strip_prefix(root).ok());
    match inside {
        Some(root) if root.as_os_str().is_empty() => Path::new("."),
        // At the start it would stand for the home folder.
        Some(inside) if !inside.starts_with("~") => inside,
        _ => folder,
    }
}

/// Removes a collection.
///
/// # Errors
/// When no collection has the name, the file is broken or cannot be written, or it changed
/// meanwhile.
pub fn remove_collection(file: &Path, name: &CollectionName) -> Result<(), ConfigError> {
    let edit = Edit::start(file)?;
    edit.known(name)?;
    let path = [COLLECTIONS, name.as_str()];
    let text = splice::unset(edit.text(), &path).ok_or_else(|| ConfigError::NotEditable {
        file: file.to_owned(),
        remedy: format!("delete {name} under `collections:` by hand"),
    })?;
    edit.finish(&text)
}

/// Gives a collection another name. What it says of it stays.
///
/// # Errors
/// When no collection has the name, the other one is taken, the file is broken or cannot be written, or
/// it changed meanwhile.
pub fn rename_collection(
    file: &Path,
    name: &CollectionName,
    new_name: &CollectionName,
) -> Result<(), ConfigError> {
    let edit = Edit::start(file)?;
    edit.known(name)?;
    if edit.known(new_name).is_ok() {
        return Err(ConfigError::CollectionExists(new_name.clone()));
    }
    let path = [COLLECTIONS, name.as_str()];
    let text = splice::rename(edit.text(), &path, new_name.as_str());
    let text = text.ok_or_else(|| ConfigError::NotEditable {
        file: file.to_owned(),
        remedy: format!("write {new_name} in the place of {name} under `collections:` by hand"),
    })?;
    edit.finish(&text)
}

/// Says whether a collection is searched when none is named.
///
/// # Errors
/// When no collection has the name, the file is broken or cannot be written, or it changed meanwhile.
pub fn include_collection(
    file: &Path,
    name: &CollectionName,
    included: bool,
) -> Result<(), ConfigError> {
    const KEY: &str = "includeByDefault";
    let edit = Edit::start(file)?;
    if edit.known(name)?.include_by_default == included {
        return Ok(());
    }
    let path = [COLLECTIONS, name.as_str(), KEY];
    let text = splice::set(edit.text(), &path, included);
    let text = text.ok_or_else(|| ConfigError::NotEditable {
        file: file.to_owned(),
        remedy: format!("write `{KEY}: {included}` under `{name}:` by hand"),
    })?;
    edit.finish(&text)
}

/// A file between read and write.
struct Edit {
    /// As the caller names it.
    file: PathBuf,
    /// The text read; `None` when there was no file.
    before: Option<String>,
    config: IndexConfig,
}

impl Edit {
    fn start(file: &Path) -> Result<Self, ConfigError> {
        let before = index::read(file)?;
        let text = before.as_deref().unwrap_or_default();
        let config = IndexConfig::parse(text, file, index::home().as_deref())?;
        Ok(Self {
            file: file.to_owned(),
            before,
            config,
        })
    }

    /// The collection of a name.
    fn known(&self, name: &CollectionName) -> Result<&Collection, ConfigError> {
        let mut collections = self.config.collections.iter();
        collections
            .find(|known| known.name == *name)
            .ok_or_else(|| ConfigError::CollectionUnknown(name.clone()))
    }

    fn text(&self) -> &str {
        self.before.as_deref().unwrap_or_default()
    }

    /// Puts the new text in the file's place in one step: a reader sees the old file or the new
    /// one, and so does whoever looks after a crash.
    fn finish(self, text: &str) -> Result<(), ConfigError> {
        let unavailable = |source| ConfigError::Unavailable {
            file: self.file.clone(),
            source,
        };
        let target = follow_link(&self.file).map_err(unavailable)?;
        let folder = target.parent().unwrap_or(Path::new("/"));
        let mut new = stage(folder, text).map_err(unavailable)?;
        if let Ok(old) = fs::metadata(&target) {
            new.as_file_mut()
                .set_permissions(old.permissions())
                .map_err(unavailable)?;
        }
        if index::read(&self.file)? != self.before {
            return Err(ConfigError::Conflict { file: self.file });
        }
        let placed = match self.before {
            Some(_) => new.persist(&target),
            None => new.persist_noclobber(&target),
        };
        match placed {
            Ok(_) => File::open(folder)
                .and_then(|folder| folder.sync_all())
                .map_err(unavailable),
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {
                Err(ConfigError::Conflict { file: self.file })
            }
            Err(error) => Err(unavailable(error.error)),
        }
    }
}

/// Puts a text in a file's place in one step, readable by its owner alone.
pub(super) fn replace(file: &Path, text: &str) -> io::Result<()> {
    let folder = file.parent().unwrap_or(Path::new("/"));
    stage(folder, text)?.persist(file)?;
    File::open(folder)?.sync_all()
}

/// Writes a text to a new file in a folder, which is created for its owner alone if need be.
fn stage(folder: &Path, text: &str) -> io::Result<NamedTempFile> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)?;
    let mut file = NamedTempFile::new_in(folder)?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    Ok(file)
}

/// Where a file really lies, so that a link to it stays a link.
fn follow_link(file: &Path) -> io::Result<PathBuf> {
    match fs::canonicalize(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => match fs::read_link(file) {
            // A link to a file that is yet to be.
            Ok(target) => Ok(file.parent().unwrap_or(Path::new("/")).join(target)),
            Err(_) => Ok(file.to_owned()),
        },
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    use super::*;
    use crate::domain::{Failure, Reason};

    fn name(text: &str) -> CollectionName {
        CollectionName::new(text).unwrap()
    }

    fn notes() -> Collection {
        Collection::new(name("notes"), "/home/u/my notes".into(), "**/*.md")
    }

    #[test]
    fn the_first_collection_makes_folder_and_file() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("new/folder/index.yml");
        add_collection(&file, &notes()).unwrap();
        assert_eq!(IndexConfig::load(&file).unwrap().collections, [notes()]);
        let folder = fs::metadata(file.parent().unwrap()).unwrap();
        assert_eq!(folder.mode() & 0o777, 0o700);

        remove_collection(&file, &notes().name).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap().trim(), "collections: {}");
        let left: Vec<_> = fs::read_dir(file.parent().unwrap()).unwrap().collect();
        assert_eq!(left.len(), 1, "no temporary file stays behind");
    }

    #[test]
    fn names_are_checked_against_the_file() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("index.yml");
        add_collection(&file, &notes()).unwrap();
        let before = fs::read(&file).unwrap();
        let taken = add_collection(&file, &notes()).unwrap_err();
        assert_eq!(taken.reason(), Reason::CollectionExists);
        let unknown = remove_collection(&file, &name("other")).unwrap_err();
        assert_eq!(unknown.reason(), Reason::CollectionUnknown);
        assert_eq!(fs::read(&file).unwrap(), before);
    }

    #[test]
    fn a_broken_file_is_left_alone() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("index.yml");
        fs::write(&file, "collections: [\n").unwrap();
        let error = add_collection(&file, &notes()).unwrap_err();
        assert_eq!(error.reason(), Reason::ConfigInvalid);
        assert_eq!(fs::read_to_string(&file).unwrap(), "collections: [\n");
    }

    #[test]
    fn a_projects_own_folders_are_written_relative_to_it() {
        let home = tempfile::tempdir().unwrap();
        let root = home.path();
        let file = root.join(".qmd/index.yml");
        for (name_of, path) in [
            ("a", root.join("docs/x")),
            ("b", root.to_owned()),
            ("c", "/".into()),
        ] {
            let (name, path) = (name(name_of), path);
            add_collection(
                &file,
                &Collection {
                    name,
                    path,
                    ..notes()
                },
            )
            .unwrap();
        }
        let text = fs::read_to_string(&file).unwrap();
        for line in ["    path: docs/x\n", "    path: .\n", "    path: /\n"] {
            assert!(text.contains(line), "{line:?} in {text}");
        }
        let config = IndexConfig::load(&file).unwrap();
        let paths: Vec<_> = config
            .collections
            .iter()
            .map(|known| known.path.clone())
            .collect();
        assert_eq!(paths, [root.join("docs/x"), root.to_owned(), "/".into()]);
    }

    #[test]
    fn mode_and_link_are_kept() {
        let home = tempfile::tempdir().unwrap();
        let real = home.path().join("dotfiles.yml");
        fs::write(&real, "# mine\ncollections: {}\n").unwrap();
        fs::set_permissions(&real, fs::Permissions::from_mode(0o640)).unwrap();
        let link = home.path().join("index.yml");
        symlink("dotfiles.yml", &link).unwrap();
        add_collection(&link, &notes()).unwrap();
        assert!(link.is_symlink());
        assert_eq!(fs::metadata(&real).unwrap().mode() & 0o777, 0o640);
        assert!(fs::read_to_string(&real).unwrap().starts_with("# mine\n"));
        assert_eq!(IndexConfig::load(&link).unwrap().collections, [notes()]);
    }

    #[test]
    fn a_link_to_a_file_that_is_yet_to_be_makes_it() {
        let home = tempfile::tempdir().unwrap();
        let link = home.path().join("index.yml");
        symlink("later.yml", &link).unwrap();
        add_collection(&link, &notes()).unwrap();
        assert!(link.is_symlink());
        assert!(home.path().join("later.yml").is_file());
    }

    #[test]
    fn a_change_meanwhile_is_a_conflict() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("index.yml");
        fs::write(&file, "collections: {}\n").unwrap();
        let edit = Edit::start(&file).unwrap();
        fs::write(&file, "collections: {}\n# theirs\n").unwrap();
        assert_eq!(
            edit.finish("ours").unwrap_err().reason(),
            Reason::ConfigConflict
        );
        assert_eq!(
            fs::read_to_string(&file).unwrap(),
            "collections: {}\n# theirs\n"
        );

        let absent = home.path().join("absent.yml");
        let edit = Edit::start(&absent).unwrap();
        fs::write(&absent, "theirs: 1\n").unwrap();
        assert_eq!(
            edit.finish("ours").unwrap_err().reason(),
            Reason::ConfigConflict
        );
        assert_eq!(fs::read_to_string(&absent).unwrap(), "theirs: 1\n");
    }

    #[test]
    fn a_path_that_is_no_text_is_refused() {
        use std::{ffi::OsString, os::unix::ffi::OsStringExt};

        let home = tempfile::tempdir().unwrap();
        let path = PathBuf::from(OsString::from_vec(b"/\xff".to_vec()));
        let error = add_collection(&home.path().join("i.yml"), &Collection { path, ..notes() })
            .unwrap_err();
        assert_eq!(error.reason(), Reason::InvalidArgument);
    }
}
