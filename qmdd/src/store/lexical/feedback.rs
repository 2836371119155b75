//! Second look at the best documents: what the first few of them have in common says more of what is
//! meant than the query's own words, and orders the rest (pseudo-relevance feedback, after Rocchio).
//! It finds nothing that the words did not.

use foldhash::HashMap;

use super::{collect::Found, plan::idf, profile::decode, statistics::Statistics};

/// Documents that are ordered again.
pub(super) const DEPTH: usize = 50;
/// Documents that are taken to be about what is meant.
const TRUSTED: usize = 8;
/// Words of theirs that are looked at.
const WORDS: usize = 20;
/// How much these words count, all of them as a share of the best document's score.
pub(super) const SHARE: f64 = 0.4;
/// A word in more than this share of the documents tells nothing.
const FREQUENT: f64 = 0.25;

/// BM25's constants for profiles.
const K1: f64 = 1.2;
const B: f64 = 0.6;

/// Orders the first [`DEPTH`] documents again. `profiles` are theirs, in the same order; those of
/// equal content have the same `content`.
pub(super) fn reorder(found: &mut [Found], profiles: &[(i64, Vec<u8>)], statistics: &Statistics) {
    let depth = found.len().min(DEPTH).min(profiles.len());
    let (first, profiles) = (&mut found[..depth], &profiles[..depth]);
    let profiles: Vec<Profile> = profiles
        .iter()
        .map(|(content, bytes)| Profile::new(*content, bytes, statistics))
        .collect();
    let words = common_words(first, &profiles, statistics);
    let gains: Vec<f64> = profiles
        .iter()
        .map(|profile| profile.gain(&words))
        .collect();
    let most = gains.iter().copied().fold(0.0, f64::max);
    let best = first.iter().map(|found| found.score).fold(0.0, f64::max);
    if most <= 0.0 {
        return;
    }
    for (found, gain) in first.iter_mut().zip(gains) {
        found.score += SHARE * best * gain / most;
    }
    // Stable: equals stay in their order.
    first.sort_by(|a, b| (b.complete.cmp(&a.complete)).then(b.score.total_cmp(&a.score)));
}

/// The words that tell the trusted documents from others, with their weights.
fn common_words(
    found: &[Found],
    profiles: &[Profile],
    statistics: &Statistics,
) -> HashMap<u32, f64> {
    let mut holders: HashMap<u32, u32> = HashMap::default();
    let mut contents = Vec::new();
    let mut trusted = Vec::new();
    for (found, profile) in found.iter().zip(profiles) {
        if contents.contains(&profile.content) {
            continue;
        }
        contents.push(profile.content);
        if trusted.len() < TRUSTED {
            trusted.push((found.score, profile));
        }
        for &(word, _) in &profile.words {
            *holders.entry(word).or_default() += 1;
        }
    }
    let total: f64 = trusted.iter().map(|(score, _)| score).sum();
    let mut weights: HashMap<u32, f64> = HashMap::default();
    for (score, profile) in trusted {
        for &(word, count) in &profile.words {
            // In one document alone it orders nothing.
            let share = statistics.sampled_share(word);
            if holders.get(&word).is_some_and(|&holders| holders > 1) && share <= FREQUENT {
                let telling = idf(statistics.sampled(), share * statistics.sampled());
                *weights.entry(word).or_default() += score / total * count * telling;
            }
        }
    }
    let mut words: Vec<(u32, f64)> = weights.into_iter().collect();
    words.sort_unstable_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    words.truncate(WORDS);
    for (word, weight) in &mut words {
        let sampled = statistics.sampled();
        *weight *= idf(sampled, statistics.sampled_share(*word) * sampled);
    }
    words.into_iter().collect()
}

/// A content's words.
struct Profile {
    content: i64,
    /// Each with how much it counts there, in (0, 1).
    words: Vec<(u32, f64)>,
}

impl Profile {
    fn new(content: i64, bytes: &[u8], statistics: &Statistics) -> Self {
        let length: f64 = decode(bytes).map(|(_, count)| f64::from(count)).sum();
        let length = 1.0 - B + B * length / statistics.average_words().max(1.0);
        let saturated = |count: u8| f64::from(count) / (f64::from(count) + K1 * length);
        Self {
            content,
            words: decode(bytes)
                .map(|(word, count)| (word, saturated(count)))
                .collect(),
        }
    }

    /// What the words come to.
    fn gain(&self, words: &HashMap<u32, f64>) -> f64 {
        self.words
            .iter()
            .filter_map(|(word, count)| Some(words.get(word)? * count))
            .sum()
    }
}
