//! Judged collections: documents, queries, and which documents are relevant to which query.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};

/// A collection for measuring, as it lies on disk: `docs/*.md`, `queries.tsv` (id, text) and
/// `qrels.tsv` (query, document, grade).
#[derive(Debug)]
pub(crate) struct Collection {
    /// Its folder's name.
    pub(crate) name: String,
    /// Its documents; a document's id is its file's stem.
    pub(crate) docs: PathBuf,
    queries: Vec<(String, String)>,
    relevant: BTreeMap<String, BTreeSet<String>>,
}

impl Collection {
    /// The queries that were judged: id and text.
    pub(crate) fn judged(&self) -> impl Iterator<Item = (&str, &str)> {
        let judged = self
            .queries
            .iter()
            .filter(|(id, _)| self.relevant.contains_key(id));
        judged.map(|(id, text)| (id.as_str(), text.as_str()))
    }

    /// The documents that are relevant to a query.
    pub(crate) fn relevant(&self, query: &str) -> Option<&BTreeSet<String>> {
        self.relevant.get(query)
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
    let read = |file: &str| {
        let path = folder.join(file);
        fs::read_to_string(&path).with_context(|| path.display().to_string())
    };
    let name = folder.file_name().and_then(|name| name.to_str());
    Ok(Collection {
        name: name
            .with_context(|| format!("{} is not UTF-8", folder.display()))?
            .to_owned(),
        docs: folder.join("docs"),
        queries: parse_queries(&read("queries.tsv")?)?,
        relevant: parse_judgements(&read("qrels.tsv")?)?,
    })
}

fn parse_queries(text: &str) -> Result<Vec<(String, String)>> {
    let parse = |line: &str| {
        let (id, text) = line
            .split_once('\t')
            .with_context(|| format!("no query: {line:?}"))?;
        Ok((id.to_owned(), text.to_owned()))
    };
    text.lines().map(parse).collect()
}

/// Any positive grade is relevant.
fn parse_judgements(text: &str) -> Result<BTreeMap<String, BTreeSet<String>>> {
    let mut relevant: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in text.lines() {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [query, document, grade] = fields.as_slice() else {
            anyhow::bail!("no judgement: {line:?}");
        };
        if grade
            .parse::<f64>()
            .with_context(|| format!("no grade: {line:?}"))?
            > 0.0
        {
            relevant
                .entry((*query).to_owned())
                .or_default()
                .insert((*document).to_owned());
        }
    }
    Ok(relevant)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_judged_queries_count_and_only_positive_grades() {
        let collection = Collection {
            name: "c".into(),
            docs: PathBuf::new(),
            queries: parse_queries("1\twing heat\n2\tunjudged\n3\tnothing fits\n").unwrap(),
            relevant: parse_judgements("1\t0184\t2\n1\t0029\t0\n3\t0001\t-1\n").unwrap(),
        };
        assert_eq!(
            collection.judged().collect::<Vec<_>>(),
            [("1", "wing heat")]
        );
        assert_eq!(
            collection.relevant("1"),
            Some(&BTreeSet::from(["0184".to_owned()]))
        );
        assert!(parse_queries("no tab").is_err());
        assert!(parse_judgements("1\t2").is_err());
    }
}
