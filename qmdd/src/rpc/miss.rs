//! Why an address fits no document, or not one alone, and what to do about it.

use std::path::Path;

use tonic::Status;

use super::{
    Index,
    address::{Finder, Place},
    command::{qmdctl, quoted},
    indexes,
    status::{self, status},
};
use crate::{
    domain::{ContentHash, DocId, Reason, Target},
    ingest::{LeftOut, Standing, standing},
    store::{DocumentRef, Scope, SkippedFile},
};

/// How many near misses an unknown address suggests.
pub(super) const SUGGESTIONS: usize = 5;

/// How many documents are named that fit one address.
const CANDIDATES: usize = 20;

/// An address that fits no document, or more than one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Miss {
    /// Stable.
    pub reason: Reason,
    /// One line.
    pub message: String,
    /// What to do.
    pub hint: String,
    /// Addresses that may have been meant, best first.
    pub suggestions: Vec<String>,
}

impl Miss {
    pub(super) fn new(reason: Reason, message: String, hint: impl Into<String>) -> Self {
        Self {
            reason,
            message,
            hint: hint.into(),
            suggestions: Vec::new(),
        }
    }

    /// Of what is not there, with what may have been meant; a `hint` for when that is nothing.
    pub(super) fn near(message: String, suggestions: Vec<String>, hint: impl Into<String>) -> Self {
        let hint = match suggestions.as_slice() {
            [] => hint.into(),
            near => format!("did you mean {}?", near.join(", ")),
        };
        Self {
            suggestions,
            ..Self::new(Reason::DocumentNotFound, message, hint)
        }
    }

    /// As the error of a call.
    pub(super) fn into_status(self) -> Status {
        status::suggesting(self.reason, self.message, self.hint, &self.suggestions)
    }
}

/// An address that several documents fit.
pub(super) fn ambiguous(text: &str, found: &[DocumentRef]) -> Miss {
    let count = found.len();
    let uris = found.iter().take(CANDIDATES);
    let suggestions: Vec<String> = uris
        .map(|document| uri(document.collection.as_str(), &document.path))
        .collect();
    let shown = suggestions[..SUGGESTIONS.min(suggestions.len())].join(", ");
    let more = match count.saturating_sub(SUGGESTIONS) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    Miss {
        reason: Reason::DocumentAmbiguous,
        message: format!("{count} documents fit {text:?}"),
        hint: format!("name one of them whole: {shown}{more}"),
        suggestions,
    }
}

/// Why no document has an address, which was read as `readings`. Looking for names that are alike is
/// left out where it is not worth its time.
pub(super) async fn explain(
    finder: &Finder<'_>,
    text: &str,
    target: &Target,
    readings: &[Target],
    suggest: bool,
) -> Result<Miss, Status> {
    for reading in readings {
        if let Some(withheld) = withheld(finder, reading) {
            return Ok(withheld);
        }
        let skipped = finder.index.store.find_skipped(reading, finder.within());
        if let Some(file) = skipped.await.map_err(|e| status(&e))?.into_iter().next() {
            return Ok(of_skipped(finder.index, file));
        }
    }
    for place in places(finder, readings) {
        if let Some(miss) = at_place(finder, &place).await? {
            return Ok(miss);
        }
    }
    if let Target::Path(path) = target
        && Path::new(path).is_absolute()
        && readings.contains(target)
    {
        return Ok(outside(finder.index, path));
    }
    let near = match readings.first().unwrap_or(target) {
        Target::Uri { collection, path } if suggest => {
            finder.near(&format!("{collection}/{path}")).await?
        }
        Target::Path(path) if suggest => finder.near(path).await?,
        _ => Vec::new(),
    };
    let hint = match target {
        Target::DocId(_) => {
            "`qmdctl ls` with a collection shows the docids of its documents".into()
        }
        Target::Uri { collection, .. } if !finder.knows(collection) => {
            format!("no collection {collection:?}: see `qmdctl collection list`")
        }
        _ => format!(
            "run `{}` if the file is new",
            qmdctl(finder.index, "update")
        ),
    };
    Ok(Miss::near(format!("no document {text:?}"), near, hint))
}

/// What is to be said of a reading whose collection waits for trust.
fn withheld(finder: &Finder<'_>, reading: &Target) -> Option<Miss> {
    let collection = match reading {
        Target::Uri { collection, .. } => collection.as_str(),
        Target::Path(path) => path.split_once('/')?.0,
        Target::DocId(_) => return None,
    };
    let (message, hint) = indexes::withheld(finder.config, collection)?;
    Some(Miss::new(Reason::ConfigUntrusted, message, hint))
}

/// A file that the last scan left out.
fn of_skipped(index: &Index, skipped: SkippedFile) -> Miss {
    let SkippedFile { collection, file } = skipped;
    let message = format!(
        "{collection}/{} is not indexed: {}",
        file.path, file.why.message
    );
    let list = qmdctl(
        index,
        &format!("ls --skipped {}", quoted(collection.as_str())),
    );
    Miss::new(
        file.why.reason,
        message,
        format!("`{list}` lists what is left out"),
    )
}

/// Where the readings may lie: at the place they name, or at the top of any collection.
fn places(finder: &Finder<'_>, readings: &[Target]) -> Vec<Place> {
    let mut places = Vec::new();
    for reading in readings {
        match reading {
            Target::DocId(_) => {}
            Target::Uri { collection, path } => places.extend(finder.place(collection, path)),
            // In no collection.
            Target::Path(path) if path.starts_with('/') => {}
            Target::Path(path) => {
                let named = path.split_once('/');
                places.extend(named.and_then(|(collection, path)| finder.place(collection, path)));
                let known = finder.config.collections.iter();
                places.extend(known.filter_map(|known| finder.place(known.name.as_str(), path)));
            }
        }
    }
    places
}

/// What is to be said of a place, when there is something.
async fn at_place(finder: &Finder<'_>, place: &Place) -> Result<Option<Miss>, Status> {
    let Place { collection, path } = place;
    let name = collection.name.as_str();
    let shown = format!("{name}/{path}");
    // A bad glob is told by `update`; here it only means that nothing is known.
    match standing(collection, path).await {
        Ok(Standing::LeftOut(rule)) => {
            let hint = mended_by(finder.index, name, &rule);
            let message = format!("{shown} is not indexed: {rule}");
            return Ok(Some(Miss::new(Reason::FileIgnored, message, hint)));
        }
        Ok(Standing::Taken) => {
            let update = qmdctl(finder.index, &format!("update -c {}", quoted(name)));
            let message = format!("{shown} is not indexed yet");
            let hint = format!("run `{update}`");
            return Ok(Some(Miss::new(Reason::DocumentNotFound, message, hint)));
        }
        Ok(Standing::Folder | Standing::Absent) | Err(_) => {}
    }
    let scope = Scope::of(vec![collection.name.clone()]);
    let below = finder.index.store.list(scope, Some(path.clone()), None, 1);
    if below.await.map_err(|error| status(&error))?.is_empty() {
        return Ok(None);
    }
    let list = qmdctl(finder.index, &format!("ls {}", quoted(&shown)));
    let message = format!("{shown} is a folder");
    let hint = format!("`{list}` lists its documents");
    Ok(Some(Miss::new(Reason::DocumentNotFound, message, hint)))
}

/// What lets a file in that a rule leaves out.
fn mended_by(index: &Index, collection: &str, rule: &LeftOut) -> String {
    let config = index.config_file();
    let config = config.display();
    match rule {
        LeftOut::Pattern(_) => {
            format!("widen `pattern` of the collection {collection} in {config} to have it")
        }
        LeftOut::Glob { key, .. } => {
            format!("change `{key}` of the collection {collection} in {config} to have it")
        }
        LeftOut::IgnoreFile { .. } => {
            "change that line to have it, or add one with `!` to a .qmdignore beside it".to_owned()
        }
        LeftOut::ExcludedFolder(_) => "move it to another folder to have it".to_owned(),
        LeftOut::Hidden(name) => format!(
            "add a glob that names {name} to `pattern` of the collection {collection} in {config} \
             to have it"
        ),
        LeftOut::Link(_) => "what it leads to is indexed where it lies".to_owned(),
    }
}

/// A file's path that lies in no collection.
fn outside(index: &Index, path: &str) -> Miss {
    let file = Path::new(path);
    match file.parent() {
        Some(folder) if file.exists() => {
            let folder = quoted(&folder.to_string_lossy());
            let add = qmdctl(index, &format!("collection add {folder}"));
            let message = format!("{path} is in no collection");
            Miss::new(
                Reason::DocumentNotFound,
                message,
                format!("`{add}` adds its folder"),
            )
        }
        _ => Miss::new(
            Reason::DocumentNotFound,
            format!("there is no file {path}"),
            "give the address of a document, as `qmdctl ls` shows it",
        ),
    }
}

/// The address of a document.
pub(super) fn uri(collection: &str, path: &str) -> String {
    format!("qmd://{collection}/{path}")
}

/// Whether documents were found by a docid, and by one that fits only one text.
pub(super) fn have_one_text(found: &[DocumentRef], docid: &DocId) -> bool {
    let mut hashes = found.iter().map(|document| document.hash);
    let first = hashes.next();
    let of_docid = |hash: &ContentHash| hash.to_string().starts_with(docid.as_str());
    first.as_ref().is_some_and(of_docid) && hashes.all(|hash| Some(hash) == first)
}
