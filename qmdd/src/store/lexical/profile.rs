//! What a content is about: its most frequent telling words, in a few hundred bytes whatever its
//! length. Kept beside the full text, to compare contents by.

use foldhash::HashMap;

/// Words of a profile.
const MAX_WORDS: usize = 128;
/// Bytes of one: its hash, and how often it stands there.
const ENTRY: usize = 5;

/// A profile under construction.
#[derive(Debug, Default)]
pub(super) struct Counts(HashMap<u32, u32>);

impl Counts {
    pub(super) fn add(&mut self, token: &str) {
        *self.0.entry(hash(token)).or_default() += 1;
    }

    /// The profile as it is stored: the most frequent words, in the order of their hashes.
    pub(super) fn encode(self) -> Vec<u8> {
        let mut words: Vec<(u32, u32)> = self.0.into_iter().collect();
        words.sort_unstable_by_key(|&(hash, count)| (std::cmp::Reverse(count), hash));
        words.truncate(MAX_WORDS);
        words.sort_unstable();
        let mut bytes = Vec::with_capacity(words.len() * ENTRY);
        for (hash, count) in words {
            bytes.extend(hash.to_le_bytes());
            bytes.push(count.min(u32::from(u8::MAX)) as u8);
        }
        bytes
    }
}

/// The words of a stored profile with their counts.
pub(super) fn decode(bytes: &[u8]) -> impl Iterator<Item = (u32, u8)> {
    let (entries, _) = bytes.as_chunks::<ENTRY>();
    entries
        .iter()
        .map(|&[a, b, c, d, count]| (u32::from_le_bytes([a, b, c, d]), count))
}

/// A word in 32 bits (FNV-1a). It is stored, so it must stay as it is.
pub(super) fn hash(token: &str) -> u32 {
    token.bytes().fold(0x811c_9dc5, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_frequent_words_are_kept() {
        let mut counts = Counts::default();
        for number in 0..200 {
            counts.add(&format!("rare{number}"));
        }
        for _ in 0..300 {
            counts.add("often");
        }
        counts.add("rare7");
        let bytes = counts.encode();
        let words: Vec<(u32, u8)> = decode(&bytes).collect();
        assert_eq!(words.len(), MAX_WORDS);
        assert!(words.is_sorted());
        assert!(words.contains(&(hash("often"), 255)));
        assert!(words.contains(&(hash("rare7"), 2)));
        assert_eq!(decode(&Counts::default().encode()).count(), 0);
    }

    #[test]
    fn hashes_stay_as_they_are() {
        assert_eq!(hash(""), 0x811c_9dc5);
        assert_eq!(hash("foobar"), 0xbf9c_f968);
    }
}
