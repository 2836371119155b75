//! How frequent words are in an index, from a sample of its contents: good enough to tell a frequent
//! word from a telling one, and much faster than to count.

use std::sync::{Arc, Mutex, PoisonError};

use foldhash::HashMap;
use rusqlite::Connection;

use super::profile::decode;

/// Contents that are looked at: all of a small index.
const SAMPLE: u64 = 2_048;
/// From this many contents of the sample on, the sample's share is near enough.
const ENOUGH: u32 = 32;
/// The index is looked at anew when one document in this many is new since, or after as many writes
/// or [`MOST_WRITES`], whichever comes first.
const STALE: u64 = 4;
const MOST_WRITES: u64 = 64;

/// An index as it was a short while ago.
#[derive(Debug, Default)]
pub(super) struct Statistics {
    /// Documents, by `collections.id`.
    documents: HashMap<i64, u64>,
    /// Contents of the sample.
    sampled: u32,
    /// In how many of them each word stands.
    counts: HashMap<u32, u32>,
    /// Sum of the counts of all words in all profiles.
    words: u64,
    /// The newest document.
    newest: i64,
    /// The store's revision.
    revision: u64,
}

/// The newest statistics of an index.
#[derive(Debug, Default)]
pub(in crate::store) struct Newest(Mutex<Option<Arc<Statistics>>>);

impl Newest {
    /// Statistics that are not too old.
    pub(super) fn get(
        &self,
        connection: &Connection,
        revision: u64,
    ) -> rusqlite::Result<Arc<Statistics>> {
        let newest: i64 = connection
            .prepare_cached("SELECT coalesce(max(id), 0) FROM documents")?
            .query_row([], |row| row.get(0))?;
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(statistics) = &*held
            && statistics.is_fresh(newest, revision)
        {
            return Ok(Arc::clone(statistics));
        }
        let mut statistics = Statistics::draw(connection)?;
        statistics.newest = newest;
        statistics.revision = revision;
        let statistics = Arc::new(statistics);
        *held = Some(Arc::clone(&statistics));
        Ok(statistics)
    }
}

impl Statistics {
    fn is_fresh(&self, newest: i64, revision: u64) -> bool {
        let tolerated = self.rows() / STALE;
        newest.abs_diff(self.newest) <= tolerated
            && revision.saturating_sub(self.revision) <= tolerated.min(MOST_WRITES)
    }

    /// Counts documents, and draws a sample evenly over all contents.
    fn draw(connection: &Connection) -> rusqlite::Result<Self> {
        let mut statistics = Self {
            documents: connection
                .prepare_cached(
                    "SELECT collection_id, count(*) FROM documents GROUP BY collection_id",
                )?
                .query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)? as u64)))?
                .collect::<Result<_, _>>()?,
            ..Self::default()
        };
        let (first, last): (i64, i64) = connection.query_row(
            "SELECT coalesce(min(content_id), 1), coalesce(max(content_id), 0) FROM profiles",
            [],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        let span = (last - first + 1).max(0) as u64;
        if span <= SAMPLE {
            let mut all = connection.prepare_cached("SELECT words FROM profiles")?;
            let mut rows = all.query([])?;
            while let Some(row) = rows.next()? {
                statistics.add(row.get_ref(0)?.as_blob()?);
            }
            return Ok(statistics);
        }
        let mut next = connection.prepare_cached(
            "SELECT words FROM profiles WHERE content_id BETWEEN ?1 AND ?2 LIMIT 1",
        )?;
        let start = |number: u64| first + (span * number / SAMPLE) as i64;
        for number in 0..SAMPLE {
            let mut rows = next.query([start(number), start(number + 1) - 1])?;
            if let Some(row) = rows.next()? {
                statistics.add(row.get_ref(0)?.as_blob()?);
            }
        }
        Ok(statistics)
    }

    fn add(&mut self, profile: &[u8]) {
        self.sampled += 1;
        for (word, count) in decode(profile) {
            *self.counts.entry(word).or_default() += 1;
            self.words += u64::from(count);
        }
    }

    /// Documents of the index.
    pub(super) fn rows(&self) -> u64 {
        self.documents.values().sum()
    }

    /// Documents of some collections.
    pub(super) fn rows_of(&self, collections: &[i64]) -> u64 {
        let of_each = collections.iter().filter_map(|id| self.documents.get(id));
        of_each.sum()
    }

    /// The share of the documents that a frequent word stands in.
    pub(super) fn share(&self, word: u32) -> Option<f64> {
        let count = *self.counts.get(&word)?;
        (count >= ENOUGH).then(|| f64::from(count) / f64::from(self.sampled))
    }

    /// The share of the sampled contents that a word stands in.
    pub(super) fn sampled_share(&self, word: u32) -> f64 {
        let count = self.counts.get(&word).copied().unwrap_or_default();
        f64::from(count) / f64::from(self.sampled.max(1))
    }

    /// Contents looked at.
    pub(super) fn sampled(&self) -> f64 {
        f64::from(self.sampled)
    }

    /// Average number of telling words of a content.
    pub(super) fn average_words(&self) -> f64 {
        self.words as f64 / f64::from(self.sampled.max(1))
    }
}
