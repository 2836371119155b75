//! Marks the words of a query in a passage. For the eye alone: what is a hit is decided elsewhere.

use std::fmt::Write as _;

use super::text::MATCH;

/// Terms shorter than this match whole words only.
const MIN_PREFIX_CHARS: usize = 3;

/// The words of a query, in lower case.
pub(super) fn terms(query: &str) -> Vec<String> {
    let mut terms: Vec<String> = query
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect();
    terms.sort_unstable();
    terms.dedup();
    terms
}

/// Marks every word of `text` that is one of the terms or begins with one; in scripts without
/// spaces between words, every occurrence.
pub(super) fn highlight(text: &str, terms: &[String]) -> String {
    let mut out = String::with_capacity(text.len() + 64);
    let mut rest = text;
    while let Some(start) = rest.find(char::is_alphanumeric) {
        let (before, from_word) = rest.split_at(start);
        out += before;
        let end = from_word
            .find(|c: char| !c.is_alphanumeric())
            .unwrap_or(from_word.len());
        let (word, after) = from_word.split_at(end);
        mark(word, terms, &mut out);
        rest = after;
    }
    out + rest
}

fn mark(word: &str, terms: &[String], out: &mut String) {
    let folded = word.to_lowercase();
    let begins = |term: &&String| {
        folded == **term
            || (term.chars().count() >= MIN_PREFIX_CHARS && folded.starts_with(term.as_str()))
    };
    if terms.iter().any(|term| begins(&term)) {
        let _ = write!(out, "{MATCH}{word}{MATCH:#}");
        return;
    }
    // Such scripts have no case, so the places in the folded word are those in the word.
    let inside = terms
        .iter()
        .filter(|term| term.chars().all(unspaced))
        .filter_map(|term| Some((word.find(term.as_str())?, term.len())))
        .min_by_key(|&(at, length)| (at, usize::MAX - length));
    match inside {
        Some((at, length)) => {
            let (before, found) = word.split_at(at);
            let (found, after) = found.split_at(length);
            let _ = write!(out, "{before}{MATCH}{found}{MATCH:#}");
            mark(after, terms, out);
        }
        None => *out += word,
    }
}

/// Chinese and Japanese characters.
fn unspaced(c: char) -> bool {
    matches!(c, '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{20000}'..='\u{3ffff}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn marked(text: &str, query: &str) -> String {
        highlight(text, &terms(query))
            .replace(&format!("{MATCH}"), "[")
            .replace(&format!("{MATCH:#}"), "]")
    }

    #[test]
    fn words_and_their_longer_forms_are_marked() {
        assert_eq!(
            marked("Models remodel, MODEL: to too.", "model to"),
            "[Models] remodel, [MODEL]: [to] too."
        );
        assert_eq!(marked("Étés", "été"), "[Étés]");
        assert_eq!(marked("plain", ""), "plain");
    }

    #[test]
    fn scripts_without_spaces_are_marked_inside_of_runs() {
        assert_eq!(marked("新東京と東京", "東京"), "新[東京]と[東京]");
    }

    proptest! {
        #[test]
        fn marking_changes_no_text(text in "([a-cİéß東京 .\n]|model){0,40}", query in "([a-cİéß東京 ]|model){0,12}") {
            let marked = highlight(&text, &terms(&query));
            prop_assert_eq!(anstream::adapter::strip_str(&marked).to_string(), text);
        }
    }
}
