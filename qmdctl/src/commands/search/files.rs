//! The files of hits, where they lie on this machine.

use std::{
    env,
    path::{Path, PathBuf},
};

use qmd_proto::v1::Hit;

use crate::render::{Answer, Notice, count};

/// Each hit's file, seen from the present folder; `None` for one that is gone.
pub(super) fn paths(hits: &[Hit]) -> Vec<Option<String>> {
    let here = env::current_dir().ok();
    hits.iter()
        .map(|hit| {
            let path = Path::new(&hit.file_path);
            path.is_file().then(|| seen_from(here.as_deref(), path))
        })
        .collect()
}

/// What is to be said of hits whose files are gone.
pub(super) fn gone(full_path: bool, answer: &Answer<'_>) -> Option<Notice> {
    let pairs = answer.reply.hits.iter().zip(&answer.files);
    let gone: Vec<&Hit> = pairs
        .filter(|(_, file)| file.is_none())
        .map(|(hit, _)| hit)
        .collect();
    let first = gone.first().filter(|_| full_path)?;
    let hits = count(gone.len() as u64, "hit");
    let such = if gone.len() == 1 { "" } else { " such as" };
    Some(Notice {
        message: format!(
            "{hits} named by address, the file is gone:{such} {}",
            first.uri
        ),
        reason: String::new(),
        hint: Some("run `qmdctl update`".into()),
    })
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

    use qmd_proto::v1::SearchReply;

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
    fn a_file_that_is_gone_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let hit = |name: &str| Hit {
            uri: format!("qmd://n/{name}"),
            file_path: folder.path().join(name).to_str().unwrap().to_owned(),
            ..Hit::default()
        };
        fs::write(folder.path().join("here.md"), "").unwrap();
        let reply = SearchReply {
            hits: vec![hit("here.md"), hit("gone.md"), Hit::default()],
            ..SearchReply::default()
        };
        let files = paths(&reply.hits);
        let there: Vec<bool> = files.iter().map(Option::is_some).collect();
        assert_eq!(there, [true, false, false]);
        let answer = Answer {
            reply: &reply,
            files,
        };
        let notice = gone(true, &answer).unwrap();
        assert_eq!(
            notice.message,
            "2 hits named by address, the file is gone: such as qmd://n/gone.md"
        );
        let unasked = Answer {
            reply: &reply,
            files: Vec::new(),
        };
        assert_eq!(gone(false, &unasked), None);
    }
}
