//! What the index holds of a document.

use rusqlite::{Connection, params};

use super::profile::Counts;
use crate::text::words::{Analyzer, Language};

/// Stands before a collection's id. No text has it as a token.
const COLLECTION: char = '\u{e001}';

/// The tables of full text. A document's tokens are made here and not by FTS5, whose own tokenizer
/// only parts them at spaces. Contentless: the texts are in `contents`.
pub(super) const SCHEMA: &str = "
CREATE VIRTUAL TABLE documents_fts USING fts5 (
    title, path, body,
    forms, -- other forms of the words, and the collection
    content = '', contentless_delete = 1, tokenize = 'ascii'
);
-- In how many documents a token stands.
CREATE VIRTUAL TABLE documents_terms USING fts5vocab (documents_fts, row);

-- What a content is about.
CREATE TABLE profiles (
    content_id INTEGER PRIMARY KEY REFERENCES contents ON DELETE CASCADE,
    words      BLOB NOT NULL
);

-- The languages that texts are in, or have words of.
CREATE TABLE languages (
    code TEXT PRIMARY KEY
) WITHOUT ROWID;
";

/// A document's tokens.
#[derive(Debug)]
pub(in crate::store) struct Entry {
    title: String,
    path: String,
    body: String,
    forms: String,
    profile: Vec<u8>,
    languages: Vec<Language>,
}

impl Entry {
    /// Makes the tokens of a document.
    pub(in crate::store) fn new(
        analyzer: &mut Analyzer,
        title: &str,
        path: &str,
        text: &str,
    ) -> Self {
        let language = Language::of(text);
        let mut counts = Counts::default();
        let body = analyzer.tokens(text, language, |word| counts.add(word));
        let title = analyzer.tokens(title, language, |_| ());
        let path = analyzer.tokens(path, language, |_| ());
        let mut languages = vec![language];
        if language != Language::German && text.contains(['ä', 'ö', 'ü', 'ß', 'Ä', 'Ö', 'Ü'])
        {
            languages.push(Language::German);
        }
        Self {
            forms: [body.forms, title.forms, path.forms].join(" "),
            title: title.words,
            path: path.words,
            body: body.words,
            profile: counts.encode(),
            languages,
        }
    }

    /// Puts it into the index, in the place of what there was of the document.
    pub(in crate::store) fn put(
        &self,
        connection: &Connection,
        document: i64,
        collection: i64,
        content: i64,
    ) -> rusqlite::Result<()> {
        self.put_words(connection, document, collection)?;
        connection
            .prepare_cached("INSERT OR IGNORE INTO profiles (content_id, words) VALUES (?1, ?2)")?
            .execute(params![content, self.profile])?;
        for language in &self.languages {
            connection
                .prepare_cached("INSERT OR IGNORE INTO languages (code) VALUES (?1)")?
                .execute([language.code()])?;
        }
        Ok(())
    }

    /// Whether what the index holds of its content and languages is what it would put.
    pub(in crate::store) fn is_described(
        &self,
        connection: &Connection,
        content: i64,
    ) -> rusqlite::Result<bool> {
        let mut language = connection.prepare_cached("SELECT 1 FROM languages WHERE code = ?1")?;
        for known in &self.languages {
            if !language.exists([known.code()])? {
                return Ok(false);
            }
        }
        connection
            .prepare_cached("SELECT 1 FROM profiles WHERE content_id = ?1 AND words = ?2")?
            .exists(params![content, self.profile])
    }

    /// Its words alone.
    pub(in crate::store) fn put_words(
        &self,
        connection: &Connection,
        document: i64,
        collection: i64,
    ) -> rusqlite::Result<()> {
        connection
            .prepare_cached(
                "INSERT OR REPLACE INTO documents_fts (rowid, title, path, body, forms)
                 VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute(params![
                document,
                self.title,
                self.path,
                self.body,
                format!("{} {}", of_collection(collection), self.forms)
            ])?;
        Ok(())
    }
}

/// The token that every document of a collection has.
pub(super) fn of_collection(collection: i64) -> String {
    format!("{COLLECTION}{collection}")
}

/// The languages of the index's texts; English always, since it stands for any other.
pub(super) fn languages(connection: &Connection) -> rusqlite::Result<Vec<Language>> {
    let mut statement = connection.prepare_cached("SELECT code FROM languages")?;
    let codes = statement.query_map([], |row| row.get::<_, String>(0))?;
    let mut languages = vec![Language::English];
    for code in codes {
        languages.extend(Language::of_code(&code?).filter(|it| *it != Language::English));
    }
    Ok(languages)
}

/// Makes the whole index anew from the stored texts.
pub(in crate::store) fn rebuild(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(
        "DROP TABLE IF EXISTS documents_terms;
         DROP TABLE IF EXISTS documents_fts;
         DROP TABLE IF EXISTS profiles;
         DROP TABLE IF EXISTS languages;",
    )?;
    connection.execute_batch(SCHEMA)?;
    let mut analyzer = Analyzer::new();
    let mut documents = connection.prepare(
        "SELECT documents.id, collection_id, content_id, title, path, body
         FROM documents JOIN contents ON contents.id = content_id ORDER BY documents.id",
    )?;
    let mut rows = documents.query([])?;
    while let Some(row) = rows.next()? {
        let text = |place| -> rusqlite::Result<&str> { Ok(row.get_ref(place)?.as_str()?) };
        Entry::new(&mut analyzer, text(3)?, text(4)?, text(5)?).put(
            connection,
            row.get(0)?,
            row.get(1)?,
            row.get(2)?,
        )?;
    }
    Ok(())
}
