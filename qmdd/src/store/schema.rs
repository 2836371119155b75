//! The tables that a database must have: those that the migrations make. What its file says of them
//! is compared word by word, so that damage there is seen before it misleads a statement.

use std::collections::BTreeMap;

use rusqlite::Connection;

use super::{error::Fault, migrations, vectors};

/// Refuses a database whose tables, indexes or triggers are not those of the newest format.
pub(super) fn check(connection: &Connection) -> Result<(), Fault> {
    let found = definitions(connection)?;
    let expected = definitions(&model(connection)?)?;
    for (name, definition) in &expected {
        match found.get(name) {
            Some(same) if same == definition => {}
            Some(_) => return Err(Fault::Damage(format!("{name} is defined otherwise"))),
            None => return Err(Fault::Damage(format!("{name} is missing"))),
        }
    }
    Ok(())
}

/// The names of all tables.
pub(super) fn tables(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    connection
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'table'")?
        .query_map([], |row| row.get(0))?
        .collect()
}

/// An empty database with the tables that this one must have.
fn model(connection: &Connection) -> Result<Connection, Fault> {
    let mut model = Connection::open_in_memory()?;
    migrations::create(&mut model)?;
    // Tables of vectors come with the first vector of their length.
    let lengths: Vec<i64> = connection
        .prepare("SELECT DISTINCT dimensions FROM fingerprints")?
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    for length in lengths {
        let length = usize::try_from(length)
            .map_err(|_| Fault::Damage(format!("a model has {length} dimensions")))?;
        vectors::ensure_table(&model, length)
            .map_err(|error| Fault::Damage(format!("a model has {length} dimensions: {error}")))?;
    }
    Ok(model)
}

/// What is defined, by kind and name. SQLite's own tables come and go.
fn definitions(connection: &Connection) -> rusqlite::Result<BTreeMap<String, String>> {
    connection
        .prepare(
            "SELECT type || ' ' || name, tbl_name || ': ' || coalesce(sql, '') FROM sqlite_schema
             WHERE name NOT LIKE 'sqlite\\_stat%' ESCAPE '\\'",
        )?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect()
}
