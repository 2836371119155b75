//! Addresses of documents: what a caller names, found in an index.

use std::path::{Component, Path, PathBuf};

use tokio::task::spawn_blocking;
use tonic::Status;

use super::{
    Index,
    miss::{self, Miss, SUGGESTIONS, have_one_text, uri},
    status::status,
};
use crate::{
    config::IndexConfig,
    domain::{Address, AddressError, Collection, CollectionName, DocId, LineRange, Reason, Target},
    store::DocumentRef,
};

/// A document that was named, with its lines.
#[derive(Debug, Clone)]
pub(super) struct Named {
    pub document: DocumentRef,
    pub range: Option<LineRange>,
}

/// Why a document was not found.
#[derive(Debug)]
pub(super) enum Lost {
    /// The address is to blame.
    Miss(Box<Miss>),
    /// The call fails, whatever it asks for.
    Failed(Box<Status>),
}

impl From<Miss> for Lost {
    fn from(miss: Miss) -> Self {
        Self::Miss(Box::new(miss))
    }
}

impl From<Status> for Lost {
    fn from(status: Status) -> Self {
        Self::Failed(Box::new(status))
    }
}

impl From<Lost> for Status {
    fn from(lost: Lost) -> Self {
        match lost {
            Lost::Miss(miss) => miss.into_status(),
            Lost::Failed(status) => *status,
        }
    }
}

/// A path inside of a collection, of plain names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub collection: Collection,
    pub path: String,
}

/// Finds what callers name in an index, within the collections that its configuration has in force.
#[derive(Clone, Copy)]
pub(super) struct Finder<'a> {
    pub index: &'a Index,
    pub config: &'a IndexConfig,
}

impl Finder<'_> {
    /// The collections that documents may be of.
    pub(super) fn within(&self) -> Vec<CollectionName> {
        let known = self.config.collections.iter();
        known.map(|known| known.name.clone()).collect()
    }

    /// Whether there is a collection of that name.
    pub(super) fn knows(&self, name: &str) -> bool {
        let mut known = self.config.collections.iter();
        known.any(|known| known.name.as_str() == name)
    }

    /// A place in a collection that there is.
    pub(super) fn place(&self, collection: &str, path: &str) -> Option<Place> {
        let mut known = self.config.collections.iter();
        let collection = known.find(|known| known.name.as_str() == collection)?;
        let path = path.trim_matches('/');
        let is_plain = |part: Component<'_>| matches!(part, Component::Normal(_));
        let plain = !path.is_empty() && Path::new(path).components().all(is_plain);
        plain.then(|| Place {
            collection: collection.clone(),
            path: path.to_owned(),
        })
    }

    /// The addresses that look like a text, most alike first.
    pub(super) async fn near(&self, text: &str) -> Result<Vec<String>, Status> {
        let store = &self.index.store;
        let near = store.similar(text, self.within(), SUGGESTIONS).await;
        let near = near.map_err(|error| status(&error))?.into_iter();
        Ok(near.map(|address| format!("qmd://{address}")).collect())
    }

    /// The document of exactly this place.
    async fn exactly(&self, collection: &str, path: &str) -> Result<Option<DocumentRef>, Status> {
        let target = Target::Uri {
            collection: collection.to_owned(),
            path: path.to_owned(),
        };
        Ok(self.all(&target).await?.pop())
    }

    /// The one document that an address names. `suggest`: whether a miss is worth a look at all names.
    pub(super) async fn find(&self, text: &str, suggest: bool) -> Result<Named, Lost> {
        let Address { target, range } = Address::parse(text).map_err(|error| malformed(&error))?;
        // A name may end in a colon and a number itself.
        for Address { target, range } in Address::longer_names(text) {
            if let Some(document) = self.literally(&target).await? {
                return Ok(Named { document, range });
            }
        }
        let readings = self.readings(&target).await;
        for reading in &readings {
            let mut found = self.all(reading).await?;
            match found.len() {
                0 => {}
                1 => {
                    let document = found.remove(0);
                    return Ok(Named { document, range });
                }
                // Documents of one text share their docid: the first stands for all.
                _ if docid(reading).is_some_and(|docid| have_one_text(&found, &docid)) => {
                    let document = found.remove(0);
                    return Ok(Named { document, range });
                }
                _ => return Err(miss::ambiguous(text, &found).into()),
            }
        }
        let miss = miss::explain(self, text, &target, &readings, suggest).await?;
        Err(miss.into())
    }

    /// The one document that a text names, all of it a name.
    pub(super) async fn only(&self, target: &Target) -> Result<Option<DocumentRef>, Status> {
        for reading in self.readings(target).await {
            let mut found = self.all(&reading).await?;
            if found.len() == 1 {
                return Ok(found.pop());
            }
        }
        Ok(None)
    }

    /// The document whose whole place a text names to the letter.
    async fn literally(&self, target: &Target) -> Result<Option<DocumentRef>, Status> {
        match target {
            Target::DocId(_) => Ok(None),
            Target::Uri { collection, path } => self.exactly(collection, path).await,
            Target::Path(text) => {
                for reading in self.readings(target).await {
                    if let Target::Uri { collection, path } = reading
                        && let Some(found) = self.exactly(&collection, &path).await?
                    {
                        return Ok(Some(found));
                    }
                }
                match text.split_once('/') {
                    Some((collection, path)) => self.exactly(collection, path).await,
                    None => Ok(None),
                }
            }
        }
    }

    async fn all(&self, target: &Target) -> Result<Vec<DocumentRef>, Status> {
        let found = self.index.store.find(target, self.within()).await;
        found.map_err(|error| status(&error))
    }

    /// What a target means: a file's absolute path is its place in the collections that hold it, the
    /// innermost first.
    async fn readings(&self, target: &Target) -> Vec<Target> {
        let Target::Path(text) = target else {
            return vec![target.clone()];
        };
        let path = PathBuf::from(text);
        if !path.is_absolute() {
            return vec![target.clone()];
        }
        let collections = self.config.collections.clone();
        let held = spawn_blocking(move || holders(&path, &collections)).await;
        match held.unwrap_or_default() {
            held if held.is_empty() => vec![target.clone()],
            held => held,
        }
    }
}

/// The docid that a target is, or can be read as.
fn docid(target: &Target) -> Option<DocId> {
    match target {
        Target::DocId(docid) => Some(docid.clone()),
        Target::Path(text) => DocId::parse(text).ok(),
        Target::Uri { .. } => None,
    }
}

/// The places of a file in collections, innermost first; when there are none by name, by what links
/// lead to.
fn holders(file: &Path, collections: &[Collection]) -> Vec<Target> {
    let by_name = inside(&plain(file), collections, plain);
    if !by_name.is_empty() {
        return by_name;
    }
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| plain(path));
    // The file itself may be a link, which is not followed.
    let (Some(folder), Some(name)) = (file.parent(), file.file_name()) else {
        return Vec::new();
    };
    inside(&real(folder).join(name), collections, real)
}

fn inside(
    file: &Path,
    collections: &[Collection],
    spelt: impl Fn(&Path) -> PathBuf,
) -> Vec<Target> {
    let mut held: Vec<(usize, Target)> = collections
        .iter()
        .filter_map(|known| {
            let folder = spelt(&known.path);
            let rest = file.strip_prefix(&folder).ok()?.to_str()?;
            let target = Target::Uri {
                collection: known.name.to_string(),
                path: rest.to_owned(),
            };
            (!rest.is_empty()).then_some((folder.components().count(), target))
        })
        .collect();
    held.sort_by_key(|(depth, _)| std::cmp::Reverse(*depth));
    held.into_iter().map(|(_, target)| target).collect()
}

/// A path without `.` and `..`, as its names say it.
pub(super) fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                plain.pop();
            }
            part => plain.push(part),
        }
    }
    plain
}

/// An address that does not parse.
fn malformed(error: &AddressError) -> Miss {
    Miss::new(
        Reason::InvalidArgument,
        error.to_string(),
        "an address is qmd://COLLECTION/PATH, #DOCID, a file's path, or the end of a path",
    )
}

/// The address of a document that was found.
pub(super) fn uri_of(document: &DocumentRef) -> String {
    uri(document.collection.as_str(), &document.path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn collection(name: &str, path: &Path) -> Collection {
        Collection::new(CollectionName::new(name).unwrap(), path.to_owned(), "**/*")
    }

    fn held(file: &Path, collections: &[Collection]) -> Vec<String> {
        holders(file, collections)
            .into_iter()
            .map(|target| match target {
                Target::Uri { collection, path } => format!("{collection}/{path}"),
                other => panic!("{other:?}"),
            })
            .collect()
    }

    #[test]
    fn a_file_is_in_the_collections_around_it() {
        let known = [
            collection("outer", Path::new("/n")),
            collection("inner", Path::new("/n/deep")),
            collection("odd", Path::new("/c/../o")),
        ];
        let held = |file: &str| held(Path::new(file), &known);
        assert_eq!(held("/n/deep/a.md"), ["inner/a.md", "outer/deep/a.md"]);
        assert_eq!(held("/n/x/../deep/./a.md").len(), 2);
        assert_eq!(held("/o/b.md"), ["odd/b.md"]);
        for outside in ["/nn/a.md", "/n", "/", "/x/../../y.md"] {
            assert_eq!(held(outside), [""; 0], "{outside}");
        }
    }

    #[test]
    fn links_to_a_folder_lead_to_its_collection() {
        let dir = tempfile::tempdir().unwrap();
        let real = dir.path().join("real");
        std::fs::create_dir_all(real.join("sub")).unwrap();
        symlink(&real, dir.path().join("link")).unwrap();
        let by_link = [collection("notes", &dir.path().join("link"))];
        let file = real.canonicalize().unwrap().join("sub/a.md");
        assert_eq!(held(&file, &by_link), ["notes/sub/a.md"]);
        let by_name = [collection("notes", &real)];
        let file = dir.path().join("link/sub/a.md");
        assert_eq!(held(&file, &by_name), ["notes/sub/a.md"]);
    }
}
