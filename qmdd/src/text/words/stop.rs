//! Words that say nothing of what a question is about.

/// In nearly every English text, so that they cost much and tell nothing. Folded.
const STOP_WORDS: &[&str] = &[
    "a", "about", "an", "and", "are", "as", "at", "be", "been", "but", "by", "can", "could", "did",
    "do", "does", "eg", "etc", "for", "from", "had", "has", "have", "how", "i", "ie", "if", "in",
    "into", "is", "it", "its", "me", "my", "no", "not", "of", "on", "or", "our", "should", "so",
    "such", "than", "that", "the", "their", "them", "then", "there", "these", "they", "this",
    "those", "to", "was", "we", "were", "what", "when", "where", "which", "who", "will", "with",
    "would", "you", "your",
];

/// Whether a folded word says nothing.
pub(super) fn is_stop_word(folded: &str) -> bool {
    STOP_WORDS.binary_search(&folded).is_ok()
}

/// Whether a word is written as an abbreviation: IT and WHO are no stop words.
pub(super) fn is_abbreviation(word: &str) -> bool {
    word.len() > 1 && word.bytes().all(|byte| byte.is_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_can_be_searched() {
        assert!(STOP_WORDS.is_sorted());
        assert!(is_stop_word("the") && is_stop_word("a"));
        assert!(!is_stop_word("drag") && !is_stop_word("c") && !is_stop_word("猫"));
        assert!(is_abbreviation("IT") && !is_abbreviation("It") && !is_abbreviation("I"));
    }
}
