//! Searches what the generator makes of the query, beside the query itself.

use std::time::{Duration, Instant};

use super::{
    Context, SearchError, Wish,
    fusion::Fused,
    report,
    retrieve::{Asked, Retrieved, retrieve},
};
use crate::{
    domain::{Reason, Stage, StageReport, StageState, Trouble},
    infer::expand::{self, Expansion, ExpansionKind},
    text::query::{LexicalQuery, Search, SearchKind},
};

/// How long the generator may take.
const LIMIT: Duration = Duration::from_secs(10);
/// What a search of the generator's counts beside one of the user's.
const WEIGHT: f64 = 0.5;

impl Context<'_> {
    /// Adds what the generator's searches find. `None` when none was asked for.
    pub(super) async fn expand(
        &self,
        found: &mut Retrieved,
        fused: &Fused,
    ) -> Result<Option<StageReport>, SearchError> {
        let started = Instant::now();
        let suffices = || self.request.query.intent.is_none() && fused.is_decisive();
        match self.expands {
            Wish::No => return Ok(None),
            Wish::Auto if suffices() => {
                return Ok(Some(report(Stage::Expand, started, StageState::Skipped)));
            }
            Wish::Auto | Wish::Yes => {}
        }
        let query = &self.request.query;
        let text = query.searches.first().map_or("", |search| &search.text);
        let call = self.call(LIMIT);
        let limit = self.left().map_or(LIMIT, |left| left.min(LIMIT));
        let expansions = expand::expand(self.backend, text, limit, call);
        let state = match self.before_deadline(expansions).await {
            Some(Ok(expansions)) => {
                let searches: Vec<Search> = expansions.into_iter().filter_map(search).collect();
                let asked: Vec<Asked<'_>> = searches
                    .iter()
                    .map(|search| Asked {
                        search,
                        weight: WEIGHT,
                        expanded: true,
                    })
                    .collect();
                match self.before_deadline(retrieve(self, &asked)).await {
                    Some(more) => {
                        let more = more?;
                        let state = match &more.error {
                            None => StageState::Done,
                            Some(error) if more.lists.is_empty() => {
                                StageState::Missing(Trouble::of(error))
                            }
                            Some(error) => StageState::Partial(Trouble::of(error)),
                        };
                        found.extend(more);
                        state
                    }
                    None => StageState::Missing(late()),
                }
            }
            Some(Err(error)) => StageState::Missing(Trouble::of(&error)),
            None => StageState::Missing(late()),
        };
        Ok(Some(report(Stage::Expand, started, state)))
    }
}

/// An expansion as a search; `None` when it has no words.
fn search(expansion: Expansion) -> Option<Search> {
    let (kind, lexical) = match expansion.kind {
        ExpansionKind::Lex => (
            SearchKind::Lex,
            Some(LexicalQuery::parse(&expansion.text).ok()?),
        ),
        ExpansionKind::Vec => (SearchKind::Vec, None),
        ExpansionKind::Hyde => (SearchKind::Hyde, None),
    };
    Some(Search {
        kind,
        text: expansion.text,
        lexical,
    })
}

fn late() -> Trouble {
    Trouble {
        reason: Reason::BudgetSpent,
        message: "the time was up before the query was expanded".into(),
        hint: Some("allow more time, or turn expansion off".into()),
    }
}
