//! The language as docs/query.md has it, and what must hold for any text.

use std::fs;

use jiff::civil::Date;
use proptest::{prelude::*, sample::select};

use super::*;
use crate::domain::{DATE_KEYS, Failure, Reason, Relation, TAG_KEYS, Test};

/// What docs/query.md counts back from.
fn now() -> Timestamp {
    "2024-06-15T12:00:00Z".parse().unwrap()
}

fn parse(text: &str) -> Result<Query, QueryError> {
    Query::parse(text, now())
}

/// A term as it would be typed.
fn shown_term(term: &Term) -> String {
    let field = match term.field {
        None => "",
        Some(Field::Title) => "title:",
        Some(Field::Path) => "path:",
    };
    let quote = if term.phrase { "\"" } else { "" };
    let star = if term.prefix { "*" } else { "" };
    format!("{field}{quote}{}{quote}{star}", term.text)
}

fn shown_lexical(query: &LexicalQuery) -> String {
    let any = query.any.iter().map(|it| format!("`{}`", shown_term(it)));
    let none = query.none.iter();
    let none = none.map(|it| format!("not `{}`", shown_term(it)));
    any.chain(none).collect::<Vec<_>>().join(" ")
}

fn shown_filter(filter: &Filter) -> String {
    let list = |parts: &[Filter], between| {
        let parts: Vec<String> = parts.iter().map(shown_filter).collect();
        parts.join(between)
    };
    match filter {
        Filter::All(parts) => list(parts, ", "),
        Filter::Any(parts) => {
            if let [
                Filter::Key {
                    test: Test::Tag(tag),
                    ..
                },
                ..,
            ] = parts.as_slice()
            {
                assert_eq!(*filter, Filter::tagged(tag));
                return format!("tagged {tag}");
            }
            format!("({})", list(parts, " or "))
        }
        Filter::Not(inner) => format!("not {}", shown_filter(inner)),
        Filter::Since(time) => {
            let time = Timestamp::from_second(*time).unwrap();
            format!("dated {} or later", time.strftime("%Y-%m-%d"))
        }
        Filter::Of(collection) => format!("in {collection}"),
        Filter::Key { key, test } => match test {
            Test::Exists => format!("{key} exists"),
            Test::Contains(text) => format!("{key} contains {text}"),
            Test::Compare(relation, word) => {
                let sign = match relation {
                    Relation::Equal => "=",
                    Relation::Less => "<",
                    Relation::LessOrEqual => "<=",
                    Relation::Greater => ">",
                    Relation::GreaterOrEqual => ">=",
                };
                format!("{key} {sign} {}", word.text)
            }
            other => format!("{key} {other:?}"),
        },
    }
}

fn shown_scope(scope: &Narrowing) -> String {
    let mut parts = Vec::new();
    if !scope.collections.is_empty() {
        parts.push(format!("in {}", scope.collections.join(" or ")));
    }
    if !scope.filter.is_open() {
        parts.push(shown_filter(&scope.filter));
    }
    parts.join(", ")
}

/// The cells of the rows of the document's tables that have these heads.
fn rows(document: &str, heads: &[&str]) -> Vec<Vec<String>> {
    let head = format!("| {} |", heads.join(" | "));
    let lines: Vec<&str> = document.lines().collect();
    let tables = lines.iter().enumerate().filter(|(_, line)| **line == head);
    let rows = tables.flat_map(|(at, _)| {
        let rows = lines[at + 2..].iter();
        rows.take_while(|line| line.starts_with('|'))
    });
    let cells = |row: &&str| -> Vec<String> {
        let cells = row.trim_matches('|').split('|');
        cells.map(|cell| cell.trim().to_owned()).collect()
    };
    rows.map(cells).collect()
}

/// The text in a cell that holds it as code, a line in each.
fn code(cell: &str) -> String {
    let lines = cell.split("<br>");
    let lines = lines.map(|line| line.strip_prefix('`').unwrap().strip_suffix('`').unwrap());
    lines.collect::<Vec<_>>().join("\n")
}

fn document() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/query.md");
    fs::read_to_string(path).unwrap()
}

#[test]
fn plain_text_is_what_the_document_says() {
    let rows = rows(&document(), &["Query", "By words", "By meaning", "Only"]);
    assert!(rows.len() > 15, "{} rows", rows.len());
    for row in rows {
        let query = parse(&code(&row[0])).unwrap();
        let [search] = query.searches.as_slice() else {
            panic!("{row:?}: {query:?}");
        };
        let lexical = search.lexical.as_ref().unwrap();
        let found = [
            row[0].clone(),
            shown_lexical(lexical),
            search.text.clone(),
            shown_scope(&query.scope),
        ];
        assert_eq!(found.as_slice(), row);
        let expansion = if row[0].starts_with("`expand:") {
            Expansion::Asked
        } else {
            Expansion::Auto
        };
        assert_eq!(
            (search.kind, query.expansion, &query.intent),
            (SearchKind::Plain, expansion, &None)
        );
    }
}

#[test]
fn documents_are_what_the_document_says() {
    let rows = rows(&document(), &["Document", "Searches", "Only"]);
    assert!(rows.len() > 3, "{} rows", rows.len());
    for row in rows {
        let query = parse(&code(&row[0])).unwrap();
        let mut lines: Vec<String> = (query.searches.iter())
            .map(|search| match (search.kind, &search.lexical) {
                (SearchKind::Lex, Some(lexical)) => format!("lex {}", shown_lexical(lexical)),
                (SearchKind::Vec, None) => format!("vec {}", search.text),
                (SearchKind::Hyde, None) => format!("hyde {}", search.text),
                other => panic!("{row:?}: {other:?}"),
            })
            .collect();
        lines.extend(query.intent.iter().map(|intent| format!("intent {intent}")));
        let found = [
            row[0].clone(),
            lines.join("<br>"),
            shown_scope(&query.scope),
        ];
        assert_eq!(found.as_slice(), row);
        assert_eq!(query.expansion, Expansion::Never);
    }
}

#[test]
fn errors_are_what_the_document_says() {
    let rows = rows(&document(), &["Query", "Error"]);
    assert!(rows.len() > 10, "{} rows", rows.len());
    for row in rows {
        let error = parse(&code(&row[0])).unwrap_err();
        assert_eq!(error.to_string(), row[1], "{row:?}");
        assert!(error.hint().is_some());
        let expected = match error.fault {
            Fault::Empty | Fault::OnlyNarrows => Reason::QueryEmpty,
            _ => Reason::QuerySyntax,
        };
        assert_eq!(error.reason(), expected);
    }
    let document = document();
    for key in DATE_KEYS.iter().chain(&TAG_KEYS) {
        assert!(document.contains(&format!("`{key}`")), "{key} is not told");
    }
    for limit in [
        format!("{MAX_SEARCHES} searches"),
        format!("{MAX_NARROW} words"),
    ] {
        assert!(document.contains(&limit), "{limit} is not told");
    }
}

#[test]
fn limits_hold() {
    let error = |text: &str| parse(text).unwrap_err();
    let long = "a".repeat(MAX_BYTES + 1);
    assert_eq!(error(&long).reason(), Reason::QueryTooLong);
    assert!(parse(&long[1..]).is_ok());
    let typed = Query::typed(vec![(SearchKind::Vec, long[1..].to_owned())], None, now());
    assert!(typed.is_ok());
    let typed = Query::typed(
        vec![(SearchKind::Vec, long[1..].to_owned())],
        Some("b".into()),
        now(),
    );
    assert_eq!(typed.unwrap_err().reason(), Reason::QueryTooLong);

    let searches = "lex: a\n".repeat(MAX_SEARCHES);
    assert_eq!(parse(&searches).unwrap().searches.len(), MAX_SEARCHES);
    assert_eq!(
        error(&(searches + "vec: b")).to_string(),
        "line 11, column 6: there may be 10 searches"
    );
    let narrow = "a".to_owned() + &" in:a".repeat(MAX_NARROW);
    assert_eq!(parse(&narrow).unwrap().scope.collections, ["a"]);
    assert_eq!(
        error(&(narrow + " tag:b")).to_string(),
        "line 1, column 163: there may be 32 words that narrow"
    );
}

#[test]
fn searches_may_come_apart() {
    let typed = |searches: &[(SearchKind, &str)]| {
        let searches = searches.iter();
        let searches = searches.map(|(kind, text)| (*kind, (*text).to_owned()));
        Query::typed(searches.collect(), Some(" why\n".into()), now())
    };
    let query = typed(&[
        (SearchKind::Lex, " \"heat transfer\" -tail in:papers\n"),
        (SearchKind::Vec, "what\nlifts it"),
        (SearchKind::Hyde, "Air.\n\nIt is in:formed."),
    ])
    .unwrap();
    let apart =
        parse("lex: \"heat transfer\" -tail in:papers\nvec: what lifts it\nintent: why\nhyde: x");
    let mut apart = apart.unwrap();
    apart.searches[2].text = "Air.\n\nIt is in:formed.".into();
    assert_eq!(query, apart);
    for (searches, expected) in [
        (
            &[(SearchKind::Vec, "a"), (SearchKind::Lex, " a\nb")][..],
            "search 2, column 3: a search by words is of one line",
        ),
        (&[], "the query has no words in it"),
        (
            &[(SearchKind::Lex, "é \"b")],
            "search 1, column 3: the quote is never closed",
        ),
        (
            &[(SearchKind::Hyde, "a\n -b")],
            "search 1, line 2, column 2: a search by meaning cannot exclude anything: `-b`",
        ),
        (
            &[(SearchKind::Vec, " \n")],
            "search 1, line 2, column 1: there is no word to look for",
        ),
        (
            &[(SearchKind::Vec, "in:notes")],
            "search 1, column 1: there is no word to look for",
        ),
        (
            &[(SearchKind::Plain, "in:notes")],
            "search 1, column 1: there is no word to look for",
        ),
    ] {
        assert_eq!(typed(searches).unwrap_err().to_string(), expected);
    }
}

#[test]
fn words_to_show_are_those_that_were_typed() {
    for (text, expected) in [
        (
            "\"Heat transfer\" heat WING* -tail tag:x",
            "heat transfer wing",
        ),
        ("lex: a b\nvec: B c?\nhyde: d", "a b c?"),
        ("hyde: D d e", "d e"),
    ] {
        assert_eq!(parse(text).unwrap().words().join(" "), expected, "{text}");
    }
}

#[test]
fn what_stands_at_a_fault_is_told_whole() {
    let found = |text: &str| parse(text).unwrap_err().found;
    assert_eq!(found("a after:\"no date\""), "no date");
    assert_eq!(found("a after:never b"), "never");
    assert_eq!(found("lex: a\nb c"), "b");
    assert_eq!(found("lex:"), "");
    assert_eq!(
        found(&format!("a after:{}", "é".repeat(99))),
        "é".repeat(40) + "…"
    );
    assert_eq!(found("a in:\"b\nc\""), "b c");
}

/// What people and programs type, valid or not.
fn anything() -> impl Strategy<Value = String> {
    let word = "[a-z]{1,4}|-?\"[a-z ]{0,6}\"\\*?|-?(title|path|in|tag|after|before|meta):[a-z0-9*\"=<]{0,6}|\
                (lex|VEC|Hyde|intent|expand):|after:[0-9]{1,4}[dwmy-]?[0-9]{0,2}|meta:\"[a-c=<> ()']{0,9}\"|\
                [\"*^{}():;,+?#-]{1,3}|検索|é|\u{301}|\0|\\PC{1,4}";
    let between = select(vec![" ", " ", " ", "", "\n", "\r\n", "\t", "\u{3000}"]);
    proptest::collection::vec((word, between), 0..12).prop_map(|words| {
        words
            .into_iter()
            .map(|(word, between)| word + between)
            .collect()
    })
}

/// What holds of every query.
fn assert_sound(query: &Query) {
    assert!(!query.searches.is_empty() && query.searches.len() <= MAX_SEARCHES);
    for search in &query.searches {
        assert!(search.text.contains(char::is_alphanumeric), "{search:?}");
        assert_eq!(search.text.trim(), search.text);
        let by_words = matches!(search.kind, SearchKind::Plain | SearchKind::Lex);
        assert_eq!(search.lexical.is_some(), by_words);
        if let Some(lexical) = &search.lexical {
            assert!(!lexical.any.is_empty());
            for term in lexical.any.iter().chain(&lexical.none) {
                assert!(term.text.contains(char::is_alphanumeric), "{term:?}");
                assert!(
                    term.phrase || !term.text.contains(char::is_whitespace),
                    "{term:?}"
                );
            }
            assert!(
                lexical
                    .any
                    .iter()
                    .all(|term| search.text.contains(&term.text))
            );
        }
    }
    assert!(!query.words().is_empty());
    assert!(
        query
            .intent
            .as_ref()
            .is_none_or(|intent| !intent.trim().is_empty())
    );
}

/// What holds of every error: its place is one of the text, and what it found stands there.
fn assert_placed(error: &QueryError, text: &str) {
    assert!(!error.to_string().is_empty() && error.hint().is_some());
    assert!(!error.to_string().contains('\n'), "{error}");
    let Some(place) = error.place else {
        assert_eq!(error.found, "");
        return;
    };
    let line = text.split('\n').nth(place.line - 1).unwrap();
    let at = line.char_indices().nth(place.column - 1).map(|(at, _)| at);
    let rest = &line[at.unwrap_or(line.len())..];
    assert!(
        at.is_some() || place.column == line.chars().count() + 1,
        "{place:?}"
    );
    let found = error.found.trim_end_matches('…');
    let first = found.split(char::is_whitespace).next().unwrap();
    assert!(
        rest.replace(char::is_control, " ").starts_with(first),
        "{rest:?}: {found:?}"
    );
}

/// A part of plain text: as it is typed, and what it is.
#[derive(Debug, Clone)]
enum Bit {
    Any(Term),
    None(Term),
    In(String),
    Filter(String, Filter),
}

impl Bit {
    fn typed(&self) -> String {
        match self {
            Self::Any(term) => shown_term(term),
            Self::None(term) => format!("-{}", shown_term(term)),
            Self::In(name) => format!("in:{name}"),
            Self::Filter(typed, _) => typed.clone(),
        }
    }
}

fn term() -> impl Strategy<Value = Term> {
    let text = prop_oneof![
        "[a-zé検][a-z_.:/+é検-]{0,5}[a-z]".prop_map(|text| (text, false)),
        "[a-z]{1,4}( [a-z:-]{1,3}){0,2}".prop_map(|text| (text, true)),
    ];
    let field = select(vec![None, None, Some(Field::Title), Some(Field::Path)]);
    (text, any::<bool>(), field).prop_filter_map(
        "narrows, or is bound twice",
        |((text, phrase), prefix, field)| {
            let bound = ["in:", "tag:", "meta:", "after:", "title:", "path:"];
            let term = Term {
                text,
                phrase,
                prefix,
                field,
            };
            let free = term.phrase || !bound.iter().any(|it| term.text.starts_with(it));
            free.then_some(term)
        },
    )
}

fn date() -> impl Strategy<Value = Date> {
    (1900_i16..2100, 1_i8..=12, 1_i8..=28).prop_map(|(y, m, d)| Date::new(y, m, d).unwrap())
}

fn bit() -> impl Strategy<Value = Bit> {
    let since = |date: Date| {
        let day = crate::domain::date::seconds(&date.to_string()).unwrap();
        Filter::Since(day.start)
    };
    let word = "[a-z]{1,5}";
    prop_oneof![
        3 => term().prop_map(Bit::Any),
        1 => term().prop_map(Bit::None),
        1 => word.prop_map(Bit::In),
        1 => word.prop_map(|tag| Bit::Filter(format!("tag:{tag}"), Filter::tagged(&tag))),
        1 => word.prop_map(|tag| Bit::Filter(format!("-tag:\"#{tag}\""), Filter::tagged(&tag).negated())),
        1 => date().prop_map(move |date| Bit::Filter(format!("after:{date}"), since(date))),
        1 => date().prop_map(move |date| Bit::Filter(format!("before:{date}"), since(date).negated())),
        1 => word.prop_map(|key| Bit::Filter(
            format!("-meta:{key}"),
            Filter::Key { key, test: Test::Exists }.negated(),
        )),
    ]
}

proptest! {
    #[test]
    fn any_text_is_a_query_or_a_fault_in_its_place(text in anything()) {
        match parse(&text) {
            Ok(query) => assert_sound(&query),
            Err(error) => assert_placed(&error, &text),
        }
        // The words of a model are never refused for more than having none.
        if let Err(error) = LexicalQuery::parse(&text) {
            prop_assert!(matches!(error.fault, Fault::Empty | Fault::OnlyExcludes));
        }
    }

    #[test]
    fn any_texts_are_a_query_or_a_fault_in_its_place(
        texts in proptest::collection::vec((0..4_usize, anything()), 0..4),
        intent in proptest::option::of(anything()),
    ) {
        use SearchKind::{Hyde, Lex, Plain, Vec};
        let kinds = [Plain, Lex, Vec, Hyde];
        let searches = texts.iter().map(|(kind, text)| (kinds[*kind], text.clone()));
        match Query::typed(searches.collect(), intent, now()) {
            Ok(query) => assert_sound(&query),
            Err(error) => {
                let search = error.place.map_or(1, |place| place.search.unwrap());
                let text = texts.get(search - 1).map_or("", |(_, text)| text);
                assert_placed(&error, text);
            }
        }
    }

    #[test]
    fn what_is_typed_is_what_is_meant(
        first in term(),
        bits in proptest::collection::vec(bit(), 0..8),
        typed in any::<bool>(),
    ) {
        let bits: Vec<Bit> = std::iter::once(Bit::Any(first)).chain(bits).collect();
        let text: Vec<String> = bits.iter().map(Bit::typed).collect();
        let prefix = if typed { "lex: " } else { "expand: " };
        let query = parse(&format!("{prefix}{}", text.join(" "))).unwrap();
        let (mut lexical, mut scope) = (
            LexicalQuery { any: vec![], none: vec![] },
            Narrowing::default(),
        );
        for bit in bits {
            match bit {
                Bit::Any(term) => lexical.any.push(term),
                Bit::None(term) => lexical.none.push(term),
                Bit::In(name) if scope.collections.contains(&name) => {}
                Bit::In(name) => scope.collections.push(name),
                Bit::Filter(_, filter) => scope.filter = scope.filter.and(filter),
            }
        }
        prop_assert_eq!(&query.scope, &scope);
        prop_assert_eq!(query.searches[0].lexical.as_ref(), Some(&lexical));
    }

    #[test]
    fn a_query_written_down_is_the_same_query(text in anything()) {
        let Ok(query) = parse(&text) else { return Ok(()) };
        for lexical in query.searches.iter().filter_map(|search| search.lexical.as_ref()) {
            let terms = lexical.any.iter().chain(&lexical.none);
            // A quote without its partner would find one in another order, and there is one line.
            let quote = |term: &Term| !term.phrase && term.text.contains('"');
            if terms.clone().any(|term| quote(term) || term.text.contains('\n')) {
                continue;
            }
            let any = lexical.any.iter().map(shown_term);
            let none = lexical.none.iter().map(|term| format!("-{}", shown_term(term)));
            let written = any.chain(none).collect::<Vec<_>>().join(" ");
            let again = parse(&format!("expand: {written}")).unwrap();
            prop_assert_eq!(again.searches[0].lexical.as_ref(), Some(lexical));
            prop_assert_eq!(again.scope, Narrowing::default());
        }
    }
}
