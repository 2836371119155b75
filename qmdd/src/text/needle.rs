//! Finds the words of a query in running text, near enough for showing a passage. What is a hit is
//! decided by the store.

/// Most terms looked for; what a longer query adds would not move the passage.
const MAX_NEEDLES: usize = 64;
/// Shorter terms match whole words only.
const MIN_PREFIX_CHARS: usize = 3;
/// Endings that may be missing or different in the text, the longest first.
const INFLECTIONS: &[&str] = &["ies", "ing", "ed", "es", "s"];
/// What must be left of a word that loses its ending.
const MIN_STEM_CHARS: usize = 4;

/// A term to look for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Needle {
    /// Its first character, a letter or digit: tells most words apart at once.
    first: char,
    /// All of it, in lower case.
    text: String,
    /// The word ends where the term ends.
    whole: bool,
}

/// The distinct needles of `terms`, at most 64.
pub(super) fn needles(terms: &[String]) -> Vec<Needle> {
    let mut needles = Vec::new();
    for term in terms {
        let folded: String = term.chars().flat_map(char::to_lowercase).collect();
        let chars: Vec<char> = folded.chars().collect();
        for run in chars.chunk_by(|&a, &b| unspaced(a) == unspaced(b)) {
            if unspaced(run[0]) {
                // No text need hold the whole run; its pairs of characters stand for its words.
                let pairs = run.windows(run.len().min(2));
                needles
                    .extend(pairs.filter_map(|pair| Needle::new(&String::from_iter(pair), false)));
            } else {
                needles.extend(of_word(&String::from_iter(run)));
            }
        }
    }
    let mut distinct = Vec::new();
    for needle in needles {
        if distinct.len() < MAX_NEEDLES && !distinct.contains(&needle) {
            distinct.push(needle);
        }
    }
    distinct
}

/// A word without the punctuation around it and without its inflection.
fn of_word(word: &str) -> Option<Needle> {
    let word = word.trim_matches(|c: char| !c.is_alphanumeric());
    let inflections = if word.ends_with("ss") {
        &[]
    } else {
        INFLECTIONS
    };
    let stem = inflections
        .iter()
        .filter_map(|ending| word.strip_suffix(ending))
        .find(|stem| stem.chars().count() >= MIN_STEM_CHARS)
        .unwrap_or(word);
    Needle::new(stem, stem.chars().count() < MIN_PREFIX_CHARS)
}

/// Whether a word may start at `c`, which follows `previous`.
pub(super) fn starts_word(previous: char, c: char) -> bool {
    c.is_alphanumeric() && (unspaced(c) || !previous.is_alphanumeric() || unspaced(previous))
}

/// The first character of `c` in lower case.
pub(super) fn fold(c: char) -> char {
    if c.is_ascii() {
        c.to_ascii_lowercase()
    } else {
        c.to_lowercase().next().unwrap_or(c)
    }
}

impl Needle {
    fn new(text: &str, whole: bool) -> Option<Self> {
        let first = text.chars().next().filter(|c| c.is_alphanumeric())?;
        Some(Self {
            first,
            text: text.to_owned(),
            whole,
        })
    }

    /// Whether the term stands at the start of `text`, a word whose first character folds to
    /// `first`.
    pub(super) fn matches(&self, first: char, text: &str) -> bool {
        if first != self.first {
            return false;
        }
        strip_folded(text, &self.text)
            .is_some_and(|rest| !self.whole || !rest.starts_with(char::is_alphanumeric))
    }
}

/// What follows `prefix`, which is in lower case, at the start of `text`, which need not be.
fn strip_folded<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    if prefix.is_ascii() {
        let (head, rest) = text.split_at_checked(prefix.len())?;
        return head.eq_ignore_ascii_case(prefix).then_some(rest);
    }
    let mut rest = text.chars();
    let mut folded = rest.by_ref().flat_map(char::to_lowercase);
    prefix
        .chars()
        .all(|c| folded.next() == Some(c))
        .then_some(rest.as_str())
}

/// Whether a character is of a script written without spaces between words: Chinese, Japanese,
/// Thai, Lao, Burmese, Khmer.
fn unspaced(c: char) -> bool {
    matches!(c,
        '\u{0e00}'..='\u{0eff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}'
        | '\u{2e80}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{ff66}'..='\u{ff9f}'
        | '\u{20000}'..='\u{3ffff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(term: &str, text: &str) -> Vec<usize> {
        let needles = needles(&[term.to_owned()]);
        let mut previous = ' ';
        let mut found = Vec::new();
        for (at, c) in text.char_indices() {
            let any = || {
                needles
                    .iter()
                    .any(|needle| needle.matches(fold(c), &text[at..]))
            };
            if starts_word(previous, c) && any() {
                found.push(at);
            }
            previous = c;
        }
        found
    }

    #[test]
    fn words_match_at_their_start_whatever_case_and_inflection() {
        assert_eq!(found("model", "Models remodel MODEL (model)"), [0, 15, 22]);
        assert_eq!(found("heating", "heated string"), [0]);
        assert_eq!(found("boundaries", "a boundary"), [2]);
        assert_eq!(found("process", "processes proceed"), [0]);
        assert_eq!(found("to", "too to, TO"), [4, 8]);
        assert_eq!(found("c++", "cat C++ c"), [4, 8]);
        assert_eq!(found("--flag", "the --flag"), [6]);
        assert_eq!(found("été", "Étés"), [0]);
        assert_eq!(found("?!", "?!"), [] as [usize; 0]);
    }

    #[test]
    fn unspaced_scripts_match_by_pairs() {
        assert_eq!(found("東京都", "新東京と京都"), [3, 12]);
        assert_eq!(found("水", "地下水"), [6]);
        assert_eq!(found("Rustの所有権", "rusty 所有"), [0, 6]);
        assert_eq!(needles(&["東京東京".to_owned()]).len(), 2);
    }
}
