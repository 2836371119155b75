//! Texts and queries must meet.

use proptest::prelude::*;

use super::*;
use crate::text::query::Term;

const EN: Language = Language::English;

fn tokens(text: &str, language: Language) -> (String, String) {
    let tokens = Analyzer::new().tokens(text, language, |_| ());
    (tokens.words, tokens.forms)
}

fn term(text: &str) -> Term {
    Term {
        text: text.to_owned(),
        phrase: false,
        prefix: false,
        field: None,
    }
}

/// The forms of what a term wants, as `a b|c*½`; wants apart by a comma.
fn wanted(term: &Term, languages: &[Language]) -> String {
    let form = |form: &Form| {
        let star = if form.prefix { "*" } else { "" };
        let half = if form.weight < 1.0 { "½" } else { "" };
        format!("{}{star}{half}", form.tokens.join(" "))
    };
    let want = |want: &Want| {
        let forms: Vec<String> = want.forms.iter().map(form).collect();
        format!("{}{}", if want.telling { "" } else { "~" }, forms.join("|"))
    };
    let wants = Analyzer::new().wanted(term, languages);
    wants.iter().map(want).collect::<Vec<_>>().join(", ")
}

/// Whether a text has what a term asks for, each word of it.
fn finds(query: &str, text: &str, languages: &[Language], of_text: Language) -> bool {
    let tokens = Analyzer::new().tokens(text, of_text, |_| ());
    let streams = [format!(" {} ", tokens.words), format!(" {} ", tokens.forms)];
    let wants = Analyzer::new().wanted(&term(query), languages);
    !wants.is_empty()
        && wants.iter().all(|want| {
            want.forms.iter().any(|form| {
                let end = if form.prefix { "" } else { " " };
                let wanted = format!(" {}{end}", form.tokens.join(" "));
                streams.iter().any(|stream| stream.contains(&wanted))
            })
        })
}

#[test]
fn words_are_stems_in_their_places_and_forms_stand_beside() {
    for (text, words, forms) in [
        ("The Boundaries, heated.", "the boundari heat", ""),
        ("Set foo_bar now", "set foobar now", "foo bar"),
        (
            "fooBar HTTPServer",
            "foobar httpserver",
            "foo bar http server",
        ),
        ("wind-tunnel", "wind tunnel", "windtunnel"),
        ("a.b.c", "a b c", "abc"),
        ("src/store/tokens.rs", "src store token rs", ""),
        ("--dry-run", "dri run", "dryrun \u{e000}dryrun"),
        ("--force", "forc", "\u{e000}forc"),
        ("C++ and C#", "cplusplus and csharp", ""),
        ("error[E0308]", "error e0308", "0308"),
        ("naïve café", "naiv cafe", ""),
        ("検索語です", "検索 索語 語で です す", ""),
        ("Rust言語", "rust 言語 語", ""),
        ("猫", "猫", ""),
        ("книгами", "книг", ""),
        ("ที่ดี", "ที่ดี ดี", ""),
        ("?!", "", ""),
    ] {
        assert_eq!(
            tokens(text, EN),
            (words.to_owned(), forms.to_owned()),
            "{text}"
        );
    }
    assert_eq!(
        tokens("Krankenversicherungen", Language::German),
        (
            "krankenversicher".to_owned(),
            "\u{e003}krankenversicher \u{e002}rehcisrevneknark".to_owned()
        )
    );
}

#[test]
fn terms_ask_for_forms() {
    for (text, expected) in [
        ("boundaries", "boundari"),
        ("the", "~the"),
        ("IT", "it"),
        ("i.e.", "~i e|ie"),
        ("wind-tunnel", "wind|windtunnel, tunnel|windtunnel"),
        ("gpt-4", "gpt 4|gpt4"),
        ("x-ray", "x ray|xray"),
        ("foo_bar", "foobar|foo bar½"),
        ("fooBar", "foobar|foo bar½"),
        ("a.b.c", "a b c|abc"),
        ("--dry-run", "\u{e000}dryrun|dri run½|dryrun"),
        ("C++", "cplusplus"),
        ("E0308", "e0308"),
        ("src/tokens.rs", "src token rs"),
        ("全文検索", "全文, 文検, 検索"),
        ("猫", "猫*"),
        ("Rust言語", "rust, 言語"),
        ("Gerstmann's", "gerstmann"),
    ] {
        assert_eq!(wanted(&term(text), &[EN]), expected, "{text}");
    }
    let phrase = Term {
        phrase: true,
        ..term("swept wings")
    };
    assert_eq!(wanted(&phrase, &[EN]), "swept wing");
    let prefix = Term {
        prefix: true,
        ..term("composite")
    };
    assert_eq!(wanted(&prefix, &[EN]), "composite*|composit");
    let both = Term {
        prefix: true,
        ..phrase
    };
    assert_eq!(wanted(&both, &[EN]), "swept wings*|swept wing");
}

#[test]
fn each_language_of_the_index_is_asked_for() {
    assert_eq!(
        wanted(&term("Versicherung"), &[EN, Language::German]),
        "versicherung|versicher|\u{e003}versicher*½|\u{e002}rehcisrev*½"
    );
    let languages = [EN, Language::German, Language::French];
    for (query, text, language) in [
        ("Haus", "Die Häuser am Fluss", Language::German),
        ("Häuser", "ein Haus", Language::German),
        ("haeuser", "ein Haus", Language::German),
        ("Maerz", "im März", Language::German),
        ("März", "im Maerz", Language::German),
        ("Strasse", "Straße", Language::German),
        (
            "Versicherung",
            "die Krankenversicherungen",
            Language::German,
        ),
        ("Kranken", "die Krankenversicherung", Language::German),
        ("maisons", "la maison", Language::French),
        ("книга", "две книги", EN),
        ("елка", "ёлки", EN),
        ("uber", "über", EN),
    ] {
        assert!(
            finds(query, text, &languages, language),
            "{query} in {text}"
        );
    }
}

#[test]
fn names_are_found_whole_and_by_part() {
    for (text, queries) in [
        ("foo_bar", "foo_bar foo bar fooBar foobar FOO_BAR"),
        ("fooBar", "fooBar foo bar foobar"),
        ("HTTPServer", "HTTPServer http server httpserver"),
        (
            "std::fs::read_to_string",
            "std::fs::read_to_string fs read string read_to_string",
        ),
        ("a.b.c", "a.b.c b c"),
        ("--no-color", "--no-color color no-color"),
        ("--force", "--force force"),
        ("C++", "C++ c++"),
        ("C#", "C#"),
        ("g++", "g++"),
        ("E0308", "E0308 e0308 0308"),
        ("0x80070005", "0x80070005 80070005"),
        (
            "src/store/tokens.rs",
            "src/store/tokens.rs tokens.rs tokens store/tokens",
        ),
        ("me@example.com", "me@example.com example.com example"),
        ("re-entry", "re-entry reentry entry"),
        ("reentry", "re-entry reentry"),
        ("v1.2.3", "v1.2.3 1.2.3 1.2"),
        ("don't", "don't dont"),
        ("l'avion", "l'avion avion"),
        ("node.js", "node.js node nodejs"),
        ("SQLite", "SQLite sqlite lite"),
    ] {
        for query in queries.split(' ') {
            assert!(finds(query, text, &[EN], EN), "{query} in {text}");
        }
    }
    for (query, text) in [
        ("foo_bar", "foo then bar"),
        ("a.b.c", "a, c, b"),
        ("gpt-4", "gpt and 4"),
        ("C++", "c"),
        ("C", "C++"),
    ] {
        assert!(!finds(query, text, &[EN], EN), "{query} in {text}");
    }
}

#[test]
fn unspaced_scripts_are_found_by_any_part() {
    for query in ["検", "索", "検索", "全文", "全文検索", "日本語"] {
        assert!(finds(query, "全文検索のための日本語", &[EN], EN), "{query}");
    }
    for query in ["ไทย", "ภาษา"] {
        assert!(finds(query, "ภาษาไทยง่าย", &[EN], EN), "{query}");
    }
    assert!(!finds("索検", "検索", &[EN], EN));
}

#[test]
fn telling_words_are_counted() {
    let mut telling = Vec::new();
    let _ = Analyzer::new().tokens("The 12 wings of a wind-tunnel 検索", EN, |word| {
        telling.push(word.to_owned());
    });
    assert_eq!(telling, ["wing", "wind", "tunnel", "検索", "索"]);
}

/// Names as people write them: parts with what ties them.
fn name() -> impl Strategy<Value = (Vec<String>, String)> {
    let parts = prop::collection::vec("[a-z]{3,8}", 1..4);
    (
        parts,
        prop::sample::select(vec!["_", "-", ".", "::", "/", "", "__"]),
    )
        .prop_map(|(parts, tie)| {
            let name = if tie.is_empty() {
                // Without a tie by capitals: fooBarBaz.
                let capital = |part: &String| part[..1].to_uppercase() + &part[1..];
                parts[0].clone() + &parts[1..].iter().map(capital).collect::<String>()
            } else {
                parts.join(tie)
            };
            (parts, name)
        })
}

proptest! {
    #[test]
    fn a_name_is_found_whole_and_by_each_part((parts, name) in name(), flag in any::<bool>()) {
        let name = if flag { format!("--{name}") } else { name };
        let text = format!("Then ({name}) and more.");
        prop_assert!(finds(&name, &text, &[EN], EN), "{} whole", name);
        for part in parts {
            prop_assert!(finds(&part, &text, &[EN], EN), "{} in {}", part, name);
        }
    }

    #[test]
    fn a_term_is_found_in_its_own_text(
        text in "([a-zA-Z0-9äßéу_.:/'’+#&@-]|漢|字|ไ|\u{301}|\u{93f}){1,16}|\\PC{1,16}",
        place in 0..14_usize,
    ) {
        prop_assume!(text.contains(char::is_alphanumeric) && !text.contains(char::is_whitespace));
        let language = Language::ALL[place];
        let wants = Analyzer::new().wanted(&term(&text), &[EN, language]);
        if !wants.is_empty() {
            prop_assert!(finds(&text, &text, &[EN, language], language), "{wants:?}");
        }
    }

    #[test]
    fn tokens_hold_nothing_that_an_index_would_cut(text in "\\PC{0,40}", place in 0..14_usize) {
        let (words, forms) = tokens(&text, Language::ALL[place]);
        for token in words.split(' ').chain(forms.split(' ')) {
            prop_assert!(token.len() <= MAX_TOKEN + 4);
            prop_assert!(token.bytes().all(|byte| {
                !byte.is_ascii() || byte.is_ascii_lowercase() || byte.is_ascii_digit()
            }), "{token:?}");
        }
    }
}
