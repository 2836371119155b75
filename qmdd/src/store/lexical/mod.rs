//! Full-text search: ranked OR, by BM25 with the nearness of words, over FTS5. The store makes the
//! tokens itself and ranks itself; FTS5 keeps the postings, in the same transactions as the documents.

mod collect;
mod dictionary;
mod entry;
mod feedback;
mod fts5;
mod parts;
mod plan;
mod profile;
mod statistics;

use std::{cell::RefCell, collections::HashMap, rc::Rc, sync::atomic::Ordering::SeqCst};

use rusqlite::Connection;

use self::{
    collect::{Collector, Found},
    dictionary::Dictionary,
    plan::{Frame, plan},
    statistics::Statistics,
};
use super::{Scope, Store, StoreError, error::Fault, id_list, scope::Allowed};
use crate::text::query::LexicalQuery;

pub(super) use self::{
    entry::{Entry, rebuild},
    fts5::register,
    parts::{Merging, count as parts},
    statistics::Newest,
};

/// A document that holds words of a query.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LexicalHit {
    /// Its id.
    pub document: i64,
    /// What its words count, positive; larger is better. One that has all the query asks for has
    /// more than any that has not.
    pub score: f64,
    /// The score as a part of the most that any document could have, in [0, 1].
    pub share: f64,
}

impl Store {
    /// The best `limit` documents of the scope, best first. A query that holds no token finds
    /// nothing. The words that most documents have only count beside rarer ones, unless the search
    /// is `exhaustive`: that looks at every match, and takes its time.
    pub async fn lexical(
        &self,
        query: LexicalQuery,
        scope: Scope,
        limit: usize,
        exhaustive: bool,
    ) -> Result<Vec<LexicalHit>, StoreError> {
        let inner = self.inner.clone();
        self.read(move |transaction| {
            let revision = inner.revision.load(SeqCst);
            let statistics = inner.statistics.get(transaction, revision)?;
            let share = |rows: u64| rows as f64 / statistics.rows().max(1) as f64;
            let (collections, allowed, share) = match Allowed::of(transaction, &scope)? {
                Allowed::All => (None, None, 1.0),
                Allowed::Collections(ids) => {
                    let share = share(statistics.rows_of(&ids));
                    let tokens = ids.into_iter().map(entry::of_collection).collect();
                    (Some(tokens), None, share)
                }
                Allowed::Documents(ids) => {
                    let share = share(ids.len() as u64);
                    (None, Some(ids), share)
                }
            };
            let frame = Frame {
                languages: &entry::languages(transaction)?,
                collections,
                share,
                exhaustive,
            };
            let dictionary = Dictionary::new(transaction, &statistics);
            let Some(plan) = plan(&query, &frame, &dictionary)? else {
                return Ok(Vec::new());
            };
            let single = plan.groups.len() == 1;
            let collector = Collector::new(
                plan.phrases,
                plan.groups,
                plan.completable && !single,
                allowed,
                limit.max(feedback::DEPTH),
            );
            let most = collector.most();
            let mut found = run(transaction, &plan.expression, collector)?;
            if !single {
                second_look(transaction, &mut found, &statistics)?;
            }
            found.truncate(limit);
            let most = most * (1.0 + feedback::SHARE);
            let all = if plan.completable && !single {
                2.0
            } else {
                1.0
            } * most;
            let hit = |found: Found| {
                let score = found.score + if found.complete { most } else { 0.0 };
                LexicalHit {
                    document: found.document,
                    score,
                    share: (score / all).min(1.0),
                }
            };
            Ok(found.into_iter().map(hit).collect())
        })
        .await
    }
}

/// Runs an FTS5 expression through a collector.
fn run(
    connection: &Connection,
    expression: &str,
    collector: Collector,
) -> Result<Vec<Found>, Fault> {
    let collector = fts5::Shared(Rc::new(RefCell::new(collector)));
    let mut statement = connection.prepare_cached(fts5::COLLECT)?;
    statement.exists((expression, collector.clone()))?;
    Ok(collector.0.borrow_mut().take())
}

/// Orders the best documents again, by what the first of them have in common.
fn second_look(
    connection: &Connection,
    found: &mut [Found],
    statistics: &Statistics,
) -> Result<(), Fault> {
    let first = &found[..found.len().min(feedback::DEPTH)];
    let mut statement = connection.prepare_cached(
        "SELECT documents.id, content_id, words FROM json_each(?1) AS wanted
         JOIN documents ON documents.id = wanted.value JOIN profiles USING (content_id)",
    )?;
    let rows = statement.query_map([id_list(first.iter().map(|it| it.document))], |row| {
        Ok((row.get(0)?, (row.get(1)?, row.get(2)?)))
    })?;
    let mut profiles: HashMap<i64, (i64, Vec<u8>)> = rows.collect::<Result<_, _>>()?;
    let profiles: Vec<(i64, Vec<u8>)> = first
        .iter()
        .map(|it| profiles.remove(&it.document).unwrap_or_default())
        .collect();
    feedback::reorder(found, &profiles, statistics);
    Ok(())
}
