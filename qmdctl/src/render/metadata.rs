//! What documents say of themselves, as JSON.

use qmd_proto::v1::{Property, PropertyValue, property_value::Kind};
use serde_json::{Map, Value};

/// Keys with their values; `None` without any.
pub(super) fn metadata_json(properties: &[Property]) -> Option<Map<String, Value>> {
    let pairs = properties.iter().filter_map(|property| {
        let mut values = property.values.iter().filter_map(value);
        let value = if property.list {
            Value::Array(values.collect())
        } else {
            values.next()?
        };
        Some((property.key.clone(), value))
    });
    Some(pairs.collect::<Map<_, _>>()).filter(|map| !map.is_empty())
}

fn value(value: &PropertyValue) -> Option<Value> {
    Some(match value.kind.as_ref()? {
        Kind::Text(text) => Value::from(text.as_str()),
        // Whole numbers look whole.
        Kind::Number(number) if number.fract() == 0.0 && number.abs() < 1e15 => {
            Value::from(*number as i64)
        }
        Kind::Number(number) => Value::from(*number),
        Kind::Flag(flag) => Value::from(*flag),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_kept() {
        let property = |key: &str, values: Vec<Kind>, list| Property {
            key: key.into(),
            values: values
                .into_iter()
                .map(|kind| PropertyValue { kind: Some(kind) })
                .collect(),
            list,
        };
        let properties = [
            property("status", vec![Kind::Text("draft".into())], false),
            property("tags", vec![Kind::Text("a".into())], true),
            property("n", vec![Kind::Number(3.0)], false),
            property("x", vec![Kind::Number(0.5)], false),
            property("done", vec![Kind::Flag(false)], false),
            property("newer", vec![], false),
        ];
        let json = serde_json::to_string(&metadata_json(&properties)).unwrap();
        assert_eq!(
            json,
            r#"{"done":false,"n":3,"status":"draft","tags":["a"],"x":0.5}"#
        );
        assert_eq!(metadata_json(&[]), None);
    }
}
