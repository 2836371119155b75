//! The paths that a source names: in `use` trees, in code and in the bodies of macros.

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use crate::source::Source;

/// A path of more than one segment, or one that is imported or called as a macro.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NamedPath {
    /// As written, but for `super` and `self`. A macro's last segment has its `!`.
    pub(crate) segments: Vec<String>,
    /// Line of its last segment, counted from 1.
    pub(crate) line: usize,
}

/// Every path in the source. `super` and `self` are resolved.
pub(crate) fn named_paths(source: &Source) -> Vec<NamedPath> {
    let module = source.module().unwrap_or_default();
    let tokens: TokenStream = match source.text.parse() {
        Ok(tokens) => tokens,
        Err(error) => panic!("{}: {error}", source.path.display()),
    };
    let mut scan = Scan {
        module: module.into_iter().skip(1).collect(),
        found: Vec::new(),
    };
    scan.stream(tokens);
    scan.found
}

struct Scan {
    /// Where we are, from the crate's root.
    module: Vec<String>,
    found: Vec<NamedPath>,
}

impl Scan {
    fn stream(&mut self, stream: TokenStream) {
        let tokens: Vec<TokenTree> = stream.into_iter().collect();
        let mut at = 0;
        while at < tokens.len() {
            match &tokens[at] {
                TokenTree::Ident(word) if word == "mod" => {
                    if let (Some(TokenTree::Ident(name)), Some(TokenTree::Group(body))) =
                        (tokens.get(at + 1), tokens.get(at + 2))
                    {
                        self.module.push(name.to_string());
                        self.stream(body.stream());
                        self.module.pop();
                        at += 3;
                        continue;
                    }
                    at += 1;
                }
                TokenTree::Ident(word) if word == "use" => at = self.tree(&tokens, at + 1, &[]),
                TokenTree::Ident(_) if begins_path(&tokens, at) => at = self.tree(&tokens, at, &[]),
                TokenTree::Group(group) => {
                    self.stream(group.stream());
                    at += 1;
                }
                _ => at += 1,
            }
        }
    }

    /// Reads the path at `at`, with the braces it may end in, and returns where it ends.
    fn tree(&mut self, tokens: &[TokenTree], mut at: usize, prefix: &[String]) -> usize {
        // `use ::foreign`.
        if is_separator(tokens, at) {
            at += 2;
        }
        let mut path = prefix.to_vec();
        let mut line = tokens.get(at).map_or(0, |token| token.span().start().line);
        loop {
            match tokens.get(at) {
                Some(TokenTree::Ident(word)) => {
                    line = word.span().start().line;
                    path.push(word.to_string());
                    at += 1;
                }
                Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
                    let branches: Vec<TokenTree> = group.stream().into_iter().collect();
                    for branch in branches.split(|token| is_punct(Some(token), ',')) {
                        if !branch.is_empty() {
                            self.tree(branch, 0, &path);
                        }
                    }
                    return at + 1;
                }
                // `*`, or generics, which the caller reads.
                _ => break,
            }
            if !is_separator(tokens, at) {
                if is_call(tokens, at)
                    && let Some(last) = path.last_mut()
                {
                    last.push('!');
                }
                break;
            }
            at += 2;
        }
        self.found.push(NamedPath {
            segments: self.resolve(path),
            line,
        });
        at
    }

    fn resolve(&self, path: Vec<String>) -> Vec<String> {
        let is_relative = |word: &String| word == "super" || word == "self";
        if !path.first().is_some_and(is_relative) || path.len() == 1 {
            return path;
        }
        let up = path.iter().take_while(|word| *word == "super").count();
        let own = &self.module[..self.module.len().saturating_sub(up)];
        let rest = path.into_iter().skip_while(is_relative);
        std::iter::once("crate".to_owned())
            .chain(own.iter().cloned())
            .chain(rest)
            .collect()
    }
}

/// Whether a path of more than one segment, or a macro's, begins at `at`.
fn begins_path(tokens: &[TokenTree], at: usize) -> bool {
    let before = at.checked_sub(1).and_then(|before| tokens.get(before));
    let is_member = is_punct(before, '.') || is_punct(before, '\'');
    !is_member && (is_separator(tokens, at + 1) || is_call(tokens, at + 1))
}

/// Whether a macro's `!` stands at `at`.
fn is_call(tokens: &[TokenTree], at: usize) -> bool {
    is_punct(tokens.get(at), '!') && matches!(tokens.get(at + 1), Some(TokenTree::Group(_)))
}

fn is_separator(tokens: &[TokenTree], at: usize) -> bool {
    is_punct(tokens.get(at), ':') && is_punct(tokens.get(at + 1), ':')
}

fn is_punct(token: Option<&TokenTree>, wanted: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> Vec<String> {
        let paths = named_paths(&Source::new(path, text));
        paths
            .into_iter()
            .map(|path| path.segments.join("::"))
            .collect()
    }

    #[test]
    fn use_trees_are_taken_apart() {
        let text = "use std::{env, io::{self, Write as _}};\nuse crate::{a::B, c::*};";
        let paths = found("qmdd/src/rpc/status.rs", text);
        for path in [
            "std::env",
            "std::io::self",
            "std::io::Write",
            "crate::a::B",
            "crate::c",
        ] {
            assert!(
                paths.iter().any(|found| found == path),
                "{path} not in {paths:?}"
            );
        }
    }

    #[test]
    fn code_macros_and_attributes_are_seen() {
        let text = "#[tonic::test] fn f() { let x = vec![std::env::var(\"X\")]; println!(\"{}\", \
                    crate::store::open::<u8>()); a.b::<c::D>(); }";
        let paths = found("qmdd/src/text/mod.rs", text);
        for path in [
            "tonic::test",
            "std::env::var",
            "println!",
            "crate::store::open",
            "c::D",
        ] {
            assert!(
                paths.iter().any(|found| found == path),
                "{path} not in {paths:?}"
            );
        }
    }

    #[test]
    fn relative_paths_are_resolved() {
        let path = "qmdd/src/infer/llama/wire.rs";
        assert!(
            found(path, "use super::super::backend::Call;")
                .contains(&"crate::infer::backend::Call".into())
        );
        assert!(found(path, "use self::x::Y;").contains(&"crate::infer::llama::wire::x::Y".into()));
        let inline = "mod tests { use super::{super::queue, Z}; }";
        let paths = found(path, inline);
        assert!(
            paths.contains(&"crate::infer::llama::queue".into()),
            "{paths:?}"
        );
        assert!(
            paths.contains(&"crate::infer::llama::wire::Z".into()),
            "{paths:?}"
        );
    }

    #[test]
    fn texts_comments_fields_and_methods_are_no_paths() {
        let text = "// std::env\n/// crate::store\nfn f() { x.env.var(); \"std::env::var\"; }";
        let paths = found("qmdd/src/text/mod.rs", text);
        assert!(
            !paths
                .iter()
                .any(|path| path.contains("env") || path.contains("store")),
            "{paths:?}"
        );
    }

    #[test]
    fn the_line_is_that_of_the_last_segment() {
        let paths = named_paths(&Source::new(
            "qmdd/src/text/mod.rs",
            "\n\nuse std::{\n    env,\n};",
        ));
        assert_eq!(paths.first().map(|path| path.line), Some(4));
    }
}
