//! Metadata as the API has it.

use qmd_proto::v1::{self, property_value::Kind};

use crate::domain::{Metadata, Scalar};

/// All properties of a document.
pub(super) fn to_proto(metadata: &Metadata) -> Vec<v1::Property> {
    let value = |value: &Scalar| v1::PropertyValue {
        kind: Some(match value {
            Scalar::Text(text) => Kind::Text(text.clone()),
            Scalar::Number(number) => Kind::Number(*number),
            Scalar::Flag(flag) => Kind::Flag(*flag),
        }),
    };
    let properties = metadata.properties().iter();
    properties
        .map(|property| v1::Property {
            key: property.key.clone(),
            values: property.values.iter().map(value).collect(),
            list: property.list,
        })
        .collect()
}
