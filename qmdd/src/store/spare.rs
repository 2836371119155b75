//! What the writing thread does when nobody wants anything of it: it puts in order what was written.

use rusqlite::{Connection, TransactionBehavior};

use super::lexical::Merging;

/// Work that can wait, and can be left at any time.
#[derive(Debug)]
pub(super) enum Spare {
    /// There is none.
    Nothing,
    /// Something was written: see what that leaves to do.
    Look,
    /// The full text is being merged.
    Merge(Merging),
}

impl Spare {
    /// Does a little of it, in a transaction; what is left then.
    pub(super) fn go_on(self, connection: &mut Connection) -> Self {
        let left = match self {
            Self::Nothing => return Self::Nothing,
            Self::Look => look(connection),
            Self::Merge(merging) => merge(connection, merging),
        };
        left.unwrap_or_else(|error| {
            // Nothing is lost, and the next write has it tried again.
            tracing::debug!(%error, "the full text stays in parts");
            Self::Nothing
        })
    }
}

fn look(connection: &Connection) -> rusqlite::Result<Spare> {
    Ok(if Merging::is_due(connection)? {
        Spare::Merge(Merging::default())
    } else {
        Spare::Nothing
    })
}

fn merge(connection: &mut Connection, mut merging: Merging) -> rusqlite::Result<Spare> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let worked = merging.step(&transaction)?;
    transaction.commit()?;
    Ok(if worked {
        Spare::Merge(merging)
    } else {
        Spare::Nothing
    })
}
