//! Two runs beside each other: whether one is better, or chance says so.

use super::{
    judged::Judgements,
    metrics::Measure,
    run::Run,
    statistics::{Estimate, SIGNIFICANCE, estimate, mean, randomisation},
};

/// What one measure says of two runs, A and B.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// The measure.
    pub measure: Measure,
    /// The mean of A.
    pub a: f64,
    /// The mean of B.
    pub b: f64,
    /// B minus A, by query.
    pub difference: Estimate,
    /// How likely a difference as large would be by chance.
    pub p: f64,
    /// Each query, in the order of the ids.
    pub queries: Vec<Compared>,
}

/// A query in two runs.
#[derive(Debug, Clone, PartialEq)]
pub struct Compared {
    /// The query.
    pub id: String,
    /// What A has.
    pub a: f64,
    /// What B has.
    pub b: f64,
}

impl Compared {
    /// What B has more than A.
    pub fn difference(&self) -> f64 {
        self.b - self.a
    }
}

impl Comparison {
    /// Whether it is called a difference.
    pub fn is_significant(&self) -> bool {
        self.p < SIGNIFICANCE
    }

    /// On how many queries B is better, worse, and the same.
    pub fn counts(&self) -> [usize; 3] {
        let count = |keep: fn(f64) -> bool| {
            let queries = self.queries.iter();
            queries.filter(|query| keep(query.difference())).count()
        };
        [
            count(|difference| difference > 0.0),
            count(|difference| difference < 0.0),
            count(|difference| difference == 0.0),
        ]
    }
}

/// Compares two runs over all queries that have relevant documents. A query that a run lacks counts 0
/// there.
pub fn compare(
    a: &Run,
    b: &Run,
    judgements: &Judgements,
    measure: Measure,
    seed: u64,
) -> Comparison {
    let judged = judgements.queries().filter_map(|id| {
        let grades = judgements.of(id)?;
        Some(Compared {
            id: id.to_owned(),
            a: measure.of(a.ranking(id), grades),
            b: measure.of(b.ranking(id), grades),
        })
    });
    let queries: Vec<Compared> = judged.collect();
    let values = |of: fn(&Compared) -> f64| queries.iter().map(of).collect::<Vec<_>>();
    let differences = values(Compared::difference);
    Comparison {
        measure,
        a: mean(&values(|query| query.a)),
        b: mean(&values(|query| query.b)),
        difference: estimate(&differences, seed),
        p: randomisation(&differences, seed),
        queries,
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    fn judged() -> Judgements {
        Judgements::parse("1\ta\t1\n2\ta\t1\n3\ta\t1\n4\tb\t0\n").unwrap()
    }

    #[test]
    fn a_run_does_not_differ_from_itself() {
        let run = Run::parse("1 Q0 a 1 2 t\n2 Q0 x 1 2 t\n2 Q0 a 2 1 t\n").unwrap();
        for measure in Measure::ALL {
            let same = compare(&run, &run, &judged(), measure, 1);
            assert!((same.p - 1.0).abs() < 1e-12 && !same.is_significant());
            assert!(same.difference.low.abs() < 1e-12 && same.difference.high.abs() < 1e-12);
            assert_eq!(same.counts(), [0, 0, 3]);
        }
    }

    #[test]
    fn each_query_is_compared_and_one_that_is_lacking_counts_0() {
        let a = Run::parse("1 Q0 x 1 2 t\n1 Q0 a 2 1 t\n2 Q0 a 1 1 t\n").unwrap();
        let b = Run::parse("1 Q0 a 1 2 t\n3 Q0 a 1 1 t\n").unwrap();
        let found = compare(&a, &b, &judged(), Measure::ReciprocalRank, 1);
        let pairs: Vec<_> = found
            .queries
            .iter()
            .map(|one| (&*one.id, one.a, one.b))
            .collect();
        assert_eq!(pairs, [("1", 0.5, 1.0), ("2", 1.0, 0.0), ("3", 0.0, 1.0)]);
        assert!((found.a - 0.5).abs() < 1e-12 && (found.b - 2.0 / 3.0).abs() < 1e-12);
        assert!((found.difference.mean - 1.0 / 6.0).abs() < 1e-12);
        assert_eq!(found.counts(), [2, 1, 0]);
        assert!(!found.is_significant());
    }

    #[test]
    fn a_clear_difference_is_called_one() {
        let mut judgements = Judgements::default();
        let (mut good, mut bad) = (String::new(), String::new());
        for query in 0..30 {
            judgements.judge(&query.to_string(), "a", 1.0);
            let _ = writeln!(good, "{query} Q0 a 1 1 t");
            let _ = writeln!(bad, "{query} Q0 x 1 2 t\n{query} Q0 a 2 1 t");
        }
        let (good, bad) = (Run::parse(&good).unwrap(), Run::parse(&bad).unwrap());
        let found = compare(&bad, &good, &judgements, Measure::Ndcg, 1);
        assert!(
            found.is_significant() && found.difference.low > 0.0,
            "{found:?}"
        );
    }
}
