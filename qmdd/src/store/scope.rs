//! Which collections a call is about.

use rusqlite::{Connection, OptionalExtension};

use super::{
    error::{Fault, StoreError},
    id_list,
};
use crate::domain::CollectionName;

/// The collections to search, resolved by the caller. Those the store does not know hold nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// Their names.
    pub collections: Vec<CollectionName>,
}

/// A scope in terms of the database.
pub(super) enum Filter {
    /// Every collection there is: nothing to filter.
    All,
    /// Some: their `collections.id`, none when none is known.
    Some(Vec<i64>),
}

impl Filter {
    /// Looks the collections up.
    pub(super) fn of(
        connection: &Connection,
        collections: &[CollectionName],
    ) -> rusqlite::Result<Self> {
        let mut statement = connection.prepare_cached("SELECT id, name FROM collections")?;
        let known: Vec<(i64, String)> = statement
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<Result<_, _>>()?;
        let chosen: Vec<i64> = known
            .iter()
            .filter(|(_, name)| collections.iter().any(|wanted| wanted.as_str() == name))
            .map(|(id, _)| *id)
            .collect();
        Ok(if chosen.len() == known.len() {
            Self::All
        } else {
            Self::Some(chosen)
        })
    }

    /// A condition on a column that holds `collections.id`, with the parameter's value. The
    /// parameter is there in either case, so that all statements bind alike.
    pub(super) fn condition(&self, column: &str, parameter: &str) -> (String, Option<String>) {
        match self {
            Self::All => (format!("{parameter} IS NULL"), None),
            Self::Some(ids) => {
                let list = format!("SELECT value FROM json_each({parameter})");
                (
                    format!("{column} IN ({list})"),
                    Some(id_list(ids.iter().copied())),
                )
            }
        }
    }
}

/// The id of a collection that must be there.
pub(super) fn collection_id(connection: &Connection, name: &CollectionName) -> Result<i64, Fault> {
    connection
        .prepare_cached("SELECT id FROM collections WHERE name = ?1")?
        .query_row([name.as_str()], |row| row.get(0))
        .optional()?
        .ok_or_else(|| StoreError::CollectionUnknown(name.clone()).into())
}
