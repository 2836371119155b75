//! Indexes of QMD's, as QMD makes them.

use std::{fs, os::unix::fs::PermissionsExt};

use rusqlite::Connection;
use tempfile::TempDir;

use super::*;
use crate::{
    domain::{ContentHash, Failure, Reason},
    store::connection::register_vector_extension,
};

/// The tables of QMD 2.8.3, as far as they are read.
const SCHEMA: &str = "
    CREATE TABLE content (hash TEXT PRIMARY KEY, doc TEXT NOT NULL, created_at TEXT NOT NULL);
    CREATE TABLE documents (
        id INTEGER PRIMARY KEY AUTOINCREMENT, collection TEXT NOT NULL, path TEXT NOT NULL,
        title TEXT NOT NULL, hash TEXT NOT NULL, created_at TEXT NOT NULL,
        modified_at TEXT NOT NULL, active INTEGER NOT NULL DEFAULT 1,
        FOREIGN KEY (hash) REFERENCES content(hash) ON DELETE CASCADE, UNIQUE(collection, path));
    CREATE TABLE content_vectors (
        hash TEXT NOT NULL, seq INTEGER NOT NULL DEFAULT 0, pos INTEGER NOT NULL DEFAULT 0,
        model TEXT NOT NULL, embed_fingerprint TEXT NOT NULL DEFAULT '',
        total_chunks INTEGER NOT NULL DEFAULT 1, embedded_at TEXT NOT NULL,
        PRIMARY KEY (hash, seq));
    CREATE TABLE store_collections (
        name TEXT PRIMARY KEY, path TEXT NOT NULL, pattern TEXT NOT NULL DEFAULT '**/*.md',
        ignore_patterns TEXT, include_by_default INTEGER DEFAULT 1, update_command TEXT,
        context TEXT);
    CREATE VIRTUAL TABLE vectors_vec USING vec0(
        hash_seq TEXT PRIMARY KEY, embedding float[3] distance_metric=cosine);
    PRAGMA journal_mode = WAL;
    PRAGMA user_version = 1;
";

struct Fixture {
    folder: TempDir,
    qmd: Connection,
}

impl Fixture {
    fn new() -> Self {
        register_vector_extension();
        let folder = tempfile::tempdir().unwrap();
        let qmd = Connection::open(folder.path().join("a b%.sqlite")).unwrap();
        qmd.execute_batch(SCHEMA).unwrap();
        Self { folder, qmd }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("a b%.sqlite")
    }

    fn put(&self, collection: &str, path: &str, text: &str) -> ContentHash {
        let hash = ContentHash::of(text);
        self.qmd
            .execute(
                "INSERT OR IGNORE INTO content VALUES (?1, ?2, '')",
                (hash.to_string(), text),
            )
            .unwrap();
        self.qmd
            .execute(
                "INSERT INTO documents (collection, path, title, hash, created_at, modified_at)
                 VALUES (?1, ?2, 'title of ' || ?2, ?3, '', '')",
                (collection, path, hash.to_string()),
            )
            .unwrap();
        hash
    }

    fn embed(&self, hash: ContentHash, seq: i64, pos: i64, total: i64, vector: [f32; 3]) {
        self.qmd
            .execute(
                "INSERT INTO content_vectors VALUES (?1, ?2, ?3, 'm', 'abc', ?4, '')",
                (hash.to_string(), seq, pos, total),
            )
            .unwrap();
        let bytes: Vec<u8> = vector.iter().flat_map(|it| it.to_le_bytes()).collect();
        self.qmd
            .execute(
                "INSERT INTO vectors_vec VALUES (?1, ?2)",
                (format!("{hash}_{seq}"), bytes),
            )
            .unwrap();
    }

    async fn open(&self) -> Result<QmdIndex, QmdError> {
        QmdIndex::open(&self.path(), self.folder.path()).await
    }

    /// What lies in its folder.
    fn files(&self) -> Vec<(String, Vec<u8>)> {
        let mut files: Vec<_> = fs::read_dir(self.folder.path())
            .unwrap()
            .map(|entry| entry.unwrap())
            .map(|it| {
                (
                    it.file_name().into_string().unwrap(),
                    fs::read(it.path()).unwrap(),
                )
            })
            .collect();
        files.sort();
        files
    }
}

fn maker() -> QmdMaker {
    QmdMaker {
        model: "m".into(),
        fingerprint: "abc".into(),
        contents: 2,
    }
}

#[tokio::test]
async fn documents_cuts_and_vectors_are_read_and_no_trace_is_left() {
    let fixture = Fixture::new();
    let (one, two) = (
        fixture.put("b", "z.md", "one"),
        fixture.put("b", "y.md", "two"),
    );
    let same = fixture.put("a", "later.md", "one");
    assert_eq!(one, same);
    fixture
        .qmd
        .execute("UPDATE documents SET active = 0 WHERE path = 'y.md'", [])
        .unwrap();
    fixture
        .qmd
        .execute(
            "INSERT INTO store_collections (name, path) VALUES ('b', '/b')",
            [],
        )
        .unwrap();
    fixture.embed(one, 0, 0, 2, [1.0, 0.0, 2.0]);
    fixture.embed(one, 1, 7, 2, [0.0, 3.0, 0.0]);
    fixture.embed(two, 0, 0, 2, [1.0, 1.0, 1.0]);
    let Fixture { folder, qmd } = fixture;
    qmd.close().unwrap();
    let fixture = Fixture {
        folder,
        qmd: Connection::open_in_memory().unwrap(),
    };
    fs::set_permissions(fixture.path(), fs::Permissions::from_mode(0o400)).unwrap();
    let before = fixture.files();
    assert_eq!(before.len(), 1, "closed in good order");

    let index = fixture.open().await.unwrap();
    let collections = index.collections().await.unwrap();
    let found: Vec<_> = collections
        .iter()
        .map(|it| (it.name.as_str(), it.folder.as_deref(), it.documents))
        .collect();
    assert_eq!(found, [("a", None, 1), ("b", Some(Path::new("/b")), 1)]);
    let documents = index.documents("b", 0, 10).await.unwrap();
    assert_eq!(documents.len(), 1);
    assert_eq!(
        (documents[0].path.as_str(), documents[0].hash),
        ("z.md", one)
    );
    assert!(
        index
            .documents("b", documents[0].id, 10)
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(index.text(one).await.unwrap().as_deref(), Some("one"));
    assert_eq!(index.text(ContentHash::of("three")).await.unwrap(), None);

    assert_eq!(index.makers().await.unwrap(), [maker()]);
    let hashes = vec![two, ContentHash::of("three"), one];
    let cuts = index.cuts(&maker(), hashes).await.unwrap();
    assert!(
        cuts[0].as_ref().is_some_and(|cut| !cut.complete),
        "a chunk is missing"
    );
    assert_eq!(cuts[1], None);
    let whole = QmdCut {
        title: "title of later.md".into(),
        starts: vec![0, 7],
        complete: true,
    };
    assert_eq!(cuts[2], Some(whole));
    let vectors = index.vectors(one, 2).await.unwrap();
    assert_eq!(vectors, [[1.0, 0.0, 2.0], [0.0, 3.0, 0.0]]);
    assert!(index.vectors(two, 2).await.unwrap().is_empty());
    drop(index);
    assert_eq!(fixture.files(), before);
}

#[tokio::test]
async fn one_that_was_not_closed_is_read_as_a_copy() {
    let fixture = Fixture::new();
    let hash = fixture.put("a", "x.md", "in the log");
    let before = fixture.files();
    assert!(
        before
            .iter()
            .any(|(name, bytes)| name.ends_with("-wal") && !bytes.is_empty())
    );
    let index = fixture.open().await.unwrap();
    assert_eq!(
        index.text(hash).await.unwrap().as_deref(),
        Some("in the log")
    );
    // What is written now is of no consequence for the copy.
    fixture.put("a", "y.md", "later");
    assert_eq!(index.collections().await.unwrap()[0].documents, 1);
    drop(index);
    let names = |files: &[(String, Vec<u8>)]| -> Vec<String> {
        files.iter().map(|(name, _)| name.clone()).collect()
    };
    assert_eq!(names(&fixture.files()), names(&before));
}

#[tokio::test]
async fn one_that_is_written_meanwhile_is_not_trusted() {
    let fixture = Fixture::new();
    fixture.put("a", "x.md", "text");
    fixture
        .qmd
        .execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")
        .unwrap();
    let index = fixture.open().await.unwrap();
    assert!(index.collections().await.is_ok());
    fixture.put("a", "y.md", "more");
    let error = index.collections().await.unwrap_err();
    assert_eq!(error.reason(), Reason::Busy);
}

#[tokio::test]
async fn what_is_no_index_of_qmd_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let open = |name: &str| {
        let path = folder.path().join(name);
        let scratch = folder.path().to_owned();
        async move {
            QmdIndex::open(&path, &scratch)
                .await
                .map(|_| ())
                .unwrap_err()
        }
    };
    let write = |name: &str, sql: &str| {
        let connection = Connection::open(folder.path().join(name)).unwrap();
        connection.execute_batch(sql).unwrap();
    };
    fs::write(folder.path().join("text"), "SQLite").unwrap();
    write("other", "CREATE TABLE content (hash, doc)");
    write(
        "views",
        "CREATE TABLE content (hash, doc);
         CREATE VIEW documents AS SELECT 1 id, 2 collection, 3 path, 4 title, 5 hash, 6 active",
    );
    for name in ["none", "text", "other", "views", ""] {
        assert_eq!(open(name).await.reason(), Reason::NotQmdIndex, "{name}");
    }

    let fixture = Fixture::new();
    fixture
        .qmd
        .execute_batch("DROP TABLE content_vectors")
        .unwrap();
    let index = fixture.open().await.unwrap();
    assert!(index.makers().await.unwrap().is_empty(), "an older version");
}

#[tokio::test]
async fn a_damaged_index_is_an_error_and_no_crash() {
    let fixture = Fixture::new();
    for number in 0..200 {
        fixture.put("a", &format!("{number}.md"), &"text ".repeat(200 + number));
    }
    fixture
        .qmd
        .execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")
        .unwrap();
    let good = fs::read(fixture.path()).unwrap();
    for place in (0..64).map(|step| 100 + step * (good.len() - 200) / 64) {
        let mut bad = good.clone();
        bad[place..place + 32].fill(0xff);
        let path = fixture.folder.path().join("bad.sqlite");
        fs::write(&path, bad).unwrap();
        let Ok(index) = QmdIndex::open(&path, fixture.folder.path()).await else {
            continue;
        };
        let _ = (index.collections().await, index.makers().await);
        for document in index.documents("a", 0, 1000).await.unwrap_or_default() {
            if let Ok(Some(text)) = index.text(document.hash).await {
                assert_eq!(ContentHash::of(&text), document.hash);
            }
        }
    }
}
