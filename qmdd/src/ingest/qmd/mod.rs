//! Takes over what an index of QMD's holds: which of its documents are here, and vectors that need not
//! be computed again.

mod sample;
mod vectors;

use std::collections::HashMap;

use super::IngestError;
use crate::{
    domain::{Collection, ContentHash},
    store::{QmdIndex, Scope, Store},
};

pub use self::vectors::{Left, QmdVectors, VectorProgress, take_vectors};

/// Documents compared in one go.
const PAGE: i64 = 1000;

/// Documents of an index of QMD's beside ours.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct QmdDocuments {
    /// Here, with the same text.
    pub same: u64,
    /// Here, with another text: the file has changed since.
    pub changed: u64,
    /// Not here: the file is gone, or left out.
    pub absent: u64,
}

/// Counts the documents of collections that an index of QMD's has too.
///
/// # Errors
/// When one of the indexes cannot be read.
pub async fn compare(
    store: &Store,
    qmd: &QmdIndex,
    collections: &[Collection],
) -> Result<QmdDocuments, IngestError> {
    let mut counted = QmdDocuments::default();
    for collection in collections {
        let scope = Scope::of(vec![collection.name.clone()]);
        let known = store.list(scope, None, None, usize::MAX >> 1).await?;
        let known: HashMap<String, ContentHash> = known
            .into_iter()
            .map(|document| (document.path, document.hash))
            .collect();
        let mut after = 0;
        loop {
            let page = qmd.documents(collection.name.as_str(), after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = last.id;
            for document in page {
                *match known.get(&document.path) {
                    Some(hash) if *hash == document.hash => &mut counted.same,
                    Some(_) => &mut counted.changed,
                    None => &mut counted.absent,
                } += 1;
            }
        }
    }
    Ok(counted)
}
