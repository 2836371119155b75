//! From lists to one ranking with scores, and to what each score is made of.

use std::{collections::HashMap, sync::Arc};

use super::retrieve::List;
use crate::{
    domain::{Contribution, Explanation, Stage},
    rank::{
        blend::{self, Blend},
        convex,
        hybrid::Hybrid,
    },
};

/// A document with its score.
pub(super) struct Ranked {
    pub document: i64,
    pub score: f64,
    pub explanation: Explanation,
}

/// All lists as one.
pub(super) struct Fused {
    entries: Vec<convex::Combined<i64>>,
    /// How much each list counts, of 1 for all.
    weights: Vec<f64>,
    /// How sure the retrievals are that their best document is an answer.
    confidence: f64,
}

impl Fused {
    /// Combines lists.
    pub(super) fn of(lists: &[List]) -> Self {
        if let [list] = lists {
            return Self::alone(list);
        }
        let hybrid = Hybrid::default();
        let total = |source| -> f64 {
            (lists.iter())
                .filter(|list| list.source == source)
                .map(|list| list.weight)
                .sum()
        };
        let (words, meaning) = (total(Stage::Lexical), total(Stage::Vector));
        let weight = |list: &List| match list.source {
            Stage::Lexical => hybrid.of_words() * list.weight / words,
            _ => hybrid.of_meaning(best(list)) * list.weight / meaning,
        };
        let entries: Vec<Vec<(i64, f64)>> = (lists.iter())
            .map(|list| {
                (list.entries.iter())
                    .map(|it| (it.document, it.score))
                    .collect()
            })
            .collect();
        let views: Vec<convex::List<'_, i64>> = (lists.iter().zip(&entries))
            .map(|(list, entries)| convex::List {
                entries,
                weight: weight(list),
            })
            .collect();
        let (entries, weights) = convex::combine(&views, hybrid.spread);
        let confidence = (lists.iter().zip(&weights))
            .map(|(list, weight)| weight * best(list))
            .sum();
        Self {
            entries,
            weights,
            confidence,
        }
    }

    /// A list by itself: its documents' scores are their own.
    fn alone(list: &List) -> Self {
        let best = best(list);
        let entries = (1..).zip(&list.entries).map(|(rank, entry)| {
            let score = if best > 0.0 {
                entry.absolute / best
            } else {
                0.0
            };
            convex::Combined {
                id: entry.document,
                score,
                parts: vec![convex::Part {
                    list: 0,
                    rank,
                    contribution: score,
                }],
            }
        });
        Self {
            entries: entries.collect(),
            weights: vec![1.0],
            confidence: best,
        }
    }

    /// The documents, best first.
    pub(super) fn documents(&self) -> impl Iterator<Item = i64> {
        self.entries.iter().map(|entry| entry.id)
    }

    /// Whether the first document stands out so far that nothing need be added.
    pub(super) fn is_decisive(&self) -> bool {
        const SURE: f64 = 0.8;
        const APART: f64 = 0.2;
        match self.entries.as_slice() {
            [] => false,
            [only] => only.score * self.confidence >= SURE,
            [first, second, ..] => self.confidence >= SURE && first.score - second.score >= APART,
        }
    }
}

impl Fused {
    /// The ranking, with what each score is made of.
    pub(super) fn ranking(&self, lists: &[List], reranked: Option<&Reranked>) -> Vec<Ranked> {
        // Without a single score there is nothing to blend.
        let reranked = reranked.filter(|reranked| !reranked.scores.is_empty());
        let blend = Blend::new(self.confidence, reranked.is_some());
        let unread = reranked.map(|reranked| blend::unread(reranked.scores.values().copied()));
        let mut ranked: Vec<Ranked> = (self.entries.iter())
            .map(|entry| {
                let read = reranked.and_then(|it| it.scores.get(&entry.id).copied());
                let mut parts: Vec<Contribution> = (entry.parts.iter())
                    .map(|part| {
                        let list = &lists[part.list];
                        Contribution {
                            source: list.source,
                            rank: part.rank,
                            raw_score: list.entries[part.rank as usize - 1].score,
                            contribution: part.contribution * blend.fused,
                            query: Arc::clone(&list.query),
                            weight: self.weights[part.list],
                            expanded: list.expanded,
                        }
                    })
                    .collect();
                if let Some(score) = read.or(unread) {
                    parts.push(Contribution {
                        source: Stage::Rerank,
                        rank: 0,
                        raw_score: score,
                        contribution: score * blend.rerank,
                        query: Arc::default(),
                        weight: blend.rerank,
                        expanded: false,
                    });
                }
                let score: f64 = parts.iter().map(|part| part.contribution).sum();
                Ranked {
                    document: entry.id,
                    score: score.clamp(0.0, 1.0),
                    explanation: Explanation {
                        parts,
                        fused: entry.score,
                        rerank: read,
                        rerank_weight: blend.rerank,
                        confidence: self.confidence,
                    },
                }
            })
            .collect();
        // Of equals, those that the retrievals prefer.
        ranked.sort_by(|a, b| b.score.total_cmp(&a.score));
        ranked
    }
}

/// What the reranker said.
pub(super) struct Reranked {
    /// By document; those that were not read are left out.
    scores: HashMap<i64, f64>,
}

impl Reranked {
    /// Of the first candidates, with their scores in the same order.
    pub(super) fn new(candidates: &[i64], scores: &[f64]) -> Self {
        let scores = candidates.iter().copied().zip(scores.iter().copied());
        Self {
            scores: scores.collect(),
        }
    }
}

/// The best score of a list that compares between queries.
fn best(list: &List) -> f64 {
    list.entries.first().map_or(0.0, |entry| entry.absolute)
}
