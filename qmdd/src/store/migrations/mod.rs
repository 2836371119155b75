//! Brings a database to the newest format, one numbered step at a time (`PRAGMA user_version`).

mod devices;
mod metadata;
mod scan;
mod v1;
mod words;

use std::path::Path;

use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::error::{Fault, StoreError};

/// Step `i` leads from format `i` to format `i + 1`. A released step never changes.
const STEPS: &[fn(&Transaction<'_>) -> rusqlite::Result<()>] =
    &[v1::up, devices::up, words::up, scan::up, metadata::up];

/// Runs the steps that the database lacks, each in a transaction of its own.
pub(super) fn run(connection: &mut Connection, path: &Path) -> Result<(), Fault> {
    let known = STEPS.len() as i64;
    let found: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if found > known {
        return Err(StoreError::TooNew {
            path: path.to_owned(),
            found,
            known,
        }
        .into());
    }
    for (step, version) in STEPS.iter().zip(1_i64..).skip(found.max(0) as usize) {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        step(&transaction)?;
        transaction.pragma_update(None, "user_version", version)?;
        transaction.commit()?;
    }
    Ok(())
}
