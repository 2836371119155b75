//! QMD's bench fixtures: queries with the files that they should find, and QMD's measures for them.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::{Malformed, judged::Judgements, judged::Query, shown};

/// A fixture.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Fixture {
    /// What it is for.
    #[serde(default)]
    pub description: String,
    /// The collection that it asks.
    #[serde(default)]
    pub collection: Option<String>,
    /// What it asks.
    pub queries: Vec<FixtureQuery>,
}

/// A query of a fixture.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct FixtureQuery {
    /// Its name.
    pub id: String,
    /// What is asked: plain, or a document of `lex:`, `vec:`, `hyde:` and `intent:` lines.
    pub query: String,
    /// What kind of query it is.
    #[serde(default, rename = "type")]
    pub kind: String,
    /// The files it should find: paths, or their ends.
    pub expected_files: Vec<String>,
    /// Among how many hits they should be.
    pub expected_in_top_k: usize,
}

impl Fixture {
    /// Reads a fixture.
    ///
    /// # Errors
    /// When it is none, asks nothing, or has an id twice.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let fixture: Self = serde_json::from_str(text).map_err(|error| {
            let message = error.to_string();
            let what = message.split(" at line ").next().unwrap_or_default();
            Malformed {
                line: Some(error.line()).filter(|line| *line > 0),
                message: what.to_owned(),
            }
        })?;
        if fixture.queries.is_empty() {
            return Err(Malformed::whole("the fixture has no queries"));
        }
        let mut known = BTreeSet::new();
        for query in &fixture.queries {
            let wrong = if query.query.trim().is_empty() {
                "asks nothing"
            } else if query.expected_files.is_empty() {
                "expects no files"
            } else if query.expected_in_top_k == 0 {
                "has an expected_in_top_k of 0"
            } else if !known.insert(&query.id) {
                "is there twice"
            } else {
                continue;
            };
            let message = format!("the query {} {wrong}", shown(&query.id));
            return Err(Malformed::whole(message));
        }
        Ok(fixture)
    }

    /// Its queries, as of a judged collection.
    pub fn queries(&self) -> Vec<Query> {
        let queries = self.queries.iter().map(|query| Query {
            id: query.id.clone(),
            text: query.query.clone(),
        });
        queries.collect()
    }

    /// Its expectations as judgements: each expected file is relevant.
    pub fn judgements(&self) -> Judgements {
        let mut judgements = Judgements::default();
        for query in &self.queries {
            for file in &query.expected_files {
                judgements.judge(&query.id, &normal(file), 1.0);
            }
        }
        judgements
    }
}

/// A path as QMD compares it: inside its collection, in lower case, without slashes at its ends.
pub fn normal(path: &str) -> String {
    let inside = match path.strip_prefix("qmd://") {
        Some(address) => address.split_once('/').map_or(address, |(_, path)| path),
        None => path,
    };
    inside.trim_matches('/').to_lowercase()
}

/// Whether a path, as [`normal`] has it, is an expected one or ends in it.
fn fits(path: &str, expected: &str) -> bool {
    path.strip_suffix(expected)
        .is_some_and(|before| before.is_empty() || before.ends_with('/'))
}

/// What the files of a ranking are called in [`Fixture::judgements`]: the expected file that each of them
/// is, else its own path. A second one that fits the same expected file has its own.
pub fn names(paths: &[String], expected: &[String]) -> Vec<String> {
    let mut called: Vec<String> = paths.iter().map(|path| normal(path)).collect();
    let paths = called.clone();
    let mut taken = vec![false; paths.len()];
    let expected: Vec<String> = expected.iter().map(|file| normal(file)).collect();
    // One that is the very file goes before one that ends like it.
    let ways: [fn(&str, &str) -> bool; 2] = [|path, file| path == file, fits];
    let mut found = BTreeSet::new();
    for fits in ways {
        for file in &expected {
            let at = (0..paths.len()).find(|at| !taken[*at] && fits(&paths[*at], file));
            if let Some(at) = at
                && found.insert(file)
            {
                taken[at] = true;
                called[at].clone_from(file);
            }
        }
    }
    called
}

/// The expected files that were not found.
pub fn unmatched<'a>(found: &[String], expected: &'a [String]) -> Vec<&'a String> {
    let found: Vec<String> = found.iter().map(|path| normal(path)).collect();
    let is_there = |file: &str| found.iter().any(|path| fits(path, file));
    let missing = expected.iter().filter(|file| !is_there(&normal(file)));
    missing.collect()
}

/// QMD's measures of one query.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Score {
    /// Expected files among the first k, over the lesser of k and how many are expected.
    pub precision: f64,
    /// Share of the expected files that were found at all.
    pub recall: f64,
    /// Share of them among the first 1, 3 and 5.
    pub recall_at: [f64; 3],
    /// 1 over the rank of the first that is expected.
    pub reciprocal_rank: f64,
    /// The harmonic mean of precision and recall.
    pub f1: f64,
    /// Expected files among the first k.
    pub hits: usize,
}

impl Score {
    /// How far [`Self::recall_at`] looks.
    pub const DEPTHS: [usize; 3] = [1, 3, 5];

    /// Measures the files that were found, best first.
    pub fn of(found: &[String], expected: &[String], k: usize) -> Self {
        let found: Vec<String> = found.iter().map(|path| normal(path)).collect();
        let expected: Vec<String> = expected.iter().map(|file| normal(file)).collect();
        let within = |depth: usize| {
            let found = &found[..depth.min(found.len())];
            let is_there = |file: &&String| found.iter().any(|path| fits(path, file));
            expected.iter().filter(is_there).count()
        };
        let share = |count: usize, of: usize| {
            if of == 0 {
                0.0
            } else {
                count as f64 / of as f64
            }
        };
        let hits = within(k);
        let precision = share(hits, k.min(expected.len()));
        let recall = share(within(found.len()), expected.len());
        let first = found
            .iter()
            .position(|path| expected.iter().any(|file| fits(path, file)));
        Self {
            precision,
            recall,
            recall_at: Self::DEPTHS.map(|depth| share(within(depth), expected.len())),
            reciprocal_rank: first.map_or(0.0, |at| 1.0 / (at as f64 + 1.0)),
            f1: if precision + recall > 0.0 {
                2.0 * precision * recall / (precision + recall)
            } else {
                0.0
            },
            hits,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    const FIXTURE: &str = r#"{
  "description": "Two questions",
  "version": 1,
  "collection": "docs",
  "queries": [
    {"id": "q1", "query": "how", "type": "easy", "description": "d",
     "expected_files": ["A.md", "qmd://docs/sub/b.md"], "expected_in_top_k": 3},
    {"id": "q2", "query": "lex: why", "expected_files": ["c.md"], "expected_in_top_k": 1}
  ]
}"#;

    #[test]
    fn a_fixture_is_read_and_is_a_judged_collection() {
        let fixture = Fixture::parse(FIXTURE).unwrap();
        assert_eq!(fixture.collection.as_deref(), Some("docs"));
        assert_eq!(fixture.queries[0].kind, "easy");
        let texts: Vec<_> = fixture
            .queries()
            .into_iter()
            .map(|query| query.text)
            .collect();
        assert_eq!(texts, ["how", "lex: why"]);
        let judgements = fixture.judgements();
        let files: Vec<_> = judgements.of("q1").unwrap().keys().cloned().collect();
        assert_eq!(files, ["a.md", "sub/b.md"]);
    }

    #[test]
    fn what_is_no_fixture_is_named() {
        let complaint = |text: &str| Fixture::parse(text).unwrap_err().in_file("f.json");
        let all = [
            complaint("{\n\"queries\": 1}"),
            complaint("{}"),
            complaint(r#"{"queries": []}"#),
            complaint(&FIXTURE.replace("\"q2\"", "\"q1\"")),
            complaint(&FIXTURE.replace("[\"c.md\"]", "[]")),
            complaint(&FIXTURE.replace("_k\": 1", "_k\": 0")),
            complaint(&FIXTURE.replace("\"lex: why\"", "\" \"")),
        ];
        insta::assert_snapshot!(all.join("\n"));
    }

    #[test]
    fn a_path_may_be_given_by_its_end() {
        assert!(fits(&normal("qmd://docs/Sub/B.md"), &normal("/sub/b.md")));
        assert!(fits("sub/b.md", "b.md"));
        assert!(!fits("sub/ab.md", "b.md") && !fits("b.md", "sub/b.md"));
    }

    #[test]
    fn hits_are_called_what_they_are_expected_as_once() {
        let found = words("x/a.md y/a.md z.md sub/b.md");
        let called = names(&found, &words("A.md sub/b.md"));
        assert_eq!(called, words("a.md y/a.md z.md sub/b.md"));
        let called = names(&words("x/a.md a.md"), &words("a.md"));
        assert_eq!(called, words("x/a.md a.md"), "the second is the very file");
    }

    #[test]
    fn scores_are_qmds() {
        // Two of three are found, at ranks 2 and 4; k is 2.
        let found = words("x.md a.md y.md b.md");
        let score = Score::of(&found, &words("a.md b.md c.md"), 2);
        let close = |found: f64, wanted: f64| assert!((found - wanted).abs() < 1e-12, "{found}");
        close(score.precision, 0.5);
        close(score.recall, 2.0 / 3.0);
        let recall_at = [0.0, 1.0 / 3.0, 2.0 / 3.0];
        for (found, wanted) in score.recall_at.into_iter().zip(recall_at) {
            close(found, wanted);
        }
        close(score.reciprocal_rank, 0.5);
        close(score.f1, 2.0 * 0.5 * (2.0 / 3.0) / (0.5 + 2.0 / 3.0));
        assert_eq!(score.hits, 1);
        // k is above what is expected.
        close(Score::of(&words("a.md"), &words("a.md"), 5).precision, 1.0);
        close(Score::of(&[], &words("a.md"), 5).f1, 0.0);
    }
}
