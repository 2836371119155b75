//! Reads a judged collection, in whichever of its forms it lies on the disk.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

use qmd_proto::Reason;
use qmdctl::eval::{
    Malformed, beir,
    fixture::Fixture,
    judged::{self, Judgements, Query},
};

use crate::error::{Failure, Result};

/// A judged collection.
pub(super) struct Source {
    /// Where it lies, without links.
    pub(super) path: PathBuf,
    /// What it is called.
    pub(super) name: String,
    /// The queries that have relevant documents.
    pub(super) queries: Vec<Query>,
    /// How many others there are.
    pub(super) unjudged: usize,
    /// How relevant documents are.
    pub(super) judgements: Judgements,
    /// The judgements' file, for complaints.
    pub(super) judgements_file: String,
    /// Its form.
    pub(super) kind: Kind,
}

/// The form of a judged collection: where its documents are.
pub(super) enum Kind {
    /// A folder of files.
    Folder(PathBuf),
    /// The corpus of BEIR.
    Beir(PathBuf),
    /// In the present index.
    Fixture(Fixture),
}

impl Source {
    /// Every document that is relevant to a query that is asked.
    pub(super) fn relevant(&self) -> BTreeSet<&str> {
        let grades = self
            .queries
            .iter()
            .filter_map(|query| self.judgements.of(&query.id));
        grades
            .flatten()
            .filter(|(_, grade)| **grade > 0.0)
            .map(|(document, _)| document.as_str())
            .collect()
    }
}

/// Reads the collection at a path.
pub(super) fn source(path: &Path, split: &str) -> Result<Source> {
    let path = path
        .canonicalize()
        .map_err(|error| Failure::of_path(path, &error, Reason::FolderMissing))?;
    let stem = path
        .file_stem()
        .map(|stem| stem.to_string_lossy().into_owned());
    let name = stem.unwrap_or_else(|| "collection".to_owned());
    if path.is_file() {
        let fixture = fixture(&path)?;
        let judgements = fixture.judgements();
        return Ok(Source {
            queries: fixture.queries(),
            unjudged: 0,
            judgements,
            judgements_file: path.display().to_string(),
            kind: Kind::Fixture(fixture),
            name,
            path,
        });
    }
    let corpus = path.join("corpus.jsonl");
    let docs = path.join("docs");
    let (kind, queries_file, judgements_file) = if corpus.is_file() {
        let judgements = path.join("qrels").join(format!("{split}.tsv"));
        if !judgements.is_file() {
            return Err(no_split(&path, split).into());
        }
        (Kind::Beir(corpus), path.join("queries.jsonl"), judgements)
    } else if docs.is_dir() {
        (
            Kind::Folder(docs),
            path.join("queries.tsv"),
            path.join("qrels.tsv"),
        )
    } else {
        let message = format!("{} holds neither docs/ nor corpus.jsonl", path.display());
        return Err(Failure::new(Reason::FolderMissing, message)
            .hint("`qmdctl eval --help` tells what a judged collection looks like")
            .into());
    };
    let text = read(&queries_file)?;
    let queries = match &kind {
        Kind::Beir(_) => beir::queries(&text),
        _ => judged::queries(&text),
    };
    let queries = queries.map_err(|wrong| malformed(&queries_file, &wrong))?;
    let judgements = judgements(&judgements_file)?;
    let all = queries.len();
    let mut queries = queries;
    queries.retain(|query| judgements.of(&query.id).is_some());
    if queries.is_empty() {
        let message = format!(
            "no query of {} has a relevant document there",
            queries_file.display()
        );
        return Err(malformed(&judgements_file, &Malformed::whole(message)).into());
    }
    Ok(Source {
        unjudged: all - queries.len(),
        queries,
        judgements,
        judgements_file: judgements_file.display().to_string(),
        kind,
        name,
        path,
    })
}

/// Reads a fixture of QMD.
pub(in crate::commands) fn fixture(path: &Path) -> Result<Fixture> {
    let text = read(path)?;
    Fixture::parse(&text).map_err(|wrong| malformed(path, &wrong).into())
}

/// Reads judgements.
pub(super) fn judgements(path: &Path) -> Result<Judgements> {
    let text = read(path)?;
    Judgements::parse(&text).map_err(|wrong| malformed(path, &wrong).into())
}

/// Reads a file.
pub(super) fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).map_err(|error| unreadable(path, &error).into())
}

/// A file that cannot be read.
pub(super) fn unreadable(path: &Path, error: &io::Error) -> Failure {
    let failure = Failure::of_path(path, error, Reason::FileUnreadable);
    match error.kind() {
        io::ErrorKind::NotFound => {
            failure.hint("`qmdctl eval --help` tells what a judged collection looks like")
        }
        io::ErrorKind::InvalidData => failure.hint("write it in UTF-8"),
        _ => failure,
    }
}

/// A file that holds something else than it should.
pub(super) fn malformed(path: &Path, wrong: &Malformed) -> Failure {
    let message = wrong.in_file(&path.display().to_string());
    Failure::new(Reason::EvalFileInvalid, message)
        .hint("mend the file; `qmdctl eval --help` tells what it should hold")
}

fn no_split(path: &Path, split: &str) -> Failure {
    let names = fs::read_dir(path.join("qrels")).map(|files| {
        let names = files.filter_map(|file| {
            let path = file.ok()?.path();
            let stem = path.file_stem()?.to_str()?.to_owned();
            (path.extension()? == "tsv").then_some(stem)
        });
        let mut names: Vec<String> = names.collect();
        names.sort_unstable();
        names
    });
    let message = format!("{} has no qrels/{split}.tsv", path.display());
    let failure = Failure::new(Reason::FileUnreadable, message);
    match names {
        Ok(names) if !names.is_empty() => {
            failure.hint(format!("choose with `--split`: {}", names.join(", ")))
        }
        _ => failure.hint("`qmdctl eval --help` tells what a judged collection looks like"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let file = dir.path().join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        }
        dir
    }

    fn complaint(dir: &tempfile::TempDir, split: &str) -> Failure {
        match source(dir.path(), split) {
            Err(Error::Failed(failure)) => *failure,
            Err(other) => panic!("{other:?}"),
            Ok(found) => panic!("it is a collection: {:?}", found.queries),
        }
    }

    #[test]
    fn only_queries_with_relevant_documents_are_asked() {
        let dir = folder(&[
            ("docs/a.md", "x"),
            ("queries.tsv", "1\tone\n2\ttwo\n3\tthree\n"),
            ("qrels.tsv", "1\ta\t1\n3\ta\t0\n9\tz\t1\n"),
        ]);
        let found = source(dir.path(), "test").unwrap();
        assert_eq!((found.queries.len(), found.unjudged), (1, 2));
        assert_eq!(found.relevant(), BTreeSet::from(["a"]));
        assert!(matches!(found.kind, Kind::Folder(_)));
    }

    #[test]
    fn beir_has_splits() {
        let dir = folder(&[
            ("corpus.jsonl", "{\"_id\": \"a\", \"text\": \"x\"}\n"),
            ("queries.jsonl", "{\"_id\": \"1\", \"text\": \"one\"}\n"),
            ("qrels/dev.tsv", "query-id\tcorpus-id\tscore\n1\ta\t1\n"),
        ]);
        assert_eq!(source(dir.path(), "dev").unwrap().queries.len(), 1);
        let failure = complaint(&dir, "test");
        assert_eq!(failure.hint.as_deref(), Some("choose with `--split`: dev"));
    }

    #[test]
    fn what_is_no_collection_is_refused_with_its_place() {
        let none = folder(&[("readme.md", "x")]);
        assert_eq!(complaint(&none, "test").reason, "FOLDER_MISSING");
        let unjudged = folder(&[
            ("docs/a.md", "x"),
            ("queries.tsv", "1\tone\n"),
            ("qrels.tsv", "2\ta\t1\n"),
        ]);
        let failure = complaint(&unjudged, "test");
        assert_eq!(failure.reason, "EVAL_FILE_INVALID");
        assert!(
            failure.message.contains("qrels.tsv: no query of"),
            "{failure:?}"
        );
        fs::write(unjudged.path().join("qrels.tsv"), "1 a\n").unwrap();
        let failure = complaint(&unjudged, "test");
        assert!(
            failure.message.contains("qrels.tsv:1: expected a query"),
            "{failure:?}"
        );
        fs::remove_file(unjudged.path().join("queries.tsv")).unwrap();
        assert_eq!(complaint(&unjudged, "test").reason, "FILE_UNREADABLE");
    }
}
