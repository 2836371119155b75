//! From a query to an FTS5 expression, and to what each phrase of it counts.
//!
//! Every match costs time, so words that most documents have must not decide which are looked at: the
//! rarest words drive, and the others only count where those stand.

use std::collections::HashMap;

use super::{collect::Group, dictionary::Dictionary};
use crate::{
    store::error::Fault,
    text::{
        query::{Field, LexicalQuery},
        words::{Analyzer, Form, Language, Want},
    },
};

/// What may be looked at: matches within the scope, times the things that are looked for in each. At
/// ten things that are 20,000 matches, which take about 10 ms.
const BUDGET: f64 = 200_000.0;
/// Most matches that the driving words may have together, unless one word alone has more.
const MAX_MATCHES: f64 = 20_000.0;
/// Things that are looked for at most: those that weigh most. More make no better ranking.
const MAX_GROUPS: usize = 32;
/// How often a word counts that is typed again and again.
const MAX_REPEATS: usize = 4;

/// What to run.
#[derive(Debug, PartialEq)]
pub(super) struct Plan {
    /// The FTS5 expression.
    pub(super) expression: String,
    /// As the collector wants it.
    pub(super) phrases: Vec<Option<(usize, f64)>>,
    pub(super) groups: Vec<Group>,
    /// All that is looked for is in the index.
    pub(super) completable: bool,
}

/// Where and among what to search.
pub(super) struct Frame<'a> {
    /// Languages of the index's texts.
    pub(super) languages: &'a [Language],
    /// Tokens one of which a document must have, for its collection; `None` for all documents.
    pub(super) collections: Option<Vec<String>>,
    /// The share of the index's documents that is searched.
    pub(super) share: f64,
    /// Look at every match, however many.
    pub(super) exhaustive: bool,
}

/// One thing that is looked for.
struct Wanted {
    /// Its forms as FTS5 has them, with what they count.
    forms: Vec<(String, f64)>,
    documents: f64,
    repeats: usize,
    field: Option<Field>,
}

impl Wanted {
    /// How telling it is, in an index of so many documents, times how often the query says it.
    fn weight(&self, rows: f64) -> f64 {
        idf(rows, self.documents) * self.repeats.min(MAX_REPEATS) as f64
    }
}

/// Plans a query. `None` when nothing can be found.
pub(super) fn plan(
    query: &LexicalQuery,
    frame: &Frame<'_>,
    dictionary: &Dictionary<'_>,
) -> Result<Option<Plan>, Fault> {
    let mut analyzer = Analyzer::new();
    let mut wants: Vec<(Want, Option<Field>)> = Vec::new();
    for term in &query.any {
        let found = analyzer.wanted(term, frame.languages);
        wants.extend(found.into_iter().map(|want| (want, term.field)));
    }
    if wants.iter().any(|(want, _)| want.telling) {
        wants.retain(|(want, _)| want.telling);
    }
    let mut completable = true;
    let mut wanted: Vec<Wanted> = Vec::new();
    let mut seen: HashMap<(String, Option<Field>), Option<usize>> = HashMap::new();
    for (want, field) in wants {
        let Some(first) = want.forms.first() else {
            continue;
        };
        let key = (quoted(first), field);
        if let Some(place) = seen.get(&key) {
            if let Some(place) = *place {
                wanted[place].repeats += 1;
            }
            continue;
        }
        let mut forms = Vec::new();
        let mut documents: f64 = 0.0;
        for form in &want.forms {
            let count = dictionary.documents(form)?;
            if count > 0.0 {
                documents = documents.max(count);
                forms.push((quoted(form), form.weight));
            }
        }
        completable &= !forms.is_empty();
        let place = (!forms.is_empty()).then_some(wanted.len());
        if place.is_some() {
            wanted.push(Wanted {
                forms,
                documents,
                repeats: 1,
                field,
            });
        }
        seen.insert(key, place);
    }
    let rows = dictionary.rows();
    if wanted.len() > MAX_GROUPS {
        let mut weights: Vec<f64> = wanted.iter().map(|it| it.weight(rows)).collect();
        weights.sort_unstable_by(|a, b| b.total_cmp(a));
        wanted.retain(|it| it.weight(rows) >= weights[MAX_GROUPS - 1]);
        wanted.truncate(MAX_GROUPS);
        completable = false;
    }
    if wanted.is_empty() || frame.collections.as_ref().is_some_and(Vec::is_empty) {
        return Ok(None);
    }
    let mut excluded = Vec::new();
    for term in &query.none {
        for form in analyzer.excluded(term, frame.languages) {
            excluded.push(within(term.field, &quoted(&form)));
        }
    }
    let drivers = if frame.exhaustive {
        None
    } else {
        let matches = (BUDGET / wanted.len() as f64).min(MAX_MATCHES);
        drivers(&wanted, matches / frame.share.max(f64::MIN_POSITIVE))
    };
    let (expression, phrases) = expression(&wanted, drivers, frame, &excluded);
    let groups = wanted
        .iter()
        .map(|it| Group {
            weight: it.weight(rows),
        })
        .collect();
    Ok(Some(Plan {
        expression,
        phrases,
        groups,
        completable,
    }))
}

/// Inverse document frequency, as BM25 has it, kept above zero.
pub(super) fn idf(rows: f64, documents: f64) -> f64 {
    let documents = documents.min(rows);
    (1.0 + (rows - documents + 0.5) / (documents + 0.5)).ln()
}

/// The rarest things that are wanted, as many as the budget allows; `None` when that is all.
fn drivers(wanted: &[Wanted], budget: f64) -> Option<Vec<usize>> {
    let mut places: Vec<usize> = (0..wanted.len()).collect();
    places.sort_by(|&a, &b| wanted[a].documents.total_cmp(&wanted[b].documents));
    let mut left = budget;
    let mut drivers = Vec::new();
    for place in places {
        left -= wanted[place].documents;
        if left < 0.0 && !drivers.is_empty() {
            return Some(drivers);
        }
        drivers.push(place);
    }
    None
}

/// The expression, and for each phrase in it what it counts.
fn expression(
    wanted: &[Wanted],
    drivers: Option<Vec<usize>>,
    frame: &Frame<'_>,
    excluded: &[String],
) -> (String, Vec<Option<(usize, f64)>>) {
    let clause = |wanted: &Wanted| {
        let forms: Vec<&str> = wanted.forms.iter().map(|(form, _)| form.as_str()).collect();
        within(wanted.field, &any(&forms))
    };
    let meaning = |place: usize| {
        let forms = wanted[place].forms.iter();
        forms.map(move |(_, weight)| Some((place, *weight)))
    };
    let mut phrases = Vec::new();
    let mut all_of = Vec::new();
    let drivers = drivers.unwrap_or_default();
    if !drivers.is_empty() {
        let clauses: Vec<String> = drivers
            .iter()
            .map(|&place| clause(&wanted[place]))
            .collect();
        phrases.extend(drivers.iter().flat_map(|&place| meaning(place)));
        all_of.push(any(&clauses));
    }
    if let Some(collections) = &frame.collections {
        let tokens: Vec<String> = collections.iter().map(|it| format!("\"{it}\"")).collect();
        phrases.extend(std::iter::repeat_n(None, tokens.len()));
        all_of.push(any(&tokens));
    }
    // Those that drive stand here once more, so that they alone suffice; they are counted already.
    for place in 0..wanted.len() {
        let counted = drivers.contains(&place);
        phrases.extend(meaning(place).map(|meaning| meaning.filter(|_| !counted)));
    }
    all_of.push(any(&wanted.iter().map(clause).collect::<Vec<_>>()));
    let mut expression = all_of.join(" AND ");
    if !excluded.is_empty() {
        expression = format!("({expression}) NOT {}", any(excluded));
    }
    (expression, phrases)
}

fn any<T: AsRef<str>>(parts: &[T]) -> String {
    let parts: Vec<&str> = parts.iter().map(AsRef::as_ref).collect();
    match parts.as_slice() {
        [part] => (*part).to_owned(),
        parts => format!("({})", parts.join(" OR ")),
    }
}

fn within(field: Option<Field>, clause: &str) -> String {
    match field {
        None => clause.to_owned(),
        Some(Field::Title) => format!("title : {clause}"),
        Some(Field::Path) => format!("path : {clause}"),
    }
}

/// A form as an FTS5 phrase. Its tokens hold no quote, so nothing in it is syntax.
pub(super) fn quoted(form: &Form) -> String {
    let star = if form.prefix { " *" } else { "" };
    format!("\"{}\"{star}", form.tokens.join(" "))
}
