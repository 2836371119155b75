//! Rankings as files, in the form of TREC: query, `Q0`, document, rank, score and a tag in each line.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use super::{Malformed, lines, shown};

/// The least step between two scores of a file. Tools that read them in single precision, and order by
/// score alone, see the order that the documents have.
const STEP: f64 = 1e-6;

/// Rankings by query.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Run(BTreeMap<String, Vec<String>>);

impl Run {
    /// Reads a run. As trec_eval has it, scores alone make the order, and of equal scores the document
    /// whose id is the greater one is first.
    ///
    /// # Errors
    /// When a line is no part of a run, or a document is twice in a ranking.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let mut scored: BTreeMap<String, Vec<(f64, String)>> = BTreeMap::new();
        let mut known = BTreeSet::new();
        for (at, line) in lines(text) {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let [query, _, document, _, score, _] = fields.as_slice() else {
                let message = format!(
                    "expected QUERY Q0 DOCUMENT RANK SCORE TAG, found {}",
                    shown(line)
                );
                return Err(Malformed::at(at, message));
            };
            let number = score.parse::<f64>().ok().filter(|score| score.is_finite());
            let number =
                number.ok_or_else(|| Malformed::at(at, format!("no score: {}", shown(score))))?;
            if !known.insert((*query, *document)) {
                let message = format!(
                    "the document {} is in the ranking of the query {} twice",
                    shown(document),
                    shown(query)
                );
                return Err(Malformed::at(at, message));
            }
            let ranking = scored.entry((*query).to_owned()).or_default();
            ranking.push((number, (*document).to_owned()));
        }
        let rankings = scored.into_iter().map(|(query, mut ranking)| {
            ranking.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then_with(|| b.1.cmp(&a.1)));
            let documents = ranking.into_iter().map(|(_, document)| document);
            (query, documents.collect())
        });
        Ok(Self(rankings.collect()))
    }

    /// The ranking of a query, best document first; empty where there is none.
    pub fn ranking(&self, query: &str) -> &[String] {
        self.0.get(query).map_or(&[], Vec::as_slice)
    }

    /// Whether it has a ranking of a query.
    pub fn has(&self, query: &str) -> bool {
        self.0.contains_key(query)
    }
}

/// Adds a query's ranking, best document first, to the text of a run. Scores never rise and never repeat.
///
/// # Errors
/// Names the id that has a space in it, which would part it in two.
pub fn write(
    text: &mut String,
    query: &str,
    ranking: &[(String, f64)],
    tag: &str,
) -> Result<(), String> {
    let mut ids = std::iter::once(query).chain(ranking.iter().map(|(id, _)| id.as_str()));
    if let Some(id) = ids.find(|id| id.contains(char::is_whitespace)) {
        return Err(shown(id));
    }
    let mut last = f64::INFINITY;
    for (at, (document, score)) in ranking.iter().enumerate() {
        last = score.min(last - STEP);
        let _ = writeln!(text, "{query} Q0 {document} {} {last:.6} {tag}", at + 1);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    #[test]
    fn scores_make_the_order_and_ids_the_rest() {
        let run = Run::parse("1 Q0 a 1 0.5 t\n1 Q0 b 2 0.75 t\n1 Q0 c 3 0.5 t\n2 0 a 0 -1 t\n");
        let run = run.unwrap();
        assert_eq!(run.ranking("1"), ["b", "c", "a"]);
        assert_eq!(run.ranking("2"), ["a"]);
        assert!(run.ranking("3").is_empty() && run.has("2") && !run.has("3"));
    }

    #[test]
    fn what_is_no_run_is_named_by_its_line() {
        let complaint = |text| Run::parse(text).unwrap_err().in_file("a.run");
        let all = [
            complaint("1 Q0 a 1 0.5\n"),
            complaint("1 Q0 a 1 0.5 t\n\n1 Q0 b 2 high t\n"),
            complaint("1 Q0 a 1 0.5 t\n1 Q0 a 2 0.4 t\n"),
        ];
        insta::assert_snapshot!(all.join("\n"));
    }

    #[test]
    fn a_run_is_written_line_by_line() {
        let mut text = String::new();
        let ranking = [("a".to_owned(), 0.5), ("b".to_owned(), 0.5)];
        write(&mut text, "1", &ranking, "qmdd-lexical").unwrap();
        assert_eq!(
            text,
            "1 Q0 a 1 0.500000 qmdd-lexical\n1 Q0 b 2 0.499999 qmdd-lexical\n"
        );
        let spaced = [("a b".to_owned(), 0.5)];
        assert_eq!(write(&mut text, "1", &spaced, "t"), Err("\"a b\"".into()));
        assert!(write(&mut text, "1 2", &[], "t").is_err());
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back_in_its_order(mut scores in vec(0.0_f64..=1.0, 0..100)) {
            scores.sort_unstable_by(|a, b| b.total_cmp(a));
            let ranking: Vec<_> = scores
                .iter()
                .enumerate()
                .map(|(at, score)| (format!("d{at}"), *score))
                .collect();
            let mut text = String::new();
            write(&mut text, "1", &ranking, "t").unwrap();
            let documents: Vec<_> = ranking.into_iter().map(|(document, _)| document).collect();
            let run = Run::parse(&text).unwrap();
            prop_assert_eq!(run.ranking("1"), &documents);
        }
    }
}
