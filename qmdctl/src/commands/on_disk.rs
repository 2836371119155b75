//! Files behind documents, for `--full-path`.

use std::{
    env,
    path::{Path, PathBuf},
};

use crate::render::{Notice, Screen};

/// Names files as they are found from the folder this runs in.
#[derive(Debug, Default)]
pub(super) struct OnDisk {
    here: Option<PathBuf>,
}

impl OnDisk {
    /// Seen from the working folder.
    pub(super) fn new() -> Self {
        Self {
            here: env::current_dir().ok(),
        }
    }

    /// The file's path: from here when it lies below, else whole. `None` for a file that is gone.
    pub(super) fn find(&self, file: &str) -> Option<String> {
        let path = Path::new(file);
        path.is_file()
            .then(|| seen_from(self.here.as_deref(), path))
    }

    /// As [`Self::find`], with a warning about a file that is gone.
    pub(super) fn name(&self, uri: &str, file: &str) -> Option<String> {
        let found = self.find(file);
        if found.is_none() {
            Screen::warn(&Notice {
                message: format!("the file of {uri} is gone"),
                reason: String::new(),
                hint: Some("run `qmdctl update`".to_owned()),
            });
        }
        found
    }
}

/// A path below the folder `here` begins with `./`, any other stays whole.
fn seen_from(here: Option<&Path>, path: &Path) -> String {
    let below = |path: &Path| {
        let inside = path.strip_prefix(here?).ok()?;
        Some(Path::new(".").join(inside))
    };
    // The collection's folder may be named by a link, and the present folder never is.
    let real = || path.canonicalize().ok();
    below(path)
        .or_else(|| below(&real()?))
        .unwrap_or_else(|| PathBuf::from(path))
        .to_string_lossy()
        .into_owned()
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::*;

    #[test]
    fn files_below_are_named_from_here() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        fs::create_dir(root.join("notes")).unwrap();
        fs::write(root.join("notes/a.md"), "").unwrap();
        symlink(root.join("notes"), root.join("link")).unwrap();
        let seen = |here: &str, path: &str| seen_from(Some(&root.join(here)), &root.join(path));
        assert_eq!(seen("", "notes/a.md"), "./notes/a.md");
        assert_eq!(seen("notes", "notes/a.md"), "./a.md");
        assert_eq!(seen("notes", "link/a.md"), "./a.md");
        let whole = root.join("notes/a.md");
        assert_eq!(seen("elsewhere", "notes/a.md"), whole.to_str().unwrap());
        assert_eq!(seen_from(None, &whole), whole.to_str().unwrap());
    }

    #[test]
    fn a_file_that_is_gone_has_no_name() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.md");
        let name = || OnDisk::default().name("qmd://n/a.md", file.to_str().unwrap());
        assert_eq!(name(), None);
        fs::write(&file, "a").unwrap();
        assert_eq!(name().as_deref(), file.to_str());
    }
}
