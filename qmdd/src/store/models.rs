//! Which models the vectors are of.

use rusqlite::{Connection, params};

use super::{Scope, Store, StoreError, scope::Allowed};

impl Store {
    /// Whether there are vectors, and none of them is of these fingerprints. With `but`, those of a
    /// scope are left out of account.
    pub async fn is_of_other_models(
        &self,
        fingerprints: Vec<String>,
        but: Option<Scope>,
    ) -> Result<bool, StoreError> {
        self.read(move |transaction| Ok(is_of_others(transaction, &fingerprints, but.as_ref())?))
            .await
    }
}

fn is_of_others(
    connection: &Connection,
    fingerprints: &[String],
    but: Option<&Scope>,
) -> rusqlite::Result<bool> {
    // No collection named is none left out.
    let left_out = but.map_or(&[][..], |scope| &scope.collections);
    let left_out = Allowed::collections(connection, left_out)?;
    let (condition, ids) = left_out.condition("?1");
    let mut statement = connection.prepare_cached(&format!(
        "SELECT name FROM fingerprints WHERE EXISTS (
             SELECT 1 FROM chunks WHERE fingerprint_id = fingerprints.id
                 AND content_id NOT IN (SELECT content_id FROM documents WHERE {condition}))"
    ))?;
    let names: Vec<String> = statement
        .query_map(params![ids], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    Ok(!names.is_empty() && !names.iter().any(|name| fingerprints.contains(name)))
}
