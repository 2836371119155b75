//! YAML front matter. Where the whole is no valid YAML, each key counts that is by itself.

use serde_json::{Map, Value};

use crate::{
    domain::{Metadata, Scalar},
    text::front_matter::scalar,
};

/// Longest front matter that is parsed, in bytes.
const MAX_BYTES: usize = 64 << 10;
/// Deepest nesting that is followed.
const MAX_DEPTH: usize = 8;
/// Where QMD looks for metadata: its keys count as if they stood by themselves.
const QMD: &str = "qmd.metadata.";

/// The properties of a block of YAML.
pub(super) fn metadata(yaml: &str) -> Metadata {
    let mut metadata = Metadata::default();
    if yaml.len() > MAX_BYTES {
        return metadata;
    }
    let whole = mapping(yaml).unwrap_or_else(|| by_key(yaml));
    let mut pairs = Vec::new();
    flatten("", &Value::Object(whole), MAX_DEPTH, &mut pairs);
    let (qmd, plain): (Vec<_>, Vec<_>) = pairs
        .into_iter()
        .partition(|(key, _)| key.to_lowercase().starts_with(QMD));
    for (key, value) in &plain {
        add(&mut metadata, key, value);
    }
    for (key, value) in &qmd {
        add(&mut metadata, &key[QMD.len()..], value);
    }
    metadata
}

fn mapping(yaml: &str) -> Option<Map<String, Value>> {
    // As in YAML 1.2: `no` and `y` are words.
    let options = serde_saphyr::options! { strict_booleans: true };
    let parsed: Option<Map<String, Value>> =
        serde_saphyr::from_str_with_options(yaml, options).ok()?;
    Some(parsed.unwrap_or_default())
}

/// Reads the block key by key. What is no YAML even so counts as text, if it is on one line.
fn by_key(yaml: &str) -> Map<String, Value> {
    let mut all = Map::new();
    let mut blocks: Vec<String> = Vec::new();
    for line in yaml.lines() {
        let opens = line.starts_with(|c: char| !c.is_whitespace() && !"-#]}".contains(c));
        match blocks.last_mut() {
            Some(block) if !opens => {
                block.push('\n');
                block.push_str(line);
            }
            _ => blocks.push(line.to_owned()),
        }
    }
    for block in blocks {
        if let Some(found) = mapping(&block) {
            all.extend(found);
        } else if let Some((key, value)) = block.split_once(':')
            && !block.contains('\n')
        {
            all.insert(key.trim().to_owned(), Value::String(scalar(value.trim())));
        }
    }
    all
}

/// Every value that is no mapping, under its keys joined by dots; mappings in a list as lists of their
/// parts.
fn flatten(key: &str, value: &Value, depth: usize, into: &mut Vec<(String, Value)>) {
    let join = |inner: &str| match key {
        "" => inner.to_owned(),
        key => format!("{key}.{inner}"),
    };
    match value {
        Value::Object(map) if depth > 0 => {
            for (inner, value) in map {
                flatten(&join(inner), value, depth - 1, into);
            }
        }
        Value::Array(items) if depth > 0 && items.iter().any(Value::is_object) => {
            let mut parts: Vec<(String, Value)> = Vec::new();
            for item in items.iter().filter(|item| item.is_object()) {
                flatten("", item, depth - 1, &mut parts);
            }
            let mut lists: Map<String, Value> = Map::new();
            for (inner, value) in parts {
                let list = lists
                    .entry(join(&inner))
                    .or_insert_with(|| Value::Array(Vec::new()));
                if let Value::Array(list) = list {
                    match value {
                        Value::Array(values) => list.extend(values),
                        value => list.push(value),
                    }
                }
            }
            into.extend(lists);
        }
        Value::Object(_) => {}
        value => into.push((key.to_owned(), value.clone())),
    }
}

fn add(metadata: &mut Metadata, key: &str, value: &Value) {
    match value {
        Value::Array(items) => {
            metadata.set_list(key, items.iter().filter_map(single).collect());
        }
        value => {
            if let Some(value) = single(value) {
                metadata.set(key, value);
            }
        }
    }
}

fn single(value: &Value) -> Option<Scalar> {
    match value {
        Value::String(text) => Some(Scalar::Text(text.clone())),
        Value::Number(number) => number.as_f64().map(Scalar::Number),
        Value::Bool(flag) => Some(Scalar::Flag(*flag)),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{super::tests::shown, *};

    #[test]
    fn values_keep_their_kind() {
        let yaml = "status: draft\ntopics: [rust, 'C++']\npriority: 3\nrating: 4.5\ndone: false\n\
                    date: 2024-05-01\nnothing:\nempty: []\nauthor:\n  name: Ann\n  born: 1970\n\
                    links:\n  - url: a\n  - url: b\n    tags: [x, y, no]\nquoted: \"3\"\n12: number\n";
        assert_eq!(
            shown(&metadata(yaml)),
            [
                "12=\"number\"",
                "author.born=1970",
                "author.name=\"Ann\"",
                "date=\"2024-05-01\"",
                "done=false",
                "links.tags=[\"x\",\"y\",\"no\"]",
                "links.url=[\"a\",\"b\"]",
                "priority=3",
                "quoted=\"3\"",
                "rating=4.5",
                "status=\"draft\"",
                "topics=[\"rust\",\"C++\"]",
            ]
        );
    }

    #[test]
    fn qmds_own_place_counts_first() {
        let yaml = "qmd:\n  metadata:\n    status: done\nstatus: draft\n";
        assert_eq!(shown(&metadata(yaml)), ["status=\"done\""]);
    }

    #[test]
    fn one_bad_line_costs_no_other_key() {
        let yaml =
            "title: Part 2: the colon\nstatus: draft\ntags:\n- a\n- b\nbad: [1, 2\nlast: 1 # x\n";
        let found = shown(&metadata(yaml));
        for expected in [
            "title=\"Part 2: the colon\"",
            "status=\"draft\"",
            "tags=[\"a\",\"b\"]",
            "last=1",
        ] {
            assert!(
                found.iter().any(|one| one == expected),
                "{expected} in {found:?}"
            );
        }
    }

    #[test]
    fn what_is_no_mapping_says_nothing() {
        for yaml in [
            "",
            "# x\n",
            "- a\n- b\n",
            "just text\n",
            &"a: 1\n".repeat(20_000),
        ] {
            assert_eq!(metadata(yaml), Metadata::default());
        }
        // Neither nesting nor aliases run away.
        let bomb = "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]\nc: [*b,*b,*b,*b,*b,*b,*b]\n";
        let _ = metadata(bomb);
        let _ = metadata(&format!("a: {}", "[".repeat(30_000)));
    }
}
