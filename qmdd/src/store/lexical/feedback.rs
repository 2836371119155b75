//! Second look at the best documents: what the first few of them have in common says more of what is
//! meant than the query's own words, and orders the rest (pseudo-relevance feedback, after Rocchio).
//! It finds nothing that the words did not.

use foldhash::{HashMap, HashSet};

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
    let first = &mut found[..depth];
    let profiles: Vec<Profile<'_>> = profiles[..depth]
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
    profiles: &[Profile<'_>],
    statistics: &Statistics,
) -> HashMap<u32, f64> {
    let mut contents = HashSet::default();
    let distinct: Vec<(f64, &Profile<'_>)> = (found.iter().zip(profiles))
        .filter(|(_, profile)| contents.insert(profile.content))
        .map(|(found, profile)| (found.score, profile))
        .collect();
    let trusted = &distinct[..distinct.len().min(TRUSTED)];
    // Of each word of theirs, in how many contents it stands, and what it weighs.
    let mut weights: HashMap<u32, (u32, f64)> = HashMap::default();
    weights.reserve(trusted.iter().map(|(_, profile)| profile.len()).sum());
    let total: f64 = trusted.iter().map(|(score, _)| score).sum();
    for (score, profile) in trusted {
        for (word, count) in profile.words() {
            let (_, weight) = weights.entry(word).or_default();
            *weight += score / total * count;
        }
    }
    for (_, profile) in &distinct {
        for (word, _) in decode(profile.bytes) {
            if let Some((holders, _)) = weights.get_mut(&word) {
                *holders += 1;
            }
        }
    }
    let sampled = statistics.sampled();
    let telling = |(word, (holders, weight)): (u32, (u32, f64))| {
        // In one document alone it orders nothing.
        let share = statistics.sampled_share(word);
        (holders > 1 && share <= FREQUENT).then(|| {
            let telling = idf(sampled, share * sampled);
            (word, weight * telling, telling)
        })
    };
    let mut words: Vec<(u32, f64, f64)> = weights.into_iter().filter_map(telling).collect();
    words.sort_unstable_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    words.truncate(WORDS);
    let weigh = |(word, weight, telling)| (word, weight * telling);
    words.into_iter().map(weigh).collect()
}

/// A content's words.
struct Profile<'a> {
    content: i64,
    bytes: &'a [u8],
    /// What a word's count is damped by: BM25's k1, for a content of this length.
    damping: f64,
}

impl<'a> Profile<'a> {
    fn new(content: i64, bytes: &'a [u8], statistics: &Statistics) -> Self {
        let length: u32 = decode(bytes).map(|(_, count)| u32::from(count)).sum();
        let length = f64::from(length) / statistics.average_words().max(1.0);
        Self {
            content,
            bytes,
            damping: K1 * (1.0 - B + B * length),
        }
    }

    /// How many words there are.
    fn len(&self) -> usize {
        decode(self.bytes).count()
    }

    /// The words, each with how much it counts there, in (0, 1).
    fn words(&self) -> impl Iterator<Item = (u32, f64)> {
        decode(self.bytes).map(|(word, count)| (word, self.saturated(count)))
    }

    fn saturated(&self, count: u8) -> f64 {
        f64::from(count) / (f64::from(count) + self.damping)
    }

    /// What the words come to.
    fn gain(&self, words: &HashMap<u32, f64>) -> f64 {
        decode(self.bytes)
            .filter_map(|(word, count)| Some(words.get(&word)? * self.saturated(count)))
            .sum()
    }
}
