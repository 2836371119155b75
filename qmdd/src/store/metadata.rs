//! Documents' metadata: stored by value, read whole, and filtered by.

use rusqlite::{Connection, params, types::Value};

use super::id_list;
use crate::domain::{DATE_KEYS, Filter, Kind, Metadata, Place, Relation, Scalar, Test, Word, date};

/// The metadata of documents, in the order of the ids; empty for those that are gone.
pub(super) fn of(connection: &Connection, ids: &[i64]) -> rusqlite::Result<Vec<Metadata>> {
    let mut statement = connection.prepare_cached(
        "SELECT wanted.key, metadata.key, listed, kind, text, number
         FROM json_each(?1) AS wanted JOIN metadata ON document_id = wanted.value
         ORDER BY wanted.key, seq",
    )?;
    let mut all = vec![Metadata::default(); ids.len()];
    let mut rows = statement.query([id_list(ids.iter().copied())])?;
    while let Some(row) = rows.next()? {
        let place: usize = row.get::<_, i64>(0)? as usize;
        let key: String = row.get(1)?;
        let text: String = row.get(4)?;
        let value = match row.get::<_, i64>(3)? {
            NUMBER => Scalar::Number(row.get(5)?),
            FLAG => Scalar::Flag(text == "true"),
            _ => Scalar::Text(text),
        };
        let Some(metadata) = all.get_mut(place) else {
            continue;
        };
        if row.get(2)? {
            metadata.extend_list(&key, vec![value]);
        } else {
            metadata.set(&key, value);
        }
    }
    Ok(all)
}

const TEXT: i64 = 0;
const NUMBER: i64 = 1;
const FLAG: i64 = 2;

/// Puts a document's metadata in the place of what it had.
pub(super) fn replace(
    connection: &Connection,
    document: i64,
    metadata: &Metadata,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached("DELETE FROM metadata WHERE document_id = ?1")?
        .execute([document])?;
    let values = metadata
        .properties()
        .iter()
        .flat_map(|property| property.values.iter().map(move |value| (property, value)));
    let mut insert = connection
        .prepare_cached("INSERT INTO metadata VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)")?;
    for (seq, (property, value)) in values.enumerate() {
        let text = value.text();
        let (kind, number, time) = match value {
            Scalar::Text(text) => (TEXT, None, date::seconds(text).map(|span| span.start)),
            Scalar::Number(number) => (NUMBER, Some(*number), None),
            Scalar::Flag(_) => (FLAG, None, None),
        };
        insert.execute(params![
            document,
            seq as i64,
            property.key,
            property.list,
            kind,
            text,
            text.to_lowercase(),
            number,
            time
        ])?;
    }
    Ok(())
}

/// A filter as a condition on a row of `documents`, with its parameters' values in their order. The
/// depth of a filter has a limit; so has that of an SQL expression.
pub(super) fn condition(filter: &Filter) -> (String, Vec<Value>) {
    let mut values = Vec::new();
    let sql = expression(filter, &mut values);
    (sql, values)
}

fn expression(filter: &Filter, values: &mut Vec<Value>) -> String {
    let mut joined = |parts: &[Filter], operator, neutral: &str| {
        let parts: Vec<String> = parts.iter().map(|part| expression(part, values)).collect();
        if parts.is_empty() {
            neutral.to_owned()
        } else {
            format!("({})", parts.join(operator))
        }
    };
    match filter {
        Filter::All(parts) => joined(parts, " AND ", "TRUE"),
        Filter::Any(parts) => joined(parts, " OR ", "FALSE"),
        Filter::Not(inner) => format!("NOT {}", expression(inner, values)),
        Filter::Key { key, test } => {
            values.push(key.clone().into());
            let test = self::test(test, values);
            format!("id IN (SELECT document_id FROM metadata WHERE key = ? AND ({test}))")
        }
        Filter::Since(time) => {
            values.push((*time).into());
            format!("{} >= ?", date_of_document())
        }
        Filter::Of(collection) => {
            values.push(collection.as_str().to_owned().into());
            "collection_id IN (SELECT collections.id FROM collections WHERE name = ?)".into()
        }
    }
}

/// The date of a row of `documents`, in seconds since 1970. The plus signs keep SQLite from the indexes
/// by key: a document's few rows are found by its id.
fn date_of_document() -> String {
    let keys: Vec<String> = DATE_KEYS.iter().map(|key| format!("'{key}'")).collect();
    let ranks = keys.iter().enumerate();
    let ranks: Vec<String> = ranks
        .map(|(rank, key)| format!("WHEN {key} THEN {rank}"))
        .collect();
    format!(
        "coalesce((SELECT time FROM metadata WHERE document_id = documents.id AND +time IS NOT NULL
          AND +key IN ({}) ORDER BY CASE key {} END, seq LIMIT 1), mtime_ns / 1000000000)",
        keys.join(", "),
        ranks.join(" ")
    )
}

/// A test as a condition on a row of `metadata`.
fn test(test: &Test, values: &mut Vec<Value>) -> String {
    match test {
        Test::Exists => "TRUE".into(),
        Test::Kind(kind) => format!("kind = {}", number_of(*kind)),
        Test::Contains(text) => {
            values.extend([text.clone().into(), text.clone().into()]);
            "CASE WHEN listed THEN folded = ? ELSE instr(folded, ?) > 0 END".into()
        }
        Test::Tag(tag) => {
            // The end of a tag is a comma, or the slash before what is below it.
            let list = format!("{},", tag.replace(' ', ","));
            let below = format!("{}/", tag.replace(' ', ","));
            let length = tag.chars().count() + 1;
            values.extend([tag.clone().into(), format!("{tag}/").into()]);
            values.extend([list, below].map(|end| format!(",{end}").into()));
            let one = "ltrim(folded, '#')";
            let many = "',' || replace(replace(folded, '#', ''), ' ', ',') || ','";
            format!(
                "CASE WHEN listed THEN {one} = ? OR substr({one}, 1, {length}) = ?
                 ELSE instr({many}, ?) > 0 OR instr({many}, ?) > 0 END"
            )
        }
        Test::Compare(relation, word) => compare(*relation, word, values),
        Test::Exactly {
            relation,
            value,
            fold,
        } => exactly(*relation, value, *fold, values),
        Test::Part { place, text, fold } => part(*place, text, *fold, values),
    }
}

/// A word may be a number, a date and a text: each is compared with its like.
fn compare(relation: Relation, word: &Word, values: &mut Vec<Value>) -> String {
    let sign = sign(relation);
    let mut readings = Vec::new();
    if let Some(number) = word.number {
        values.push(number.into());
        readings.push(format!("number {sign} ?"));
    }
    if let Some(time) = &word.time {
        let (first, after) = (time.start, time.end);
        readings.push(match relation {
            Relation::Equal => {
                values.extend([first.into(), after.into()]);
                "time >= ? AND time < ?".to_owned()
            }
            Relation::Less => {
                values.push(first.into());
                "time < ?".to_owned()
            }
            Relation::LessOrEqual => {
                values.push(after.into());
                "time < ?".to_owned()
            }
            Relation::Greater => {
                values.push(after.into());
                "time >= ?".to_owned()
            }
            Relation::GreaterOrEqual => {
                values.push(first.into());
                "time >= ?".to_owned()
            }
        });
    }
    if relation == Relation::Equal {
        values.push(word.text.clone().into());
        readings.push("folded = ?".to_owned());
    } else if readings.is_empty() {
        values.push(word.text.clone().into());
        readings.push(format!("kind = {TEXT} AND folded {sign} ?"));
    }
    readings.join(" OR ")
}

fn exactly(relation: Relation, value: &Scalar, fold: bool, values: &mut Vec<Value>) -> String {
    let sign = sign(relation);
    match value {
        Scalar::Number(number) => {
            values.push((*number).into());
            format!("number {sign} ?")
        }
        Scalar::Flag(flag) => {
            values.push(flag.to_string().into());
            format!("kind = {FLAG} AND folded {sign} ?")
        }
        Scalar::Text(text) => {
            values.push(text.clone().into());
            // By SQLite's lower(), which folds ASCII alone, as QMD does.
            let (left, right) = if fold {
                ("lower(text)", "lower(?)")
            } else {
                ("text", "?")
            };
            format!("kind = {TEXT} AND {left} {sign} {right}")
        }
    }
}

fn part(place: Place, text: &str, fold: bool, values: &mut Vec<Value>) -> String {
    let (whole, part) = if fold {
        ("lower(text)", "lower(?)")
    } else {
        ("text", "?")
    };
    let length = text.chars().count();
    values.push(text.to_owned().into());
    let found = match place {
        Place::Start => format!("substr({whole}, 1, {length}) = {part}"),
        Place::End if length > 0 => format!("substr({whole}, -{length}) = {part}"),
        Place::End | Place::Anywhere => format!("instr({whole}, {part}) > 0"),
    };
    format!("kind = {TEXT} AND {found}")
}

fn sign(relation: Relation) -> &'static str {
    match relation {
        Relation::Equal => "=",
        Relation::Less => "<",
        Relation::LessOrEqual => "<=",
        Relation::Greater => ">",
        Relation::GreaterOrEqual => ">=",
    }
}

fn number_of(kind: Kind) -> i64 {
    match kind {
        Kind::Text => TEXT,
        Kind::Number => NUMBER,
        Kind::Flag => FLAG,
    }
}
