//! Judged collections: documents, queries, and which documents are relevant to which query.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, anyhow, ensure};
use qmdctl::eval::{
    Malformed,
    judged::{self, Grades, Judgements, Query},
};

/// A collection for measuring, as it lies on disk: `docs/*.md`, `queries.tsv` (id, text) and
/// `qrels.tsv` (query, document, grade).
#[derive(Debug)]
pub(crate) struct Collection {
    /// Its folder's name.
    pub(crate) name: String,
    /// Its documents; a document's id is its file's stem.
    pub(crate) docs: PathBuf,
    queries: Vec<Query>,
    judgements: Judgements,
}

impl Collection {
    /// The queries that have relevant documents: id and text.
    pub(crate) fn judged(&self) -> impl Iterator<Item = (&str, &str)> {
        let judged = self.queries.iter();
        judged
            .filter(|query| self.judgements.of(&query.id).is_some())
            .map(|query| (query.id.as_str(), query.text.as_str()))
    }

    /// What was judged of a query that has relevant documents, each of which counts 1.
    pub(crate) fn judgements(&self, query: &str) -> Option<&Grades> {
        self.judgements.of(query)
    }
}

/// Every collection in a folder, in the order of their names.
pub(crate) fn load_all(folder: &Path) -> Result<Vec<Collection>> {
    let mut folders = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.join("queries.tsv").is_file() {
            folders.push(path);
        }
    }
    ensure!(
        !folders.is_empty(),
        "{} holds no judged collection",
        folder.display()
    );
    folders.sort();
    folders.iter().map(|folder| load(folder)).collect()
}

fn load(folder: &Path) -> Result<Collection> {
    let name = folder.file_name().and_then(|name| name.to_str());
    Ok(Collection {
        name: name
            .with_context(|| format!("{} is not UTF-8", folder.display()))?
            .to_owned(),
        docs: folder.join("docs"),
        queries: parse(&folder.join("queries.tsv"), judged::queries)?,
        judgements: parse(&folder.join("qrels.tsv"), Judgements::parse)?.binary(),
    })
}

fn parse<T>(file: &Path, parse: impl Fn(&str) -> Result<T, Malformed>) -> Result<T> {
    let name = file.display().to_string();
    let text = fs::read_to_string(file).with_context(|| name.clone())?;
    parse(&text).map_err(|wrong| anyhow!(wrong.in_file(&name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_judged_queries_count_and_only_positive_grades() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        write(
            "queries.tsv",
            "1\twing heat\n2\tunjudged\n3\tnothing fits\n",
        );
        write("qrels.tsv", "1\t0184\t2\n1\t0029\t0\n3\t0001\t-1\n");
        let collection = load(folder.path()).unwrap();
        assert_eq!(
            collection.judged().collect::<Vec<_>>(),
            [("1", "wing heat")]
        );
        let grades = collection.judgements("1").unwrap();
        assert!(grades["0184"].total_cmp(&1.0).is_eq() && grades["0029"].total_cmp(&0.0).is_eq());
        write("qrels.tsv", "1\t2\n");
        assert!(load(folder.path()).is_err());
    }
}
