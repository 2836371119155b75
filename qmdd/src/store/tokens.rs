//! From text to what FTS5 sees of it: how scripts without spaces are cut, and how a query becomes
//! an FTS5 expression. The tokeniser proper (`porter unicode61`) lives in the table's definition.

use std::{borrow::Cow, collections::HashMap};

use crate::text::query::{LexicalQuery, Term};

/// Whether a character is a token of its own: these scripts write words without spaces between.
fn stands_alone(c: char) -> bool {
    matches!(c,
        '\u{1100}'..='\u{11ff}' // Hangul letters
        | '\u{3005}'..='\u{3007}' // iteration mark, zero
        | '\u{3040}'..='\u{30ff}' // kana
        | '\u{3130}'..='\u{318f}' // Hangul letters
        | '\u{31f0}'..='\u{31ff}' // kana
        | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' // Han
        | '\u{ac00}'..='\u{d7ff}' // Hangul
        | '\u{f900}'..='\u{faff}' // Han
        | '\u{ff66}'..='\u{ffdc}' // half-width kana and Hangul
        | '\u{20000}'..='\u{3ffff}' // Han
    )
}

/// The text as it is indexed: a space on either side of each character that stands alone.
pub(super) fn separate(text: &str) -> Cow<'_, str> {
    if text.is_ascii() || !text.contains(stands_alone) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() * 2);
    for c in text.chars() {
        if stands_alone(c) {
            out.extend([' ', c, ' ']);
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

/// Words that say nothing of what a question is about. They are in nearly every English text, so
/// that each costs a pass over nearly all documents.
const STOP_WORDS: &[&str] = &[
    "a", "about", "an", "and", "are", "as", "at", "be", "been", "but", "by", "can", "could", "did",
    "do", "does", "for", "from", "had", "has", "have", "how", "i", "if", "in", "into", "is", "it",
    "its", "me", "my", "no", "not", "of", "on", "or", "our", "should", "so", "such", "than",
    "that", "the", "their", "them", "then", "there", "these", "they", "this", "those", "to", "was",
    "we", "were", "what", "when", "where", "which", "who", "will", "with", "would", "you", "your",
];

/// How often a word counts that is typed again and again. To repeat a word is to stress it, as the
/// query side of BM25 has it, but each repetition takes its time.
const MAX_REPEATS: usize = 4;

/// The FTS5 expression of a query: what is wanted joined by OR, less what is not. Everything the
/// user typed stands between quotes, where FTS5 knows no syntax: the tokeniser takes it apart, and
/// several tokens make a phrase. Stop words are left out where there is anything else. `None` when
/// there is nothing to look for.
pub(super) fn expression(query: &LexicalQuery) -> Option<String> {
    let telling: Vec<&Term> = query
        .any
        .iter()
        .filter(|term| !is_stop_word(term))
        .collect();
    let any = if telling.is_empty() {
        query.any.iter().collect()
    } else {
        telling
    };
    let any = disjunction(any.into_iter().flat_map(wanted), MAX_REPEATS)?;
    Some(match disjunction(query.none.iter().map(whole), 1) {
        None => any,
        Some(none) => format!("({any}) NOT ({none})"),
    })
}

/// Whether a term is a stop word, be it at the end of a sentence. IT and WHO are none.
fn is_stop_word(term: &Term) -> bool {
    let word = term.text.trim_end_matches(['.', ',', ';', ':', '?', '!']);
    let acronym = word.len() > 1 && word.bytes().all(|byte| byte.is_ascii_uppercase());
    !term.phrase
        && !term.prefix
        && !acronym
        && STOP_WORDS
            .binary_search(&word.to_ascii_lowercase().as_str())
            .is_ok()
}

/// Quoted parts joined by OR, each at most `repeats` times.
fn disjunction(parts: impl Iterator<Item = String>, repeats: usize) -> Option<String> {
    let mut seen: HashMap<String, usize> = HashMap::new();
    let mut kept = Vec::new();
    for part in parts {
        let count = seen.entry(part.to_lowercase()).or_default();
        *count += 1;
        if *count <= repeats {
            kept.push(part);
        }
    }
    (!kept.is_empty()).then(|| kept.join(" OR "))
}

/// A term to find. Characters that stand alone are taken in pairs, which in these scripts comes
/// close to words.
fn wanted(term: &Term) -> Vec<String> {
    if term.phrase || !term.text.contains(stands_alone) {
        return vec![whole(term)];
    }
    let mut parts = Vec::new();
    let mut rest = term.text.as_str();
    while let Some(first) = rest.chars().next() {
        let alone = stands_alone(first);
        let end = rest
            .find(|c| stands_alone(c) != alone)
            .unwrap_or(rest.len());
        let (run, tail) = rest.split_at(end);
        rest = tail;
        if alone {
            parts.extend(pairs(run));
        } else if run.contains(char::is_alphanumeric) {
            parts.push(quoted(run, term.prefix && rest.is_empty()));
        }
    }
    parts
}

/// A term as one phrase.
fn whole(term: &Term) -> String {
    quoted(&separate(&term.text), term.prefix)
}

/// Each character with the one that follows; the character itself when there is but one.
fn pairs(run: &str) -> Vec<String> {
    let chars: Vec<char> = run.chars().collect();
    if let [single] = chars.as_slice() {
        return vec![quoted(&single.to_string(), false)];
    }
    chars
        .windows(2)
        .map(|pair| quoted(&format!("{} {}", pair[0], pair[1]), false))
        .collect()
}

fn quoted(text: &str, prefix: bool) -> String {
    // FTS5 reads its expression as a C string.
    let text = text.replace('\0', " ").replace('"', "\"\"");
    format!("\"{text}\"{}", if prefix { " *" } else { "" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expression_of(text: &str) -> String {
        expression(&LexicalQuery::parse(text).unwrap()).unwrap()
    }

    #[test]
    fn words_are_quoted_and_joined() {
        assert_eq!(expression_of("heat transfer"), r#""heat" OR "transfer""#);
        assert_eq!(
            expression_of("foo_bar --flag gpt-4"),
            r#""foo_bar" OR "--flag" OR "gpt-4""#
        );
        assert_eq!(expression_of("wor*"), r#""wor" *"#);
        assert_eq!(
            expression_of(r#""two words" one"#),
            r#""two words" OR "one""#
        );
    }

    #[test]
    fn words_that_say_nothing_are_left_out_beside_others() {
        assert!(STOP_WORDS.is_sorted());
        assert_eq!(expression_of("what is the drag of it?"), r#""drag""#);
        assert_eq!(
            expression_of("To be, or not"),
            r#""To" OR "be," OR "or" OR "not""#
        );
        assert_eq!(
            expression_of("IT policy of WHO"),
            r#""IT" OR "policy" OR "WHO""#
        );
        assert_eq!(
            expression_of(r#"the* "the" --for x"#),
            r#""the" * OR "the" OR "--for" OR "x""#
        );
    }

    #[test]
    fn repetition_stresses_within_bounds() {
        assert_eq!(expression_of("Heat heat x"), r#""Heat" OR "heat" OR "x""#);
        let many = "heat ".repeat(50);
        assert_eq!(expression_of(&many).matches("heat").count(), MAX_REPEATS);
        assert_eq!(expression_of("x -y -y"), r#"("x") NOT ("y")"#);
    }

    #[test]
    fn exclusions_follow() {
        assert_eq!(
            expression_of(r#"wing body -tail -"two engines""#),
            r#"("wing" OR "body") NOT ("tail" OR "two engines")"#
        );
    }

    #[test]
    fn syntax_loses_its_meaning() {
        assert_eq!(
            expression_of("x OR NOT NEAR(b"),
            r#""x" OR "OR" OR "NOT" OR "NEAR(b""#
        );
        assert_eq!(expression_of("say\"x"), r#""say""x""#);
        assert_eq!(expression_of("a\0b"), r#""a b""#);
    }

    #[test]
    fn scripts_without_spaces_are_cut() {
        assert_eq!(separate("plain café"), "plain café");
        assert_eq!(separate("检索a"), " 检  索 a");
        assert_eq!(
            expression_of("全文检索"),
            r#""全 文" OR "文 检" OR "检 索""#
        );
        assert_eq!(expression_of("猫"), r#""猫""#);
        assert_eq!(expression_of("Rust言語*"), r#""Rust" OR "言 語""#);
        assert_eq!(expression_of("言語rust*"), r#""言 語" OR "rust" *"#);
        assert_eq!(
            expression_of("\"全文\" -检索"),
            r#"(" 全  文 ") NOT (" 检  索 ")"#
        );
    }
}
