//! Edits of files as only people write them: whatever comes of it, nothing of theirs is lost.

use std::{fmt::Write as _, path::Path};

use proptest::prelude::*;

use super::splice;
use crate::{
    config::IndexConfig,
    domain::{Collection, CollectionName},
};

/// A file with what is known of it. Its comments are `#c0`, `#c1` and so on.
#[derive(Debug, Clone)]
struct File {
    text: String,
    /// Collections by name, with the comments inside of each.
    collections: Vec<(String, Vec<String>)>,
}

/// A collection's entry: `@` is its name, `>` a step of indentation, `#` a comment of its own.
const ENTRIES: &[&str] = &[
    "@: {path: /x}\n",
    "@: { path: /x, pattern: \"a,b\" } #\n",
    "@: {path: /x,\n>>pattern: '*.md', #\n>>ignore: [a, b]}\n",
    "@:\n>path: /x\n",
    "@: #\n>path: /x #\n>#\n",
    "@:\n>#\n>path: ~/x\t#\n>ignore:\n>- a #\n>- \"b # no comment\"\n",
    "@:\n>path: \"/x\\ty\"\n>context:\n>>/: |\n>>>long # no comment\n\n>>>  text\n>>/b: 'it''s'\n",
    "@:\n>path: >-\n>>/x\n>>y\n>update: |+\n>>make\n\n",
    "@:\n>path: /x\n>>y z\n>context: {/: \"two\\\n>>>lines\"}\n",
    "\"@\":\n>\"path\": '/x'\n>'pattern':   \"*.md\"   #\n",
    "@: &@anchor\n>path: /x\n>pattern: &@glob '*.md'\n",
    "? @\n: {path: /x}\n",
    "? @\n:\n>path: /x #\n",
    "@: !!map\n>path: !!str /x\n",
    "@:\n\n>path: /x   \n\t\n>update: git pull && echo \"a: #b\"\n",
    "@:\n>path: /x\n>includeByDefault: false\n\n#\n",
    "@:\n>path: /x\n>later: {of: [a, {b: c}], empty: , tilde: ~}\n",
];

/// Other top-level parts.
const PARTS: &[&str] = &[
    "",
    "global_context: \"x: y\"\n",
    "global_context: |\n  text # no comment\n\n    more\n",
    "global_context: >\n  folded\n  text\n\n#\n",
    "editor_uri: 'vscode://file/{path}:{line}' #\n",
    "models:\n  embed: hf:a/b/c.gguf #\n  rerank: ~\n",
    "models: {embed: x, generate: \"y z\"} #\n",
    "models: #\n",
    "base: &base {pattern: '*.md'}\n",
    "modal:\n    inference: no #\n    gpu: T4\n",
    "list:\n- a\n-   b: c #\n    d: e\n",
];

/// Numbers the comments from `next` on.
fn numbered(text: &str, next: &mut usize) -> (String, Vec<String>) {
    let (mut out, mut marks) = (String::new(), Vec::new());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        out.push(c);
        if c == '#' && chars.peek().is_none_or(|next| *next == '\n') {
            let _ = write!(out, "c{next}");
            marks.push(format!("#c{next}"));
            *next += 1;
        }
    }
    (out, marks)
}

fn file() -> impl Strategy<Value = File> {
    let parts = || proptest::sample::subsequence(PARTS, 0..4).prop_shuffle();
    let entries =
        proptest::collection::vec((proptest::sample::select(ENTRIES), any::<bool>()), 0..5);
    let shape = (1_usize..5, 0..4_u8, 0..5_u8, any::<bool>(), any::<bool>());
    (parts(), entries, parts(), shape).prop_map(|(head, entries, tail, shape)| {
        let (step, head_kind, end, flow, with_section) = shape;
        let mut next = 0;
        let mut text = match head_kind {
            0 => String::new(),
            1 => "# head: [\n\n".to_owned(),
            2 => "---\n".to_owned(),
            _ => "%YAML 1.2\n--- # start\n".to_owned(),
        };
        let key = |part: &str| part.split(':').next().unwrap_or_default().to_owned();
        let mut seen = Vec::new();
        let mut put = |text: &mut String, part: &str, next: &mut usize| {
            if !part.is_empty() && !seen.contains(&key(part)) {
                seen.push(key(part));
                text.push_str(&numbered(part, next).0);
            }
        };
        for part in head {
            put(&mut text, part, &mut next);
        }
        let mut collections = Vec::new();
        if flow && with_section {
            text.push_str("collections: {");
            for index in 0..entries.len() {
                let _ = write!(
                    text,
                    "{}c{index}: {{path: /x}}",
                    if index > 0 { ", " } else { "" }
                );
                collections.push((format!("c{index}"), Vec::new()));
            }
            text.push_str("}\n");
        } else if with_section {
            text.push_str("collections:\n");
            for (index, (entry, comment)) in entries.iter().enumerate() {
                let name = format!("c{index}");
                let (entry, marks) = numbered(&entry.replace('@', &name), &mut next);
                for line in entry.lines() {
                    let depth = line.bytes().take_while(|byte| *byte == b'>').count();
                    let rest = &line[depth..];
                    if !rest.trim().is_empty() {
                        text.push_str(&" ".repeat(step * (depth + 1)));
                    }
                    text.push_str(rest);
                    text.push('\n');
                }
                collections.push((name, marks));
                if *comment {
                    let (comment, _) = numbered("#\n", &mut next);
                    let _ = write!(text, "\n{}{comment}", " ".repeat(step));
                }
            }
        }
        for part in tail {
            put(&mut text, part, &mut next);
        }
        let text = match end {
            0 => text,
            1 => text.trim_end().to_owned(),
            2 => text.replace('\n', "\r\n"),
            3 => format!("{text}\n\n# tail\n"),
            _ => format!("{text}# tail without line end"),
        };
        File { text, collections }
    })
}

fn parses(text: &str) -> bool {
    IndexConfig::parse(text, Path::new("/c/index.yml"), Some(Path::new("/home/u"))).is_ok()
}

/// The numbered comments of a text, and those with words.
fn comments(text: &str) -> Vec<String> {
    let numbered = text.split("#c").skip(1).map(|rest| {
        let digits = rest.chars().take_while(char::is_ascii_digit);
        format!("#c{}", digits.collect::<String>())
    });
    let worded = ["# head: [", "# start", "# tail"];
    let worded = worded.into_iter().filter(|it| text.contains(it));
    numbered.chain(worded.map(str::to_owned)).collect()
}

/// Whether `new` has every comment of `old` but those in `gone`.
fn keeps(old: &str, new: &str, gone: &[String]) -> bool {
    let left = comments(new);
    let mut kept = comments(old).into_iter().filter(|it| !gone.contains(it));
    kept.all(|it| left.contains(&it))
}

fn has_bare_feeds(text: &str) -> bool {
    text.replace("\r\n", "").contains('\n')
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn nothing_of_an_odd_file_is_lost(File { text, collections } in file()) {
        prop_assume!(parses(&text));
        let crlf = text.contains("\r\n");
        let check = |new: Option<String>, gone: &[String], what: &str| {
            let Some(new) = new else { return Ok(()) };
            prop_assert!(parses(&new), "{what}: broke:\n{text}\n---\n{new}");
            prop_assert!(keeps(&text, &new, gone), "{what}: lost a comment:\n{text}\n---\n{new}");
            prop_assert!(!crlf || !has_bare_feeds(&new), "{what}: mixed line ends:\n{text}\n---\n{new}");
            Ok(())
        };
        let new = Collection {
            name: CollectionName::new("new one").unwrap(),
            path: "/new".into(),
            pattern: "**/*.md".into(),
            ignore: vec!["a: b".into()],
            context: vec![("/".into(), "two\nlines".into())],
            include_by_default: false,
            update: None,
        };
        check(splice::add(&text, &new, "/new"), &[], "add")?;
        check(splice::set(&text, &["models", "embed"], "hf:o/r/f.gguf#v"), &[], "set")?;
        for (name, inside) in &collections {
            let name = CollectionName::new(name).unwrap();
            let place = ["collections", name.as_str()];
            check(splice::unset(&text, &place), inside, "remove")?;
            check(splice::rename(&text, &place, "new one"), &[], "rename")?;
            let included = [place[0], place[1], "includeByDefault"];
            check(splice::set(&text, &included, true), &[], "include")?;
            let context = [place[0], place[1], "context", "/b"];
            check(splice::set(&text, &context, "one: line"), &[], "describe")?;
            check(splice::unset(&text, &context), inside, "forget")?;
        }
    }
}
