//! What a bench fixture of QMD found: each of its queries by each backend.

use super::{
    fixture::Score,
    report::{Mode, NotRun},
    statistics::mean,
};

/// What QMD calls a mode.
pub fn backend(mode: Mode) -> &'static str {
    match mode {
        Mode::Lexical => "bm25",
        other => other.name(),
    }
}

/// What came of one query by one backend.
#[derive(Debug, Clone, PartialEq)]
pub enum Row {
    /// It was measured.
    Scored {
        /// QMD's measures.
        score: Score,
        /// Time from the request to the reply, in milliseconds.
        ms: f64,
        /// The addresses of what was found, best first.
        files: Vec<String>,
    },
    /// The query has nothing for this backend, such as no `lex:` line.
    NotAsked,
    /// It could not be asked.
    Failed(NotRun),
}

/// A query of the fixture.
#[derive(Debug, Clone, PartialEq)]
pub struct Benched {
    /// Its name.
    pub id: String,
    /// What was asked.
    pub query: String,
    /// What kind of query it is.
    pub kind: String,
    /// The files it should find.
    pub expected: Vec<String>,
    /// By backend.
    pub rows: Vec<(Mode, Row)>,
}

/// The means of a backend over the queries that it answered.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Average {
    /// How many it answered.
    pub queries: usize,
    /// Of the precision.
    pub precision: f64,
    /// Of the recall.
    pub recall: f64,
    /// Of the recall among the first 1, 3 and 5.
    pub recall_at: [f64; 3],
    /// Of the reciprocal rank.
    pub mrr: f64,
    /// Of F1.
    pub f1: f64,
    /// Of the times, in milliseconds.
    pub ms: f64,
}

/// The means of a backend; `None` when it answered nothing.
pub fn average(queries: &[Benched], mode: Mode) -> Option<Average> {
    let rows = queries.iter().flat_map(|query| &query.rows);
    let scored: Vec<(&Score, f64)> = rows
        .filter(|(of, _)| *of == mode)
        .filter_map(|(_, row)| match row {
            Row::Scored { score, ms, .. } => Some((score, *ms)),
            Row::NotAsked | Row::Failed(_) => None,
        })
        .collect();
    let of = |value: &dyn Fn(&Score) -> f64| {
        let values: Vec<f64> = scored.iter().map(|(score, _)| value(score)).collect();
        mean(&values)
    };
    let times: Vec<f64> = scored.iter().map(|(_, ms)| *ms).collect();
    (!scored.is_empty()).then(|| Average {
        queries: scored.len(),
        precision: of(&|score| score.precision),
        recall: of(&|score| score.recall),
        recall_at: std::array::from_fn(|at| of(&|score| score.recall_at[at])),
        mrr: of(&|score| score.reciprocal_rank),
        f1: of(&|score| score.f1),
        ms: mean(&times),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_failed_lowers_no_mean() {
        let scored = |found: &str, ms| Row::Scored {
            score: Score::of(&[found.to_owned()], &["a.md".to_owned()], 1),
            ms,
            files: vec![found.into()],
        };
        let failed = Row::Failed(NotRun {
            reason: "MODEL_MISSING".into(),
            message: "no model".into(),
            hint: None,
        });
        let query = |lexical, vector| Benched {
            id: "q".into(),
            query: "x".into(),
            kind: String::new(),
            expected: vec!["a.md".into()],
            rows: vec![(Mode::Lexical, lexical), (Mode::Vector, vector)],
        };
        let queries = [
            query(scored("a.md", 1.0), failed.clone()),
            query(scored("b.md", 3.0), failed),
            query(Row::NotAsked, Row::NotAsked),
        ];
        let found = average(&queries, Mode::Lexical).unwrap();
        assert_eq!(found.queries, 2);
        assert!((found.mrr - 0.5).abs() < 1e-12 && (found.ms - 2.0).abs() < 1e-12);
        assert!((found.recall_at[0] - 0.5).abs() < 1e-12);
        assert_eq!(average(&queries, Mode::Vector), None);
        assert_eq!(backend(Mode::Lexical), "bm25");
    }
}
