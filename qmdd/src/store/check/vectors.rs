//! Vectors and chunks, by their checksums.

use rusqlite::Connection;

use super::{Checked, Part, Tally};
use crate::{
    domain::ContentHash,
    store::{
        chunks::{self, Fingerprint},
        error::Fault,
        kept,
    },
};

pub(super) fn check(connection: &Connection) -> Result<Checked, Fault> {
    let mut count = 0;
    let mut damaged = Tally::default();
    let mut embedded = connection.prepare(
        "SELECT content_id, fingerprint_id, dimensions, hash, checksum
         FROM embedded
         JOIN fingerprints ON fingerprints.id = fingerprint_id
         JOIN contents ON contents.id = content_id",
    )?;
    let mut rows = embedded.query([])?;
    while let Some(row) = rows.next()? {
        let content: i64 = row.get(0)?;
        let fingerprint = Fingerprint {
            id: row.get(1)?,
            dimensions: row.get::<_, i64>(2)? as usize,
        };
        let chunks = chunks::load(connection, content, fingerprint)?;
        count += chunks.len() as u64;
        let hash = ContentHash(row.get(3)?);
        if !chunks::are_whole(&chunks, &hash, fingerprint, row.get(4)?) {
            damaged.add(|| format!("those of text {content}"));
        }
    }
    let mut damaged_kept = Tally::default();
    let mut all_kept = connection.prepare("SELECT id FROM kept")?;
    let mut rows = all_kept.query([])?;
    while let Some(row) = rows.next()? {
        let id = row.get(0)?;
        match kept::read(connection, id)? {
            Some((_, chunks)) => count += chunks.len() as u64,
            None => damaged_kept.add(|| format!("those of kept text {id}")),
        }
    }
    Ok(Checked {
        part: Part::Vectors,
        count,
        problems: [damaged, damaged_kept]
            .into_iter()
            .filter_map(|tally| tally.problem("damaged"))
            .collect(),
    })
}
