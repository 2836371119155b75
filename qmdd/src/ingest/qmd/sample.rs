//! Which chunks are computed again before any vector is believed.

use std::cmp::Reverse;

use crate::domain::ContentHash;

/// Texts looked at. A model, prompt or form of another kind is off in each of them.
const TEXTS: usize = 8;

/// A chunk of a text of QMD's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sampled {
    pub hash: ContentHash,
    /// Its number.
    pub seq: usize,
    /// How many chunks the text has.
    pub of: usize,
    /// What the model is given for it.
    pub prompt: String,
}

/// Picks as it goes: the texts with the smallest hashes, which are a random choice that is the same
/// each time, and the one with the longest chunk, which a cut-off would tell on.
#[derive(Debug, Default)]
pub(super) struct Sample {
    drawn: Vec<Sampled>,
    longest: Option<Sampled>,
}

impl Sample {
    /// Considers a text by its chunks.
    pub(super) fn offer(&mut self, hash: ContentHash, prompts: &[String]) {
        let chunk = |seq: usize| Sampled {
            hash,
            seq,
            of: prompts.len(),
            prompt: prompts[seq].clone(),
        };
        let longest = (0..prompts.len()).min_by_key(|seq| Reverse(prompts[*seq].len()));
        let Some(longest) = longest else { return };
        let known = self.longest.as_ref().map_or(0, |known| known.prompt.len());
        if prompts[longest].len() > known {
            self.longest = Some(chunk(longest));
        }
        let place = self.drawn.partition_point(|drawn| drawn.hash < hash);
        if place < TEXTS {
            // Any chunk, and not always the first.
            let seq = usize::from(hash.0[31]) % prompts.len();
            self.drawn.insert(place, chunk(seq));
            self.drawn.truncate(TEXTS);
        }
    }

    /// What was picked.
    pub(super) fn finish(self) -> Vec<Sampled> {
        let mut picked = self.drawn;
        if let Some(longest) = self.longest
            && !picked.contains(&longest)
        {
            picked.push(longest);
        }
        picked
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_choice_is_spread_bounded_and_the_same_each_time() {
        let pick = |order: &mut dyn Iterator<Item = u32>| {
            let mut sample = Sample::default();
            for number in order {
                let length = if number == 77 { 50 } else { 10 };
                let prompts = vec!["x".repeat(length), "y".into(), "z".into()];
                sample.offer(ContentHash::of(&number.to_string()), &prompts);
            }
            sample.finish()
        };
        let picked = pick(&mut (0..100));
        assert_eq!(picked, pick(&mut (0..100).rev()));
        assert!((TEXTS..=TEXTS + 1).contains(&picked.len()));
        assert!(picked.iter().any(|it| it.prompt.len() == 50));
        assert!(picked.iter().any(|it| it.seq > 0) && picked.iter().all(|it| it.of == 3));
        assert_eq!(pick(&mut (0..0)), []);
        assert!((1..=2).contains(&pick(&mut (5..6)).len()));
    }
}
