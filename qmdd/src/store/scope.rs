//! Which documents a call is about.

use rusqlite::{Connection, OptionalExtension, params, params_from_iter, types::Value};

use super::{
    error::{Fault, StoreError},
    id_list, metadata,
};
use crate::domain::{CollectionName, Filter};

/// The documents to search: those of some collections that pass a filter. Collections that the store
/// does not know hold nothing.
#[derive(Debug, Clone, PartialEq)]
pub struct Scope {
    /// The collections' names.
    pub collections: Vec<CollectionName>,
    /// What the documents must be like.
    pub filter: Option<Filter>,
}

impl Scope {
    /// Whole collections.
    pub fn of(collections: Vec<CollectionName>) -> Self {
        Self {
            collections,
            filter: None,
        }
    }
}

/// A scope in terms of the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Allowed {
    /// Every document there is: nothing to look at.
    All,
    /// Those of some collections: `collections.id`, none when none is known.
    Collections(Vec<i64>),
    /// These: `documents.id`, ascending.
    Documents(Vec<i64>),
}

impl Allowed {
    /// Looks the collections up, and the documents where there is a filter.
    pub(super) fn of(connection: &Connection, scope: &Scope) -> rusqlite::Result<Self> {
        let whole = Self::collections(connection, &scope.collections)?;
        let Some(filter) = scope.filter.as_ref().filter(|filter| !filter.is_open()) else {
            return Ok(whole);
        };
        let (within, collections) = whole.condition("?1");
        let (filter, values) = metadata::condition(filter);
        let sql = format!("SELECT id FROM documents WHERE {within} AND {filter} ORDER BY id");
        let collections: Value = collections.into();
        let ids: Vec<i64> = connection
            .prepare_cached(&sql)?
            .query_map(
                params_from_iter(std::iter::once(collections).chain(values)),
                |row| row.get(0),
            )?
            .collect::<Result<_, _>>()?;
        Ok(Self::Documents(ids))
    }

    /// Whole collections.
    pub(super) fn collections(
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
            Self::Collections(chosen)
        })
    }

    /// The documents in scope that have a content, ascending.
    pub(super) fn of_content(
        &self,
        connection: &Connection,
        content: i64,
    ) -> rusqlite::Result<Vec<i64>> {
        // A long list is not handed over for every content.
        let (condition, ids) = match self {
            Self::Documents(_) => Self::All.condition("?2"),
            _ => self.condition("?2"),
        };
        let sql =
            format!("SELECT id FROM documents WHERE content_id = ?1 AND {condition} ORDER BY id");
        let mut documents: Vec<i64> = connection
            .prepare_cached(&sql)?
            .query_map(params![content, ids], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        if let Self::Documents(ids) = self {
            documents.retain(|id| ids.binary_search(id).is_ok());
        }
        Ok(documents)
    }

    /// A condition on a row of `documents`, with the parameter's value. The parameter is there in
    /// every case, so that all statements bind alike.
    pub(super) fn condition(&self, parameter: &str) -> (String, Option<String>) {
        let one_of = |column, ids: &[i64]| {
            let list = format!("SELECT value FROM json_each({parameter})");
            let ids = id_list(ids.iter().copied());
            (format!("{column} IN ({list})"), Some(ids))
        };
        match self {
            Self::All => (format!("{parameter} IS NULL"), None),
            Self::Collections(ids) => one_of("collection_id", ids),
            Self::Documents(ids) => one_of("id", ids),
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
