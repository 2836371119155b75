//! What an evaluation found: the quality and speed of each mode of search on one judged collection.

use std::str::FromStr;

use super::{
    judged::Judgements,
    metrics::Measure,
    statistics::{Estimate, estimate, quantile},
};

/// A way of searching.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mode {
    /// By words alone.
    Lexical,
    /// By meaning alone.
    Vector,
    /// Both, fused; no more models than the embedding one.
    Hybrid,
    /// With expansion and reranking, as far as they are configured.
    Full,
}

impl Mode {
    /// Every mode, in the order in which they run.
    pub const ALL: [Self; 4] = [Self::Lexical, Self::Vector, Self::Hybrid, Self::Full];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Lexical => "lexical",
            Self::Vector => "vector",
            Self::Hybrid => "hybrid",
            Self::Full => "full",
        }
    }
}

impl FromStr for Mode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut all = Self::ALL.into_iter();
        all.find(|mode| mode.name() == text).ok_or_else(|| {
            let names = Self::ALL.map(Self::name);
            format!("expected one of {}", names.join(", "))
        })
    }
}

/// What came of one query.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Answer {
    /// The query.
    pub id: String,
    /// The documents with their scores, best first, each once.
    pub ranking: Vec<(String, f64)>,
    /// Time inside the daemon, in milliseconds.
    pub inside_ms: f64,
    /// Time from the request to the reply, in milliseconds.
    pub round_trip_ms: f64,
    /// The daemon would not take it as a query.
    pub refused: bool,
    /// A stage of the search could not do all that it was asked for.
    pub partial: bool,
    /// A reranker scored candidates.
    pub reranked: bool,
    /// A generator expanded the query.
    pub expanded: bool,
}

/// The median of times, and what 95 of 100 stay below; in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Latency {
    /// Half are faster.
    pub p50: f64,
    /// 95 of 100 are faster.
    pub p95: f64,
}

/// What was measured of a mode.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    /// By measure, in the order of [`Measure::ALL`].
    pub quality: [Estimate; 3],
    /// Inside the daemon.
    pub inside: Latency,
    /// As the client waits for it.
    pub round_trip: Latency,
    /// Queries without hits, refused ones included.
    pub without_hits: usize,
    /// Queries that the daemon would not take.
    pub refused: usize,
    /// Queries of which some stage did not do all that it was asked for.
    pub partial: usize,
    /// Queries whose candidates a reranker scored.
    pub reranked: usize,
    /// Queries that a generator expanded.
    pub expanded: usize,
    /// Results of models that the daemon remembered, instead of computing them.
    pub remembered: u64,
}

impl Measured {
    /// Measures the answers to queries that all have relevant documents. A query without hits counts 0.
    pub fn of(answers: &[Answer], judgements: &Judgements, remembered: u64, seed: u64) -> Self {
        let quality = Measure::ALL.map(|measure| {
            let values = answers.iter().map(|answer| {
                let documents: Vec<&str> =
                    answer.ranking.iter().map(|(id, _)| id.as_str()).collect();
                let grades = judgements.of(&answer.id);
                grades.map_or(0.0, |grades| measure.of(&documents, grades))
            });
            estimate(&values.collect::<Vec<_>>(), seed)
        });
        let count = |keep: fn(&Answer) -> bool| answers.iter().filter(|one| keep(one)).count();
        Self {
            quality,
            inside: latency(answers, |answer| answer.inside_ms),
            round_trip: latency(answers, |answer| answer.round_trip_ms),
            without_hits: count(|answer| answer.ranking.is_empty()),
            refused: count(|answer| answer.refused),
            partial: count(|answer| answer.partial),
            reranked: count(|answer| answer.reranked),
            expanded: count(|answer| answer.expanded),
            remembered,
        }
    }
}

/// Of what was answered: a refusal takes no time.
fn latency(answers: &[Answer], time: fn(&Answer) -> f64) -> Latency {
    let answered = answers.iter().filter(|answer| !answer.refused);
    let mut times: Vec<f64> = answered.map(time).collect();
    times.sort_unstable_by(f64::total_cmp);
    Latency {
        p50: quantile(&times, 0.5),
        p95: quantile(&times, 0.95),
    }
}

/// Why a mode did not run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotRun {
    /// Stable reason code.
    pub reason: String,
    /// One line.
    pub message: String,
    /// What mends it.
    pub hint: Option<String>,
}

/// What came of a mode.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The mode.
    pub mode: Mode,
    /// What was measured, or why nothing was.
    pub result: Result<Measured, NotRun>,
    /// Where its rankings were written.
    pub run: Option<String>,
}

/// An evaluation of one collection.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// What the collection is called.
    pub name: String,
    /// Documents in the index.
    pub documents: u64,
    /// Queries that were asked: those with relevant documents.
    pub queries: usize,
    /// Queries that were not, for want of a relevant document.
    pub unjudged: usize,
    /// Relevant documents that the collection does not have.
    pub missing: usize,
    /// Whether every grade above 0 counted 1.
    pub binary: bool,
    /// Of the bootstrap.
    pub seed: u64,
    /// Each mode, in the order in which they ran.
    pub modes: Vec<Outcome>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(id: &str, documents: &str, ms: f64) -> Answer {
        Answer {
            id: id.into(),
            ranking: documents
                .split_whitespace()
                .map(|id| (id.to_owned(), 0.5))
                .collect(),
            inside_ms: ms,
            round_trip_ms: ms + 1.0,
            ..Answer::default()
        }
    }

    #[test]
    fn a_query_without_hits_counts_0_and_a_refused_one_takes_no_time() {
        let judgements = Judgements::parse("1\ta\t1\n2\ta\t1\n3\tb\t1\n4\tb\t2\n").unwrap();
        let refused = Answer {
            refused: true,
            ..answer("4", "", 0.0)
        };
        let answers = [
            answer("1", "a", 1.0),
            answer("2", "x a", 3.0),
            answer("3", "", 2.0),
            refused,
        ];
        let found = Measured::of(&answers, &judgements, 7, 1);
        let [ndcg, rank, recall] = found.quality.map(|estimate| estimate.mean);
        assert!((ndcg - (1.0 + 1.0 / 3_f64.log2()) / 4.0).abs() < 1e-12);
        assert!((rank - 1.5 / 4.0).abs() < 1e-12 && (recall - 0.5).abs() < 1e-12);
        assert_eq!((found.without_hits, found.refused), (2, 1));
        assert!(
            (found.inside.p50 - 2.0).abs() < 1e-12 && (found.round_trip.p50 - 3.0).abs() < 1e-12
        );
        assert_eq!(found.remembered, 7);
    }

    #[test]
    fn modes_have_names() {
        for mode in Mode::ALL {
            assert_eq!(mode.name().parse(), Ok(mode));
        }
        assert_eq!(
            "all".parse::<Mode>().unwrap_err(),
            "expected one of lexical, vector, hybrid, full"
        );
    }
}
