//! The parts that FTS5's index is made of. Each write adds one, and a word is looked up in every one:
//! merged into few, the same search takes a quarter less.

use rusqlite::Connection;

/// Pages that are merged in one step, which takes some 20 ms.
const STEP: i64 = 500;
/// Fewer parts cost nothing to speak of.
const FEW: u64 = 4;
/// While the largest part is so much of all, merging it with the others costs more than it brings.
const MOST: f64 = 0.75;

/// How many there are.
pub(in crate::store) fn count(connection: &Connection) -> rusqlite::Result<u64> {
    Ok(sizes(connection)?.len() as u64)
}

/// Their sizes, about in pages.
fn sizes(connection: &Connection) -> rusqlite::Result<Vec<u64>> {
    connection
        .prepare_cached("SELECT count(*) FROM documents_fts_idx GROUP BY segid")?
        .query_map([], |row| Ok(row.get::<_, i64>(0)? as u64))?
        .collect()
}

/// Merges the parts into one, step by step.
#[derive(Debug, Default)]
pub(in crate::store) struct Merging {
    begun: bool,
}

impl Merging {
    /// Whether merging is worth its while.
    pub(in crate::store) fn is_due(connection: &Connection) -> rusqlite::Result<bool> {
        Ok(is_worth(&sizes(connection)?))
    }

    /// Takes a step, which belongs into a transaction. False when there is nothing left to do.
    pub(in crate::store) fn step(&mut self, connection: &Connection) -> rusqlite::Result<bool> {
        // At first all parts become one level; then steps of a bounded size merge it.
        let pages = if self.begun { STEP } else { -STEP };
        let before = connection.total_changes();
        connection
            .prepare_cached("INSERT INTO documents_fts (documents_fts, rank) VALUES ('merge', ?1)")?
            .execute([pages])?;
        // SQLite's documented sign of having done something.
        let worked = connection.total_changes() - before >= 2;
        let first = !std::mem::replace(&mut self.begun, true);
        Ok(worked || first)
    }
}

fn is_worth(sizes: &[u64]) -> bool {
    let all: u64 = sizes.iter().sum();
    let largest = sizes.iter().copied().max().unwrap_or_default();
    sizes.len() as u64 >= FEW && (largest as f64) < MOST * all as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_parts_of_a_size_are_worth_merging() {
        assert!(!is_worth(&[]));
        assert!(!is_worth(&[5, 5, 5]));
        assert!(is_worth(&[5, 5, 5, 5]));
        assert!(!is_worth(&[300, 5, 5, 5, 5]));
        assert!(is_worth(&[30, 5, 5, 5]));
    }
}
