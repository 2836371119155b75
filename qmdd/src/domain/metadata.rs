//! What a document says of itself: keys with values, from its front matter or its head.

/// Longest key kept, in bytes.
const MAX_KEY: usize = 128;
/// Longest text kept of a value, in characters.
const MAX_TEXT: usize = 1024;
/// Most values kept of a document.
const MAX_VALUES: usize = 256;

/// A single value.
#[derive(Debug, Clone, PartialEq)]
pub enum Scalar {
    /// A text; dates are texts.
    Text(String),
    /// A finite number.
    Number(f64),
    /// True or false.
    Flag(bool),
}

impl Scalar {
    /// What a bare word stands for: `true` and `false`, a number, else itself.
    pub fn of_word(word: &str) -> Self {
        match word {
            "true" => Self::Flag(true),
            "false" => Self::Flag(false),
            _ => number(word).map_or_else(|| Self::Text(word.to_owned()), Self::Number),
        }
    }

    /// The value as a text.
    pub fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Number(number) => number.to_string(),
            Self::Flag(flag) => flag.to_string(),
        }
    }
}

/// A key with its values.
#[derive(Debug, Clone, PartialEq)]
pub struct Property {
    /// In lower case; the parts of a nested key are joined by dots.
    pub key: String,
    /// At least one.
    pub values: Vec<Scalar>,
    /// Whether the document gave a list, be it of one value.
    pub list: bool,
}

/// All properties of a document, in its order, no key twice.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Metadata(Vec<Property>);

impl Metadata {
    /// The properties.
    pub fn properties(&self) -> &[Property] {
        &self.0
    }

    /// Adds a single value. A later one of the same key takes the earlier one's place.
    pub fn set(&mut self, key: &str, value: Scalar) {
        self.put(key, vec![value], false);
    }

    /// Adds a list of values; an empty one adds nothing. As for [`Self::set`] the last one counts.
    pub fn set_list(&mut self, key: &str, values: Vec<Scalar>) {
        self.put(key, values, true);
    }

    /// Adds values to a list, which is there or comes to be.
    pub fn extend_list(&mut self, key: &str, values: Vec<Scalar>) {
        let key = key.trim().to_lowercase();
        let known = self.0.iter().find(|property| property.key == key);
        let mut all = known.map_or_else(Vec::new, |property| property.values.clone());
        all.extend(values);
        self.put(&key, all, true);
    }

    /// What is over a limit, or says nothing, is left out: metadata comes from anywhere.
    fn put(&mut self, key: &str, values: Vec<Scalar>, list: bool) {
        let key = key.trim().to_lowercase();
        if key.is_empty() || key.len() > MAX_KEY || key.contains(char::is_control) {
            return;
        }
        let others = self.0.iter().filter(|property| property.key != key);
        let room = MAX_VALUES.saturating_sub(others.map(|other| other.values.len()).sum());
        let values: Vec<Scalar> = values.into_iter().filter_map(usable).take(room).collect();
        if values.is_empty() {
            return;
        }
        match self.0.iter_mut().find(|property| property.key == key) {
            Some(known) => (known.values, known.list) = (values, list),
            None => self.0.push(Property { key, values, list }),
        }
    }
}

/// A value within the limits; `None` of one that says nothing.
fn usable(value: Scalar) -> Option<Scalar> {
    match value {
        Scalar::Text(text) => {
            let text: String = text.trim().chars().take(MAX_TEXT).collect();
            (!text.is_empty()).then_some(Scalar::Text(text))
        }
        Scalar::Number(number) => number.is_finite().then_some(Scalar::Number(number)),
        flag @ Scalar::Flag(_) => Some(flag),
    }
}

/// A decimal number. Rust's parser takes names of infinities too, which documents mean as words.
pub(crate) fn number(word: &str) -> Option<f64> {
    let numeric = word
        .bytes()
        .all(|byte| byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.' | b'e' | b'E'));
    let number: f64 = numeric.then(|| word.parse().ok())??;
    number.is_finite().then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Scalar {
        Scalar::Text(text.to_owned())
    }

    #[test]
    fn words_have_kinds() {
        for (word, expected) in [
            ("draft", text("draft")),
            ("3", Scalar::Number(3.0)),
            ("-1.5e2", Scalar::Number(-150.0)),
            ("inf", text("inf")),
            ("1.2.3", text("1.2.3")),
            ("2024-05-01", text("2024-05-01")),
            ("1e999", text("1e999")),
            ("true", Scalar::Flag(true)),
        ] {
            assert_eq!(Scalar::of_word(word), expected, "{word}");
        }
        assert_eq!(Scalar::Number(3.0).text(), "3");
    }

    #[test]
    fn the_last_of_a_key_counts_and_nothing_empty_is_kept() {
        let mut metadata = Metadata::default();
        metadata.set("Status", text(" draft "));
        metadata.set("status", text("done"));
        metadata.set("none", text("  "));
        metadata.set("nan", Scalar::Number(f64::NAN));
        metadata.set_list("empty", Vec::new());
        metadata.set(&"k".repeat(200), text("x"));
        metadata.extend_list("tags", vec![text("a")]);
        metadata.extend_list("Tags", vec![text("b")]);
        let expected = [
            ("status", vec![text("done")], false),
            ("tags", vec![text("a"), text("b")], true),
        ];
        let expected = expected.map(|(key, values, list)| Property {
            key: key.to_owned(),
            values,
            list,
        });
        assert_eq!(metadata.properties(), expected);
    }

    #[test]
    fn there_are_limits() {
        let mut metadata = Metadata::default();
        metadata.set("long", text(&"é".repeat(5000)));
        metadata.set_list("many", vec![Scalar::Flag(true); 1000]);
        metadata.set("late", Scalar::Flag(true));
        let sizes: Vec<usize> = metadata
            .properties()
            .iter()
            .map(|one| one.values.len())
            .collect();
        assert_eq!(sizes, [1, 255]);
        assert_eq!(
            metadata.properties()[0].values[0].text().chars().count(),
            1024
        );
    }
}
