//! Brings a database to the newest format, one step after another (`PRAGMA user_version`). All that
//! are missing run in one transaction: a database is of its old format, or of the newest. Before the
//! first change of one that holds something, a copy of it is laid beside it.

mod devices;
mod kept;
mod metadata;
mod scan;
mod v1;
mod words;

use std::path::Path;

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior};

use super::{
    beside,
    error::{Fault, StoreError},
};

/// A step. Foreign keys are not enforced while it runs, so that it may replace tables; they are
/// checked after the last one.
type Step = fn(&Transaction<'_>) -> rusqlite::Result<()>;

/// Step `i` leads from format `i` to format `i + 1`. A released step never changes.
const STEPS: &[Step] = &[
    v1::up,
    devices::up,
    words::up,
    scan::up,
    metadata::up,
    kept::up,
];

/// Runs the steps that the database lacks.
pub(super) fn run(connection: &mut Connection, path: &Path) -> Result<(), Fault> {
    run_steps(connection, path, STEPS)
}

/// Makes the tables of the newest format in an empty database.
pub(super) fn create(connection: &mut Connection) -> Result<(), Fault> {
    apply(connection, STEPS, 0)
}

/// Refuses a database that would have to be changed before it can be read.
pub(super) fn require_newest(connection: &Connection) -> Result<(), Fault> {
    let found = format(connection)?;
    let known = STEPS.len() as i64;
    if found == known {
        return Ok(());
    }
    Err(Fault::Damage(format!("it has format {found}, not {known}")))
}

fn run_steps(connection: &mut Connection, path: &Path, steps: &[Step]) -> Result<(), Fault> {
    let known = steps.len() as i64;
    let found = format(connection)?;
    if found > known {
        return Err(StoreError::TooNew {
            path: path.to_owned(),
            found,
            known,
        }
        .into());
    }
    if found == known {
        return Ok(());
    }
    if found > 0 {
        let copy = beside::back_up(connection, path, found)?;
        tracing::info!(
            from = found, to = known, copy = %copy.display(),
            "the index is brought to a new format"
        );
    }
    apply(connection, steps, found as usize)
}

/// The database's format: 0 for an empty one. Its header has it, and a table; where they differ, one
/// of them is damaged.
fn format(connection: &Connection) -> Result<i64, Fault> {
    let header: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let has_tables = connection
        .prepare("SELECT 1 FROM sqlite_schema WHERE name = 'meta'")?
        .exists([])?;
    if !has_tables {
        return Ok(header);
    }
    let table: Option<i64> = connection
        .query_row(
            "SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'format'",
            [],
            |row| row.get(0),
        )
        .optional()?;
    match table {
        Some(table) if table != header => Err(Fault::Damage(format!(
            "its header names format {header}, its tables are of format {table}"
        ))),
        None if header < 1 => Err(Fault::Damage(format!("its header names format {header}"))),
        _ => Ok(header),
    }
}

fn apply(connection: &mut Connection, steps: &[Step], done: usize) -> Result<(), Fault> {
    let enforced: bool = connection.query_row("PRAGMA foreign_keys", [], |row| row.get(0))?;
    // Has no effect inside of a transaction.
    connection.pragma_update(None, "foreign_keys", false)?;
    let result = apply_all(connection, steps, done);
    connection.pragma_update(None, "foreign_keys", enforced)?;
    result
}

fn apply_all(connection: &mut Connection, steps: &[Step], done: usize) -> Result<(), Fault> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for step in &steps[done..] {
        step(&transaction)?;
    }
    transaction.execute(
        "INSERT INTO meta VALUES ('format', ?1)
         ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        [steps.len().to_string()],
    )?;
    transaction.pragma_update(None, "user_version", steps.len() as i64)?;
    if transaction
        .prepare("PRAGMA foreign_key_check")?
        .exists([])?
    {
        let detail = "after a change of format some rows point at nothing".into();
        return Err(Fault::Damage(detail));
    }
    Ok(transaction.commit()?)
}

#[cfg(test)]
mod tests;
