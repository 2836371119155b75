//! Tokens made by the store: stems by language, names whole and by part, pairs of characters.

use rusqlite::Transaction;

use crate::store::lexical;

/// Makes the full text anew. To change how tokens are made, append another step that does the same.
pub(super) fn up(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    lexical::rebuild(transaction)
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::*;
    use crate::store::migrations::v1;

    #[test]
    fn an_older_index_is_made_anew_from_its_texts() {
        let mut connection = Connection::open_in_memory().unwrap();
        let transaction = connection.transaction().unwrap();
        v1::up(&transaction).unwrap();
        transaction
            .execute_batch(
                "INSERT INTO collections (id, name, path) VALUES (7, 'notes', x'2f');
                 INSERT INTO contents VALUES (3, x'00', 9, 'Set fooBar');
                 INSERT INTO documents VALUES (5, 7, 'a/b.md', 'Names', 3, 9, 0, 0);
                 INSERT INTO documents_fts (rowid, title, path, body)
                     VALUES (5, 'Names', 'a/b.md', 'Set fooBar');",
            )
            .unwrap();
        up(&transaction).unwrap();
        for token in ["name", "foobar", "foo", "b", "\u{e001}7"] {
            let found: Option<i64> = transaction
                .query_row(
                    "SELECT max(rowid) FROM documents_fts WHERE documents_fts MATCH ?1",
                    [format!("\"{token}\"")],
                    |row| row.get(0),
                )
                .unwrap();
            assert_eq!(found, Some(5), "{token}");
        }
        transaction.execute("DELETE FROM documents", []).unwrap();
        let left: i64 = transaction
            .query_row("SELECT count(*) FROM documents_fts_docsize", [], |row| {
                row.get(0)
            })
            .unwrap();
        assert_eq!(left, 0);
    }
}
