//! Searches what the generator makes of the query, beside the query itself.

use std::time::{Duration, Instant};

use super::{
    Context, SearchError,
    fusion::Fused,
    report,
    retrieve::{Asked, Retrieved, retrieve},
};
use crate::{
    domain::{Reason, Stage, StageReport, StageState, Trouble},
    infer::{
        backend::Backend,
        expand::{self, Expansion, ExpansionKind},
        prompts,
    },
    text::query::{LexicalQuery, Search, SearchKind},
};

/// How long the generator may take.
const LIMIT: Duration = Duration::from_secs(10);
/// What a search of the generator's counts beside one of the user's.
const WEIGHT: f64 = 0.5;

/// Whether a query is expanded that does not say so: where the generator was trained for it. Others
/// make rankings worse more often than better (docs/ranking.md).
pub(super) fn by_default(backend: &dyn Backend) -> bool {
    backend
        .info(crate::domain::Role::Generate)
        .is_ok_and(|model| prompts::is_for_expansion(&model))
}

impl Context<'_> {
    /// Adds what the generator's searches find. `None` when none was asked for.
    pub(super) async fn expand(
        &self,
        found: &mut Retrieved,
        fused: &Fused,
    ) -> Result<Option<StageReport>, SearchError> {
        if !self.may_expand() {
            return Ok(None);
        }
        let started = Instant::now();
        let asked_for = self.request.expand == super::Wish::Yes
            || self.request.query.expansion == crate::text::query::Expansion::Asked;
        if !asked_for && self.request.query.intent.is_none() && fused.is_decisive() {
            return Ok(Some(report(Stage::Expand, started, StageState::Skipped)));
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
                        found.extend(more?);
                        StageState::Done
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
