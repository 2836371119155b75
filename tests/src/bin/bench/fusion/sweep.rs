//! Ways of fusing two lists, and how good each is.

use std::{collections::HashMap, fmt, fmt::Write as _};

use qmdctl::eval::metrics;
use qmdd::rank::{
    convex::{self, combine},
    hybrid::Hybrid,
};

use super::lists::{List, Lists, Pair};

/// How deep rankings are judged.
const AT: usize = 10;

/// A way to make one ranking of two lists.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Way {
    /// By words alone.
    Words,
    /// By meaning alone.
    Meaning,
    /// Reciprocal rank fusion with k = 60.
    Ranks {
        /// The weight of search by meaning.
        meaning: f64,
    },
    /// Scores as a part of each list's best.
    Scores {
        /// The weight of search by meaning.
        meaning: f64,
    },
    /// As qmdd does.
    Hybrid(Hybrid),
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Words => write!(f, "by words"),
            Self::Meaning => write!(f, "by meaning"),
            Self::Ranks { meaning } => write!(f, "RRF {meaning:.2}"),
            Self::Scores { meaning } => write!(f, "part of the best {meaning:.2}"),
            Self::Hybrid(it) => write!(
                f,
                "trust {:.1}, spread {:.2}, {:.2}",
                it.trust, it.spread, it.meaning
            ),
        }
    }
}

impl Way {
    /// One of each kind, to be given weights.
    pub(super) fn families() -> Vec<Self> {
        let hybrid = |trust, spread| {
            Self::Hybrid(Hybrid {
                meaning: 0.5,
                trust,
                spread,
            })
        };
        vec![
            Self::Ranks { meaning: 0.5 },
            Self::Scores { meaning: 0.5 },
            hybrid(0.0, 0.0),
            hybrid(1.5, 0.0),
            hybrid(0.0, 2.0 / 3.0),
            hybrid(1.5, 2.0 / 3.0),
            hybrid(1.5, 1.0),
        ]
    }

    /// The same with a weight of search by meaning, in hundredths.
    pub(super) fn weighing(self, hundredths: u32) -> Self {
        let meaning = f64::from(hundredths) / 100.0;
        match self {
            Self::Ranks { .. } => Self::Ranks { meaning },
            Self::Scores { .. } => Self::Scores { meaning },
            Self::Hybrid(it) => Self::Hybrid(Hybrid { meaning, ..it }),
            single => single,
        }
    }

    /// What qmdd uses.
    pub(super) fn chosen() -> Self {
        Self::Hybrid(Hybrid::default())
    }

    fn rank(self, words: &List, meaning: &List) -> Vec<String> {
        match self {
            Self::Words => names(words),
            Self::Meaning => names(meaning),
            Self::Ranks { meaning: weight } => {
                const K: f64 = 60.0;
                let gain = |rank: usize, _| 1.0 / (K + 1.0 + rank as f64);
                add([(words, 1.0 - weight), (meaning, weight)], gain)
            }
            Self::Scores { meaning: weight } => {
                let gain = |_, part: f64| part;
                add([(words, 1.0 - weight), (meaning, weight)], gain)
            }
            Self::Hybrid(hybrid) => {
                let best = meaning.first().map_or(0.0, |(_, score)| *score);
                let lists = [
                    (words, hybrid.of_words()),
                    (meaning, hybrid.of_meaning(best)),
                ];
                let entries = lists.map(|(list, _)| {
                    let entries = list.iter().map(|(id, score)| (id.as_str(), *score));
                    entries.collect::<Vec<_>>()
                });
                let view = |at: usize| convex::List {
                    entries: &entries[at],
                    weight: lists[at].1,
                };
                let (combined, _) = combine(&[view(0), view(1)], hybrid.spread);
                combined.iter().map(|it| it.id.to_owned()).collect()
            }
        }
    }
}

fn names(list: &List) -> Vec<String> {
    list.iter().map(|(id, _)| id.clone()).collect()
}

/// Adds up what each place in each list gains, by its rank from 0 and its score as a part of the best.
fn add(lists: [(&List, f64); 2], gain: impl Fn(usize, f64) -> f64) -> Vec<String> {
    let mut scores: HashMap<&str, f64> = HashMap::new();
    for (list, weight) in lists {
        let best = list.first().map_or(1.0, |(_, score)| score.max(1e-9));
        for (rank, (id, score)) in list.iter().enumerate() {
            *scores.entry(id).or_default() += weight * gain(rank, score.max(0.0) / best);
        }
    }
    let mut ranked: Vec<(&str, f64)> = scores.into_iter().collect();
    ranked.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(b.0)));
    ranked.into_iter().map(|(id, _)| id.to_owned()).collect()
}

/// The mean nDCG@10 of a collection's queries.
pub(super) fn rate(lists: &Lists, way: Way, pair: Pair) -> f64 {
    let rated = lists.queries.iter().map(|query| {
        let (words, meaning) = query.pair(pair);
        metrics::ndcg(&way.rank(words, meaning), &query.grades, AT)
    });
    rated.sum::<f64>() / lists.queries.len() as f64
}

/// The mean over collections, each counting the same.
pub(super) fn mean(lists: &[&Lists], way: Way, pair: Pair) -> f64 {
    let rated = lists.iter().map(|lists| rate(lists, way, pair));
    rated.sum::<f64>() / lists.len() as f64
}

/// The head of a table with a column for each collection.
pub(super) fn header(first: &str, lists: &[Lists]) -> String {
    let mut text = format!("| {first} |");
    for lists in lists {
        let _ = write!(text, " {} |", lists.name);
    }
    let _ = write!(text, " mean |\n| --- |{}", " --- |".repeat(lists.len() + 1));
    text
}

/// A row of it.
pub(super) fn row(name: &str, lists: &[Lists], way: Way, pair: Pair) -> String {
    let mut text = format!("| {name} |");
    for lists in lists {
        let _ = write!(text, " {:.4} |", rate(lists, way, pair));
    }
    let all: Vec<&Lists> = lists.iter().collect();
    let _ = write!(text, " {:.4} |", mean(&all, way, pair));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ways_rank_as_they_say() {
        let list = |entries: &[(&str, f64)]| -> List {
            entries
                .iter()
                .map(|(id, score)| ((*id).to_owned(), *score))
                .collect()
        };
        let (words, meaning) = (
            list(&[("a", 9.0), ("b", 1.0)]),
            list(&[("b", 0.6), ("a", 0.59)]),
        );
        assert_eq!(Way::Words.rank(&words, &meaning), ["a", "b"]);
        assert_eq!(Way::Meaning.rank(&words, &meaning), ["b", "a"]);
        assert_eq!(
            Way::Ranks { meaning: 0.6 }.rank(&words, &meaning),
            ["b", "a"]
        );
        assert_eq!(
            Way::Scores { meaning: 0.6 }.rank(&words, &meaning),
            ["a", "b"]
        );
        assert_eq!(Way::chosen().rank(&words, &meaning), ["a", "b"]);
    }
}
