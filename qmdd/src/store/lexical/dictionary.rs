//! In how many documents a word stands.

use rusqlite::{Connection, OptionalExtension};

use super::{plan::quoted, profile::hash, statistics::Statistics};
use crate::{store::error::Fault, text::words::Form};

/// Documents that a prefix is counted in at most.
const MOST_OF_PREFIX: i64 = 2_000;

/// Counts the documents of a word.
pub(super) struct Dictionary<'a> {
    connection: &'a Connection,
    statistics: &'a Statistics,
    rows: f64,
}

impl<'a> Dictionary<'a> {
    pub(super) fn new(connection: &'a Connection, statistics: &'a Statistics) -> Self {
        Self {
            connection,
            statistics,
            rows: statistics.rows() as f64,
        }
    }

    /// Documents of the index.
    pub(super) fn rows(&self) -> f64 {
        self.rows
    }

    /// In how many documents a form stands: exactly where a rare word is meant, near enough where a
    /// frequent one is, and 0 only where it stands in none. Of words that must follow each other the
    /// rarest counts.
    pub(super) fn documents(&self, form: &Form) -> Result<f64, Fault> {
        let (open, whole) = match form.tokens.split_last() {
            Some((last, rest)) if form.prefix => (Some(last), rest),
            _ => (None, form.tokens.as_slice()),
        };
        let mut fewest = match open {
            Some(token) => self.beginning_with(token)?,
            None => self.rows,
        };
        for token in whole {
            fewest = fewest.min(self.with(token)?);
            if fewest == 0.0 {
                break;
            }
        }
        Ok(fewest)
    }

    fn with(&self, token: &str) -> Result<f64, Fault> {
        // To count a frequent word takes long.
        if let Some(share) = self.statistics.share(hash(token)) {
            return Ok(share * self.rows);
        }
        let documents: Option<i64> = self
            .connection
            .prepare_cached("SELECT doc FROM documents_terms WHERE term = ?1")?
            .query_row([token], |row| row.get(0))
            .optional()?;
        Ok(documents.unwrap_or_default() as f64)
    }

    fn beginning_with(&self, token: &str) -> Result<f64, Fault> {
        let form = Form {
            tokens: vec![token.to_owned()],
            prefix: true,
            weight: 1.0,
        };
        let documents: i64 = self
            .connection
            .prepare_cached(
                "SELECT count(*) FROM
                     (SELECT 1 FROM documents_fts WHERE documents_fts MATCH ?1 LIMIT ?2)",
            )?
            .query_row((quoted(&form), MOST_OF_PREFIX), |row| row.get(0))?;
        Ok(documents as f64)
    }
}
