//! The index of an evaluation: a project in the user's cache, with the documents in it, so that nothing
//! needs trust and the user's own index stays as it is.

use std::{
    collections::{BTreeSet, HashSet},
    fmt::Write as _,
    fs::{self, File},
    io::{self, BufRead, BufReader},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use qmd_proto::{
    Reason,
    paths::{PROJECT_CONFIGS, PROJECT_FOLDER},
    v1::{CleanupRequest, IndexRef, RemoveCollectionRequest, index_ref::Target},
};
use qmdctl::eval::{Malformed, beir::Corpus, names::Names};
use sha2::{Digest, Sha256};

use super::load::{self, Kind, Source};
use crate::{
    client::Client,
    commands::utf8,
    error::{Failure, Result},
    render::{Screen, Step},
};

/// The folder in the cache.
const FOLDER: &str = "eval";
/// The collection, and its folder in the project.
const COLLECTION: &str = "docs";
/// Bytes of a hash that make a folder's name.
const HASHED: usize = 8;
/// So many documents are written between two signs of life.
const SHOWN_EVERY: usize = 500;

/// The project.
pub(super) struct Project {
    root: PathBuf,
    utf8: String,
}

impl Project {
    /// The one for the collection at a path, which has no links in it.
    pub(super) fn of(cache: &Path, source: &Path) -> Result<Self> {
        let hash = Sha256::digest(source.as_os_str().as_encoded_bytes());
        let name = hash
            .iter()
            .take(HASHED)
            .fold(String::new(), |mut name, byte| {
                let _ = write!(name, "{byte:02x}");
                name
            });
        let root = cache.join(FOLDER).join(name);
        let utf8 = utf8(&root)?.to_owned();
        Ok(Self { root, utf8 })
    }

    /// How requests name its index.
    pub(super) fn index(&self) -> IndexRef {
        IndexRef {
            target: Some(Target::ProjectRoot(self.utf8.clone())),
        }
    }

    /// Takes in the documents as they are now, and takes out those that are gone. Returns what they are
    /// called.
    pub(super) fn fill(&self, screen: Screen, kind: &Kind, source: &Source) -> Result<Names> {
        self.configure(&source.path)
            .map_err(|error| unwritten(&self.root, &error))?;
        let docs = self.root.join(COLLECTION);
        let mut progress = screen.progress();
        let mut show = |done: usize, total: usize| {
            progress.show(&Step {
                label: "taking documents in".into(),
                done: done as u64,
                total: total as u64,
                detail: String::new(),
                bytes: false,
            });
        };
        let (files, names) = match kind {
            Kind::Folder(folder) => {
                let files = link(folder, &docs, &mut show)?;
                let names = Names::find(&files, &source.relevant())
                    .map_err(|wrong| load::malformed(source.judgements_file.as_ref(), &wrong))?;
                (files, names)
            }
            Kind::Beir(corpus) => {
                let written = write(corpus, &docs, &mut show)?;
                let files = written.iter().map(|(file, _)| file.clone()).collect();
                let names = Names::of(written);
                let relevant = source.relevant();
                if names.missing(&relevant) == relevant.len() {
                    let wrong = Malformed::whole("none of the judged documents is in corpus.jsonl");
                    return Err(load::malformed(source.judgements_file.as_ref(), &wrong).into());
                }
                (files, names)
            }
            Kind::Fixture(_) => return Ok(Names::default()),
        };
        progress.finish();
        let keep: HashSet<PathBuf> = files.iter().map(PathBuf::from).collect();
        remove_others(&docs, Path::new(""), &keep).map_err(|error| unwritten(&docs, &error))?;
        Ok(names)
    }

    fn configure(&self, source: &Path) -> io::Result<()> {
        let folder = self.root.join(PROJECT_FOLDER);
        fs::create_dir_all(&folder)?;
        fs::create_dir_all(self.root.join(COLLECTION))?;
        let file = folder.join(PROJECT_CONFIGS[1]);
        let text = format!(
            "# Made by `qmdctl eval` of {}\nwatch: false\ncollections:\n  {COLLECTION}: \
             {{path: {COLLECTION}, pattern: '**/*'}}\n",
            source.display().to_string().escape_debug(),
        );
        if fs::read_to_string(&file).is_ok_and(|there| there == text) {
            return Ok(());
        }
        fs::write(file, text)
    }

    /// Removes it, and what the daemon has of it.
    pub(super) async fn remove(&self, client: &Client) -> Result<()> {
        let request = RemoveCollectionRequest {
            index: Some(self.index()),
            name: COLLECTION.into(),
        };
        client.index().remove_collection(request).await?;
        let request = CleanupRequest {
            index: Some(self.index()),
            dry_run: false,
        };
        client.index().cleanup(request).await?;
        fs::remove_dir_all(&self.root).map_err(|error| unwritten(&self.root, &error).into())
    }
}

/// Something in the cache, or a run, that cannot be written.
pub(super) fn unwritten(path: &Path, error: &io::Error) -> Failure {
    let failure = Failure::of_path(path, error, Reason::FileUnreadable);
    match error.kind() {
        io::ErrorKind::StorageFull => failure,
        _ => failure.hint("check that you may write there"),
    }
}

/// Links the files of a folder into another one, or copies them where that cannot be. Returns their paths
/// inside, in order. Hidden files are left out.
fn link(from: &Path, into: &Path, show: &mut impl FnMut(usize, usize)) -> Result<Vec<String>> {
    let mut files = BTreeSet::new();
    collect(from, from, &mut files)?;
    let total = files.len();
    for (at, path) in files.iter().enumerate() {
        if at % SHOWN_EVERY == 0 {
            show(at, total);
        }
        let target = into.join(path);
        let source = from.join(path);
        take_in(&source, &target).map_err(|error| unwritten(&target, &error))?;
    }
    Ok(files.into_iter().collect())
}

fn collect(root: &Path, folder: &Path, files: &mut BTreeSet<String>) -> Result<()> {
    let failed = |error: &io::Error| Failure::of_path(folder, error, Reason::FolderMissing);
    for entry in fs::read_dir(folder).map_err(|error| failed(&error))? {
        let entry = entry.map_err(|error| failed(&error))?;
        if entry.file_name().as_encoded_bytes().starts_with(b".") {
            continue;
        }
        let path = entry.path();
        let kind = entry.file_type().map_err(|error| failed(&error))?;
        if kind.is_dir() {
            collect(root, &path, files)?;
        } else if path.is_file() {
            let inside = path.strip_prefix(root).unwrap_or(&path);
            files.insert(utf8(inside)?.to_owned());
        }
    }
    Ok(())
}

/// Makes a file be at another place too, unless it is there already.
fn take_in(source: &Path, target: &Path) -> io::Result<()> {
    // A link leads to a file; the file itself is taken in.
    let source = fs::canonicalize(source)?;
    let wanted = fs::metadata(&source)?;
    if let Ok(there) = fs::symlink_metadata(target) {
        let same_file = (there.dev(), there.ino()) == (wanted.dev(), wanted.ino());
        let same_copy = there.len() == wanted.len() && there.modified()? == wanted.modified()?;
        if there.is_file() && (same_file || same_copy) {
            return Ok(());
        }
        if there.is_dir() {
            fs::remove_dir_all(target)?;
        } else {
            fs::remove_file(target)?;
        }
    }
    if let Some(folder) = target.parent() {
        make_folder(folder)?;
    }
    if fs::hard_link(&source, target).is_ok() {
        return Ok(());
    }
    fs::copy(&source, target)?;
    // By its time it is known to be the same when it is looked at again.
    File::options()
        .write(true)
        .open(target)
        .and_then(|copy| copy.set_modified(wanted.modified()?))
}

/// Makes a folder, where a file may have been.
fn make_folder(folder: &Path) -> io::Result<()> {
    match fs::create_dir_all(folder) {
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists
            ) =>
        {
            let in_the_way = folder.ancestors().find(|path| path.is_file());
            in_the_way.map_or(Ok(()), fs::remove_file)?;
            fs::create_dir_all(folder)
        }
        made => made,
    }
}

/// Writes the documents of a corpus as files. Returns the files with the documents' ids.
fn write(
    corpus: &Path,
    into: &Path,
    show: &mut impl FnMut(usize, usize),
) -> Result<Vec<(String, String)>> {
    let failed = |error: &io::Error| load::unreadable(corpus, error);
    let mut reader = BufReader::new(File::open(corpus).map_err(|error| failed(&error))?);
    let mut reading = Corpus::default();
    let mut written = Vec::new();
    let mut line = String::new();
    let mut at = 0;
    loop {
        line.clear();
        if reader
            .read_line(&mut line)
            .map_err(|error| failed(&error))?
            == 0
        {
            break;
        }
        at += 1;
        if at % SHOWN_EVERY == 1 {
            show(at, 0);
        }
        let document = reading
            .document(at, &line)
            .map_err(|wrong| load::malformed(corpus, &wrong))?;
        let Some(document) = document else { continue };
        let target = into.join(&document.file);
        let same = fs::read(&target).is_ok_and(|there| there == document.markdown.as_bytes());
        if !same {
            fs::write(&target, &document.markdown).map_err(|error| unwritten(&target, &error))?;
        }
        written.push((document.file, document.id));
    }
    Ok(written)
}

/// Removes every file in a folder that is not to be kept, and folders that are empty then. `inside` is the
/// folder's path as the kept ones begin with it. True when nothing is left.
fn remove_others(folder: &Path, inside: &Path, keep: &HashSet<PathBuf>) -> io::Result<bool> {
    let mut empty = true;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let (path, inside) = (entry.path(), inside.join(entry.file_name()));
        if entry.file_type()?.is_dir() {
            if remove_others(&path, &inside, keep)? {
                fs::remove_dir(&path)?;
            } else {
                empty = false;
            }
        } else if keep.contains(&inside) {
            empty = false;
        } else {
            fs::remove_file(&path)?;
        }
    }
    Ok(empty)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn text(path: &Path) -> String {
        fs::read_to_string(path).unwrap()
    }

    #[test]
    fn files_are_there_as_they_are_in_the_source() {
        let dir = tempfile::tempdir().unwrap();
        let (from, into) = (dir.path().join("from"), dir.path().join("into"));
        fs::create_dir_all(from.join("sub")).unwrap();
        fs::create_dir(&into).unwrap();
        fs::write(from.join("a.md"), "one").unwrap();
        fs::write(from.join("sub/b.md"), "two").unwrap();
        fs::write(from.join(".hidden"), "no").unwrap();
        fs::write(dir.path().join("elsewhere.md"), "three").unwrap();
        symlink(dir.path().join("elsewhere.md"), from.join("c.md")).unwrap();
        let take = || {
            let files = link(&from, &into, &mut |_, _| {}).unwrap();
            let keep = files.iter().map(PathBuf::from).collect();
            remove_others(&into, Path::new(""), &keep).unwrap();
            files
        };
        assert_eq!(take(), ["a.md", "c.md", "sub/b.md"]);
        assert_eq!(text(&into.join("c.md")), "three");
        assert!(into.join("c.md").symlink_metadata().unwrap().is_file());
        let before = fs::metadata(into.join("a.md")).unwrap().modified().unwrap();

        // Replaced, removed, and a folder where a file was.
        fs::write(from.join("new"), "four!").unwrap();
        fs::rename(from.join("new"), from.join("c.md")).unwrap();
        fs::remove_dir_all(from.join("sub")).unwrap();
        assert_eq!(take(), ["a.md", "c.md"]);
        assert_eq!(text(&into.join("c.md")), "four!");
        assert!(!into.join("sub").exists());
        fs::remove_file(from.join("c.md")).unwrap();
        fs::create_dir(from.join("c.md")).unwrap();
        fs::write(from.join("c.md/d.md"), "five").unwrap();
        assert_eq!(take(), ["a.md", "c.md/d.md"]);
        let after = fs::metadata(into.join("a.md")).unwrap().modified().unwrap();
        assert_eq!(before, after);
    }

    #[test]
    fn a_copy_is_known_again_by_its_size_and_time() {
        let dir = tempfile::tempdir().unwrap();
        let (source, target) = (dir.path().join("a"), dir.path().join("b"));
        fs::write(&source, "one").unwrap();
        fs::write(&target, "two").unwrap();
        let time = fs::metadata(&source).unwrap().modified().unwrap();
        let copy = File::options().write(true).open(&target).unwrap();
        copy.set_modified(time).unwrap();
        take_in(&source, &target).unwrap();
        assert_eq!(text(&target), "two", "it was taken for the same");
        fs::write(&source, "longer").unwrap();
        take_in(&source, &target).unwrap();
        assert_eq!(text(&target), "longer");
    }

    #[test]
    fn a_corpus_becomes_files() {
        let dir = tempfile::tempdir().unwrap();
        let corpus = dir.path().join("corpus.jsonl");
        fs::write(
            &corpus,
            "{\"_id\": \"a/1\", \"title\": \"T\", \"text\": \"x\"}\n\n",
        )
        .unwrap();
        let into = dir.path().join("docs");
        fs::create_dir(&into).unwrap();
        let written = write(&corpus, &into, &mut |_, _| {}).unwrap();
        assert_eq!(written, [("a%2F1.md".to_owned(), "a/1".to_owned())]);
        assert_eq!(text(&into.join("a%2F1.md")), "# T\n\nx\n");
    }

    #[test]
    fn each_collection_has_a_folder_of_its_own() {
        let of = |source: &str| Project::of(Path::new("/c"), Path::new(source)).unwrap();
        assert_eq!(of("/a").root, of("/a").root);
        assert_ne!(of("/a").root, of("/b").root);
        assert!(of("/a").root.starts_with("/c/eval"));
    }
}
