//! The text of an edit: yaml-edit makes it, and it counts only if it proves to be right, by what
//! the new text says and by what it shares with the old.

use std::str::FromStr;

use serde_json::{Map, Value, json};
use yaml_edit::{AsYaml, Mapping, MappingBuilder, YamlFile, YamlNode};

use crate::domain::Collection;

/// The text with a collection in it, after the others; `None` when that cannot be done without
/// touching anything else.
pub(super) fn add(text: &str, collection: &Collection, path: &str) -> Option<String> {
    let entry = entry(collection, path).build_document().as_mapping()?;
    let place = ["collections", collection.name.as_str()];
    let expected = with_collection(text, collection, path)?;
    bases(text, &place).find_map(|base| {
        let new = with_ends_of(text, put(&base, &place, &entry)?);
        (is_insertion(text, &new) && value(&new)? == expected).then_some(new)
    })
}

/// The text with a value at the end of a path of keys; `None` as for [`add`].
pub(super) fn set(
    text: &str,
    path: &[&str],
    value: impl AsYaml + Copy + Into<Value>,
) -> Option<String> {
    let mut expected = self::value(text)?;
    let place = path.iter().fold(&mut expected, |at, key| &mut at[*key]);
    let wanted: Value = value.into();
    if *place == wanted {
        return Some(text.to_owned());
    }
    *place = wanted;
    let in_place = |old: &str| {
        bases(old, path).find_map(|base| {
            let new = with_ends_of(old, put(&base, path, value)?);
            let minimal = is_insertion(old, &new) || is_replacement(old, &new);
            (minimal && self::value(&new)? == expected).then_some(new)
        })
    };
    // A value over several lines goes first.
    in_place(text).or_else(|| in_place(&unset(text, path)?))
}

/// The text without what stands at the end of a path of keys; `None` as for [`add`].
pub(super) fn unset(text: &str, path: &[&str]) -> Option<String> {
    let (last, above) = path.split_last()?;
    let mut expected = value(text)?;
    let mapping = above
        .iter()
        .try_fold(&mut expected, |at, key| at.get_mut(*key))
        .and_then(Value::as_object_mut);
    if mapping.and_then(|mapping| mapping.remove(*last)).is_none() {
        return Some(text.to_owned());
    }
    let yaml = YamlFile::from_str(text).ok()?;
    let mapping = above
        .iter()
        .try_fold(yaml.document()?.as_mapping()?, |at, key| child(&at, key))?;
    mapping.remove(key(&mapping, last)?)?;
    let new = yaml.to_string();
    (is_removal(text, &new) && value(&new)? == expected).then_some(new)
}

/// The text with another name for what stands at the end of a path of keys; `None` as for [`add`].
pub(super) fn rename(text: &str, path: &[&str], name: &str) -> Option<String> {
    let (last, above) = path.split_last()?;
    let mut expected = value(text)?;
    let mapping = above
        .iter()
        .try_fold(&mut expected, |at, key| at.get_mut(*key))?
        .as_object_mut()?;
    let entry = mapping.remove(*last)?;
    mapping.insert(name.to_owned(), entry);
    let yaml = YamlFile::from_str(text).ok()?;
    let mapping = above
        .iter()
        .try_fold(yaml.document()?.as_mapping()?, |at, key| child(&at, key))?;
    if !mapping.rename_key(key(&mapping, last)?, name) {
        return None;
    }
    let new = yaml.to_string();
    let minimal = is_replacement(text, &new) || is_insertion(text, &new) || is_removal(text, &new);
    (minimal && value(&new)? == expected).then_some(new)
}

/// Texts to put something into, the likeliest first: an empty `{}` would have all that comes on its line,
/// so it is tried without.
fn bases(text: &str, path: &[&str]) -> impl Iterator<Item = String> {
    let section = path.first().copied().unwrap_or_default();
    let empty = format!("{section}: {{}}");
    let at = text.match_indices(&empty).map(|(at, _)| at);
    let mut own_line = at.filter(|at| *at == 0 || text[..*at].ends_with('\n'));
    let opened = own_line.next().map(|at| {
        let key = at + section.len() + 1;
        format!("{}{}", &text[..key], &text[at + empty.len()..])
    });
    opened.into_iter().chain([text.to_owned()])
}

/// The new text with the old one's line ends, where these are all of the long kind.
fn with_ends_of(text: &str, new: String) -> String {
    let long = text.matches("\r\n").count();
    if long == 0 || text.matches('\n').count() > long {
        return new;
    }
    new.replace("\r\n", "\n").replace('\n', "\r\n")
}

/// Puts a value at the end of a path of keys, in the place it has or after the others.
fn put(text: &str, path: &[&str], value: impl AsYaml + Copy) -> Option<String> {
    let (last, above) = path.split_last()?;
    let yaml = YamlFile::from_str(text).ok()?;
    let Some(mut mapping) = yaml.document().and_then(|document| document.as_mapping()) else {
        // Nothing but comments.
        let newline = if text.is_empty() || text.ends_with('\n') {
            ""
        } else {
            "\n"
        };
        let whole = nested(path, value)?.to_string();
        return Some(format!("{text}{newline}{}\n", whole.trim_end()));
    };
    for (depth, name) in above.iter().enumerate() {
        let Some(inner) = child(&mapping, name) else {
            let inner = nested(&path[depth + 1..], value)?;
            match key(&mapping, name) {
                Some(key) => mapping.set(key, &inner),
                None => mapping.set(*name, &inner),
            }
            return Some(yaml.to_string());
        };
        mapping = inner;
    }
    match key(&mapping, last) {
        Some(key) => mapping.set(key, value),
        None => mapping.set(*last, value),
    }
    Some(yaml.to_string())
}

/// Mappings within mappings, a value inside.
fn nested(path: &[&str], value: impl AsYaml + Copy) -> Option<Mapping> {
    let (last, above) = path.split_last()?;
    let innermost = MappingBuilder::new().pair(*last, value);
    above
        .iter()
        .rev()
        .try_fold(innermost.build_document().as_mapping()?, |inner, key| {
            MappingBuilder::new()
                .pair(*key, &inner)
                .build_document()
                .as_mapping()
        })
}

/// The mapping that a key holds.
fn child(mapping: &Mapping, name: &str) -> Option<Mapping> {
    mapping.get_mapping(key(mapping, name)?)
}

/// The key of a name, as it is written.
fn key(mapping: &Mapping, name: &str) -> Option<YamlNode> {
    mapping.keys().find(|key| names(key, name))
}

/// Whether a key is a name: as a string, or as a plain number or the like, spelt the same.
fn names(key: &YamlNode, name: &str) -> bool {
    key.as_scalar()
        .is_some_and(|scalar| scalar.as_string() == name)
}

fn entry(collection: &Collection, path: &str) -> MappingBuilder {
    let mut entry = MappingBuilder::new()
        .pair("path", path)
        .pair("pattern", collection.pattern.as_str());
    if !collection.ignore.is_empty() {
        entry = entry.sequence("ignore", |mut list| {
            for glob in &collection.ignore {
                list = list.item(glob.as_str());
            }
            list
        });
    }
    if !collection.context.is_empty() {
        entry = entry.mapping("context", |mut map| {
            for (prefix, text) in &collection.context {
                map = map.pair(prefix, text.as_str());
            }
            map
        });
    }
    if !collection.include_by_default {
        entry = entry.pair("includeByDefault", false);
    }
    entry
}

/// All that a text says, keys unknown to us included.
fn value(text: &str) -> Option<Value> {
    let value: Option<Map<String, Value>> = serde_saphyr::from_str(text).ok()?;
    Some(Value::Object(value.unwrap_or_default()))
}

/// What the text should say with the collection in it.
fn with_collection(text: &str, collection: &Collection, path: &str) -> Option<Value> {
    let mut entry = json!({ "path": path, "pattern": collection.pattern });
    if !collection.ignore.is_empty() {
        entry["ignore"] = json!(collection.ignore);
    }
    if !collection.context.is_empty() {
        let context = collection.context.iter();
        entry["context"] = context
            .map(|(prefix, text)| (prefix.clone(), json!(text)))
            .collect();
    }
    if !collection.include_by_default {
        entry["includeByDefault"] = json!(false);
    }
    let mut whole = value(text)?;
    whole["collections"][collection.name.as_str()] = entry;
    Some(whole)
}

/// How an empty mapping may be written.
const EMPTY: [&str; 4] = ["", "{}", "~", "null"];

/// Whether the new text is the old one with one run of text put in, be it for an empty mapping.
fn is_insertion(old: &str, new: &str) -> bool {
    let (head, tail) = common_ends(old, new);
    // The end they share may take in the end of an empty mapping.
    (0..=EMPTY.len())
        .filter_map(|back| old.get(head..old.len() - tail + back))
        .any(|gone| EMPTY.contains(&gone.trim()))
}

/// Whether the new text is the old one with one run of text taken out, be it for an empty mapping.
fn is_removal(old: &str, new: &str) -> bool {
    is_insertion(new, old)
}

/// Whether the new text is the old one with one run of text inside a line exchanged, no comment in it.
fn is_replacement(old: &str, new: &str) -> bool {
    let (head, tail) = common_ends(old, new);
    let (gone, come) = (&old[head..old.len() - tail], &new[head..new.len() - tail]);
    let comment = gone
        .match_indices('#')
        .any(|(at, _)| old[..head + at].ends_with([' ', '\t']));
    !gone.contains('\n') && !come.contains('\n') && !comment
}

/// Bytes that two texts share at the start and, of the rest, at the end; on character boundaries.
fn common_ends(a: &str, b: &str) -> (usize, usize) {
    let same = |(a, b): &(char, char)| a == b;
    let length = |pair: (char, char)| pair.0.len_utf8();
    let head = a.chars().zip(b.chars()).take_while(same).map(length).sum();
    let (a, b) = (&a[head..], &b[head..]);
    (
        head,
        a.chars()
            .rev()
            .zip(b.chars().rev())
            .take_while(same)
            .map(length)
            .sum(),
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::CollectionName;

    fn name(text: &str) -> CollectionName {
        CollectionName::new(text).unwrap()
    }

    fn remove(text: &str, name: &CollectionName) -> Option<String> {
        unset(text, &["collections", name.as_str()])
    }

    fn collection(text: &str) -> Collection {
        Collection::new(name(text), format!("/{text}").into(), "**/*.md")
    }

    fn add_new(text: &str) -> String {
        add(text, &collection("new"), "/new").unwrap_or_else(|| panic!("not added to {text:?}"))
    }

    fn remove_a(text: &str) -> String {
        remove(text, &name("a")).unwrap_or_else(|| panic!("not removed from {text:?}"))
    }

    const NEW: &str = "  new:\n    path: /new\n    pattern: '**/*.md'\n";

    #[test]
    fn additions_go_after_the_last_and_leave_the_rest() {
        for (head, tail) in [
            (
                "# head\ncollections:\n  a:\n    path: /a  # here\n",
                "\n# about models\nmodels:\n  embed: x\n",
            ),
            (
                "collections:\n  a:\n    path: /a\t# tab\n  b: {path: /b}\n",
                "",
            ),
            ("collections:\n", "models: {}\n"),
            (
                "global_context: |\n  x\n  y\n\n\ncollections:\n  a: {path: /x}\n",
                "\n\n",
            ),
            (
                "collections:\n  a:\n    path: /a\n    context:\n      /: |\n        long\n        text\n",
                "x: 1\n",
            ),
        ] {
            assert_eq!(
                add_new(&format!("{head}{tail}")),
                format!("{head}{NEW}{tail}")
            );
        }
    }

    #[test]
    fn an_empty_mapping_is_opened() {
        let opened = format!("# x\ncollections:\n{NEW}models: {{}}\n");
        assert_eq!(add_new("# x\ncollections: {}\nmodels: {}\n"), opened);
        assert_eq!(
            add_new("collections: {}"),
            format!("collections:\n{}", NEW.trim_end())
        );
        let text = set(
            "a: |\n  models: {}\nmodels: {}\n",
            &["models", "embed"],
            "x",
        );
        assert_eq!(
            text.as_deref(),
            Some("a: |\n  models: {}\nmodels:\n  embed: x\n")
        );
        // Beside a comment it stays as it is.
        assert!(add_new("collections: {} # none yet\n").contains("# none yet"));
    }

    #[test]
    fn files_of_every_shape_take_an_addition() {
        for text in [
            "",
            "\n",
            "# only a comment",
            "# only a comment\n",
            "---\n",
            "---\n# c\ncollections:\n  a: {path: /a}\n",
            "{}",
            "collections: {}",
            "collections: {}\n",
            "collections: {} # none yet\nmodels:\n  embed: x\n",
            "collections: {a: {path: /a}}\n",
            "collections: { a: { path: /a, }, }\n",
            "collections:",
            "collections: # soon\n",
            "collections: ~\n",
            "collections: null\n",
            "models:\n  embed: x",
            "models: {}\r\ncollections:\r\n  a:\r\n    path: /a\r\n\r\n# end\r\n",
            "collections:\n    a:\n        path: /a\n",
            "collections:\n  a:\n    path: /a\n    # about a\n  # about none\n# end\n",
            "collections:\n  a:\n    path: /a\n    ignore:\n    - x\n    - y\n",
            "\"collections\":\n  \"a\":\n    \"path\": \"/a\"\n",
            "base: &base {pattern: x}\ncollections:\n  a:\n    <<: *base\n    path: /a\n",
            "collections:\n  a:\n    path: >-\n      /a\n      b\n",
            "collections:\n\n  a:\n    path: /a\n...\n",
        ] {
            add_new(text);
        }
    }

    #[test]
    fn a_removal_leaves_the_rest() {
        for (text, left) in [
            (
                "collections:\n  a:\n    path: /a\n  b:\n    path: /b # b\n",
                "collections:\n  b:\n    path: /b # b\n",
            ),
            (
                "collections:\n  b: {path: /b}\n  a: {path: /a}\nx: 1\n",
                "collections:\n  b: {path: /b}\nx: 1\n",
            ),
            (
                "collections:\n  a:\n    path: /a\n\n# m\nmodels: {}\n",
                "collections: {}\n\n# m\nmodels: {}\n",
            ),
            (
                "collections: {a: {path: /a}, b: {path: /b}}\n",
                "collections: {b: {path: /b}}\n",
            ),
            ("collections: {a: {path: /a}}\n", "collections: {}\n"),
            (
                "collections:\r\n  a:\r\n    path: /a\r\n  b: {path: /b}\r\n",
                "collections:\r\n  b: {path: /b}\r\n",
            ),
            (
                "collections:\n  'a':\n    path: /a\n  b: {path: /b}",
                "collections:\n  b: {path: /b}",
            ),
        ] {
            assert_eq!(remove_a(text), left, "from {text:?}");
        }
    }

    #[test]
    fn names_that_look_like_values_are_quoted_and_found() {
        for odd in [
            "2024", "1.0", "true", "null", "no", "1e3", "メモ", "a.b_c-d",
        ] {
            let text = add("collections: {}\n", &collection(odd), "/x").unwrap();
            assert_eq!(
                value(&remove(&text, &name(odd)).unwrap()),
                value("collections: {}")
            );
            if odd == "null" {
                // Plain, it is no name but the lack of one, and the file does not parse.
                continue;
            }
            let plain = format!("collections:\n  {odd}:\n    path: /x\n  b: {{path: /b}}\n");
            assert_eq!(
                remove(&plain, &name(odd)).as_deref(),
                Some("collections:\n  b: {path: /b}\n"),
                "{odd}"
            );
        }
    }

    #[test]
    fn everything_a_collection_has_is_written() {
        let whole = Collection {
            ignore: vec!["a/**".into(), "*.tmp".into(), "# no comment".into()],
            context: vec![
                ("/".into(), "two\nlines: \"x\"".into()),
                ("/b".into(), " - ".into()),
            ],
            include_by_default: false,
            pattern: "**/*.{md,org}".into(),
            ..collection("new")
        };
        let text = add("x: 1\n", &whole, "/odd: path # ~\t'\"").unwrap();
        assert!(text.starts_with("x: 1\n"));
    }

    #[test]
    fn whatever_cannot_be_edited_is_refused() {
        assert_eq!(add("- a\n", &collection("new"), "/new"), None);
        assert_eq!(add("a: 1\n---\nb: 2\n", &collection("new"), "/new"), None);
        let aliased = "x: &x {path: /a}\ncollections: &c\n  a: *x\nother: *c\n";
        // The alias would change along.
        assert_eq!(add(aliased, &collection("new"), "/new"), None);
    }

    /// Pieces of configuration files as people write them.
    fn file() -> impl Strategy<Value = String> {
        let comment = prop_oneof![
            Just(""),
            Just("# a comment\n"),
            Just("\n"),
            Just("\n# one\n# two\n\n")
        ];
        let other = prop_oneof![
            Just(""),
            Just("global_context: \"x: y\"\n"),
            Just("global_context: |\n  text\n    more # no comment\n"),
            Just("models:\n  embed: hf:a/b/c.gguf # mine\n"),
            Just("modal: {region: eu, gpu: [a, b]}\n"),
        ];
        let entry = prop_oneof![
            Just("@: {path: /x}\n"),
            Just("@:\n>path: ~/x # here\n>ignore: [a, \"b\"]\n"),
            Just("@:\n># first\n>path: \"/x y\"\n>context:\n>>/: |\n>>>long\n>>>text\n>>/b: t\n"),
            Just("\"@\":\n>path: /x\n>pattern: '*.md'\n>ignore:\n>- a\n>- b\n"),
        ];
        let collections = prop_oneof![
            1 => Just(String::new()),
            1 => Just("collections: {}\n".to_owned()),
            1 => Just("collections:\n".to_owned()),
            6 => (proptest::collection::vec((entry, comment.clone()), 1..4), 1_usize..5).prop_map(
                |(entries, step)| {
                    let mut out = "collections:\n".to_owned();
                    for (index, (entry, comment)) in entries.iter().enumerate() {
                        let entry = entry.replace('@', &format!("c{index}"));
                        for line in entry.lines().chain(comment.lines()) {
                            let depth = line.bytes().take_while(|byte| *byte == b'>').count();
                            let indent = " ".repeat(step * (depth + 1));
                            out.extend([&indent, &line[depth..], "\n"]);
                        }
                    }
                    out
                }
            ),
        ];
        (
            comment.clone(),
            other.clone(),
            comment.clone(),
            collections,
            comment,
            other,
            0..3_u8,
        )
            .prop_map(|(c1, o1, c2, collections, c3, o2, ends)| {
                let o2 = if o1.split(':').next() == o2.split(':').next() {
                    ""
                } else {
                    o2
                };
                let text = format!("{c1}{o1}{c2}{collections}{c3}{o2}");
                match ends {
                    0 => text,
                    1 => text.trim_end().to_owned(),
                    _ => text.replace('\n', "\r\n"),
                }
            })
    }

    proptest! {
        #[test]
        fn any_usual_file_can_be_edited(text in file()) {
            let added = add(&text, &collection("new"), "/new");
            let added = added.unwrap_or_else(|| panic!("not added to:\n{text}"));
            let back = remove(&added, &name("new"));
            prop_assert!(back.is_some(), "not removed from:\n{added}");
            let known = value(&text).unwrap();
            for key in known["collections"].as_object().into_iter().flat_map(Map::keys) {
                prop_assert!(remove(&text, &name(key)).is_some(), "{key} not removed from:\n{text}");
            }
        }
    }
}
