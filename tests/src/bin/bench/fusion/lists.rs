//! The lists of both modes for every judged query, and for weakened ones.

use std::{fmt, io::Write};

use anyhow::{Context, Result};
use qmd_proto::v1::{SearchMode, SearchRequest, search_service_client::SearchServiceClient};
use qmdctl::eval::judged::Grades;
use tonic::transport::Channel;

use crate::{collection::Collection, quality};

/// How deep lists are: what hybrid search fuses.
const DEPTH: u32 = 100;

/// A ranked list: documents with the mode's own scores.
pub(super) type List = Vec<(String, f64)>;

/// What is fused: each mode as it is, or one of them made weak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pair {
    /// Both as they are.
    Whole,
    /// Search by words looks into titles alone.
    WordsInTitles,
    /// Search by words has the last four words of the query alone.
    FewWords,
    /// Search by meaning has every third word of the query alone, half of it.
    PartsOfMeaning,
}

impl fmt::Display for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Whole => "as they are",
            Self::WordsInTitles => "words in titles only",
            Self::FewWords => "few words",
            Self::PartsOfMeaning => "every third word's meaning",
        })
    }
}

/// A query with its lists.
pub(super) struct Query {
    pub(super) grades: Grades,
    words: List,
    meaning: List,
    words_in_titles: List,
    few_words: List,
    parts_of_meaning: List,
}

impl Query {
    /// By words and by meaning.
    pub(super) fn pair(&self, pair: Pair) -> (&List, &List) {
        match pair {
            Pair::Whole => (&self.words, &self.meaning),
            Pair::WordsInTitles => (&self.words_in_titles, &self.meaning),
            Pair::FewWords => (&self.few_words, &self.meaning),
            Pair::PartsOfMeaning => (&self.words, &self.parts_of_meaning),
        }
    }
}

/// A collection's queries with their lists.
pub(super) struct Lists {
    pub(super) name: String,
    pub(super) queries: Vec<Query>,
}

/// Indexes each collection and asks it.
pub(super) async fn fetch(out: &mut impl Write, collections: &[Collection]) -> Result<Vec<Lists>> {
    let mut all = Vec::new();
    for collection in collections {
        let daemon = quality::index(out, collection)?;
        let channel = daemon.channel().await?;
        let mut queries = Vec::new();
        for (id, text) in collection.judged() {
            let words: Vec<&str> = text
                .split(|c: char| !c.is_alphanumeric())
                .filter(|word| !word.is_empty())
                .collect();
            let titles: Vec<String> = words.iter().map(|word| format!("title:{word}")).collect();
            let few = words[words.len().saturating_sub(4)..].join(" ");
            let third: Vec<&str> = words.iter().copied().step_by(3).collect();
            let grades = collection.judgements(id).context("a judged query")?;
            queries.push(Query {
                grades: grades.clone(),
                words: ask(&channel, text, SearchMode::Lexical).await?,
                meaning: ask(&channel, text, SearchMode::Vector).await?,
                words_in_titles: ask(&channel, &titles.join(" "), SearchMode::Lexical).await?,
                few_words: ask(&channel, &few, SearchMode::Lexical).await?,
                parts_of_meaning: ask(&channel, &third.join(" "), SearchMode::Vector).await?,
            });
        }
        all.push(Lists {
            name: collection.name.clone(),
            queries,
        });
    }
    Ok(all)
}

/// One list.
async fn ask(channel: &Channel, query: &str, mode: SearchMode) -> Result<List> {
    let request = SearchRequest {
        query: query.to_owned(),
        mode: mode.into(),
        limit: DEPTH,
        explain: true,
        ..SearchRequest::default()
    };
    let reply = SearchServiceClient::new(channel.clone())
        .search(request)
        .await?;
    let hits = reply.into_inner().hits.into_iter().map(|hit| {
        let name = hit.path.rsplit('/').next().unwrap_or_default();
        let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
        let part = hit.explain.as_ref().and_then(|it| it.contributions.first());
        let score = part.context("a hit without an explanation")?.raw_score;
        Ok((stem.to_owned(), score))
    });
    hits.collect()
}
