//! How each mode asks.

use qmd_proto::v1::{IndexRef, SearchKind, SearchMode, SearchRequest, TypedSearch};
use qmdctl::eval::report::Mode;

/// Whom searches are about.
pub(in crate::commands) struct Ask {
    /// The index.
    pub(in crate::commands) index: Option<IndexRef>,
    /// The collections; all of those searched by default when empty.
    pub(in crate::commands) collections: Vec<String>,
}

impl Ask {
    /// The request for a query, written as a person writes it.
    pub(in crate::commands) fn plain(&self, mode: Mode, query: &str, limit: u32) -> SearchRequest {
        let models = (mode == Mode::Hybrid).then_some(false);
        SearchRequest {
            index: self.index.clone(),
            query: query.to_owned(),
            mode: search_mode(mode).into(),
            collections: self.collections.clone(),
            limit,
            rerank: models,
            expand: models,
            ..SearchRequest::default()
        }
    }

    /// The request as QMD's bench makes it: hybrid does all but reranking, full reranks for certain. Of a
    /// document of typed lines, a mode takes those of its kind; `None` when there are none.
    pub(in crate::commands) fn as_qmd(
        &self,
        mode: Mode,
        query: &str,
        limit: u32,
    ) -> Option<SearchRequest> {
        let mut request = self.plain(mode, query, limit);
        request.expand = None;
        request.rerank = match mode {
            Mode::Hybrid => Some(false),
            Mode::Full => Some(true),
            Mode::Lexical | Mode::Vector => None,
        };
        let Some((searches, intent)) = typed(query) else {
            return Some(request);
        };
        let fits = |search: &TypedSearch| match mode {
            Mode::Lexical => search.kind() == SearchKind::Lex,
            Mode::Vector => search.kind() != SearchKind::Lex,
            Mode::Hybrid | Mode::Full => true,
        };
        request.searches = searches.into_iter().filter(fits).collect();
        request.query.clear();
        request.intent = intent;
        (!request.searches.is_empty()).then_some(request)
    }
}

fn search_mode(mode: Mode) -> SearchMode {
    match mode {
        Mode::Lexical => SearchMode::Lexical,
        Mode::Vector => SearchMode::Vector,
        Mode::Hybrid | Mode::Full => SearchMode::Hybrid,
    }
}

/// The typed lines of a query document with its intent; `None` for a query that is no such document, or
/// a broken one, of which the daemon will tell.
fn typed(query: &str) -> Option<(Vec<TypedSearch>, String)> {
    let mut searches = Vec::new();
    let mut intent = String::new();
    for line in query.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (prefix, text) = line.split_once(':')?;
        let kind = match prefix.to_ascii_lowercase().as_str() {
            "lex" => SearchKind::Lex,
            "vec" => SearchKind::Vec,
            "hyde" => SearchKind::Hyde,
            "intent" if intent.is_empty() => {
                text.trim().clone_into(&mut intent);
                continue;
            }
            _ => return None,
        };
        searches.push(TypedSearch {
            kind: kind.into(),
            text: text.trim().to_owned(),
        });
    }
    (!searches.is_empty()).then_some((searches, intent))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask() -> Ask {
        Ask {
            index: None,
            collections: vec!["notes".into()],
        }
    }

    #[test]
    fn hybrid_uses_no_other_models_and_full_all_of_them() {
        let of = |mode| ask().plain(mode, "wing heat", 100);
        let hybrid = of(Mode::Hybrid);
        assert_eq!((hybrid.rerank, hybrid.expand), (Some(false), Some(false)));
        let full = of(Mode::Full);
        assert_eq!((full.mode(), full.rerank), (SearchMode::Hybrid, None));
        assert_eq!(of(Mode::Vector).mode(), SearchMode::Vector);
        assert_eq!((full.limit, &*full.collections[0]), (100, "notes"));
    }

    #[test]
    fn typed_lines_go_to_the_mode_of_their_kind() {
        let document = "lex: wing\nVEC: hot wings\n\nintent: flight\nhyde: Wings get hot.";
        let kinds = |mode| {
            let request = ask().as_qmd(mode, document, 10).unwrap();
            assert_eq!((&*request.query, &*request.intent), ("", "flight"));
            let kinds = request.searches.iter().map(TypedSearch::kind);
            kinds.collect::<Vec<_>>()
        };
        assert_eq!(kinds(Mode::Lexical), [SearchKind::Lex]);
        assert_eq!(kinds(Mode::Vector), [SearchKind::Vec, SearchKind::Hyde]);
        assert_eq!(kinds(Mode::Full).len(), 3);
        assert!(ask().as_qmd(Mode::Vector, "lex: wing", 10).is_none());
        let full = ask().as_qmd(Mode::Full, "why: how", 10).unwrap();
        assert_eq!((&*full.query, full.rerank), ("why: how", Some(true)));
        assert_eq!(typed("intent: alone"), None);
    }
}
