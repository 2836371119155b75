//! Marks the words of a query in a passage. For the eye alone: what is a hit is decided elsewhere.

use anstyle::Style;

use super::{text::MATCH, wrap::Run};

/// Terms shorter than this match whole words only.
const MIN_PREFIX_CHARS: usize = 3;
/// Words that everything has; they are marked when nothing else was asked for.
const SMALL: [&str; 40] = [
    "a", "about", "an", "and", "are", "as", "at", "be", "by", "can", "did", "do", "does", "for",
    "from", "had", "has", "have", "how", "i", "if", "in", "is", "it", "of", "on", "or", "that",
    "the", "this", "to", "was", "we", "what", "when", "where", "which", "who", "why", "with",
];
/// What words of one kind end in.
const ENDINGS: [&str; 14] = [
    "", "d", "e", "ed", "er", "ers", "es", "ied", "ier", "ies", "ing", "ings", "s", "y",
];
/// Kinds of lines whose words are to be found in passages; of the others they are not.
const MARKED_LINES: [&str; 3] = ["lex", "vec", "expand"];
const UNMARKED_LINES: [&str; 2] = ["hyde", "intent"];
/// What bounds a search, and is not searched for.
const BOUNDS: [&str; 6] = ["in", "tag", "meta", "after", "before", "path"];

/// The words that a query looks for, in lower case.
pub(super) fn terms(query: &str) -> Vec<String> {
    let mut terms: Vec<String> = query
        .lines()
        .filter_map(sought)
        .flat_map(words)
        .flat_map(|word| word.split(|c: char| !c.is_alphanumeric()))
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect();
    terms.sort_unstable();
    terms.dedup();
    if terms.iter().any(|term| !SMALL.contains(&term.as_str())) {
        terms.retain(|term| !SMALL.contains(&term.as_str()));
    }
    terms
}

/// What a line of a query document looks for.
fn sought(line: &str) -> Option<&str> {
    let Some((kind, rest)) = line.split_once(':') else {
        return Some(line);
    };
    let kind = kind.trim().to_ascii_lowercase();
    if UNMARKED_LINES.contains(&kind.as_str()) {
        return None;
    }
    let marked = MARKED_LINES.contains(&kind.as_str());
    Some(if marked { rest } else { line })
}

/// The words of a line that documents should have: without those excluded, and without what bounds the
/// search.
fn words(line: &str) -> impl Iterator<Item = &str> {
    let mut rest = line.trim_start();
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (word, after) = rest.split_at(word_end(rest));
        rest = after.trim_start();
        Some(word)
    })
    .filter(|word| {
        let excluded = word
            .strip_prefix('-')
            .is_some_and(|word| word.starts_with(|c: char| c.is_alphanumeric() || c == '"'));
        let bound = word
            .split_once(':')
            .is_some_and(|(name, value)| BOUNDS.contains(&name) && !value.starts_with(':'));
        !excluded && !bound
    })
    .map(|word| word.strip_prefix("title:").unwrap_or(word))
}

/// Where the first word ends; what stands in quotes is of one word.
fn word_end(text: &str) -> usize {
    let blank = |from: usize| {
        text[from..]
            .find(char::is_whitespace)
            .map_or(text.len(), |at| from + at)
    };
    let end = blank(0);
    match text[..end].find('"') {
        Some(open) => match text[open + 1..].find('"') {
            Some(length) => blank(open + 1 + length + 1),
            None => end,
        },
        None => end,
    }
}

/// A text in runs: marked is every word that is one of the terms, begins with one, or differs from one
/// in its ending alone; in scripts without spaces between words, every occurrence.
pub(super) fn highlight<'a>(text: &'a str, terms: &[String], style: Style) -> Vec<Run<'a>> {
    let mut runs = Runs {
        text,
        style,
        done: 0,
        list: Vec::new(),
    };
    let mut at = 0;
    while let Some(start) = text[at..].find(char::is_alphanumeric) {
        let start = at + start;
        let end = text[start..]
            .find(|c: char| !c.is_alphanumeric())
            .map_or(text.len(), |length| start + length);
        mark(&text[start..end], start, terms, &mut runs);
        at = end;
    }
    runs.finish()
}

/// The runs of a text so far.
struct Runs<'a> {
    text: &'a str,
    style: Style,
    /// All before this is in runs.
    done: usize,
    list: Vec<Run<'a>>,
}

impl<'a> Runs<'a> {
    fn mark(&mut self, from: usize, to: usize) {
        self.plain(from);
        self.list.push(Run::new(&self.text[from..to], MATCH));
        self.done = to;
    }

    fn plain(&mut self, to: usize) {
        if self.done < to {
            self.list
                .push(Run::new(&self.text[self.done..to], self.style));
            self.done = to;
        }
    }

    fn finish(mut self) -> Vec<Run<'a>> {
        self.plain(self.text.len());
        self.list
    }
}

/// Marks a word that starts at `start`.
fn mark(word: &str, start: usize, terms: &[String], runs: &mut Runs<'_>) {
    let folded = word.to_lowercase();
    if terms.iter().any(|term| is_kin(&folded, term)) {
        return runs.mark(start, start + word.len());
    }
    // Such scripts have no case, so the places in the folded word are those in the word.
    let inside = terms
        .iter()
        .filter(|term| term.chars().all(unspaced))
        .filter_map(|term| Some((word.find(term.as_str())?, term.len())))
        .min_by_key(|&(at, length)| (at, usize::MAX - length));
    if let Some((at, length)) = inside {
        let end = at + length;
        runs.mark(start + at, start + end);
        mark(&word[end..], start + end, terms, runs);
    }
}

/// Whether a word is a form of a term, as far as that can be seen from their letters.
fn is_kin(word: &str, term: &str) -> bool {
    if word == term || term.chars().all(unspaced) {
        return word == term;
    }
    let shared = word
        .char_indices()
        .zip(term.chars())
        .find(|((_, a), b)| a != b)
        .map_or(word.len().min(term.len()), |((at, _), _)| at);
    let (Some(stem), Some(rest)) = (word.get(..shared), term.get(shared..)) else {
        return false;
    };
    stem.chars().nth(MIN_PREFIX_CHARS - 1).is_some()
        && (rest.is_empty() || ENDINGS.contains(&rest) && ENDINGS.contains(&&word[shared..]))
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
        let runs = highlight(text, &terms(query), Style::new());
        let show = |run: &Run<'_>| {
            if run.style == MATCH {
                format!("[{}]", run.text)
            } else {
                run.text.to_string()
            }
        };
        runs.iter().map(show).collect()
    }

    #[test]
    fn words_and_their_other_forms_are_marked() {
        assert_eq!(
            marked("Models remodel, MODEL: to too.", "model to"),
            "[Models] remodel, [MODEL]: to too."
        );
        assert_eq!(
            marked(
                "It heated two boundaries generally",
                "heating boundary generate"
            ),
            "It [heated] two [boundaries] generally"
        );
        assert_eq!(marked("Étés", "été"), "[Étés]");
        assert_eq!(marked("to be", "to be"), "[to] [be]");
        assert_eq!(marked("plain", ""), "plain");
    }

    #[test]
    fn scripts_without_spaces_are_marked_inside_of_runs() {
        assert_eq!(marked("新東京と東京", "東京"), "新[東京]と[東京]");
    }

    #[test]
    fn only_what_is_looked_for_is_marked() {
        for (query, expected) in [
            ("wing -heat", vec!["wing"]),
            ("wing -\"jet engine\" thin", vec!["thin", "wing"]),
            ("\"thin wing\" in:notes tag:draft", vec!["thin", "wing"]),
            ("title:wing path:old after:2024 -in:x", vec!["wing"]),
            ("std::fs --dry-run", vec!["dry", "fs", "run", "std"]),
            (
                "lex: thin wing\nVEC: heat\nintent: flight",
                vec!["heat", "thin", "wing"],
            ),
            ("expand: wing", vec!["wing"]),
            ("what is the \"wing", vec!["wing"]),
        ] {
            assert_eq!(terms(query), expected, "{query}");
        }
    }

    proptest! {
        #[test]
        fn marking_changes_no_text(
            text in "([a-cİéß東京 .\n]|model|heating){0,40}",
            query in "([a-cİéß東京 \":-]|model|heat){0,12}"
        ) {
            let runs = highlight(&text, &terms(&query), Style::new());
            let again: String = runs.iter().map(|run| &*run.text).collect();
            prop_assert_eq!(again, text);
        }

        #[test]
        fn any_query_has_terms(query in any::<String>()) {
            for term in terms(&query) {
                prop_assert!(!term.is_empty());
            }
        }
    }
}
