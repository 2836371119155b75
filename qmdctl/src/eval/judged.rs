//! Queries, and which documents are relevant to them: `queries.tsv` and `qrels.tsv`.

use std::collections::{BTreeMap, BTreeSet};

use super::{Malformed, lines, shown};

/// How the judgements of BEIR and of some others begin.
const HEADS: [&str; 4] = ["query-id", "query_id", "qid", "query"];

/// A question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// Its name in the judgements.
    pub id: String,
    /// What is asked.
    pub text: String,
}

/// Reads `queries.tsv`: an id and a text in each line, a tab between them.
///
/// # Errors
/// When a line is no query, or an id is there twice.
pub fn queries(text: &str) -> Result<Vec<Query>, Malformed> {
    let mut queries = Vec::new();
    let mut known = BTreeSet::new();
    for (at, line) in lines(text) {
        let (id, text) = line.split_once('\t').ok_or_else(|| {
            let message = format!("expected an id, a tab and a text, found {}", shown(line));
            Malformed::at(at, message)
        })?;
        add(&mut queries, &mut known, at, id, text)?;
    }
    Ok(queries)
}

/// Adds a query that a line holds, if it is one and is new.
pub(super) fn add(
    queries: &mut Vec<Query>,
    known: &mut BTreeSet<String>,
    line: usize,
    id: &str,
    text: &str,
) -> Result<(), Malformed> {
    let (id, text) = (id.trim(), text.trim());
    if id.is_empty() || text.is_empty() {
        return Err(Malformed::at(line, "a query without an id or without text"));
    }
    if !known.insert(id.to_owned()) {
        let message = format!("the query {} is there twice", shown(id));
        return Err(Malformed::at(line, message));
    }
    queries.push(Query {
        id: id.to_owned(),
        text: text.to_owned(),
    });
    Ok(())
}

/// How relevant documents are to one query: documents with their grades, those without relevance as
/// well. A grade above 0 is relevant.
pub type Grades = BTreeMap<String, f64>;

/// How relevant documents are, by query.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Judgements(BTreeMap<String, Grades>);

impl Judgements {
    /// Reads judgements: query, document and grade in each line, between tabs or spaces, or as TREC has
    /// them with an iteration after the query. A first line of names is passed over.
    ///
    /// # Errors
    /// When a line is none, or contradicts one before.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let mut judgements = Self::default();
        for (at, line) in lines(text) {
            // A path may hold spaces.
            let fields: Vec<&str> = if line.contains('\t') {
                line.split('\t').map(str::trim).collect()
            } else {
                line.split_whitespace().collect()
            };
            let (query, document, grade) = match fields.as_slice() {
                [query, document, grade] | [query, _, document, grade] => {
                    (*query, *document, *grade)
                }
                _ => {
                    let message = format!(
                        "expected a query, a document and a grade, found {}",
                        shown(line)
                    );
                    return Err(Malformed::at(at, message));
                }
            };
            let number = grade.parse::<f64>().ok().filter(|grade| grade.is_finite());
            let Some(number) = number else {
                if at == 1 && HEADS.contains(&query.to_lowercase().as_str()) {
                    continue;
                }
                return Err(Malformed::at(at, format!("no grade: {}", shown(grade))));
            };
            if query.is_empty() || document.is_empty() {
                let message = format!("a judgement without a name: {}", shown(line));
                return Err(Malformed::at(at, message));
            }
            let before = judgements.judge(query, document, number);
            if before.is_some_and(|before| before.total_cmp(&number).is_ne()) {
                let message = format!(
                    "the document {} was judged otherwise for the query {} before",
                    shown(document),
                    shown(query)
                );
                return Err(Malformed::at(at, message));
            }
        }
        Ok(judgements)
    }

    /// Takes in a judgement. Returns the grade that the document had for the query before.
    pub fn judge(&mut self, query: &str, document: &str, grade: f64) -> Option<f64> {
        let grades = self.0.entry(query.to_owned()).or_default();
        grades.insert(document.to_owned(), grade)
    }

    /// The same with 1 for every grade above 0, and 0 for the others.
    #[must_use]
    pub fn binary(mut self) -> Self {
        for grade in self.0.values_mut().flat_map(Grades::values_mut) {
            *grade = f64::from(u8::from(*grade > 0.0));
        }
        self
    }

    /// The grades of a query that has relevant documents.
    pub fn of(&self, query: &str) -> Option<&Grades> {
        let relevant = |grades: &&Grades| grades.values().any(|grade| *grade > 0.0);
        self.0.get(query).filter(relevant)
    }

    /// The queries that have relevant documents, in the order of their ids.
    pub fn queries(&self) -> impl Iterator<Item = &str> {
        let queries = self.0.keys().map(String::as_str);
        queries.filter(|query| self.of(query).is_some())
    }

    /// Every document that is relevant to some query.
    pub fn relevant_documents(&self) -> BTreeSet<&str> {
        let judged = self.0.values().flatten();
        judged
            .filter(|(_, grade)| **grade > 0.0)
            .map(|(document, _)| document.as_str())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(grades: &Grades) -> Vec<(&str, f64)> {
        let pairs = grades.iter();
        pairs.map(|(name, grade)| (name.as_str(), *grade)).collect()
    }

    #[test]
    fn queries_have_an_id_and_a_text() {
        let found = queries("1\twing heat\n\n2\t a\tb \r\n").unwrap();
        let found: Vec<_> = found.iter().map(|one| (&*one.id, &*one.text)).collect();
        assert_eq!(found, [("1", "wing heat"), ("2", "a\tb")]);
        let complaint = |text| queries(text).unwrap_err().in_file("q.tsv");
        let all = [
            complaint("1\ta\nno tab\n"),
            complaint("1\t \n"),
            complaint("1\ta\n1\tb\n"),
        ];
        insta::assert_snapshot!(all.join("\n"));
    }

    #[test]
    fn judgements_come_in_three_shapes() {
        let tabs = Judgements::parse("1\ta b.md\t2\n1\tc\t0\n2\tc\t-1\n").unwrap();
        assert_eq!(pairs(tabs.of("1").unwrap()), [("a b.md", 2.0), ("c", 0.0)]);
        assert_eq!(tabs.of("2"), None, "nothing is relevant to it");
        assert_eq!(tabs.queries().collect::<Vec<_>>(), ["1"]);
        assert_eq!(tabs.relevant_documents(), BTreeSet::from(["a b.md"]));
        let trec = Judgements::parse("1 0 a 1\n1 0 b 3\n").unwrap();
        let beir = Judgements::parse("query-id\tcorpus-id\tscore\n1\ta\t1\n1\tb\t3\n").unwrap();
        assert_eq!(trec, beir);
        assert_eq!(
            pairs(trec.binary().of("1").unwrap()),
            [("a", 1.0), ("b", 1.0)]
        );
    }

    #[test]
    fn what_is_no_judgement_is_named_by_its_line() {
        let complaint = |text| Judgements::parse(text).unwrap_err().in_file("qrels.tsv");
        let all = [
            complaint("1\ta\n"),
            complaint("1\ta\t1\n1\tb\tmuch\n"),
            complaint("1\ta\tinf\n"),
            complaint("1\t\t1\n"),
            complaint("1\ta\t1\n1\ta\t2\n"),
            complaint("1 0 a 1\nquery-id corpus-id score\n"),
        ];
        insta::assert_snapshot!(all.join("\n"));
        // Said twice, and the same.
        assert!(Judgements::parse("1\ta\t1\n1\ta\t1\n").is_ok());
    }
}
