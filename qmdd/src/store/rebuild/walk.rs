//! Reads the rows of a damaged table that can still be read.

use rusqlite::{Connection, Row};

/// Longest jump over rows that cannot be read, in ids.
const LONGEST: i64 = 1 << 48;

/// Hands over every row that can be read. The statement yields rows with ids above its only parameter,
/// in their order, the id first. Whether that were all.
pub(super) fn walk(
    connection: &Connection,
    sql: &str,
    mut take: impl FnMut(&Row<'_>) -> rusqlite::Result<()>,
) -> bool {
    let mut after = 0;
    let mut all = true;
    loop {
        match scan(connection, sql, &mut after, &mut take) {
            Ok(whole) => return all && whole,
            Err(error) => {
                tracing::debug!(%error, after, sql, "rows that cannot be read");
                all = false;
                match beyond(connection, sql, after) {
                    Some(readable) => after = readable,
                    None => return false,
                }
            }
        }
    }
}

/// Goes on until the end, or a row that cannot be reached. A row that can, and holds values that cannot
/// be, is passed over.
fn scan(
    connection: &Connection,
    sql: &str,
    after: &mut i64,
    take: &mut impl FnMut(&Row<'_>) -> rusqlite::Result<()>,
) -> rusqlite::Result<bool> {
    let mut whole = true;
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([*after])?;
    while let Some(row) = rows.next()? {
        let id: rusqlite::Result<i64> = row.get(0);
        *after = id.unwrap_or(*after).max(*after);
        whole &= take(row).is_ok();
    }
    Ok(whole)
}

/// The smallest id above which a row can be reached again; `None` when there is none.
fn beyond(connection: &Connection, sql: &str, after: i64) -> Option<i64> {
    let reaches = |id: i64| -> rusqlite::Result<bool> {
        let mut statement = connection.prepare_cached(sql)?;
        Ok(statement.query([id])?.next()?.is_some())
    };
    let (mut unreadable, mut step) = (after, 1);
    let mut readable = loop {
        let id = after.saturating_add(step);
        match reaches(id) {
            Ok(true) => break id,
            Ok(false) => return None,
            Err(_) if step >= LONGEST => return None,
            Err(_) => (unreadable, step) = (id, step * 2),
        }
    };
    while readable - unreadable > 1 {
        let middle = unreadable + (readable - unreadable) / 2;
        if matches!(reaches(middle), Ok(true)) {
            readable = middle;
        } else {
            unreadable = middle;
        }
    }
    Some(readable)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SQL: &str = "SELECT id, text FROM notes WHERE id > ?1 ORDER BY id";

    /// A database of so many rows of about 400 bytes, in pages of 4096.
    fn filled(rows: i64) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.sqlite");
        let connection = Connection::open(&path).unwrap();
        connection
            .execute_batch(&format!(
                "CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL);
                 WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows})
                 INSERT INTO notes SELECT i * 7, printf('%0400d', i) FROM n"
            ))
            .unwrap();
        (folder, path)
    }

    fn ids(path: &std::path::Path) -> (Vec<i64>, bool) {
        let connection = Connection::open(path).unwrap();
        let mut ids = Vec::new();
        let all = walk(&connection, SQL, |row| {
            let text: String = row.get(1)?;
            let id: i64 = row.get(0)?;
            assert_eq!(text.len(), 400);
            ids.push(id);
            Ok(())
        });
        (ids, all)
    }

    #[test]
    fn a_whole_table_is_read_whole() {
        let (_folder, path) = filled(500);
        let (ids, all) = ids(&path);
        assert!(all);
        assert_eq!(ids.len(), 500);
    }

    #[test]
    fn what_lies_around_damaged_pages_is_read() {
        let (_folder, path) = filled(500);
        let whole = std::fs::read(&path).unwrap();
        let leaf = |page: usize| whole[page * 4096] == 0x0d;
        let leaves: Vec<usize> = (1..whole.len() / 4096).filter(|page| leaf(*page)).collect();
        assert!(leaves.len() > 40);
        for damaged in [
            vec![0],
            vec![20],
            vec![leaves.len() - 1],
            vec![0, 20, 21, 22],
        ] {
            let mut bytes = whole.clone();
            for page in &damaged {
                bytes[leaves[*page] * 4096..][..8].fill(0xee);
            }
            std::fs::write(&path, bytes).unwrap();
            let (ids, all) = ids(&path);
            assert!(!all);
            // Nine rows a page.
            assert!(
                ids.len() >= 500 - 10 * damaged.len(),
                "{damaged:?}: {}",
                ids.len()
            );
            assert!(ids.is_sorted());
        }
    }

    #[test]
    fn a_table_that_is_gone_yields_nothing() {
        let connection = Connection::open_in_memory().unwrap();
        assert!(!walk(&connection, SQL, |_| Ok(())));
    }
}
