//! The full-text index, word by word: against one of the same kind that is made of the stored texts,
//! in memory and some documents at a time. What else is kept of the words, too.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
};

use rusqlite::Connection;

use super::{Checked, Part, Tally};
use crate::{
    store::{error::Fault, lexical::Entry},
    text::words::Analyzer,
};

/// Text that is indexed in memory at a time, in bytes.
const BATCH: usize = 8 << 20;

/// Every place of every word.
const PLACES: &str = "CREATE VIRTUAL TABLE temp.places USING
    fts5vocab('main', 'documents_fts', 'instance')";

pub(super) fn check(connection: &Connection) -> Result<Checked, Fault> {
    connection.execute_batch(PLACES)?;
    let found = sums(connection);
    // An open one would be in the way of the next check.
    connection.execute_batch("DROP TABLE temp.places")?;
    let found = found?;
    let model = model(connection)?;
    let mut documents = connection.prepare(
        "SELECT documents.id, title, documents.path, body, name, collection_id, content_id
         FROM documents
         JOIN contents ON contents.id = content_id
         JOIN collections ON collections.id = collection_id",
    )?;
    let mut rows = documents.query([])?;
    let mut analyzer = Analyzer::new();
    let mut batch = Batch::default();
    let mut count = 0;
    let (mut damaged, mut other) = (Tally::default(), Tally::default());
    while let Some(row) = rows.next()? {
        let id: i64 = row.get(0)?;
        let (Ok(title), Ok(path), Ok(collection)) = (
            row.get_ref(1)?.as_str(),
            row.get_ref(2)?.as_str(),
            row.get_ref(4)?.as_str(),
        ) else {
            damaged.add(|| format!("document {id}, whose name is no text any more"));
            continue;
        };
        // A body that is no text any more is found by its hash.
        let Ok(body) = row.get_ref(3)?.as_str() else {
            continue;
        };
        count += 1;
        let entry = Entry::new(&mut analyzer, title, path, body);
        entry.put_words(&model, id, row.get(5)?)?;
        let name = format!("{collection}/{path}");
        if !entry.is_described(connection, row.get(6)?)? {
            other.add(|| name.clone());
        }
        batch.bytes += body.len();
        batch.documents.push((id, name));
        if batch.bytes >= BATCH {
            compare(&model, std::mem::take(&mut batch), &found, &mut damaged)?;
        }
    }
    compare(&model, batch, &found, &mut damaged)?;
    Ok(Checked {
        part: Part::Words,
        count,
        problems: [
            damaged.problem("not found by their own words"),
            other.problem("not described by their own words"),
        ]
        .into_iter()
        .flatten()
        .collect(),
    })
}

#[derive(Default)]
struct Batch {
    bytes: usize,
    documents: Vec<(i64, String)>,
}

/// An empty full-text index of the same kind.
fn model(connection: &Connection) -> Result<Connection, Fault> {
    let definition: String = connection.query_row(
        "SELECT sql FROM sqlite_schema WHERE name = 'documents_fts'",
        [],
        |row| row.get(0),
    )?;
    let model = Connection::open_in_memory()?;
    model.execute_batch(&definition)?;
    model.execute_batch(PLACES)?;
    Ok(model)
}

fn compare(
    model: &Connection,
    batch: Batch,
    found: &HashMap<i64, u64>,
    damaged: &mut Tally,
) -> Result<(), Fault> {
    let expected = sums(model)?;
    for (id, name) in batch.documents {
        if expected.get(&id) != found.get(&id) {
            damaged.add(|| name);
        }
    }
    model.execute_batch("INSERT INTO documents_fts (documents_fts) VALUES ('delete-all')")?;
    Ok(())
}

/// For each document a sum over the places of its words.
fn sums(connection: &Connection) -> rusqlite::Result<HashMap<i64, u64>> {
    let mut places = connection.prepare("SELECT doc, term, col, offset FROM temp.places")?;
    let mut rows = places.query([])?;
    let mut sums = HashMap::new();
    while let Some(row) = rows.next()? {
        let mut hash = DefaultHasher::new();
        row.get_ref(1)?
            .as_bytes()
            .unwrap_or_default()
            .hash(&mut hash);
        row.get_ref(2)?
            .as_bytes()
            .unwrap_or_default()
            .hash(&mut hash);
        row.get::<_, Option<i64>>(3)?.hash(&mut hash);
        let sum: &mut u64 = sums.entry(row.get(0)?).or_default();
        *sum = sum.wrapping_add(hash.finish());
    }
    Ok(sums)
}
