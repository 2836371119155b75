//! QMD's filters: JSON objects of conditions with `and`, `or` and `not` over them. They are typed:
//! a number is never a text.

use serde_json::{Map, Value};

use super::{FilterError, MAX_CONDITIONS, MAX_DEPTH, at_column, key_filter};
use crate::domain::{Filter, Kind, Place, Relation, Scalar, Test};

/// Parses a filter in JSON.
pub(super) fn parse(text: &str) -> Result<Filter, FilterError> {
    let value: Value = serde_json::from_str(text).map_err(|error| {
        let line = text
            .lines()
            .nth(error.line().saturating_sub(1))
            .unwrap_or_default();
        let bytes = error.column().saturating_sub(1).min(line.len());
        let before = line
            .char_indices()
            .take_while(|(at, _)| *at < bytes)
            .count();
        let message = error.to_string();
        let message = message.split(" at line").next().unwrap_or_default();
        let mut fault = at_column(before + 1, message);
        if error.line() > 1 {
            fault.place = format!("line {}, {}", error.line(), fault.place);
            fault.column = None;
        }
        fault
    })?;
    let mut reader = Reader { conditions: 0 };
    reader.node(&value, &Path::default(), 0)
}

/// The way to a value.
#[derive(Clone, Default)]
struct Path(String);

impl Path {
    fn key(&self, key: &str) -> Self {
        let dot = if self.0.is_empty() { "" } else { "." };
        Self(format!("{}{dot}{key}", self.0))
    }

    fn item(&self, index: usize) -> Self {
        Self(format!("{}[{index}]", self.0))
    }

    fn fault(&self, message: impl Into<String>) -> FilterError {
        FilterError {
            place: if self.0.is_empty() {
                "at its start".into()
            } else {
                format!("at {}", self.0)
            },
            column: None,
            message: message.into(),
        }
    }
}

struct Reader {
    conditions: usize,
}

impl Reader {
    fn node(&mut self, value: &Value, path: &Path, depth: usize) -> Result<Filter, FilterError> {
        let node = value
            .as_object()
            .ok_or_else(|| path.fault("expected an object with an `operator`"))?;
        let items = node.get("value").and_then(Value::as_array);
        self.conditions += items.map_or(1, Vec::len);
        if depth > MAX_DEPTH || self.conditions > MAX_CONDITIONS {
            return Err(path.fault("too many conditions, or nested too deeply"));
        }
        let at = path.key("operator");
        let operator = node
            .get("operator")
            .ok_or_else(|| path.fault("`operator` is missing"))?
            .as_str()
            .ok_or_else(|| at.fault("expected a text"))?;
        match operator {
            "and" | "or" => {
                let parts = self.operands(node, path, depth)?;
                Ok(if operator == "and" {
                    Filter::All(parts)
                } else {
                    Filter::Any(parts)
                })
            }
            "not" => {
                let inner = node
                    .get("operand")
                    .ok_or_else(|| path.fault("`operand` is missing"))?;
                let inner = self.node(inner, &path.key("operand"), depth + 1)?;
                Ok(Filter::Not(Box::new(inner)))
            }
            _ => condition(node, operator, path),
        }
    }

    fn operands(
        &mut self,
        node: &Map<String, Value>,
        path: &Path,
        depth: usize,
    ) -> Result<Vec<Filter>, FilterError> {
        let at = path.key("operands");
        let operands = node
            .get("operands")
            .ok_or_else(|| path.fault("`operands` is missing"))?
            .as_array()
            .filter(|list| !list.is_empty())
            .ok_or_else(|| at.fault("expected a list of one condition or more"))?;
        let parts = operands.iter().enumerate();
        parts
            .map(|(index, operand)| self.node(operand, &at.item(index), depth + 1))
            .collect()
    }
}

fn condition(
    node: &Map<String, Value>,
    operator: &str,
    path: &Path,
) -> Result<Filter, FilterError> {
    let key = node
        .get("key")
        .or_else(|| node.get("field"))
        .and_then(Value::as_str)
        .ok_or_else(|| path.fault("`key` is missing, or no text"))?;
    let at = path.key("value");
    let value = node
        .get("value")
        .ok_or_else(|| path.fault("`value` is missing"))?;
    let fold = match node.get("caseInsensitive") {
        None => false,
        Some(Value::Bool(fold)) => *fold,
        Some(_) => return Err(path.key("caseInsensitive").fault("expected true or false")),
    };
    let scalar = |value: &Value, at: &Path| {
        scalar(value).ok_or_else(|| at.fault("expected a text, a number, true or false"))
    };
    let list = || -> Result<Vec<Scalar>, FilterError> {
        let items = value
            .as_array()
            .filter(|items| (1..=MAX_CONDITIONS).contains(&items.len()))
            .ok_or_else(|| at.fault(format!("expected a list of 1 to {MAX_CONDITIONS} values")))?;
        items
            .iter()
            .enumerate()
            .map(|(index, item)| scalar(item, &at.item(index)))
            .collect()
    };
    let exactly = |relation, value| {
        key_filter(
            key,
            Test::Exactly {
                relation,
                value,
                fold,
            },
        )
    };
    let equal = |value| exactly(Relation::Equal, value);
    let of_kind = |value: &Scalar| key_filter(key, Test::Kind(kind(value)));
    let relation = |operator| match operator {
        "gt" => Some(Relation::Greater),
        "gte" => Some(Relation::GreaterOrEqual),
        "lt" => Some(Relation::Less),
        "lte" => Some(Relation::LessOrEqual),
        _ => None,
    };
    let place = |operator| match operator {
        "contains" => Some(Place::Anywhere),
        "prefix" => Some(Place::Start),
        "suffix" => Some(Place::End),
        _ => None,
    };
    if let Some(relation) = relation(operator) {
        return match scalar(value, &at)? {
            Scalar::Flag(_) => Err(at.fault("true and false have no order")),
            value => Ok(exactly(relation, value)),
        };
    }
    if let Some(place) = place(operator) {
        let text = value
            .as_str()
            .ok_or_else(|| at.fault("expected a text"))?
            .to_owned();
        return Ok(key_filter(key, Test::Part { place, text, fold }));
    }
    Ok(match operator {
        "eq" => equal(scalar(value, &at)?),
        "ne" => {
            let value = scalar(value, &at)?;
            Filter::All(vec![of_kind(&value), Filter::Not(Box::new(equal(value)))])
        }
        "in" => Filter::Any(list()?.into_iter().map(equal).collect()),
        "all" => Filter::All(list()?.into_iter().map(equal).collect()),
        "nin" => {
            let values = list()?;
            let kinds = Filter::Any(values.iter().map(of_kind).collect());
            let none = Filter::Any(values.into_iter().map(equal).collect());
            Filter::All(vec![kinds, Filter::Not(Box::new(none))])
        }
        "type" => key_filter(
            key,
            Test::Kind(match value.as_str() {
                Some("string") => Kind::Text,
                Some("number") => Kind::Number,
                Some("boolean") => Kind::Flag,
                _ => return Err(at.fault("expected \"string\", \"number\" or \"boolean\"")),
            }),
        ),
        "exists" => match value {
            Value::Bool(true) => key_filter(key, Test::Exists),
            Value::Bool(false) => Filter::Not(Box::new(key_filter(key, Test::Exists))),
            _ => return Err(at.fault("expected true or false")),
        },
        _ => {
            return Err(path.key("operator").fault(
                "expected eq, ne, gt, gte, lt, lte, in, nin, all, contains, prefix, suffix, type, \
                 exists, and, or, not",
            ));
        }
    })
}

fn scalar(value: &Value) -> Option<Scalar> {
    match value {
        Value::String(text) => Some(Scalar::Text(text.clone())),
        Value::Number(number) => number.as_f64().map(Scalar::Number),
        Value::Bool(flag) => Some(Scalar::Flag(*flag)),
        _ => None,
    }
}

fn kind(value: &Scalar) -> Kind {
    match value {
        Scalar::Text(_) => Kind::Text,
        Scalar::Number(_) => Kind::Number,
        Scalar::Flag(_) => Kind::Flag,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_of_every_kind() {
        let status = |test| key_filter("status", test);
        let text = |text: &str| Scalar::Text(text.to_owned());
        let equal = |value| Test::Exactly {
            relation: Relation::Equal,
            value,
            fold: false,
        };
        for (json, expected) in [
            (
                r#"{"key":"status","operator":"eq","value":"Draft"}"#,
                status(equal(text("Draft"))),
            ),
            (
                r#" {"field":"Status","operator":"gte","value":3,"caseInsensitive":false}"#,
                status(Test::Exactly {
                    relation: Relation::GreaterOrEqual,
                    value: Scalar::Number(3.0),
                    fold: false,
                }),
            ),
            (
                r#"{"key":"status","operator":"ne","value":true}"#,
                Filter::All(vec![
                    status(Test::Kind(Kind::Flag)),
                    Filter::Not(Box::new(status(equal(Scalar::Flag(true))))),
                ]),
            ),
            (
                r#"{"operator":"or","operands":[{"key":"status","operator":"in","value":["a"]},
                    {"operator":"not","operand":{"key":"status","operator":"exists","value":true}}]}"#,
                Filter::Any(vec![
                    Filter::Any(vec![status(equal(text("a")))]),
                    Filter::Not(Box::new(status(Test::Exists))),
                ]),
            ),
            (
                r#"{"key":"status","operator":"prefix","value":"dr","caseInsensitive":true}"#,
                status(Test::Part {
                    place: Place::Start,
                    text: "dr".into(),
                    fold: true,
                }),
            ),
            (
                r#"{"key":"status","operator":"type","value":"number"}"#,
                status(Test::Kind(Kind::Number)),
            ),
        ] {
            assert_eq!(parse(json), Ok(expected), "{json}");
        }
    }

    #[test]
    fn faults_name_their_place() {
        let deep = format!(
            "{}{}{}",
            r#"{"operator":"not","operand":"#.repeat(40),
            r#"{"key":"a","operator":"exists","value":true}"#,
            "}".repeat(40)
        );
        for (json, place) in [
            ("{", "column 1"),
            ("{\"é\": x}", "column 7"),
            ("{\n\"a\" 1}", "line 2, column 5"),
            ("{}", "at its start"),
            (r#"{"operator":"eq","value":1}"#, "at its start"),
            (r#"{"key":"a","operator":"frob","value":1}"#, "at operator"),
            (r#"{"key":"a","operator":"gt","value":true}"#, "at value"),
            (
                r#"{"key":"a","operator":"in","value":[1,[2]]}"#,
                "at value[1]",
            ),
            (r#"{"key":"a","operator":"in","value":[]}"#, "at value"),
            (r#"{"operator":"and","operands":[]}"#, "at operands"),
            (
                r#"{"operator":"and","operands":[{"key":"a","operator":"eq"}]}"#,
                "at operands[0]",
            ),
        ] {
            assert_eq!(parse(json).unwrap_err().place, place, "{json}");
        }
        assert!(parse(&deep).unwrap_err().message.contains("deeply"));
    }
}
