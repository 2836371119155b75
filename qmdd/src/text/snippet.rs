//! The passage of a document that shows best why it was found.

use std::{collections::HashMap, ops::Range};

use super::{
    front_matter::body_start,
    outline::{Block, blocks},
    words::{Language, Sought},
};

/// Longest snippet, in characters.
pub const MAX_CHARS: usize = 500;
/// Lines shown before the best one.
const BEFORE: usize = 1;
/// Lines shown from the best one on.
const FROM: usize = 3;
/// Characters kept before the match when the passage is too long.
const LEAD_CHARS: usize = 120;
/// Marks where a line was cut.
const ELLIPSIS: &str = "\u{2026}";

/// A passage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snippet {
    /// Whole lines, at most 500 characters; a passage longer than that is cut between words where
    /// it can be, and an ellipsis stands at the cut.
    pub text: String,
    /// First and last line of it, from 1.
    pub lines: (u32, u32),
}

/// The words to show in passages, whatever language the texts are in.
#[derive(Debug, Default)]
pub struct Terms {
    words: Vec<String>,
    by_language: HashMap<Language, Sought>,
}

impl Terms {
    /// Words as they were typed.
    pub fn new(words: Vec<String>) -> Self {
        Self {
            words,
            by_language: HashMap::new(),
        }
    }

    fn in_language_of(&mut self, text: &str) -> &mut Sought {
        let language = Language::of(text);
        self.by_language
            .entry(language)
            .or_insert_with(|| Sought::new(&self.words, language))
    }
}

/// The best passage for `terms` in `text`, within the bytes of `focus` when they are given (a focus
/// that does not lie in the text counts as none).
///
/// The best line is the one that holds the most distinct terms, a term counting for more the rarer
/// it is in the searched part. A term matches the words that the index finds it by. With no match the
/// snippet is the beginning of the searched part, without front matter and title.
pub fn snippet(text: &str, terms: &mut Terms, focus: Option<Range<usize>>) -> Snippet {
    let focus = focus
        .filter(|it| text.get(it.clone()).is_some())
        .unwrap_or(0..text.len());
    let searched = &text[focus.clone()];
    let (anchor, before) = match best_match(searched, terms.in_language_of(text)) {
        Some(at) => (at, BEFORE),
        None => (beginning(text, &focus) - focus.start, 0),
    };
    let (passage, shown) = passage(searched, anchor, before);
    let first = 1 + count_lines(&text[..focus.start]) + count_lines(&searched[..passage.start]);
    let last = first + count_lines(&searched[passage]);
    Snippet {
        text: shown,
        lines: (first, last),
    }
}

/// The byte of `text` within `focus` where `terms` show best; where nothing of them does, the first one
/// behind front matter and title. A focus that does not lie in the text counts as all of it.
pub fn anchor(text: &str, terms: &mut Terms, focus: Option<Range<usize>>) -> usize {
    let focus = focus
        .filter(|it| text.get(it.clone()).is_some())
        .unwrap_or(0..text.len());
    match best_match(&text[focus.clone()], terms.in_language_of(text)) {
        Some(at) => focus.start + at,
        None => beginning(text, &focus),
    }
}

/// A term found in a line.
struct Match {
    line: usize,
    /// Byte offset in the text.
    at: usize,
    term: usize,
}

/// Where the rarest term of the best line stands.
fn best_match(text: &str, sought: &mut Sought) -> Option<usize> {
    let matches = matches(text, sought);
    let lines = || matches.chunk_by(|a, b| a.line == b.line);
    let count = lines().count() as f64;
    let mut holding = vec![0.0; sought.count()];
    for found in &matches {
        holding[found.term] += 1.0;
    }
    // Inverse document frequency as in BM25, with the lines that match for documents.
    let rarity = |found: &Match| {
        let holding: f64 = holding[found.term];
        (1.0 + (count - holding + 0.5) / (holding + 0.5)).ln()
    };
    let (line, _) = lines()
        .map(|line| (line, line.iter().map(rarity).sum::<f64>()))
        .reduce(|best, next| if next.1 > best.1 { next } else { best })?;
    let rarest = line
        .iter()
        .reduce(|a, b| if rarity(b) > rarity(a) { b } else { a })?;
    Some(rarest.at)
}

/// The first match of each term in each line, in order.
fn matches(text: &str, sought: &mut Sought) -> Vec<Match> {
    let mut places = Vec::new();
    sought.find(text, |range, term| places.push((range.start, term)));
    places.sort_unstable();
    let mut seen_in = vec![usize::MAX; sought.count()];
    let (mut line, mut counted) = (0, 0);
    let mut matches = Vec::new();
    for (at, term) in places {
        line += text[counted..at]
            .bytes()
            .filter(|&byte| byte == b'\n')
            .count();
        counted = at;
        if std::mem::replace(&mut seen_in[term], line) != line {
            matches.push(Match { line, at, term });
        }
    }
    matches
}

/// Where a snippet without a match begins: after the front matter and the title heading, unless
/// nothing follows them.
fn beginning(text: &str, focus: &Range<usize>) -> usize {
    let skip_blank = |at: usize| {
        let rest = &text[at..focus.end];
        let blank = rest.len() - rest.trim_start().len();
        at + rest[..blank].rfind('\n').map_or(0, |feed| feed + 1)
    };
    let lead = body_start(text);
    if focus.start > lead || lead >= focus.end {
        return skip_blank(focus.start);
    }
    let body = skip_blank(lead);
    // A heading takes two lines when it is underlined.
    let head: usize = text[body..focus.end]
        .split_inclusive('\n')
        .take(2)
        .map(str::len)
        .sum();
    let after = match blocks(&text[body..body + head]).first() {
        Some((bytes, Block::Heading(_))) if bytes.start < 4 => body + bytes.end,
        _ => body,
    };
    if text[after..focus.end].trim().is_empty() {
        body
    } else {
        skip_blank(after)
    }
}

/// The bytes of the passage around `anchor` (where a match or the beginning is) and its text.
fn passage(text: &str, anchor: usize, before: usize) -> (Range<usize>, String) {
    let line = line_start(text, anchor);
    let mut start = line;
    for _ in 0..before {
        start = line_start(text, start.saturating_sub(1));
    }
    let lines = if before == 0 { BEFORE + FROM } else { FROM };
    let end = line
        + text[line..]
            .split_inclusive('\n')
            .take(lines)
            .map(str::len)
            .sum::<usize>();
    // Blank lines at either end say nothing.
    let blank = text[start..anchor].len() - text[start..anchor].trim_start().len();
    start += text[start..start + blank]
        .rfind('\n')
        .map_or(0, |feed| feed + 1);
    let end = start + text[start..end].trim_end().len();
    if !longer(&text[start..end], MAX_CHARS) {
        return (start..end, text[start..end].to_owned());
    }

    if longer(&text[start..anchor], LEAD_CHARS) {
        start = line;
    }
    let lead = &text[start..anchor];
    let cut_before = longer(lead, LEAD_CHARS);
    if cut_before {
        start = anchor - tail(lead, LEAD_CHARS).len();
    }
    let kept = head(&text[start..end], MAX_CHARS - 2);
    let cut_after = start + kept.len() < end;
    let mark = |cut: bool| if cut { ELLIPSIS } else { "" };
    let shown = format!("{}{kept}{}", mark(cut_before), mark(cut_after));
    (start..start + kept.len(), shown)
}

/// Whether a text has more characters than `limit`.
fn longer(text: &str, limit: usize) -> bool {
    text.chars().nth(limit).is_some()
}

/// The first `limit` characters, less the word that they cut.
fn head(text: &str, limit: usize) -> &str {
    let Some((cut, next)) = text.char_indices().nth(limit) else {
        return text;
    };
    let head = &text[..cut];
    let word = if next.is_whitespace() {
        None
    } else {
        head.rfind(char::is_whitespace)
    };
    head[..word.unwrap_or(cut)].trim_end()
}

/// The last `limit` characters, less the word that they cut.
fn tail(text: &str, limit: usize) -> &str {
    let Some((cut, _)) = text.char_indices().rev().nth(limit - 1) else {
        return text;
    };
    let tail = &text[cut..];
    if text[..cut].ends_with(char::is_whitespace) {
        return tail;
    }
    tail.split_once(char::is_whitespace)
        .map_or(tail, |(_, words)| words)
}

fn line_start(text: &str, at: usize) -> usize {
    text[..at].rfind('\n').map_or(0, |feed| feed + 1)
}

fn count_lines(text: &str) -> u32 {
    text.bytes().filter(|&byte| byte == b'\n').count() as u32
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn find_in(text: &str, terms: &[&str], focus: Option<Range<usize>>) -> (String, (u32, u32)) {
        let terms = terms.iter().map(|&term| term.to_owned()).collect();
        let snippet = snippet(text, &mut Terms::new(terms), focus);
        (snippet.text, snippet.lines)
    }

    const NOTE: &str = "---\ntags: x\n---\n# Wings\n\nIntro text.\n\nHeat goes\nheat in the wing models\nfour\nfive\nsix\n";

    #[test]
    fn the_line_with_most_terms_wins() {
        let (text, lines) = find_in(NOTE, &["heat", "model"], None);
        assert_eq!(text, "Heat goes\nheat in the wing models\nfour\nfive");
        assert_eq!(lines, (8, 11));
    }

    #[test]
    fn rare_terms_count_for_more() {
        let text = "of the to\nof the to\n\n\nthe fuselage\n";
        assert_eq!(
            find_in(text, &["the", "of", "to", "fuselage"], None).0,
            "the fuselage"
        );
    }

    #[test]
    fn without_a_match_the_body_begins() {
        assert_eq!(
            find_in(NOTE, &["absent"], None),
            (
                "Intro text.\n\nHeat goes\nheat in the wing models".to_owned(),
                (6, 9)
            )
        );
        assert_eq!(
            find_in("# Only\n\n", &[], None),
            ("# Only".to_owned(), (1, 1))
        );
        assert_eq!(
            find_in("Title\n===\nbody", &[], None),
            ("body".to_owned(), (3, 3))
        );
        assert_eq!(
            find_in("a\n\n## b\n\nc\n", &[], Some(3..11)),
            ("## b\n\nc".to_owned(), (3, 5))
        );
        assert_eq!(find_in("", &["x"], None), (String::new(), (1, 1)));
    }

    #[test]
    fn the_focus_bounds_search_and_passage() {
        let text = "alpha\nbeta\ngamma alpha\ndelta\n";
        assert_eq!(
            find_in(text, &["alpha"], Some(6..23)),
            ("beta\ngamma alpha".to_owned(), (2, 3))
        );
        assert_eq!(find_in(text, &["alpha"], Some(6..900)).1, (1, 3));
    }

    #[test]
    fn long_lines_are_cut_around_the_match() {
        let text = format!(
            "{}needle {}\nlast\n",
            "hay ".repeat(400),
            "straw ".repeat(400)
        );
        let (shown, lines) = find_in(&text, &["needle"], None);
        assert!(
            shown.starts_with("\u{2026}hay hay") && shown.ends_with("straw\u{2026}"),
            "{shown}"
        );
        assert!(shown.contains("needle") && shown.chars().count() <= MAX_CHARS);
        assert_eq!(lines, (1, 1));
    }

    #[test]
    fn a_long_line_before_the_match_is_left_out() {
        let text = format!(
            "{}\nneedle here\n{}\n",
            "hay ".repeat(100),
            "straw ".repeat(100)
        );
        let (shown, lines) = find_in(&text, &["needle"], None);
        assert!(shown.starts_with("needle here\nstraw"), "{shown}");
        assert_eq!(lines, (2, 3));
    }

    proptest! {
        #[test]
        fn snippets_are_short_parts_of_the_text(
            text in "([a-cé ]{0,40}|[a-z]{300}|東京|\\r?\n|# |--- *\n|İ){0,40}",
            terms in prop::collection::vec("[a-cé]{1,3}|東京都", 0..4),
            bounds in any::<Option<(prop::sample::Index, prop::sample::Index)>>(),
        ) {
            let boundary = |index: prop::sample::Index| {
                let at = index.index(text.len() + 1);
                (0..=at).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0)
            };
            let focus = bounds.map(|(a, b)| {
                let (a, b) = (boundary(a), boundary(b));
                a.min(b)..a.max(b)
            });
            let found = snippet(&text, &mut Terms::new(terms), focus.clone());
            prop_assert!(found.text.chars().count() <= MAX_CHARS);
            let kept = found.text.trim_matches('\u{2026}');
            prop_assert!(text[focus.unwrap_or(0..text.len())].contains(kept));
            // The lines named hold the text shown.
            let (first, last) = (found.lines.0 as usize, found.lines.1 as usize);
            let lines: String = text.split_inclusive('\n').skip(first - 1).take(last + 1 - first).collect();
            prop_assert!(lines.contains(kept), "{:?} at {:?}", kept, found.lines);
        }
    }
}
