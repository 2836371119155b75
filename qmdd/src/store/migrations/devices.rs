//! Collections remember which device their folder was on, to tell a disk that is not
//! mounted from an emptied folder.

use rusqlite::Transaction;

/// Adds the column: NULL while the collection holds no documents.
pub(super) fn up(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    transaction.execute_batch("ALTER TABLE collections ADD COLUMN device INTEGER")
}
