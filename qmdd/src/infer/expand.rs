//! Query expansion: a generator's typed lines, checked.

use std::time::Duration;

use super::{
    backend::{Backend, Call, Finish, InferError},
    prompts,
};
use crate::domain::Role;

/// How an expansion is searched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ExpansionKind {
    /// By its words.
    Lex,
    /// By its meaning.
    Vec,
    /// By its meaning, as a made-up answer.
    Hyde,
}

/// One expansion of a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expansion {
    /// How to search it.
    pub kind: ExpansionKind,
    /// What to search.
    pub text: String,
}

/// Expands a query within a time limit. Fewer lines than hoped for, even none, are a good answer:
/// nothing is made up in their place.
///
/// # Errors
/// When the generator cannot be had, or gave no whole line in time.
pub async fn expand(
    backend: &dyn Backend,
    query: &str,
    limit: Duration,
    call: Call,
) -> Result<Vec<Expansion>, InferError> {
    let call = call.within(limit);
    let model = backend.described(Role::Generate, &call).await?;
    let prompts::ExpandPrompt { prompt, sampling } = prompts::expand(&model, query);
    let generation = backend.generate(prompt, sampling, None, call).await?;
    let whole = match generation.finish {
        Finish::Stop => generation.text.as_str(),
        // The last line may be cut off in the middle.
        Finish::Length | Finish::Deadline => generation
            .text
            .rsplit_once('\n')
            .map_or("", |(whole, _)| whole),
    };
    let expansions = parse(whole, query);
    if expansions.is_empty() && generation.finish == Finish::Deadline {
        return Err(InferError::Deadline {
            role: Role::Generate,
        });
    }
    Ok(expansions)
}

/// Reads typed lines. Lines of another form, empty ones, repeats, and the query itself are dropped.
pub fn parse(text: &str, query: &str) -> Vec<Expansion> {
    let folded = |text: &str| text.trim().to_lowercase();
    let mut seen = vec![folded(query)];
    let mut expansions = Vec::new();
    for line in text.lines() {
        let Some((kind, rest)) = line.split_once(':') else {
            continue;
        };
        let kind = match kind.trim() {
            "lex" => ExpansionKind::Lex,
            "vec" => ExpansionKind::Vec,
            "hyde" => ExpansionKind::Hyde,
            _ => continue,
        };
        let rest = rest.trim();
        if !rest.contains(char::is_alphanumeric) || seen.contains(&folded(rest)) {
            continue;
        }
        seen.push(folded(rest));
        expansions.push(Expansion {
            kind,
            text: rest.to_owned(),
        });
    }
    expansions
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_whole_new_lines_count() {
        let text = "lex: tyre repair\nnonsense\nvec: how to mend a tyre\nvec:  How to mend a tyre\n\
                    hyde: ...\nlex: flat tire\n";
        let expansion = |kind, text: &str| Expansion {
            kind,
            text: text.to_owned(),
        };
        assert_eq!(
            parse(text, "Flat tire"),
            [
                expansion(ExpansionKind::Lex, "tyre repair"),
                expansion(ExpansionKind::Vec, "how to mend a tyre"),
            ]
        );
    }

    proptest! {
        #[test]
        fn whatever_a_model_writes_parses_to_usable_lines(text: String, query: String) {
            for expansion in parse(&text, &query) {
                prop_assert!(!expansion.text.trim().is_empty());
                prop_assert!(!expansion.text.contains('\n'));
                prop_assert_ne!(expansion.text.to_lowercase(), query.trim().to_lowercase());
            }
        }
    }
}
