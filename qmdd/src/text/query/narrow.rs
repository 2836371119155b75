//! Words that narrow a query: `in:`, `tag:`, `after:`, `before:`, `meta:`.

use jiff::Timestamp;

use super::{
    Fault, MAX_NARROW, Narrowing, QueryError,
    error::Source,
    scan::{Item, Narrow, Operator},
};
use crate::{
    domain::{CollectionName, Filter, Test, date},
    text::filter,
};

/// What a query's words have narrowed it to so far.
pub(super) struct Narrowed {
    now: Timestamp,
    words: usize,
    pub(super) scope: Narrowing,
}

impl Narrowed {
    /// Nothing yet; relative dates are counted back from `now`.
    pub(super) fn new(now: Timestamp) -> Self {
        Self {
            now,
            words: 0,
            scope: Narrowing::default(),
        }
    }

    /// Adds a word. Collections that are named are alternatives; all else must hold.
    pub(super) fn add(
        &mut self,
        source: Source<'_>,
        item: &Item<'_>,
        narrow: &Narrow<'_>,
    ) -> Result<(), QueryError> {
        self.words += 1;
        if self.words > MAX_NARROW {
            return Err(source.fault(item.at, Fault::TooManyNarrow(MAX_NARROW)));
        }
        let value_end = narrow.at + narrow.value.len();
        let fault = |fault| source.fault_over(narrow.at, value_end, fault);
        let filter = match narrow.operator {
            Operator::In => {
                let name =
                    CollectionName::new(narrow.value).map_err(|_| fault(Fault::Collection))?;
                if !item.negated {
                    let known = &mut self.scope.collections;
                    if !known.iter().any(|it| it == narrow.value) {
                        known.push(narrow.value.to_owned());
                    }
                    return Ok(());
                }
                Filter::Of(name)
            }
            Operator::Tag => {
                if !narrow.value.contains(char::is_alphanumeric) {
                    return Err(fault(Fault::Tag));
                }
                Filter::tagged(narrow.value)
            }
            Operator::After => Filter::Since(self.beginning(narrow, fault)?),
            Operator::Before => Filter::Since(self.beginning(narrow, fault)?).negated(),
            Operator::Meta => condition(source, narrow)?,
        };
        let filter = if item.negated {
            filter.negated()
        } else {
            filter
        };
        let known = std::mem::replace(&mut self.scope.filter, Filter::open());
        self.scope.filter = known.and(filter);
        Ok(())
    }

    /// The second since 1970 at which begins what a date names.
    fn beginning(
        &self,
        narrow: &Narrow<'_>,
        fault: impl Fn(Fault) -> QueryError,
    ) -> Result<i64, QueryError> {
        date::beginning(narrow.value, self.now).ok_or_else(|| fault(Fault::Date))
    }
}

/// The condition after `meta:`; a key alone must be there.
fn condition(source: Source<'_>, narrow: &Narrow<'_>) -> Result<Filter, QueryError> {
    let is_sign = |c: char| c.is_whitespace() || matches!(c, '=' | '<' | '>' | '!' | '(' | ')');
    if !narrow.value.is_empty() && !narrow.value.contains(is_sign) {
        return Ok(Filter::Key {
            key: narrow.value.to_lowercase(),
            test: Test::Exists,
        });
    }
    filter::parse_words(narrow.value).map_err(|error| {
        let before = error.column.unwrap_or(1) - 1;
        let within = narrow.value.char_indices().nth(before);
        let at = narrow.at + within.map_or(narrow.value.len(), |(at, _)| at);
        source.fault(at, Fault::Filter(error.message))
    })
}
