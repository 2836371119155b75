//! Full-text search: ranked OR by BM25.

use rusqlite::{Connection, params};

use super::{Scope, Store, StoreError, error::Fault, scope::Filter, tokens};
use crate::text::query::LexicalQuery;

/// BM25 with its column weights: a word in the title says more than one in the text.
const RANK: &str = "bm25(4.0, 1.0, 1.0)";

/// A document that holds words of a query.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LexicalHit {
    /// Its id.
    pub document: i64,
    /// BM25 (k1 = 1.2, b = 0.75, as FTS5 has it), positive; larger is better.
    pub bm25: f64,
}

impl Store {
    /// The best `limit` documents of the scope, best first. A query that holds no token finds
    /// nothing.
    pub async fn lexical(
        &self,
        query: LexicalQuery,
        scope: Scope,
        limit: usize,
    ) -> Result<Vec<LexicalHit>, StoreError> {
        let Some(expression) = tokens::expression(&query) else {
            return Ok(Vec::new());
        };
        self.read(move |transaction| search(transaction, &expression, &scope, limit))
            .await
    }
}

fn search(
    connection: &Connection,
    expression: &str,
    scope: &Scope,
    limit: usize,
) -> Result<Vec<LexicalHit>, Fault> {
    let filter = Filter::of(connection, &scope.collections)?;
    let (condition, collections) = filter.condition("collection_id", "?2");
    // Full text stands alone in its own step: left to itself the planner may join the other way
    // round and run the full-text query once for each document.
    let sql = match filter {
        Filter::All => format!(
            "SELECT rowid, -rank FROM documents_fts
             WHERE documents_fts MATCH ?1 AND rank MATCH '{RANK}' AND {condition}
             ORDER BY rank, rowid LIMIT ?3"
        ),
        Filter::Some(_) => format!(
            "WITH found AS MATERIALIZED (
                 SELECT rowid AS id, rank AS rank FROM documents_fts
                 WHERE documents_fts MATCH ?1 AND rank MATCH '{RANK}'
             )
             SELECT found.id, -found.rank FROM found CROSS JOIN documents USING (id)
             WHERE {condition}
             ORDER BY found.rank, found.id LIMIT ?3"
        ),
    };
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map(params![expression, collections, limit as i64], |row| {
        Ok(LexicalHit {
            document: row.get(0)?,
            bm25: row.get(1)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}
